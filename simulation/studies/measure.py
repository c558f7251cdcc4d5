"""Whole studies in one call, for notebooks and scripts: what the study commands of `society` do.

Keywords with the same name as in `run_scenario` mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import Tier
from agents.language import Language
from agents.problems import member_of
from agents.role import ModelRole
from agents.roster import Roster
from agents.strategy import TrainingMode
from simulation.plan import Plan, Settings, make_plan
from simulation.scenario import ScenarioSource
from simulation.studies.treatments import TREATMENTS, play_treatments
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from simulation.studies.effect import EffectReport
    from simulation.studies.experiment.report import ExperimentReport
    from simulation.studies.fingerprint.report import FingerprintReport
    from simulation.studies.population.report import PopulationReport
    from simulation.studies.tournament.results import TournamentResult


def measure_effect(
    scenario: ScenarioSource | Plan,
    treatments: Sequence[Treatment | str] = TREATMENTS,
    *,
    roster: Roster | str | Path | None = None,
    tier: Tier | str | None = None,
    require: Tier | str | None = None,
    seed: int | None = None,
    episodes: int | None = None,
    endpoints: str | Sequence[str] = (),
    set: Mapping[str, object] | None = None,
    out: str | Path = "runs",
) -> EffectReport:
    """Measure what messages do: play episodes with messages delivered, and again under each treatment.

    Args:
        scenario: As in `run_scenario`.
        treatments: silenced, shuffled, replaced.
        roster: As in `run_scenario`.
        tier: As in `run_scenario`.
        require: As in `run_scenario`.
        seed: As in `run_scenario`.
        episodes: Pairs of each task.
        endpoints: As in `run_scenario`.
        set: As in `run_scenario`.
        out: The folder for the study's folder.

    Raises:
        SocietyError: Episodes cannot be paired, or a run stops.
    """
    from simulation.studies.effect import read_effects

    plan = make_plan(scenario, Settings(tier, require, seed, episodes, endpoints, set or {}), roster)
    return read_effects(
        play_treatments(plan, [member_of(Treatment, each, "treatments") for each in treatments], out=out)
    )


def measure_experiment(
    experiment: str | Path,
    *,
    seeds: int | None = None,
    tier: Tier | str | None = None,
    require: Tier | str | None = None,
    endpoints: str | Sequence[str] = (),
    set: Mapping[str, object] | None = None,
    jobs: int = 1,
    out: str | Path = "runs",
) -> ExperimentReport:
    """Play a scenario under several conditions with the same seeds, and measure what differs.

    Args:
        experiment: An experiment's file or shipped name: rumour, polarisation, herding, remembering.
        seeds: Runs of each arm, in place of the experiment's number.
        tier: As in `run_scenario`.
        require: As in `run_scenario`.
        endpoints: As in `run_scenario`.
        set: As in `run_scenario`, for every arm; an arm's own values win.
        jobs: Runs at a time.
        out: The folder for the study's folder.

    Raises:
        InvalidFileError: Holds every mistake in the experiment, its scenario and its arms.
        SocietyError: A run stopped.
    """
    from simulation.studies.experiment.play import begin_experiment, play_experiment
    from simulation.studies.experiment.report import read_experiment_report

    settings = Settings(tier=tier, require=require, endpoints=endpoints, set=set or {})
    folder = begin_experiment(experiment, settings, seeds=seeds, out=out)
    return read_experiment_report(play_experiment(folder, jobs=jobs))


def measure_fingerprints(
    roster: Roster | str | Path,
    *,
    role: ModelRole | str = ModelRole.NEUTRAL,
    language: Language | str = Language.EN,
    tier: Tier | str | None = None,
    require: Tier | str | None = None,
    seed: int | None = None,
    episodes: int = 20,
    endpoints: str | Sequence[str] = (),
    out: str | Path = "runs",
) -> FingerprintReport:
    """Measure what each model of a roster does in every situation, with intervals.

    Args:
        roster: A `Roster`, a file or a shipped name.
        role: The role that all models play in.
        language: The language of prompts and messages.
        tier: As in `run_scenario`.
        require: As in `run_scenario`.
        seed: As in `run_scenario`.
        episodes: Episodes of each probe, from 2.
        endpoints: As in `run_scenario`.
        out: The folder for the study's folder.

    Raises:
        SocietyError: A run stops.
    """
    from simulation.studies.fingerprint.measure import read_fingerprints, take_fingerprints
    from simulation.studies.fingerprint.probes import Conditions

    settings = Settings(tier, require, seed, episodes, endpoints)
    conditions = Conditions(
        member_of(ModelRole, role, "role"), member_of(Language, language, "language"), settings=settings
    )
    return read_fingerprints(take_fingerprints(_loaded(roster), conditions, out=out))


def measure_population(
    scenario: ScenarioSource | Plan,
    focal: Sequence[str],
    backgrounds: Sequence[str],
    *,
    roster: Roster | str | Path | None = None,
    tier: Tier | str | None = None,
    require: Tier | str | None = None,
    seed: int | None = None,
    episodes: int | None = None,
    endpoints: str | Sequence[str] = (),
    set: Mapping[str, object] | None = None,
    out: str | Path = "runs",
) -> PopulationReport:
    """Measure what focal models earn among background players, as a majority and as a visitor.

    Args:
        scenario: As in `run_scenario`.
        focal: Model ids to be measured.
        backgrounds: Policies, or other model ids, to be met; one population each.
        roster: As in `run_scenario`.
        tier: As in `run_scenario`.
        require: As in `run_scenario`.
        seed: As in `run_scenario`.
        episodes: As in `run_scenario`, from 2.
        endpoints: As in `run_scenario`.
        set: As in `run_scenario`.
        out: The folder for the study's folder.

    Raises:
        SocietyError: The declaration does not fit the scenario, or a run stops.
    """
    from simulation.studies.population.report import play_populations, read_populations
    from simulation.studies.population.tables import Declaration

    plan = make_plan(scenario, Settings(tier, require, seed, episodes, endpoints, set or {}), roster)
    return read_populations(play_populations(plan, Declaration(tuple(focal), tuple(backgrounds)), out=out))


def hold_tournament(
    roster: Roster | str | Path,
    game: str,
    *,
    steps: int = 5,
    parameters: Mapping[str, Any] | None = None,
    tier: Tier | str | None = None,
    require: Tier | str | None = None,
    seed: int | None = None,
    episodes: int = 10,
    endpoints: str | Sequence[str] = (),
    set: Mapping[str, object] | None = None,
    jobs: int = 1,
    out: str | Path = "runs",
) -> TournamentResult:
    """Let every pair of a roster's models play `game`, each for itself.

    Args:
        roster: A `Roster`, a file or a shipped name.
        game: The game's task_type.
        steps: Steps of an episode.
        parameters: The game's own parameters.
        tier: As in `run_scenario`.
        require: As in `run_scenario`.
        seed: As in `run_scenario`.
        episodes: Episodes of each pair, from 2.
        endpoints: As in `run_scenario`.
        set: As in `run_scenario`.
        jobs: Matches at a time.
        out: The folder for the tournament's folder.

    Returns:
        Tables of who earned what against whom.

    Raises:
        SocietyError: Two models cannot play the game, or a match stops.
    """
    from simulation.studies.tournament.matchups import Format
    from simulation.studies.tournament.play import play_tournament
    from simulation.studies.tournament.tournament import Tournament, new_tournament, scenario_of

    loaded, settings = _loaded(roster), Settings(tier, require, seed, None, endpoints, set or {})
    mode = TrainingMode.COMPETITIVE
    scenario = scenario_of(game, mode, loaded.name, settings, steps=steps, parameters=parameters)
    tournament = Tournament(scenario=scenario, roster=loaded, form=Format.PAIRS, episodes=episodes)
    return play_tournament(new_tournament(tournament, out), jobs=jobs)


def _loaded(roster: Roster | str | Path) -> Roster:
    return roster if isinstance(roster, Roster) else Roster.load(roster)
