"""Known answers of crowds in a social network: cascades of scripted sharers, and the votes of Pólya's urn.

Everything goes through the ordinary network task: feeds, acts, OASIS's database and the tables.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import exp, sqrt
from typing import Any

from agents.strategy import TrainingMode
from simulation.studies.verify.verify import Expected, KnownCase, KnownFigure, Play

CASCADE = "Kempe, Kleinberg & Tardos, KDD 2003: the expected size of an independent cascade on a tree"
PERCOLATION = "Callaway, Newman, Strogatz & Watts, PRL 85 (2000): site percolation on a random graph"
URN = "Eggenberger & Pólya, ZAMM 3 (1923): every number of likes is as likely"
Links = tuple[tuple[int, int], ...]
COPIES, EPISODES = 40, 4
"""Trees beside each other in one network, each with a first post of its own; and how often they are played."""


def _network(
    policies: tuple[str, ...], links: Links, steps: int, episodes: int, parameters: dict[str, Any], seed: int = 1
) -> Play:
    return Play(
        "social_network",
        policies,
        steps,
        parameters,
        mode=TrainingMode.COOPERATIVE,
        episodes=episodes,
        links=links,
        seed=seed,
    )


def _sharing(posts: list[dict[str, str]]) -> dict[str, Any]:
    feed = {"kind": "followed", "length": 1}
    return {"platform": "twitter", "actions": ["repost", "do_nothing"], "feed": feed, "posts": posts}


def _cascade(name: str, chance: int, links: Links, steps: int, mean: float, variance: float) -> KnownCase:
    """Return the case of many copies of a tree, in each of which player 0's post is shared by chance (per cent)."""
    size = 1 + len(links)
    whole = tuple((size * copy + one, size * copy + other) for copy in range(COPIES) for one, other in links)
    posts = [{"author": f"p{size * copy}", "text": f"post {copy}"} for copy in range(COPIES)]
    play = _network((f"sharer_{chance}",) * size * COPIES, whole, steps, EPISODES, _sharing(posts))
    within = 4 * sqrt(variance / (COPIES * EPISODES))
    return KnownCase(name, play, (Expected(KnownFigure.CASCADE, (mean,), within),), CASCADE)


def crowd_cases() -> Iterator[KnownCase]:
    """Yield the known answers of cascades, percolation and the urn."""
    yield from _trees()
    yield from _percolation()
    voters, urns = 12, 80
    uniform = (voters + 2) / (12 * voters)
    parameters = {
        "platform": "reddit",
        "actions": ["like_post", "dislike_post"],
        "activity": {"in_turn": 1},
        "posts": [{"author": "p0", "text": "first"}],
    }
    # the author sees nothing to vote on and comes in a turn of its own; the others vote once each
    play = _network(("polya",) * (voters + 1), (), voters + 1, urns, parameters)
    mean = Expected(KnownFigure.LIKES, (0.5,), 4 * sqrt(uniform / urns))
    spread = Expected(KnownFigure.LIKES_VARIANCE, (uniform,), 4 * _variance_error(voters, urns))
    yield KnownCase(f"a crowd that votes like Pólya's urn, {urns} times, by chance", play, (mean, spread), URN)


def _variance_error(voters: int, urns: int) -> float:
    """Return the standard error of the variance of so many shares, each uniform on 0, 1/voters, ..., 1."""
    shares = [place / voters for place in range(voters + 1)]
    second, fourth = (sum((share - 0.5) ** power for share in shares) / len(shares) for power in (2, 4))
    return sqrt((fourth - second**2) / urns)


def _trees() -> Iterator[KnownCase]:
    """Cascades on a line, a star and a binary tree: closed forms for the mean and the variance of their size."""
    p, length, leaves, depth = 0.5, 6, 8, 3
    line = tuple((place, place + 1) for place in range(length - 1))
    sizes = {k: p ** (k - 1) * (1 - p) for k in range(1, length)} | {length: p ** (length - 1)}
    mean = sum(p**k for k in range(length))
    variance = sum(chance * (k - mean) ** 2 for k, chance in sizes.items())
    yield _cascade("a cascade on a line: sum of p^k, by chance", 50, line, length, mean, variance)
    star = tuple((0, leaf) for leaf in range(1, leaves + 1))
    p = 0.3
    mean, variance = 1 + leaves * p, leaves * p * (1 - p)
    yield _cascade("a cascade on a star: 1 + leaves p, by chance", 30, star, 2, mean, variance)
    p, nodes = 0.5, 2 ** (depth + 1) - 1
    tree = tuple(((node - 1) // 2, node) for node in range(1, nodes))
    mean, variance = _branching(p, depth)
    yield _cascade("a cascade on a binary tree: sum of (2p)^k, by chance", 50, tree, depth + 1, mean, variance)


def _branching(p: float, depth: int) -> tuple[float, float]:
    """Return the mean and the variance of the size of a cascade from the root of a binary tree."""
    mean, variance = 1.0, 0.0
    for _ in range(depth):  # a node with two children, each of which is reached with chance p
        variance = 2 * (p * (variance + mean**2) - (p * mean) ** 2)
        mean = 1 + 2 * p * mean
    return mean, variance


def random_links(size: int, degree: float, seed: int) -> Links:
    """Return a random graph of so many users with so many links each in the mean."""
    pairs = [(one, other) for one in range(size) for other in range(one + 1, size)]
    return tuple(sorted(random.Random(seed).sample(pairs, round(size * degree / 2))))


def giant_share(reach: float) -> float:
    """Return the share of users in the giant component per chance to share: S = 1 - exp(-reach S), 0 at or below 1.

    Args:
        reach: Mean degree x the chance to share: how many others one sharer brings to share.
    """
    share = 1.0
    for _ in range(500):
        share = 1 - exp(-reach * share)
    return share if reach > 1 else 0.0


def _percolation() -> Iterator[KnownCase]:
    """Above the threshold of 1 sharer per sharer a post reaches a share of all users; below it stays small."""
    size, degree, episodes = 200, 4.0, 12
    links = random_links(size, degree, seed=5)
    for chance, name in ((50, "above"), (20, "below")):
        reach = degree * chance / 100
        giant = giant_share(reach)
        # the author, drawn anew each time, shares for certain: an outbreak has chance S, and is then p S of all users
        outbreak = size * giant * chance / 100
        mean = giant * outbreak if giant else 1 / (1 - reach)
        spread = outbreak * sqrt(giant * (1 - giant)) if giant else sqrt(reach / (1 - reach) ** 3)
        expected = Expected(KnownFigure.CASCADE, (mean,), 4 * spread / sqrt(episodes))
        play = _network((f"sharer_{chance}",) * size, links, 14, episodes, _sharing([{"text": "anyone's"}]))
        yield KnownCase(
            f"percolation on a random graph, {name} the threshold, by chance", play, (expected,), PERCOLATION
        )
