"""How long a commons lasts, and how much of it is taken.

Sources: Piatti et al., Cooperate or Collapse (GovSim), NeurIPS 2024, for survival and over-usage; Kaplan & Meier,
Journal of the American Statistical Association 53 (1958).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agents.problems import SocietyError
from simulation.games.commons import Commons
from simulation.metrics.comparable import comparable_rows, with_episode_facts, without_people
from simulation.metrics.intervals import UNIT, leave_one_out_interval
from simulation.metrics.registry import LEVEL, Interval, MetricInput, metric
from simulation.task import TrainingTask

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

GOVSIM = "Piatti et al. (GovSim), NeurIPS 2024"


@dataclass(frozen=True)
class Lifetime:
    """Steps a commons lasted; `collapsed` False where the episode's end came first (censored)."""

    steps: int
    collapsed: bool


@dataclass(frozen=True)
class SurvivalPoint:
    """The curve after the collapses at `step`: share alive (0-1) with its interval over episodes."""

    step: int
    at_risk: int
    collapsed: int
    survival: Interval


def lifetimes(run: Run, *, mix_tiers: bool = False) -> tuple[Lifetime, ...]:
    """The lifetime of every finished commons episode.

    A stock that collapses in the last step counts as alive: the episode was over.

    Raises:
        MixedTiersError: Replies came from several tiers.
    """
    tasks = {task["task_id"]: TrainingTask.model_validate(task) for task in run.manifest["scenario"]["tasks"]}
    seed = int(run.manifest["seed"])
    outcomes = comparable_rows(run.outcomes, mix_tiers=mix_tiers)
    rows = run.episodes[run.episodes["episode"].isin(_commons(outcomes)["episode"])]
    ended = zip(rows["task_id"], rows["steps"], rows["episode"], strict=True)
    return tuple(
        Lifetime(int(steps), int(steps) < tasks[str(task_id)].steps(seed, int(episode)))
        for task_id, steps, episode in ended
    )


def harvests(run: Run, *, mix_tiers: bool = False) -> Sequence[float]:
    """The cooperation level (0-1) of every valid harvest in finished commons episodes.

    Raises:
        MixedTiersError: Replies came from several tiers.
    """
    outcomes = _commons(comparable_rows(run.outcomes, mix_tiers=mix_tiers))
    steps = with_episode_facts(run, without_people(run.steps))
    levels = steps[steps["episode"].isin(outcomes["episode"])]["cooperation"].dropna()
    return [float(level) for level in levels]


def _commons(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["task_type"] == Commons.task_type]


def _lifetimes(runs: Sequence[Run], mix_tiers: bool) -> Mapping[str, tuple[Sequence[Lifetime]]]:
    lives = [life for run in runs for life in lifetimes(run, mix_tiers=mix_tiers)]
    return {"": (lives,)} if lives else {}


def _harvests(runs: Sequence[Run], mix_tiers: bool) -> Mapping[str, tuple[Sequence[float]]]:
    levels = [level for run in runs for level in harvests(run, mix_tiers=mix_tiers)]
    return {"": (levels,)} if levels else {}


LIFETIMES = MetricInput(_lifetimes)
"""For metrics of how long commons last."""
HARVESTS = MetricInput(_harvests)
"""For metrics of single harvests, as cooperation levels."""


@metric(GOVSIM, LIFETIMES)
def survival_rate(lives: Sequence[Lifetime]) -> float:
    """Share of commons that lasted to the end of their episode (0-1)."""
    _require(lives)
    return sum(not life.collapsed for life in lives) / len(lives)


@metric(GOVSIM, LIFETIMES)
def survival_time(lives: Sequence[Lifetime]) -> float:
    """Mean steps a commons lasted, within its episode."""
    _require(lives)
    return sum(life.steps for life in lives) / len(lives)


@metric("Kaplan & Meier (1958)", LIFETIMES)
def survival_curve(lives: Sequence[Lifetime]) -> Mapping[str, Interval]:
    """Share of commons alive after each step in which one collapsed (0-1), as Kaplan and Meier estimate it."""
    return {f"after step {point.step}": point.survival for point in kaplan_meier(lives)}


def kaplan_meier(lives: Sequence[Lifetime], *, level: float = LEVEL) -> tuple[SurvivalPoint, ...]:
    """Return the share alive after each step in which some collapsed; an episode that ended counts until its end.

    Args:
        lives: At least one.
        level: Confidence level of the intervals, in (0, 1).

    Raises:
        SocietyError: There is no lifetime.

    Source:
        Kaplan & Meier (1958).
    """
    _require(lives)
    points = []
    for step in sorted({life.steps for life in lives if life.collapsed}):
        at_risk = sum(life.steps >= step for life in lives)
        collapsed = sum(life.collapsed and life.steps == step for life in lives)
        kinds = {life: _survival(_less_one(lives, life), step) for life in set(lives)}
        without = np.array([kinds[life] for life in lives])
        survival = leave_one_out_interval(_survival(lives, step), without, bounds=UNIT, level=level)
        points.append(SurvivalPoint(step, at_risk, collapsed, survival))
    return tuple(points)


def _less_one(lives: Sequence[Lifetime], life: Lifetime) -> Sequence[Lifetime]:
    place = lives.index(life)
    return [*lives[:place], *lives[place + 1 :]]


def _survival(lives: Sequence[Lifetime], step: int) -> float:
    """The share alive after `step`: the product of the shares that survive each step with a collapse."""
    ends = sorted({life.steps for life in lives if life.collapsed and life.steps <= step})
    dead = (sum(life.collapsed and life.steps == end for life in lives) for end in ends)
    return math.prod(1 - lost / sum(life.steps >= end for life in lives) for end, lost in zip(ends, dead, strict=True))


@metric(f"{GOVSIM}: 1 - over-usage", HARVESTS)
def sustainability(levels: Sequence[float]) -> float:
    """Share of valid commons harvests at or below the sustainable share of their step (0-1)."""
    if not levels:
        raise SocietyError("the run has no valid commons harvest")
    return sum(level >= 1.0 for level in levels) / len(levels)  # the game gives a sustainable harvest exactly 1


def _require(lives: Sequence[Lifetime]) -> None:
    if not lives:
        raise SocietyError("the run has no finished commons episode")
