"""Whole studies in one call, for notebooks and scripts: what the commands of the same names do.

Each plays its runs in a new folder in `out` and returns its result, which has `table()` and `plot()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.language import Language
from agents.role import ModelRole
from agents.roster import Roster
from agents.strategy import TrainingMode
from simulation.plan import Plan
from simulation.runs.runner import RunOptions
from simulation.studies.treatments import TREATMENTS, play_treatments
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from simulation.studies.effect import EffectReport
    from simulation.studies.fingerprint.report import FingerprintReport
    from simulation.studies.population.report import PopulationReport
    from simulation.studies.tournament.results import TournamentResult


def measure_effect(
    scenario: str | Path,
    treatments: Sequence[Treatment] = TREATMENTS,
    *,
    options: RunOptions | None = None,
    overrides: Mapping[str, str] | None = None,
    out: str | Path = "runs",
) -> EffectReport:
    """What messages do in a scenario: its episodes with messages delivered, and again under each treatment.

    Args:
        scenario: A file, or a shipped scenario's name.
        treatments: What is done to messages before they are heard.
        options: In place of the scenario's values; `episodes` is the number of pairs.
        overrides: Other values of the scenario, by dotted key.
        out: The folder in which the study's folder is made.

    Raises:
        InvalidFileError: The scenario is wrong.
        SocietyError: The scenario's episodes cannot be paired, or a run stopped.
    """
    from simulation.studies.effect import read_effects

    return read_effects(play_treatments(_plan(scenario, options, overrides), treatments, out=out))


def measure_population(
    scenario: str | Path,
    focal: Sequence[str],
    backgrounds: Sequence[str],
    *,
    options: RunOptions | None = None,
    overrides: Mapping[str, str] | None = None,
    out: str | Path = "runs",
) -> PopulationReport:
    """What focal models earn among background players, as residents and as visitors.

    Args:
        scenario: A file, or a shipped scenario's name.
        focal: The model ids that are measured.
        backgrounds: Policies, or other model ids, that are met; one population each.
        options: In place of the scenario's values; `episodes` is the number of episodes in each population.
        overrides: Other values of the scenario, by dotted key.
        out: The folder in which the study's folder is made.

    Raises:
        InvalidFileError: The scenario is wrong.
        SocietyError: The models do not fit the scenario, or a run stopped.
    """
    from simulation.studies.population.report import play_populations, read_populations
    from simulation.studies.population.tables import Declaration

    declared = Declaration(tuple(focal), tuple(backgrounds))
    return read_populations(play_populations(_plan(scenario, options, overrides), declared, out=out))


def measure_fingerprints(
    roster: str | Path | Roster,
    *,
    options: RunOptions | None = None,
    role: ModelRole = ModelRole.NEUTRAL,
    out: str | Path = "runs",
) -> FingerprintReport:
    """What each model of a roster does in every situation, all in one role.

    Args:
        roster: A roster, a file, or a shipped roster's name.
        options: `episodes` is the number of episodes of each probe, 20 unless given.
        role: The role all models play in.
        out: The folder in which the study's folder is made.

    Raises:
        InvalidFileError: The roster is wrong.
        SocietyError: A run stopped.
    """
    from simulation.studies.fingerprint.measure import read_fingerprints, take_fingerprints
    from simulation.studies.fingerprint.probes import Conditions

    conditions = Conditions(role, Language.EN, options=options or RunOptions(episodes=20))
    return read_fingerprints(take_fingerprints(_roster(roster), conditions, out=out))


def hold_tournament(
    roster: str | Path | Roster,
    game: str,
    *,
    steps: int = 5,
    parameters: Mapping[str, Any] | None = None,
    options: RunOptions | None = None,
    jobs: int = 1,
    out: str | Path = "runs",
) -> TournamentResult:
    """Every pair of a roster's models plays a game, each for itself: who earned what against whom.

    Args:
        roster: A roster, a file, or a shipped roster's name.
        game: The game's name.
        steps: Steps of an episode.
        parameters: The game's parameters.
        options: `episodes` is the number of episodes of each pair, 10 unless given.
        jobs: Matches at a time.
        out: The folder in which the study's folder is made.

    Raises:
        InvalidFileError: The roster is wrong.
        SocietyError: Two models cannot play the game, or a match stopped.
    """
    from simulation.scenario import checked_scenario
    from simulation.studies.tournament.matchups import Format
    from simulation.studies.tournament.play import play_tournament
    from simulation.studies.tournament.tournament import Tournament, new_tournament

    loaded, chosen = _roster(roster), options or RunOptions()
    task = {"task_id": game, "task_type": game, "max_steps": steps, "required_models": 1}
    raw = {
        "name": f"tournament-{game}",
        "mode": TrainingMode.COMPETITIVE.value,
        "roster": loaded.name,
        "tasks": [{**task, "parameters": dict(parameters or {})}],
    }
    scenario = chosen.applied(checked_scenario(raw, "the tournament"))
    tournament = Tournament(scenario=scenario, roster=loaded, form=Format.PAIRS, episodes=chosen.episodes or 10)
    return play_tournament(new_tournament(tournament, out), jobs=jobs)


def _plan(scenario: str | Path, options: RunOptions | None, overrides: Mapping[str, str] | None) -> Plan:
    plan = Plan.load(scenario, overrides or {})
    return Plan((options or RunOptions()).applied(plan.scenario), plan.roster)


def _roster(roster: str | Path | Roster) -> Roster:
    return roster if isinstance(roster, Roster) else Roster.load(roster)
