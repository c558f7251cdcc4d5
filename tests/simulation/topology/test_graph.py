"""Who can reach whom, by topology."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import SocietyError
from simulation.topology.graph import TopologyKind, build_topology, neighbours

every_kind = pytest.mark.parametrize("kind", list(TopologyKind))


def ids(count: int) -> list[str]:
    return [f"m{i}" for i in range(count)]


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [
        (TopologyKind.COMPLETE, 4, ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))),
        (TopologyKind.RING, 5, ((1, 4), (0, 2), (1, 3), (2, 4), (0, 3))),
        (TopologyKind.RING, 3, ((1, 2), (0, 2), (0, 1))),
        (TopologyKind.STAR, 4, ((1, 2, 3), (0,), (0,), (0,))),
        (TopologyKind.SMALL_WORLD, 5, ((1, 2, 3, 4), (0, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 4), (0, 1, 2, 3))),
    ],
)
def test_neighbours(kind: TopologyKind, count: int, expected: tuple[tuple[int, ...], ...]) -> None:
    assert neighbours(build_topology(kind, ids(count), seed=1)) == expected


@every_kind
def test_alone_there_is_nobody_and_of_two_each_has_the_other(kind: TopologyKind) -> None:
    assert neighbours(build_topology(kind, ids(1), seed=1)) == ((),)
    assert neighbours(build_topology(kind, ids(2), seed=1)) == ((1,), (0,))


@given(kind=st.sampled_from(list(TopologyKind)), count=st.integers(1, 40), degree=st.integers(2, 9), seed=st.integers())
def test_links_go_both_ways_and_never_to_oneself(kind: TopologyKind, count: int, degree: int, seed: int) -> None:
    near = neighbours(build_topology(kind, ids(count), seed % 2**32, degree))
    assert len(near) == count
    assert all(a in near[b] and a != b for a in range(count) for b in near[a])
    assert all(tuple(sorted(set(others))) == others for others in near)


@pytest.mark.parametrize(("degree", "links"), [(4, 4), (6, 6), (7, 6)])
def test_small_world_keeps_its_mean_degree_when_rewired(degree: int, links: int) -> None:
    for rewire in (0.0, 0.1, 1.0):
        graph = build_topology(TopologyKind.SMALL_WORLD, ids(40), 3, degree, rewire)
        assert 2 * graph.number_of_edges() == 40 * links


@pytest.mark.parametrize(("count", "degree"), [(2, 4), (3, 4), (4, 4), (5, 4), (4, 3), (6, 5)])
def test_a_small_world_whose_degree_reaches_everyone_is_complete(count: int, degree: int) -> None:
    near = neighbours(build_topology(TopologyKind.SMALL_WORLD, ids(count), seed=1, degree=degree))
    assert [len(others) for others in near] == [count - 1] * count


def test_a_small_world_is_small_and_clustered() -> None:
    lattice, small = (build_topology(TopologyKind.SMALL_WORLD, ids(200), 5, 6, rewire) for rewire in (0.0, 0.1))
    assert nx.average_shortest_path_length(small) < nx.average_shortest_path_length(lattice) / 2
    assert nx.average_clustering(small) > 0.6 * nx.average_clustering(lattice)


def test_a_scale_free_graph_is_connected_and_has_hubs() -> None:
    graph = build_topology(TopologyKind.SCALE_FREE, ids(200), seed=5, degree=4)
    assert graph.number_of_edges() == 2 * (200 - 2)  # every newcomer brings two
    assert nx.is_connected(graph)
    assert max(degree for _, degree in graph.degree) > 4 * 4


@pytest.mark.parametrize("kind", [TopologyKind.SMALL_WORLD, TopologyKind.SCALE_FREE])
def test_the_seed_draws_the_graph(kind: TopologyKind) -> None:
    first, again, other = (neighbours(build_topology(kind, ids(30), seed)) for seed in (1, 1, 2))
    assert first == again != other


class TestEdgeList:
    def test_it_joins_the_models_it_names_once_whichever_way_round(self) -> None:
        edges = [("m0", "m2"), ("m2", "m0"), ("m1", "m1"), ("m2", "m3")]
        assert neighbours(build_topology(edges, ids(4), seed=1)) == ((2,), (), (0, 3), (2,))

    def test_an_empty_one_is_silence(self) -> None:
        assert neighbours(build_topology((), ids(3), seed=1)) == ((), (), ())

    def test_an_id_that_is_nobodys_is_told_with_the_nearest(self) -> None:
        with pytest.raises(SocietyError, match=r"no model is called 'alcie' \(did you mean alice\?\)"):
            build_topology([("bob", "alcie")], ["alice", "bob"], seed=1)
