"""Who can reach whom at all, before the mode decides who hears whom: a networkx graph over the players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from agents.problems import SocietyError, nearest

if TYPE_CHECKING:
    import networkx as nx


class TopologyKind(str, Enum):
    COMPLETE = "complete"
    RING = "ring"
    STAR = "star"
    SMALL_WORLD = "small_world"
    SCALE_FREE = "scale_free"


Edges = Sequence[tuple[str, str]]


def build_topology(
    topology: TopologyKind | Edges, players: Sequence[str], seed: int, degree: int = 4, rewire: float = 0.1
) -> nx.Graph[int]:
    """Return an undirected graph over players 0..n-1, in the order of `players`.

    Args:
        topology: A kind, or pairs of model ids. In a star the first player is the hub.
        players: The model ids.
        seed: The seed of random kinds.
        degree: small_world: the mean degree (an odd one counts as one less; one that reaches all others makes the graph
            complete). scale_free: twice the number of links that a new node brings.
        rewire: small_world: the probability that a link is moved, 0-1.

    Raises:
        SocietyError: A pair names a model that does not exist.

    Source:
        Watts & Strogatz, Nature 393 (1998); Barabási & Albert, Science 286 (1999).
    """
    import networkx as nx

    n = len(players)
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(n))
    if not isinstance(topology, TopologyKind):
        number = {model_id: player for player, model_id in enumerate(players)}
        _refuse_strangers(topology, number)
        graph.add_edges_from((number[a], number[b]) for a, b in topology)
    elif topology is TopologyKind.COMPLETE or (topology is TopologyKind.SMALL_WORLD and degree >= n - 1):
        graph.add_edges_from((a, b) for a in range(n) for b in range(a + 1, n))
    elif topology is TopologyKind.STAR:
        graph.add_edges_from((0, other) for other in range(1, n))
    elif topology is TopologyKind.RING:
        graph.add_edges_from((i, (i + 1) % n) for i in range(n) if n > 1)
    elif n > 1:
        graph.add_edges_from(_random_edges(topology, n, seed, degree, rewire))
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    return graph


def _refuse_strangers(edges: Edges, players: Mapping[str, int]) -> None:
    for stranger in (end for edge in edges for end in edge if end not in players):
        raise SocietyError(f"topology: no model is called {stranger!r} ({nearest(stranger, list(players))})")


def _random_edges(topology: TopologyKind, n: int, seed: int, degree: int, rewire: float) -> list[tuple[int, int]]:
    import networkx as nx

    if topology is TopologyKind.SMALL_WORLD:
        return list(nx.watts_strogatz_graph(n, degree, rewire, seed=seed).edges)
    return list(nx.barabasi_albert_graph(n, max(1, min(degree // 2, n - 1)), seed=seed).edges)


def neighbours(graph: nx.Graph[int]) -> tuple[tuple[int, ...], ...]:
    """Return each player's neighbours, sorted."""
    return tuple(tuple(sorted(graph.neighbors(player))) for player in range(graph.number_of_nodes()))
