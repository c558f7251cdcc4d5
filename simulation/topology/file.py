"""Networks from files: networkx's formats, read as the links of a `Links`.

| suffix               | what it holds                                                                       |
|----------------------|-------------------------------------------------------------------------------------|
| .graphml, .gexf      | XML, as networkx, Gephi, igraph and yEd write it                                    |
| .gml, .net           | GML; Pajek                                                                          |
| .json                | `node_link_data` or `adjacency_data` of networkx                                    |
| .edgelist, .txt      | a link a line: `a b`, then anything                                                 |
| .adjlist             | a line for each node: the node, then those it is linked to                          |
| .csv, .tsv           | a link a line: `a,b`, or the columns `source` and `target`; or OASIS's Twitter file |

A node is named by its id, else by its label, else by its number; one way for the whole file. OASIS's Twitter file (the
column `following_agentid_list`) says whom each user follows: the followed is heard by the follower.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.findings import shown
from agents.problems import InvalidFileError, Problem, nearest
from agents.yaml_file import display, read_text
from simulation.topology.graph import FORMATS, Links, numbers_of

if TYPE_CHECKING:
    import networkx as nx

MAX_BYTES = 500_000_000
FOLLOWS = "following_agentid_list"
_SOURCES = ("source", "from", "sender")
_TARGETS = ("target", "to", "receiver")
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class _Link:
    """One link; `line` is 0 where the format has no lines."""

    ends: tuple[str, str]
    line: int = 0


@dataclass(frozen=True)
class _Found:
    """What a file holds; `labels` are of nodes that have one, `directed` is None where the format cannot say."""

    links: Sequence[_Link]
    nodes: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    directed: bool | None = None


class _NotReadError(Exception):
    """A file that is not what its suffix says: the line (0 if not known) and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line, self.why = line, why


def read_network(path: Path, network: Links, players: Sequence[str] | None = None) -> Links:
    """Return `network` with the links in the file at `path`.

    Args:
        path: The file; its suffix names the format.
        network: What the user asks for; `directed` wins over what the file says.
        players: The model ids, if they are known: a node that is none of them is a problem.

    Raises:
        InvalidFileError: The file cannot be read, or names a model that does not exist; holds every mistake.
    """
    name = display(path)
    try:
        found = _READERS[_suffix(path, name)](read_text(path, MAX_BYTES, hint=""))
    except _NotReadError as error:
        raise InvalidFileError([Problem(name, error.line, "", error.why)]) from None
    edges = [link.ends for link in found.links]
    if players is not None:
        edges = _named(found, players, name)
    directed = found.directed if network.directed is None else network.directed
    return network.model_copy(update={"edges": tuple(edges), "directed": bool(directed)})


def _suffix(path: Path, name: str) -> str:
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        known = ", ".join(FORMATS)
        raise InvalidFileError([Problem(name, 0, "", f"the suffix {shown(suffix)} names no format", f"known: {known}")])
    return suffix


# -- names --------------------------------------------------------------------------------------------------


def _named(found: _Found, players: Sequence[str], name: str) -> list[tuple[str, str]]:
    """Return the links by model id. Raises InvalidFileError with the nodes that are no model."""
    nodes = dict.fromkeys([*found.nodes, *(end for link in found.links for end in link.ends)])
    called = {node: node for node in nodes}
    if not set(players) & nodes.keys() and set(players) & set(found.labels.values()):
        called |= found.labels
    number = numbers_of(called.values(), players)
    strangers = {node for node in nodes if called[node] not in number}
    if strangers:
        raise InvalidFileError(_problems(found, called, strangers, players, name))
    return [(players[number[called[a]]], players[number[called[b]]]) for a, b in (link.ends for link in found.links)]


def _problems(
    found: _Found, called: Mapping[str, str], strangers: set[str], players: Sequence[str], name: str
) -> Iterator[Problem]:
    """Yield a problem for each node that is no model, with the first link that names it."""
    first: dict[str, tuple[int, _Link]] = {}
    for place, link in enumerate(found.links, start=1):
        for end in link.ends:
            first.setdefault(end, (place, link))
    hint = _numbering(strangers, players) if len(strangers) == len(called) else ""
    for node in sorted(strangers, key=lambda each: first.get(each, (0,))[0])[:_MOST_PROBLEMS]:
        place, link = first.get(node, (0, _Link(("", ""))))
        where = f"link {place} ({link.ends[0]}, {link.ends[1]})" if place else ""
        message = f"no model is called {shown(called[node])}"
        yield Problem(name, link.line, where, message, hint or nearest(called[node], players))
    if len(strangers) > _MOST_PROBLEMS:
        yield Problem(name, 0, "", f"{len(strangers):,} nodes are no models; the first {_MOST_PROBLEMS} are named")


def _numbering(strangers: set[str], players: Sequence[str]) -> str:
    """Return what to do about numbers that do not fit the players."""
    if not all(node.isascii() and node.isdecimal() for node in strangers):
        return ""
    return f"nodes are model ids, or player numbers from 0 to {len(players) - 1} in the order of the roster"


# -- formats ------------------------------------------------------------------------------------------------


def _edge_list(text: str) -> _Found:
    links = []
    for number, line in _lines(text):
        words = [word for word in re.split(r"[\s,;]+", line, maxsplit=2) if word]
        if len(words) < 2:
            raise _NotReadError(number, f"{shown(line)} is no link: write two nodes on a line")
        links.append(_Link((words[0], words[1]), number))
    return _Found(links)


