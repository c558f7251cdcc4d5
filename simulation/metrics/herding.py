"""How a crowd votes on what stood in a network before its first step, without the votes that it came with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from agents.network import SHAPES, SocialActionName
from simulation.metrics.registry import metric
from simulation.metrics.spread import FIRST

if TYPE_CHECKING:
    from simulation.tables.run import Run

_UP: Mapping[SocialActionName, int] = {
    SocialActionName.LIKE_POST: 1,
    SocialActionName.UNLIKE_POST: -1,
    SocialActionName.LIKE_COMMENT: 1,
    SocialActionName.UNLIKE_COMMENT: -1,
}
_DOWN: Mapping[SocialActionName, int] = {
    SocialActionName.DISLIKE_POST: 1,
    SocialActionName.UNDO_DISLIKE_POST: -1,
    SocialActionName.DISLIKE_COMMENT: 1,
    SocialActionName.UNDO_DISLIKE_COMMENT: -1,
}


def votes_of(run: Run) -> tuple[Counter[tuple[int, int]], Counter[tuple[int, int]]]:
    """Return the likes and the dislikes that models gave, by episode and item; those of a repost count at its post."""
    ups, downs = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    posts = run.posts
    source = {
        (int(episode), int(item)): int(parent if kind == "repost" else item)
        for episode, item, kind, parent in posts[["episode", "item", "kind", "parent"]].itertuples(
            index=False, name=None
        )
    }
    acts = run.acts[run.acts["success"] & run.acts["action"].notna()]
    for episode, action, arguments in acts[["episode", "action", "arguments"]].itertuples(index=False, name=None):
        name = SocialActionName(str(action))
        for counts, by in ((ups, _UP), (downs, _DOWN)):
            if name in by:
                item = int(orjson.loads(arguments)[SHAPES[name].target])
                counts[int(episode), source[int(episode), item]] += by[name]
    return ups, downs


def first_items(run: Run) -> list[tuple[int, int]]:
    """Return what the crowd votes on, by episode and item: the first comments, or without any the first posts."""
    posts = run.posts
    first = posts[(posts["tier"].astype(str) == FIRST) & (posts["step"] == 0)]
    comments = first[first["kind"].astype(str) == "comment"]
    rows = comments if len(comments) else first
    return [(int(episode), int(item)) for episode, item in zip(rows["episode"], rows["item"], strict=True)]


@metric("Muchnik, Aral & Taylor, Science 341 (2013); Yang et al., OASIS (arXiv 2411.11581)")
def crowd_votes(run: Run) -> Mapping[str, float] | None:
    """Votes of models on what stood there first: likes - dislikes an item, votes an item, share of likes (0-1)."""
    items = first_items(run)
    if not items:
        return None
    ups, downs = votes_of(run)
    likes, dislikes = (float(sum(counts[item] for item in items)) for counts in (ups, downs))
    votes = likes + dislikes
    found = {"score": (likes - dislikes) / len(items), "votes": votes / len(items)}
    return {**found, "likes": likes / votes} if votes else found
