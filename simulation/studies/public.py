"""Whole studies in one call, for notebooks and scripts: what `society effect`, `fingerprint` and `tournament` do."""

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
from simulation.studies.effect import TREATMENTS, play_treatments
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from simulation.studies.effect import EffectReport
    from simulation.studies.fingerprint.report import FingerprintReport
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

    `options.episodes` is the number of pairs. Raises SocietyError for a scenario whose episodes have no twins.
    """
    from simulation.studies.effect import read_effects

    plan = Plan.load(scenario, overrides or {})
    plan = Plan((options or RunOptions()).applied(plan.scenario), plan.roster)
    return read_effects(play_treatments(plan, treatments, out=out))


def measure_fingerprints(
    roster: str | Path | Roster,
    *,
    options: RunOptions | None = None,
    role: ModelRole = ModelRole.NEUTRAL,
    out: str | Path = "runs",
) -> FingerprintReport:
    """What each model of a roster does in every situation, all in one `role`, with intervals.

    `options.episodes` is the number of episodes of each probe. Raises SocietyError where a run stops.
    """
    from simulation.studies.fingerprint.measure import read_fingerprints, take_fingerprints
    from simulation.studies.fingerprint.probes import Conditions

    conditions = Conditions(role, Language.EN, options=options or RunOptions(episodes=20))
    return read_fingerprints(take_fingerprints(_loaded(roster), conditions, out=out))


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
    """Every pair of a roster's models plays `game`, each for itself; the tables of who earned what against whom.

    `options.episodes` is the number of episodes of each pair, 10 unless given. Raises SocietyError where two models
    cannot play the game.
    """
    from simulation.scenario import checked_scenario
    from simulation.studies.tournament.matchups import Format
    from simulation.studies.tournament.play import play_tournament
    from simulation.studies.tournament.tournament import Tournament, new_tournament

    loaded, asked = _loaded(roster), options or RunOptions()
    task = {"task_id": game, "task_type": game, "max_steps": steps, "required_models": 1}
    raw = {
        "name": f"tournament-{game}",
        "mode": TrainingMode.COMPETITIVE.value,
        "roster": loaded.name,
        "tasks": [{**task, "parameters": dict(parameters or {})}],
    }
    scenario = asked.applied(checked_scenario(raw, "the tournament"))
    tournament = Tournament(scenario=scenario, roster=loaded, form=Format.PAIRS, episodes=asked.episodes or 10)
    return play_tournament(new_tournament(tournament, out), jobs=jobs)


def _loaded(roster: str | Path | Roster) -> Roster:
    return roster if isinstance(roster, Roster) else Roster.load(roster)
