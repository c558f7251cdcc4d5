"""Cascades: a post and all that was shared, quoted or answered from it, as a tree. Figures of one tree over time.

| figure             | what it is                                                              | source              |
|--------------------|-------------------------------------------------------------------------|---------------------|
| scale              | posts of the tree, its root included                                    | Vosoughi et al.     |
| depth              | the longest way from the root                                           | Vosoughi et al.     |
| max_breadth        | the most posts at one depth                                             | Vosoughi et al.     |
| structural_virality| the mean distance of two posts: 2 (n - 1) / n for a star, (n + 1) / 3 for a chain | Goel et al. |

Source:
    Vosoughi, Roy & Aral, Science 359 (2018); Goel, Anderson, Hofman & Watts, Management Science 62 (2016).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agents.problems import SocietyError


class CascadePost(NamedTuple):
    """A post of a cascade: its id, the post it comes from (None for the root), and when, in any unit."""

    post_id: int
    parent: int | None
    time: float


@dataclass(frozen=True)
class CascadeFigures:
    """One cascade at one time; see the module for each figure."""

    scale: int
    depth: int
    max_breadth: int
    structural_virality: float


def cascade_figures(posts: Iterable[CascadePost]) -> CascadeFigures:
    """Return the figures of one tree; a parent comes before its children.

    Raises:
        SocietyError: There is no root, or more than one, or a post comes before its parent.
    """
    found = tuple(posts)
    depths = _depths(found)
    breadths = Counter(depths.values())
    return CascadeFigures(len(found), max(depths.values()), max(breadths.values()), _virality(found))


def _depths(posts: Sequence[CascadePost]) -> Mapping[int, int]:
    depths: dict[int, int] = {}
    for post in posts:
        if (post.parent is None) != (not depths):
            raise SocietyError(f"post {post.post_id}: a cascade has one root, its first post")
        if post.parent is not None and post.parent not in depths:
            raise SocietyError(f"post {post.post_id} comes before its parent {post.parent}")
        depths[post.post_id] = 0 if post.parent is None else depths[post.parent] + 1
    if not depths:
        raise SocietyError("a cascade has at least one post")
    return depths


def _virality(posts: Sequence[CascadePost]) -> float:
    """Return the mean distance of two posts: a link lies between size * (n - size) of all pairs."""
    n, below = len(posts), Counter({post.post_id: 1 for post in posts})
    if n < 2:
        return math.nan
    between = 0
    for post in reversed(posts):
        if post.parent is not None:
            between += below[post.post_id] * (n - below[post.post_id])
            below[post.parent] += below[post.post_id]
    return 2 * between / (n * (n - 1))


def cascade_course(posts: Iterable[CascadePost], times: Sequence[float]) -> tuple[CascadeFigures, ...]:
    """Return the figures of one tree at each of `times`: of the posts up to then, none before the root's."""
    found = sorted(posts, key=lambda post: (post.time, post.post_id))
    return tuple(cascade_figures([post for post in found if post.time <= time]) for time in times)


def cascades(posts: Iterable[tuple[CascadePost, int]]) -> dict[int, tuple[CascadePost, ...]]:
    """Return the trees in posts given with their roots, by root."""
    trees: dict[int, list[CascadePost]] = {}
    for post, root in posts:
        trees.setdefault(root, []).append(post)
    return {root: tuple(tree) for root, tree in trees.items()}


def normalised_rmse(simulated: Sequence[float], real: Sequence[float]) -> float:
    """Return the root mean square difference of two courses of the same length, over the largest real value.

    Source:
        Yang et al., OASIS (arXiv 2411.11581), information spreading.
    """
    if len(simulated) != len(real) or not len(real):
        raise SocietyError(f"courses of {len(simulated)} and {len(real)} values cannot be compared")
    top = max(real)
    if top <= 0:
        raise SocietyError("the real course never rises above 0")
    difference = np.asarray(simulated, dtype=np.float64) - np.asarray(real, dtype=np.float64)
    return float(np.sqrt(np.mean(difference**2)) / top)
