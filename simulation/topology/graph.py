"""Who can reach whom at all, before the mode decides who hears whom: a networkx graph over the players."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from agents.file_model import FileModel, Flag, Text
from agents.findings import Finding, KeyPath, shown
from agents.problems import SocietyError, nearest
from agents.roster_rules import composed

if TYPE_CHECKING:
    import networkx as nx


class TopologyKind(str, Enum):
    COMPLETE = "complete"
    RING = "ring"
    STAR = "star"
    SMALL_WORLD = "small_world"
    SCALE_FREE = "scale_free"


SAMPLED = (TopologyKind.SMALL_WORLD, TopologyKind.SCALE_FREE)
"""The kinds that are drawn by the seed."""

FORMATS = (".graphml", ".gexf", ".gml", ".net", ".json", ".edgelist", ".edges", ".txt", ".adjlist", ".csv", ".tsv")
"""Suffixes of the network files that can be read (`simulation.topology.file`)."""

Edges = Sequence[tuple[str, str]]
_ARROW = re.compile(r"\s*(\S+)\s*->\s*(\S+)\s*")


class Links(FileModel):
    """Links between players, listed or read from a file: `{file: club.graphml}`, `{edges: [[a, b]], directed: true}`.

    Each end of a link is a model id. Where no end is one, ends are player numbers from 0, in the order of the roster.
    """

    file: Text | None = None
    """The network's file, relative to the scenario: GraphML, GEXF, GML, Pajek (.net), JSON of networkx, an edge list
    (.edgelist, .txt), an adjacency list (.adjlist), or pairs (.csv, .tsv)."""
    directed: Flag | None = None
    """true: a link [a, b] lets b hear a, and not a hear b. null: as the file says; without direction if it does not."""
    edges: tuple[tuple[str, str], ...] | None = None
    """The links as pairs; those of the file once it is read."""


def plain_topology(value: Any) -> Any:
    """Return a topology as a user writes it in the form of the schema.

    A networkx graph, a file's name and links with arrows (`a -> b`) become mappings for `Links`; numbers in pairs
    become text. Anything else is returned as it is.
    """
    if isinstance(value, PurePath) or is_file_name(value):
        return {"file": str(value)}
    if hasattr(value, "is_directed") and hasattr(value, "edges"):
        return {"edges": [[str(a), str(b)] for a, b, *_ in value.edges], "directed": bool(value.is_directed())}
    if isinstance(value, Mapping):
        return {**value, "edges": _plain_pairs(value["edges"])} if "edges" in value else value
    arrows = [_arrow(each) for each in value] if isinstance(value, (list, tuple)) else []
    if arrows and all(arrows):
        return {"edges": arrows, "directed": True}
    return _plain_pairs(value)


def is_file_name(value: object) -> bool:
    """Tell whether a text names a network file, by its suffix."""
    return isinstance(value, str) and value.lower().endswith(FORMATS)


def _arrow(link: object) -> list[str] | None:
    found = _ARROW.fullmatch(link) if isinstance(link, str) else None
    return list(found.groups()) if found else None


def _plain_pairs(pairs: Any) -> Any:
    if not isinstance(pairs, (list, tuple)):
        return pairs
    return [[_plain_end(end) for end in pair] if isinstance(pair, (list, tuple)) else pair for pair in pairs]


def _plain_end(end: Any) -> Any:
    if isinstance(end, str):
        return composed(end)
    return str(end) if isinstance(end, int) and not isinstance(end, bool) else end


def topology_findings(topology: object) -> Iterable[Finding]:
    """Yield what is wrong in a raw topology, in the form of `plain_topology`, beyond the types of its fields."""
    if isinstance(topology, Mapping) and topology.get("file") is None and topology.get("edges") is None:
        yield Finding((), "has neither a file nor edges", "write {file: links.csv} or {edges: [[a, b]]}")


def edge_findings(topology: object, players: Sequence[str]) -> Iterable[Finding]:
    """Yield the links of a raw topology that name no model, or join a model to itself.

    Args:
        topology: A topology in the form of `plain_topology`.
        players: The model ids.
    """
    inside: KeyPath = ("edges",) if isinstance(topology, Mapping) else ()
    edges = topology.get("edges") if isinstance(topology, Mapping) else topology
    pairs = [
        (index, [end for end in pair[:2] if isinstance(end, str)])
        for index, pair in enumerate(edges if isinstance(edges, (list, tuple)) else ())
        if isinstance(pair, (list, tuple))
    ]
    known = numbers_of((end for _, pair in pairs for end in pair), players)
    for index, ends in pairs:
        for place, end in enumerate(ends):
            if end not in known:
                yield Finding((*inside, index, place), f"no model is called {shown(end)}", nearest(end, players))
        if not inside and len(ends) == 2 and ends[0] == ends[1]:
            yield Finding((index,), f"joins {shown(ends[0])} to itself")


def numbers_of(ends: Iterable[str], players: Sequence[str]) -> Mapping[str, int]:
    """Return the player that each end of a link can name: by model id, or by number where no end is a model id."""
    number = {model_id: player for player, model_id in enumerate(players)}
    asked = set(ends)
    if asked and not asked & number.keys() and all(_is_player(end, len(players)) for end in asked):
        return {end: int(end) for end in asked}
    return number


def _is_player(end: str, players: int) -> bool:
    return end.isascii() and end.isdecimal() and len(end) < 12 and int(end) < players


def build_topology(
    topology: TopologyKind | Links | Edges,
    players: Sequence[str],
    seed: int,
    degree: int = 4,
    rewire: float = 0.1,
) -> nx.Graph[int]:
    """Return a graph over players 0..n-1, in the order of `players`; a directed network gives a `DiGraph`.

    Args:
        topology: A kind, a network with its links, or pairs of model ids. In a star the first player is the hub.
        players: The model ids.
        seed: The seed of random kinds.
        degree: small_world: the mean degree (an odd one counts as one less; one that reaches all others makes the graph
            complete). scale_free: twice the number of links that a new node brings.
        rewire: small_world: the probability that a link is moved, 0-1.

    Raises:
        SocietyError: A link names a model that does not exist.

    Source:
        Watts & Strogatz, Nature 393 (1998); Barabási & Albert, Science 286 (1999).
    """
    import networkx as nx

    n = len(players)
    network = topology if isinstance(topology, Links) else None
    graph: nx.Graph[int] = nx.DiGraph() if network is not None and network.directed else nx.Graph()
    graph.add_nodes_from(range(n))
    if not isinstance(topology, TopologyKind):
        graph.add_edges_from(_numbered(network.edges or () if network else topology, players))  # type: ignore[arg-type]
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


def _numbered(edges: Edges, players: Sequence[str]) -> Iterable[tuple[int, int]]:
    number = numbers_of((end for edge in edges for end in edge), players)
    for stranger in (end for edge in edges for end in edge if end not in number):
        raise SocietyError(f"topology: no model is called {stranger!r} ({nearest(stranger, list(players))})")
    return [(number[a], number[b]) for a, b in edges]


def _random_edges(topology: TopologyKind, n: int, seed: int, degree: int, rewire: float) -> list[tuple[int, int]]:
    import networkx as nx

    if topology is TopologyKind.SMALL_WORLD:
        return list(nx.watts_strogatz_graph(n, degree, rewire, seed=seed).edges)
    return list(nx.barabasi_albert_graph(n, max(1, min(degree // 2, n - 1)), seed=seed).edges)


def neighbours(graph: nx.Graph[int]) -> tuple[tuple[int, ...], ...]:
    """Return those that each player reaches, sorted: its neighbours, or its successors where links have a direction."""
    return tuple(tuple(sorted(graph.neighbors(player))) for player in range(graph.number_of_nodes()))