def _adjacency_list(text: str) -> _Found:
    links, nodes = [], []
    for number, line in _lines(text):
        first, *others = line.split()
        nodes.append(first)
        links += [_Link((first, other), number) for other in others]
    return _Found(links, nodes)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither empty nor comments, with their numbers from 1."""
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.split("#", 1)[0].strip()
        if plain:
            yield number, plain


def _table(text: str) -> _Found:
    """Read pairs with or without a line of names above them."""
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
    rows = ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    first = next(rows, None)
    if first is None:
        return _Found(())
    names = [cell.strip().lower() for cell in first[1]]
    if FOLLOWS in names:
        return _follows(rows, names.index(FOLLOWS))
    source, target = (_place(names, each) for each in (_SOURCES, _TARGETS))
    if source is None or target is None:
        return _Found([_pair(number, row, 0, 1) for number, row in (first, *rows)])
    kind = names.index("type") if "type" in names else None
    links, directed = [], set()
    for number, row in rows:
        links.append(_pair(number, row, source, target))
        directed |= {row[kind].strip().lower()} if kind is not None and kind < len(row) else set()
    return _Found(links, directed={"directed"} == directed if directed else None)


def _delimiter(text: str) -> str:
    line = text.lstrip().split("\n", 1)[0]
    return max(",\t;", key=line.count)


def _place(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _pair(number: int, row: Sequence[str], source: int, target: int) -> _Link:
    if len(row) <= max(source, target) or not row[source].strip() or not row[target].strip():
        raise _NotReadError(number, f"{shown(','.join(row))} is no link: it needs two nodes")
    return _Link((row[source].strip(), row[target].strip()), number)


def _follows(rows: Iterable[tuple[int, Sequence[str]]], column: int) -> _Found:
    """Read OASIS's Twitter users: a list of the numbers of those whom each follows, and so hears."""
    links, nodes = [], []
    for user, (number, row) in enumerate(rows):
        nodes.append(str(user))
        try:
            followed = json.loads(row[column] or "[]") if column < len(row) else []
            links += [_Link((str(int(each)), str(user)), number) for each in followed]
        except (ValueError, TypeError):
            raise _NotReadError(number, f"{shown(row[column])} is no list of user numbers") from None
    return _Found(links, nodes, directed=True)


def _json(text: str) -> _Found:
    import networkx as nx

    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise _NotReadError(error.lineno, f"is not valid JSON: {error.msg}") from None
    if not isinstance(data, dict) or not ({"links", "edges", "adjacency"} & data.keys()):
        raise _NotReadError(0, "is neither node_link_data nor adjacency_data of networkx")
    if "adjacency" in data:
        return _through(lambda _: nx.adjacency_graph(data))(text)
    edges = "edges" if "edges" in data else "links"
    return _through(lambda _: nx.node_link_graph(data, edges=edges))(text)


def _through(read: Callable[[str], nx.Graph[Any]]) -> Callable[[str], _Found]:
    """Return a reader that lets networkx read a text."""

    def reader(text: str) -> _Found:
        import networkx as nx

        try:
            graph = read(text)
        except (nx.NetworkXException, SyntaxError, ValueError, LookupError, TypeError, AttributeError) as error:
            why = (str(error) or type(error).__name__).splitlines()[0]
            raise _NotReadError(_line_of(error), f"cannot be read: {why}") from None
        labels = {str(node): str(data["label"]) for node, data in graph.nodes(data=True) if data.get("label")}
        links = [_Link((str(a), str(b))) for a, b, *_ in graph.edges]
        return _Found(links, [str(node) for node in graph.nodes], labels, bool(graph.is_directed()))

    return reader


def _line_of(error: Exception) -> int:
    position = getattr(error, "position", None)  # of an XML error: line and column
    found = re.search(r"line (\d+)", str(error))
    return int(position[0]) if isinstance(position, tuple) else int(found[1]) if found else 0


def _graphml(text: str) -> nx.Graph[Any]:
    import networkx as nx

    graphs = list(nx.GraphMLReader()(string=text))
    if not graphs:
        raise ValueError("holds no graph")
    graph: nx.Graph[Any] = graphs[0]
    return graph


def _gexf(text: str) -> nx.Graph[Any]:
    import networkx as nx

    graph: nx.Graph[Any] = nx.read_gexf(io.BytesIO(text.encode()))
    return graph


def _gml(text: str) -> nx.Graph[Any]:
    import networkx as nx

    try:
        graph: nx.Graph[Any] = nx.parse_gml(text)  # networkx numbers the nodes anew and writes their names as labels
    except nx.NetworkXError as error:
        if "label" not in str(error):
            raise
        graph = nx.parse_gml(text, label="id")
    return graph


def _pajek(text: str) -> nx.Graph[Any]:
    import networkx as nx

    if "*vertices" not in text.lower():  # networkx skips what it does not know
        raise ValueError("holds no *Vertices")
    graph: nx.Graph[Any] = nx.parse_pajek(text)
    return graph


_READERS: Mapping[str, Callable[[str], _Found]] = {
    ".graphml": _through(_graphml),
    ".gexf": _through(_gexf),
    ".gml": _through(_gml),
    ".net": _through(_pajek),
    ".json": _json,
    ".edgelist": _edge_list,
    ".edges": _edge_list,
    ".txt": _edge_list,
    ".adjlist": _adjacency_list,
    ".csv": _table,
    ".tsv": _table,
}
