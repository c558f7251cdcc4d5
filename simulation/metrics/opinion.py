"""Opinions of a group, as levels from 0 to 1 on a scale: how many camps, how far apart, and who is linked with whom.

| figure        | 0                                     | 1                                                 |
|---------------|---------------------------------------|---------------------------------------------------|
| polarisation  | all have the same opinion             | half of them at each end of the scale             |
| bimodality    | near 0: long tails                    | two points; 5/9 for a uniform distribution        |
| echo          | links do not depend on opinions       | linked models have the same opinion               |
| camps         | the two sides are linked as by chance | no link between them (modularity, at most 1/2)    |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.metrics.arrays import Vector

if TYPE_CHECKING:
    import networkx as nx

MIDDLE = 0.5
GAP = 0.05
"""Camps are further apart than this part of the scale."""


@dataclass(frozen=True)
class OpinionFigures:
    """The opinions of a group at one time.

    Attributes:
        n: How many have one.
        mean: Their mean, 0-1.
        variance: Their variance, 0-1/4.
        polarisation: Variance / the largest possible one, 0-1.
        bimodality: Sarle's coefficient for samples, 0-1; nan for fewer than four, or where all are the same.
        clusters: Camps more than `GAP` apart.
    """

    n: int
    mean: float
    variance: float
    polarisation: float
    bimodality: float
    clusters: int


def opinion_figures(levels: Sequence[float]) -> OpinionFigures:
    """Return the figures of at least one opinion; nan stands for a missing one and is left out."""
    found = _given(levels)
    variance = float(found.var()) if len(found) else math.nan
    mean = float(found.mean()) if len(found) else math.nan
    return OpinionFigures(len(found), mean, variance, 4 * variance, bimodality(found), clusters(found))


def _given(levels: Sequence[float] | Vector) -> Vector:
    found = np.asarray(levels, dtype=np.float64)
    return found[~np.isnan(found)]


def bimodality(levels: Sequence[float] | Vector) -> float:
    """Return Sarle's bimodality coefficient of a sample.

    Returns:
        Above 0 to 1; more than 5/9 (a uniform distribution) speaks for two camps. nan for fewer than four opinions, or
        where all are the same.

    Source:
        SAS/STAT User's Guide, The CLUSTER Procedure; Pfister et al., Frontiers in Psychology 4 (2013).
    """
    found = _given(levels)
    n = len(found)
    if n < 4 or np.ptp(found) == 0:
        return math.nan
    from scipy.stats import kurtosis, skew

    excess = float(kurtosis(found, bias=False))
    return float((float(skew(found, bias=False)) ** 2 + 1) / (excess + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))))


def clusters(levels: Sequence[float] | Vector, gap: float = GAP) -> int:
    """Return the number of camps: sorted opinions are of one camp where the next is at most `gap` away."""
    found = np.sort(_given(levels))
    return 0 if not len(found) else 1 + int((np.diff(found) > gap + 1e-9).sum())


def echo(links: nx.Graph[int], levels: Sequence[float]) -> float:
    """Return how alike the opinions of linked models are: numeric assortativity, -1 to 1.

    Args:
        links: Who reaches whom, by the numbers of the models.
        levels: Their opinions, 0-1; nan without one.

    Returns:
        nan where no two models with opinions are linked, or all linked ones have the same.

    Source:
        Newman, Physical Review E 67 (2003).
    """
    import networkx as nx

    known = links.subgraph([node for node in links if not math.isnan(levels[node])]).copy()
    ends = {levels[node] for edge in known.edges for node in edge}
    if len(ends) < 2:
        return math.nan
    nx.set_node_attributes(known, {node: float(levels[node]) for node in known}, "opinion")
    return float(nx.numeric_assortativity_coefficient(known, "opinion"))


def camps(links: nx.Graph[int], levels: Sequence[float]) -> float:
    """Return the modularity of the two sides of the scale: below the middle, and from it on.

    Returns:
        -1/2 to 1/2 for two sides; nan where nobody is linked, or all are on one side.

    Source:
        Newman & Girvan, Physical Review E 69 (2004).
    """
    from networkx.algorithms.community import modularity

    known = links.subgraph([node for node in links if not math.isnan(levels[node])])
    low = {node for node in known if levels[node] < MIDDLE}
    sides = [side for side in (low, set(known) - low) if side]
    return float(modularity(known, sides)) if len(sides) == 2 and known.number_of_edges() else math.nan
