"""Scripted players of a social network whose crowds have known answers. Pure.

| policy    | what it does when it acts                                                                              |
|-----------|--------------------------------------------------------------------------------------------------------|
| sharer_P  | shares a post that it is shown for the first time with a chance of P per cent, and never looks back    |
| polya     | likes the first post shown with the chance (likes + 1) / (votes + 2), else dislikes it                 |

Sharers are an independent cascade on a tree, and site percolation on any graph: each user decides once. A crowd of
`polya` is Pólya's urn with one ball of each colour: after n voters every number of likes is as likely.

Source:
    Kempe, Kleinberg & Tardos, KDD 2003, independent cascades; Callaway, Newman, Strogatz & Watts, PRL 85 (2000), site
    percolation; Eggenberger & Pólya, ZAMM 3 (1923), the urn.
"""

from __future__ import annotations

import random

from agents.network import NetworkView, SeenPost, SocialActionName, SocialMove, move_of
from agents.players.acting import Say, acting

SHARE_CHANCES = (20, 30, 50)
"""Per cent."""
_NOTHING = move_of(SocialActionName.DO_NOTHING)


def share(chance: float, view: NetworkView, rng: random.Random) -> SocialMove:
    """Share the first post that is new to the user, with a chance (0-1); do nothing without one.

    Where nothing to do is not offered, a user that does not share takes the first action offered.
    """
    may = view.targets.get(SocialActionName.REPOST) or ()
    fresh = [post.post_id for post in view.posts if post.post_id in view.new and post.post_id in may]
    if fresh and rng.random() < chance:
        return move_of(SocialActionName.REPOST, fresh[0])
    return _nothing(view)


def urn_vote(view: NetworkView, rng: random.Random) -> SocialMove:
    """Vote on the first post shown, up with the chance (likes + 1) / (votes + 2)."""
    post = next(iter(view.posts), None)
    if post is None:
        return _nothing(view)
    up = rng.random() < up_chance(post)
    action = SocialActionName.LIKE_POST if up else SocialActionName.DISLIKE_POST
    return move_of(action, post.post_id) if post.post_id in (view.targets.get(action) or ()) else _nothing(view)


def up_chance(post: SeenPost) -> float:
    """Return the chance of a vote up."""
    return (post.likes + 1) / (post.likes + post.dislikes + 2)


def _nothing(view: NetworkView) -> SocialMove:
    if SocialActionName.DO_NOTHING in view.targets:
        return _NOTHING
    action, targets = next(
        (each for each in view.targets.items() if each[1] != ()), (SocialActionName.DO_NOTHING, None)
    )
    return move_of(action, targets[0] if targets else None, "…")


def _register(chance: int) -> None:
    @acting(f"sharer_{chance}")
    def sharer(view: NetworkView, _say: Say, rng: random.Random) -> SocialMove:
        return share(chance / 100, view, rng)


for _chance in SHARE_CHANCES:
    _register(_chance)


@acting("polya")
def polya(view: NetworkView, _say: Say, rng: random.Random) -> SocialMove:
    """Vote as Pólya's urn draws."""
    return urn_vote(view, rng)
