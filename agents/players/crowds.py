"""Scripted players of a social network whose crowds have known answers. Pure.

| policy    | what it does when it acts                                                                              |
|-----------|--------------------------------------------------------------------------------------------------------|
| sharer_P  | shares a post that it is shown for the first time with a chance of P per cent, and never looks back    |
| polya     | likes the first post shown with the chance (likes + 1) / (votes + 2), else dislikes it; where comments |
|           | can be voted on, the first comment of the first post that has one                                      |

Sharers are an independent cascade on a tree, and site percolation on any graph: each user decides once. A crowd of
`polya` is Pólya's urn with one ball of each colour: after n voters every number of likes is as likely.

Source:
    Kempe, Kleinberg & Tardos, KDD 2003, independent cascades; Callaway, Newman, Strogatz & Watts, PRL 85 (2000), site
    percolation; Eggenberger & Pólya, ZAMM 3 (1923), the urn.
"""

from __future__ import annotations

import random

from agents.network import NetworkView, SeenComment, SeenPost, SocialActionName, SocialMove, move_of
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
    """Vote on the first post or comment shown, up with the chance (likes + 1) / (votes + 2)."""
    on_comments = SocialActionName.LIKE_COMMENT in view.targets
    items: list[SeenPost | SeenComment] = list(view.posts)
    if on_comments:
        items = [comment for post in view.posts for comment in post.replies[:1]]
    if not items:
        return _nothing(view)
    shown = items[0]
    up = rng.random() < up_chance(shown.likes, shown.dislikes)
    action = _VOTES[on_comments, up]
    item = shown.comment_id if isinstance(shown, SeenComment) else shown.post_id
    return move_of(action, item) if item in (view.targets.get(action) or ()) else _nothing(view)


_VOTES = {
    (False, True): SocialActionName.LIKE_POST,
    (False, False): SocialActionName.DISLIKE_POST,
    (True, True): SocialActionName.LIKE_COMMENT,
    (True, False): SocialActionName.DISLIKE_COMMENT,
}


def up_chance(likes: int, dislikes: int) -> float:
    """Return the chance of a vote up after so many votes."""
    return (likes + 1) / (likes + dislikes + 2)


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
