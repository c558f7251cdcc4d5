"""Whole numbers in given proportions. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def largest_remainders(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Return how many of `total` each name gets: its share, rounded so that the sum is `total`.

    Of equal remainders the name that comes first is rounded up.

    Args:
        shares: What each name weighs, from 0; in any unit. All get nothing but rounding where all weigh 0.
        total: What is shared out, from 0.

    Source:
        Hamilton's method: Balinski & Young, Fair Representation (1982).
    """
    whole = sum(shares.values()) or 1.0
    exact = {name: total * share / whole for name, share in shares.items()}
    counts = {name: int(number) for name, number in exact.items()}
    by_rest = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_rest[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
