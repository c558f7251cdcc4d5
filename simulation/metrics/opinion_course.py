"""How the opinions of a run's models moved: the figures of `simulation.metrics.opinion`, step by step.

An opinion is an answer in the game `opinion`, as a level from 0 to 1 on its scale. An invalid answer is no opinion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.metrics.comparable import comparable_rows, with_episode_facts
from simulation.metrics.opinion import OpinionFigures, camps, echo, opinion_figures
from simulation.metrics.registry import metric
from simulation.plan import Plan

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from simulation.tables.run import Run

OPINION = "opinion"
"""The game whose answers are opinions."""


@dataclass(frozen=True)
class OpinionStep:
    """The opinions of one step of an episode.

    Attributes:
        task_id: The task.
        episode: The episode's index.
        step: The step's index.
        levels: Every model's opinion, in the roster's order; nan without one.
        figures: The figures of all opinions.
        echo: How alike linked models are, -1 to 1; nan where it is not defined.
        camps: Modularity of the two sides of the scale; nan where it is not defined.
    """

    task_id: str
    episode: int
    step: int
    levels: tuple[float, ...]
    figures: OpinionFigures
    echo: float
    camps: float


def opinion_steps(run: Run) -> Iterator[OpinionStep]:
    """Yield the opinions of every step of a run's finished episodes of the game `opinion`.

    Rows of several tiers are taken together: an opinion is read with those of all others.
    """
    rows = comparable_rows(with_episode_facts(run, run.steps), mix_tiers=True)
    rows = rows[rows["task_type"].astype(str) == OPINION]
    if rows.empty:
        return
    models, links = list(run.agents["model_id"].astype(str)), links_of(run)
    for (episode, step), mine in rows.groupby(["episode", "step"], sort=True):
        yield _step(mine, models, links, int(episode), int(step))


def _step(rows: pd.DataFrame, models: Sequence[str], links: nx.Graph[int], episode: int, step: int) -> OpinionStep:
    given = dict(zip(rows["model_id"].astype(str), rows["cooperation"].astype(float), strict=True))
    levels = tuple(given.get(model, math.nan) for model in models)
    task = str(rows["task_id"].iloc[0])
    return OpinionStep(task, episode, step, levels, opinion_figures(levels), echo(links, levels), camps(links, levels))


def links_of(run: Run) -> nx.Graph[int]:
    """Return who can reach whom in a run, by the numbers of the models. Raises SocietyError where it is not known."""
    plan = Plan.of(run.manifest)
    return plan.scenario.communication.graph(list(run.agents["model_id"].astype(str)), plan.scenario.seed)


@metric("Bramson et al., Journal of Mathematical Sociology 40 (2016); Newman, Physical Review E 67 (2003)")
def opinion_course(run: Run) -> Mapping[str, float] | None:
    """Opinions of the last step, and changes since the first: polarisation, mean (0-1), echo (-1 to 1), clusters."""
    episodes: dict[int, list[OpinionStep]] = {}
    for each in opinion_steps(run):
        episodes.setdefault(each.episode, []).append(each)
    if not episodes:
        return None
    last = {
        "polarisation": _mean(steps[-1].figures.polarisation for steps in episodes.values()),
        "mean": _mean(steps[-1].figures.mean for steps in episodes.values()),
        "clusters": _mean(steps[-1].figures.clusters for steps in episodes.values()),
        "echo": _mean(steps[-1].echo for steps in episodes.values()),
    }
    change = {
        "polarisation_change": _mean(
            steps[-1].figures.polarisation - steps[0].figures.polarisation for steps in episodes.values()
        ),
        "mean_change": _mean(steps[-1].figures.mean - steps[0].figures.mean for steps in episodes.values()),
    }
    found = {**last, **change}
    return {name: value for name, value in found.items() if not math.isnan(value)} or None


def _mean(values: Iterator[float]) -> float:
    """Return the mean of the values that are known; nan without one."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
