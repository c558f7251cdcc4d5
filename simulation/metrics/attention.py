"""Who gets the attention of a network: its core, and how far a claim spreads.

`simulation.games.measures.gini` of what models received says how unequal it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx


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
