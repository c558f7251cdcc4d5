"""Who gets the attention of a network: its core, and how far a claim spreads.

The Gini coefficient of what models received says how unequal it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from simulation.games.measures import gini
from simulation.metrics.opinion_course import links_of
from simulation.metrics.registry import metric

if TYPE_CHECKING:
    import networkx as nx

    from simulation.tables.run import Run


def core_numbers(links: nx.Graph[int]) -> dict[int, int]:
    """Return by model the largest k for which it is in a k-core: a group in which all have at least k links to others
    of it. Directions do not count.

    Source:
        Seidman, Social Networks 5 (1983); Batagelj & Zaveršnik, arXiv cs/0310049.
    """
    import networkx as nx

    plain = nx.Graph(links)
    plain.remove_edges_from(list(nx.selfloop_edges(plain)))
    return dict(nx.core_number(plain))


def claim_spread(texts: Iterable[tuple[int, int, str]], words: Sequence[str]) -> dict[int, int]:
    """Return by step how many different models have used all `words` of a claim in one text up to then.

    Args:
        texts: Step, model and text of everything said, in any order.
        words: The claim's words; case does not count, and a word counts within a longer one.
    """
    wanted = [word.casefold() for word in words]
    found: set[int] = set()
    course: dict[int, int] = {}
    for step, model, text in sorted(texts, key=lambda each: each[0]):
        if all(word in text.casefold() for word in wanted):
            found.add(model)
        course[step] = len(found)
    return course


@metric("Sen, On Economic Inequality (1973), for Gini; Seidman, Social Networks 5 (1983), for cores")
def attention(run: Run) -> Mapping[str, float] | None:
    """Gini (0-1) of impressions and of likes over models, mean of episodes; the largest k-core of the links."""
    rows = run.network
    if rows.empty:
        return None
    episodes = [mine for _, mine in rows.groupby("episode")]
    unequal = {
        f"gini_{name}": sum(gini(mine[name].astype(float).tolist()) for mine in episodes) / len(episodes)
        for name in ("impressions", "likes")
    }
    return {**unequal, "core": float(max(core_numbers(links_of(run)).values(), default=0))}
