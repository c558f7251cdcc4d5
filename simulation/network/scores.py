"""What posts are ranked by. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

EPOCH = 1134028003
"""8 December 2005, where Reddit's hot score begins to count."""


def hot_score(likes: int, dislikes: int, seconds: float) -> float:
    """Return Reddit's hot score, as OASIS computes it.

    Args:
        likes: Likes of the post.
        dislikes: Dislikes of the post.
        seconds: When it was published, in seconds since 1970.

    Source:
        `oasis.social_platform.recsys.calculate_hot_score`; a test compares the two.
    """
    net = likes - dislikes
    sign = 1 if net > 0 else -1 if net < 0 else 0
    return round(sign * math.log(max(abs(net), 1), 10) + (seconds - EPOCH) / 45000, 7)


def bridging_score(likes: Mapping[int, int]) -> float:
    """Return the sum, over groups, of the square root of the likes from each.

    Args:
        likes: Likes by group.
    """
    return sum(math.sqrt(count) for count in likes.values() if count > 0)


def popularity(likes: int, dislikes: int, shares: int, comments: int) -> float:
    """Return how many reactions a post has, dislikes counted against it."""
    return float(likes + shares + comments - dislikes)
