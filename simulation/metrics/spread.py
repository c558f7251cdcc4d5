"""How the first posts of a network spread: those that stood there before the first step.

A cascade is a post with what was shared and quoted from it, and what was shared and quoted from these. Comments are
reactions, and not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from simulation.metrics.cascade import CascadeFigures, CascadePost, cascade_figures, cascades
from simulation.metrics.registry import metric

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

SHARED = ("repost", "quote")
FIRST = "none"
"""The tier of a post that no model's act published."""


def first_cascades(run: Run) -> dict[tuple[int, int], tuple[CascadePost, ...]]:
    """Return the cascade of every post that stood in a network before its first step, by episode and item.

    The time of a post is its step.
    """
    posts = run.posts
    found: dict[tuple[int, int], tuple[CascadePost, ...]] = {}
    for episode in posts["episode"].unique():
        rows = posts[posts["episode"] == episode]
        kinds = rows["kind"].astype(str)
        first = (rows["tier"].astype(str) == FIRST) & (rows["step"] == 0) & (kinds == "post")
        roots = set(rows.loc[first, "item"].astype(int))
        trees = cascades(posts_of(rows[first | kinds.isin(SHARED)]))
        found.update({(int(episode), root): trees[root] for root in sorted(roots)})
    return found


def posts_of(rows: pd.DataFrame) -> list[tuple[CascadePost, int]]:
    """Return rows of the table `posts` of one episode as posts of cascades, each with its root."""
    columns = ("item", "parent", "step", "root")
    return [
        (CascadePost(item, parent or None, float(step)), root)
        for item, parent, step, root in rows[list(columns)].astype(int).itertuples(index=False, name=None)
    ]


@metric("Vosoughi, Roy & Aral, Science 359 (2018); Goel et al., Management Science 62 (2016)")
def spread(run: Run) -> Mapping[str, float] | None:
    """Mean cascade of the posts that were there first: scale and max_breadth in posts, depth in links, virality."""
    trees = first_cascades(run)
    if not trees:
        return None
    figures = [cascade_figures(tree) for tree in trees.values()]
    found = {name: _mean(figures, name) for name in ("scale", "depth", "max_breadth")}
    wide = [each for each in figures if each.scale > 1]
    return {**found, "structural_virality": _mean(wide, "structural_virality")} if wide else found


def _mean(figures: Sequence[CascadeFigures], name: str) -> float:
    return float(sum(getattr(each, name) for each in figures) / len(figures))
