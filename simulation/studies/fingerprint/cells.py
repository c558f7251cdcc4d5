"""The cells of a fingerprint, in the order in which they are shown. A new cell is one entry in this file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from simulation.metrics import behaviour
from simulation.metrics.behaviour import HIGH, LOW
from simulation.metrics.intervals import Statistic, ratio
from simulation.studies.fingerprint.probes import Probe

if TYPE_CHECKING:
    import pandas as pd

    from simulation.metrics.arrays import Matrix

_DILEMMA = (Probe.DILEMMA, Probe.CONDITIONAL)


@dataclass(frozen=True)
class Cell:
    """One figure of a fingerprint.

    Attributes:
        name: Its short name, unique.
        title: What it is.
        group: The heading above it.
        probes: The probes whose runs it is computed from.
        sums: Takes the table of `behaviour.watch` to sums per episode.
        statistic: Takes totals of the sums to the figure.
        share: Whether it is a mean of values in 0-1.
        level: Whether it is a cooperation level in 0-1; pictures show it from red to green.
        reach: The largest possible value; pictures shade cells that are no level by value / reach.
    """

    name: str
    title: str
    group: str
    probes: tuple[Probe, ...]
    sums: Callable[[pd.DataFrame], Matrix]
    statistic: Statistic = ratio
    share: bool = True
    level: bool = False
    reach: float = 1.0


def _reactions() -> tuple[Cell, ...]:
    levels = {"C": 1.0, "D": 0.0}
    return tuple(
        Cell(
            own + other,
            f"P(cooperate | own {own}, partner {other})",
            "prisoner's dilemma",
            _DILEMMA,
            partial(behaviour.reaction, own=levels[own], others=levels[other]),
            level=True,
        )
        for own in levels
        for other in levels
    )


def _gifts() -> tuple[Cell, ...]:
    cuts = {"low": (0.0, LOW), "mid": (LOW, HIGH), "high": (HIGH, math.inf)}
    said = {"low": "under 1/3", "mid": "1/3 to 2/3", "high": "2/3 or more"}
    return tuple(
        Cell(
            f"gift_{name}",
            f"gift, others gave {said[name]}",
            "public goods (gift / largest gift)",
            (Probe.GOODS,),
            partial(behaviour.contribution, above=above, below=below),
            level=True,
        )
        for name, (above, below) in cuts.items()
    )


def _words() -> tuple[Cell, ...]:
    group, talk = "message and decision", (Probe.TALK,)
    return (
        Cell("announces", "messages that name an option", group, talk, behaviour.announces),
        Cell("word_kept", "announced option played", group, talk, behaviour.word_kept),
        Cell(
            "beyond_chance",
            "agreement beyond chance",
            group,
            talk,
            behaviour.word_sums,
            behaviour.beyond_chance,
            share=False,
            reach=0.5,
        ),
    )


CELLS: tuple[Cell, ...] = (
    Cell("opening", "P(cooperate) at first", "prisoner's dilemma", _DILEMMA, behaviour.opening_move, level=True),
    *_reactions(),
    Cell(
        "exploitability",
        "exploitability, points a step",
        "prisoner's dilemma",
        (Probe.EXPLOITED,),
        behaviour.exploitability,
        share=False,
        reach=4.0,
    ),
    Cell("gap_dilemma", "best-response gap", "prisoner's dilemma", (Probe.DILEMMA,), behaviour.best_response_gap),
    Cell(
        "gift_first",
        "gift at first",
        "public goods (gift / largest gift)",
        (Probe.GOODS,),
        behaviour.opening_move,
        level=True,
    ),
    *_gifts(),
    Cell(
        "gift_slope",
        "slope of gift over others' gift",
        "public goods (gift / largest gift)",
        (Probe.GOODS,),
        behaviour.contribution_sums,
        behaviour.slope,
        share=False,
    ),
    Cell(
        "gap_goods",
        "best-response gap",
        "public goods (gift / largest gift)",
        (Probe.GOODS,),
        behaviour.best_response_gap,
    ),
    Cell(
        "after_punished",
        "change of gift after punishment",
        "punishment, dealt at random",
        (Probe.PUNISHMENT,),
        partial(behaviour.punishment_response, punished=True),
        share=False,
    ),
    Cell(
        "after_spared",
        "change of gift after none",
        "punishment, dealt at random",
        (Probe.PUNISHMENT,),
        partial(behaviour.punishment_response, punished=False),
        share=False,
    ),
    Cell(
        "punishment_effect",
        "effect of punishment",
        "punishment, dealt at random",
        (Probe.PUNISHMENT,),
        behaviour.punishment_sums,
        behaviour.difference_of_means,
        share=False,
    ),
    *_words(),
    Cell("unreadable", "parse failures, all probes", "answers", tuple(Probe), behaviour.unreadable),
)
"""Every cell; names are unique."""
