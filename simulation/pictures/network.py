"""Who talked to whom: how many messages each model heard from each other model, by step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.tables.run import Run

Link = tuple[int, int]
MOST_BINS, MOST_LINKS = 60, 4000


@dataclass(frozen=True)
class Node:
    """A model and its place in the picture, both coordinates in -1 to 1."""

    name: str
    team: str
    role: str
    x: float
    y: float


@dataclass(frozen=True)
class Network:
    """Messages heard, by bins of steps.

    Attributes:
        nodes: The models.
        bins: The first and the last step of each bin, from 1.
        links: (sender, hearer) by place in `nodes`, the busiest 4000.
        heard: [bin][link]: messages heard.
        left_out: How many links are not in `links`.
        sent: [bin][node]: how often the model was heard, over all links.
        got: [bin][node]: how many messages the model heard, over all links.
    """

    nodes: list[Node]
    bins: list[tuple[int, int]]
    links: list[Link]
    heard: list[list[int]]
    left_out: int
    sent: list[list[int]]
    got: list[list[int]]


def network_of(run: Run) -> Network:
    """The network of all messages of a run."""
    configs = run.roster.expand()
    place = {config.model_id: number for number, config in enumerate(configs)}
    last = int(run.messages["step"].max()) if len(run.messages) else 0
    width = max(1, math.ceil((last + 1) / MOST_BINS))
    bins = [(first, min(first + width - 1, last)) for first in range(0, last + 1, width)]
    counts = _heard(run, place, width)
    whole: Counter[Link] = Counter()
    sent, got = ([[0] * len(configs) for _ in bins] for _ in range(2))
    for (at, link), times in counts.items():
        whole[link] += times
        sent[at][link[0]] += times
        got[at][link[1]] += times
    links = [link for link, _ in whole.most_common(MOST_LINKS)]
    heard = [[counts[at, link] for link in links] for at in range(len(bins))]
    places = _circle([config.team_id or "" for config in configs])
    nodes = [
        Node(config.model_id, config.team_id or "", config.role.value, *where)
        for config, where in zip(configs, places, strict=True)
    ]
    return Network(
        nodes, [(first + 1, end + 1) for first, end in bins], links, heard, len(whole) - len(links), sent, got
    )


def _heard(run: Run, place: Mapping[str, int], width: int) -> Counter[tuple[int, Link]]:
    """Messages heard, by bin of `width` steps and link. Equal audiences of a bin are counted first, for speed."""
    messages = run.messages
    alike: Counter[tuple[int, int, tuple[str, ...]]] = Counter()
    columns = (messages["step"], messages["sender"].astype(str), messages["audience"])
    for step, sender, audience in zip(*columns, strict=True):
        alike[int(step) // width, place[sender], audience] += 1
    counts: Counter[tuple[int, Link]] = Counter()
    for (at, sender_at, audience), times in alike.items():
        for hearer in audience:
            counts[at, (sender_at, place[hearer])] += times
    return counts


def _circle(teams: list[str]) -> list[tuple[float, float]]:
    """Places on a circle, teams side by side."""
    order = sorted(range(len(teams)), key=lambda number: (teams[number], number))
    angle = {number: 2 * math.pi * rank / len(teams) - math.pi / 2 for rank, number in enumerate(order)}
    return [(round(math.cos(angle[n]), 4), round(math.sin(angle[n]), 4)) for n in range(len(teams))]
