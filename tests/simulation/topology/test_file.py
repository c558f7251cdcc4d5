"""Networks from files: every format of networkx, direction, names, and what is wrong with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import InvalidFileError
from simulation.topology.communication import Communication
from simulation.topology.file import read_network
from simulation.topology.graph import FORMATS, Links, neighbours

PLAYERS = [f"n{i}" for i in range(6)]
PAIRS = [("n0", "n1"), ("n1", "n2"), ("n2", "n0"), ("n3", "n5")]
Graph = nx.Graph


def write_csv(graph: Graph, path: Path) -> None:
    comma = "\t" if path.suffix == ".tsv" else ","
    path.write_text("".join(f"{a}{comma}{b}\n" for a, b in graph.edges))


def write_json(graph: Graph, path: Path) -> None:
    path.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))


WRITERS: dict[str, Callable[[Graph, Path], None]] = {
    ".graphml": nx.write_graphml,
    ".gexf": nx.write_gexf,
    ".gml": nx.write_gml,
    ".net": nx.write_pajek,
    ".json": write_json,
    ".edgelist": nx.write_edgelist,
    ".edges": lambda graph, path: nx.write_edgelist(graph, path, data=False),
    ".txt": nx.write_weighted_edgelist,
    ".adjlist": nx.write_adjlist,
    ".csv": write_csv,
    ".tsv": write_csv,
}
SAY_DIRECTION = (".graphml", ".gexf", ".gml", ".net", ".json")


def linked(graph: Graph, file: Path, asked: Links | None = None) -> set[tuple[str, str]]:
    """Return the links that the file of a graph gives, both ways where they have no direction."""
    WRITERS[file.suffix](graph, file)
    network = read_network(file, asked or Links(file=str(file)), PLAYERS)
    back = () if network.directed else ((b, a) for a, b in network.edges or ())
    return {*(network.edges or ()), *back}


def both_ways(links: list[tuple[str, str]]) -> set[tuple[str, str]]:
    return {*links, *((b, a) for a, b in links)}


def test_every_suffix_that_is_named_has_a_reader() -> None:
    assert set(WRITERS) == set(FORMATS)


@pytest.mark.parametrize("suffix", FORMATS)
class TestEveryFormat:
    def test_a_graph_of_model_ids_reads_as_its_links(self, suffix: str, tmp_path: Path) -> None:
        assert linked(nx.Graph(PAIRS), tmp_path / f"g{suffix}") == both_ways(PAIRS)

    def test_numbers_are_players_in_the_order_of_the_roster(self, suffix: str, tmp_path: Path) -> None:
        numbers = nx.Graph([(int(a[1:]), int(b[1:])) for a, b in PAIRS])
        assert linked(numbers, tmp_path / f"g{suffix}") == both_ways(PAIRS)

    def test_direction_is_kept_where_it_is_asked(self, suffix: str, tmp_path: Path) -> None:
        asked = Links(file="g", directed=True)
        assert linked(nx.DiGraph(PAIRS), tmp_path / f"g{suffix}", asked) == set(PAIRS)

    def test_direction_of_the_file_is_kept_unless_dropped(self, suffix: str, tmp_path: Path) -> None:
        if suffix in SAY_DIRECTION:
            assert linked(nx.DiGraph(PAIRS), tmp_path / f"g{suffix}") == set(PAIRS)
        dropped = Links(file="g", directed=False)
        assert linked(nx.DiGraph(PAIRS), tmp_path / f"g{suffix}", dropped) == both_ways(PAIRS)

    def test_an_unknown_node_is_named_with_file_and_nearest(self, suffix: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidFileError) as caught:
            linked(nx.Graph([*PAIRS, ("n3", "n44")]), tmp_path / f"g{suffix}")
        [problem] = caught.value.problems
        assert problem.file.endswith(f"g{suffix}")
        assert problem.message == "no model is called 'n44'"
        assert problem.suggestion == "did you mean n4?"
        assert problem.where.startswith("link ")

    def test_a_broken_file_is_a_problem_of_the_file(self, suffix: str, tmp_path: Path) -> None:
        file = tmp_path / f"g{suffix}"
        file.write_bytes(b"\xff\xfe\x00<")
        with pytest.raises(InvalidFileError, match="is not UTF-8 text"):
            read_network(file, Links(file=str(file)), PLAYERS)
        file.write_text('<{ "[')
        if suffix not in (".edgelist", ".edges", ".txt", ".adjlist"):
            with pytest.raises(InvalidFileError):
                read_network(file, Links(file=str(file)), PLAYERS)


@given(st.lists(st.tuples(st.sampled_from(PLAYERS), st.sampled_from(PLAYERS)), max_size=20))
def test_what_networkx_writes_reads_back(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("net")
    for suffix in SAY_DIRECTION:
        if links or suffix != ".gml":  # networkx cannot read the GML of an empty graph
            assert linked(nx.DiGraph(links), folder / f"g{suffix}") == set(links), suffix


def read(tmp_path: Path, name: str, text: str) -> Links:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_network(tmp_path / name, Links(file=name), PLAYERS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", "Weight,Target,Source\n3,n1,n0\n"),
        ("g.csv", "Source,Target,Type\nn0,n1,Undirected\n"),
        ("g.csv", "n0;n1\n"),
        ("g.csv", "\ufefffrom,to\r\nn0,n1\r\n"),
        ("g.edgelist", "# a comment\nn0,n1\n"),
        ("g.txt", "n0\tn1\t{'weight': 3}\n\n"),
    ],
)
def test_pairs_are_read_with_any_head_and_separator(tmp_path: Path, name: str, text: str) -> None:
    network = read(tmp_path, name, text)
    assert (network.edges, network.directed) == ((("n0", "n1"),), False)


def test_a_table_may_say_that_its_links_are_directed(tmp_path: Path) -> None:
    assert read(tmp_path, "g.csv", "source,target,type\nn0,n1,Directed\n").directed


def test_followers_of_oasis_hear_whom_they_follow(tmp_path: Path) -> None:
    head = "user_id,name,username,following_agentid_list,previous_tweets,user_char,description\n"
    network = read(tmp_path, "users.csv", head + '7,A,a,"[1, 2]",[],x,y\n8,B,b,[],[],x,y\n9,C,c,[0],[],x,y\n')
    assert network.directed
    assert set(network.edges or ()) == {("n1", "n0"), ("n2", "n0"), ("n0", "n2")}


def test_labels_name_nodes_where_ids_do_not(tmp_path: Path) -> None:
    graph = nx.relabel_nodes(nx.Graph([("n0", "n1")]), {"n0": "x", "n1": "y"})
    nx.set_node_attributes(graph, {"x": "n0", "y": "n1"}, "label")
    nx.write_gexf(graph, tmp_path / "g.gexf")
    assert read_network(tmp_path / "g.gexf", Links(file="g"), PLAYERS).edges == (("n0", "n1"),)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("g.csv", "n0,n1\nn0\n", "g.csv:2: 'n0' is no link: it needs two nodes"),
        ("g.edgelist", "n0 n1\nn2\n", "g.edgelist:2: 'n2' is no link: write two nodes on a line"),
        ("g.csv", "n0,n1\nn1,m2\n", "g.csv:2: link 2 (n1, m2): no model is called 'm2' (did you mean n2?)"),
        ("g.json", '{"links": [}', "g.json:1: is not valid JSON: Expecting value"),
        ("g.json", "[]", "g.json: is neither node_link_data nor adjacency_data of networkx"),
        ("g.graphml", "<graphml>\n<x", "g.graphml:2: cannot be read"),
        (
            "g.edgelist",
            "1 2\n2 6\n",
            "g.edgelist:1: link 1 (1, 2): no model is called '1' (nodes are model ids, or player numbers"
            " from 0 to 5 in the order of the roster)",
        ),
        ("g.xlsx", "", "g.xlsx: the suffix '.xlsx' names no format"),
    ],
)
def test_problems_name_line_value_and_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidFileError) as caught:
        read(tmp_path, name, text)
    assert any(str(each).startswith(problem) for each in caught.value.problems), str(caught.value)


def test_many_unknown_nodes_are_counted_not_all_listed(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError) as caught:
        read(tmp_path, "g.csv", "".join(f"x{i},n0\n" for i in range(500)))
    assert len(caught.value.problems) == 21
    assert "500 nodes are no models" in str(caught.value)


class TestInPython:
    def test_a_networkx_graph_is_a_topology(self) -> None:
        directed = Communication(topology=nx.DiGraph(PAIRS))
        assert neighbours(directed.graph(PLAYERS, 0)) == ((1,), (2,), (0,), (5,), (), ())
        karate = Communication(topology=nx.karate_club_graph())
        ids = [f"m{i}" for i in range(34)]
        assert neighbours(karate.graph(ids, 0)) == neighbours(nx.karate_club_graph())

    def test_a_file_is_read_from_the_working_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("g.csv").write_text("n0,n1\n")
        for topology in ("g.csv", Path("g.csv"), {"file": "g.csv"}):
            assert neighbours(Communication(topology=topology).graph(PLAYERS, 0))[0] == (1,)

    def test_arrows_give_links_a_direction(self) -> None:
        graph = Communication(topology=["n0 -> n1", "n1->n2"]).graph(PLAYERS, 0)
        assert neighbours(graph) == ((1,), (2,), (), (), (), ())
