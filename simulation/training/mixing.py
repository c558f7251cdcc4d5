"""The mixed mode of a training: its bandit goes on from update to update, and what each mode taught is noted.

A run keeps what its bandit learned for itself. A training plays a run per update, so each run begins with the
experience of those before it (`mode.mixed.experience`), which the ledger's last line has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.learning.samples import Sample
from agents.strategy import TrainingMode
from simulation.modes import Experience, ModeChoice, after_episode, playable_modes
from simulation.plan import Plan
from simulation.scenario import MixedMode
from simulation.seats import Seat
from simulation.store.events import EpisodeEnded, EpisodeStarted
from simulation.store.log import EventLog, read_events

if TYPE_CHECKING:
    from simulation.tables.run import Run

ModeFacts = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By task and mode: plays, welfare and log_weight, as `mode.mixed.experience` of a scenario has them."""


@dataclass(frozen=True)
class ModeShare:
    """What one mode taught a learner in one update.

    Attributes:
        episodes: How many episodes were played in it.
        value: What the learner's objective earned per step in them, in the game's points.
        weight: The part of the update that its replies made: their absolute advantages over those of all (0-1).
    """

    episodes: int
    value: float
    weight: float


def going_on(plan: Plan, experience: ModeFacts) -> Mapping[str, object]:
    """Return the scenario's settings with which a mixed run begins with `experience`; nothing in another mode."""
    scenario = plan.scenario
    if scenario.mode is not TrainingMode.MIXED or not experience:
        return {}
    mixing = {**scenario.mixing.model_dump(mode="json"), "experience": experience}
    return {"mode_setting": MixedMode.model_validate({"mixed": mixing})}


def experience_after(run: Run) -> ModeFacts:
    """Return what a finished mixed run and those before it taught; nothing of a run in another mode."""
    plan = Plan.of(run.manifest)
    if plan.scenario.mode is not TrainingMode.MIXED:
        return {}
    mixing, found = plan.scenario.mixing, plan.scenario.mixing.begun()
    arms = len(playable_modes([Seat(row.model_id, row.team_id) for row in run.roster.expand()]))
    for started, ended in _episodes(run):
        choice = ModeChoice(TrainingMode(started.mode), started.mode_reason, started.mode_probability)
        before = found.get(started.task_id, Experience())
        found[started.task_id] = after_episode(before, choice, ended.welfare, ended.optimum, arms, mixing.gamma)
    return {task: _facts(each) for task, each in found.items()}


def _facts(experience: Experience) -> dict[str, dict[str, float]]:
    return {
        mode.value: {
            "plays": plays,
            "welfare": experience.welfare.get(mode, 0.0),
            "log_weight": experience.log_weights.get(mode, 0.0),
        }
        for mode, plays in experience.plays.items()
    }


def _episodes(run: Run) -> Iterator[tuple[EpisodeStarted, EpisodeEnded]]:
    """Yield the start and the end of every finished episode, in the order of their ends."""
    begun: dict[int, EpisodeStarted] = {}
    for event in read_events(run.path / EventLog.NAME):
        if isinstance(event, EpisodeStarted):
            begun[event.episode] = event
        elif isinstance(event, EpisodeEnded):
            yield begun[event.episode], event


def shares_by_mode(
    modes: Mapping[int, str],
    learned: Sequence[tuple[int, Sample]],
    values: Mapping[tuple[int, str], float],
) -> dict[str, dict[str, ModeShare]]:
    """Return by learner and mode what each mode of an update taught.

    Args:
        modes: The mode of each episode.
        learned: The samples of the update, each with its episode.
        values: By episode and learner, what its objective earned per step.
    """
    weights: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for episode, sample in learned:
        weights[sample.prompt.learner][modes[episode]] += sum(map(abs, sample.values or (sample.weight,)))
    earned: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (episode, learner), value in values.items():
        earned[learner][modes[episode]].append(value)
    return {
        learner: {
            mode: ModeShare(len(mine), sum(mine) / len(mine), _part(weights[learner], mode))
            for mode, mine in by_mode.items()
        }
        for learner, by_mode in earned.items()
    }


def _part(weights: Mapping[str, float], mode: str) -> float:
    total = sum(weights.values())
    return weights.get(mode, 0.0) / total if total else 0.0
