"""Figures of cascades have their closed forms, and agree with networkx on random trees."""

from __future__ import annotations

import math

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import SocietyError
from simulation.metrics.cascade import (
    CascadePost,
    cascade_course,
    cascade_figures,
    cascades,
    normalised_rmse,
)


def tree(parents: list[int | None]) -> list[CascadePost]:
    return [CascadePost(number, parent, float(number)) for number, parent in enumerate(parents)]


TREES = (
    st.integers(1, 30)
    .flatmap(lambda n: st.tuples(*(st.integers(0, max(0, i - 1)) for i in range(n))))
    .map(lambda drawn: tree([None, *drawn[1:]]))
)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_star_and_chain_have_their_closed_forms(n: int) -> None:
    star, chain = cascade_figures(tree([None] + [0] * (n - 1))), cascade_figures(tree([None, *range(n - 1)]))
    assert (star.scale, star.depth, star.max_breadth) == (n, 1, n - 1)
    assert (chain.scale, chain.depth, chain.max_breadth) == (n, n - 1, 1)
    assert star.structural_virality == pytest.approx(2 * (n - 1) / n)
    assert chain.structural_virality == pytest.approx((n + 1) / 3)


@given(TREES)
def test_figures_agree_with_networkx(posts: list[CascadePost]) -> None:
    graph = nx.Graph()
    graph.add_nodes_from(post.post_id for post in posts)
    graph.add_edges_from((post.post_id, post.parent) for post in posts if post.parent is not None)
    found, n = cascade_figures(posts), len(posts)
    ways = nx.single_source_shortest_path_length(graph, 0)
    assert found.depth == max(ways.values())
    assert found.max_breadth == max(list(ways.values()).count(depth) for depth in ways.values())
    expected = 2 * nx.wiener_index(graph) / (n * (n - 1)) if n > 1 else math.nan
    assert found.structural_virality == pytest.approx(expected, nan_ok=True)


def test_course_counts_what_was_there_at_each_time() -> None:
    course = cascade_course(tree([None, 0, 0, 1]), [0, 1, 2.5, 9])
    assert [each.scale for each in course] == [1, 2, 3, 4]
    assert [each.depth for each in course] == [0, 1, 1, 2]


def test_trees_are_told_apart_by_their_roots() -> None:
    first, second = CascadePost(1, None, 0), CascadePost(2, None, 0)
    answer = CascadePost(3, 1, 1)
    assert cascades([(first, 1), (second, 2), (answer, 1)]) == {1: (first, answer), 2: (second,)}


@pytest.mark.parametrize("broken", [[], tree([None, None]), tree([0]), [CascadePost(1, None, 0), CascadePost(2, 9, 1)]])
def test_what_is_no_tree_is_refused(broken: list[CascadePost]) -> None:
    with pytest.raises(SocietyError):
        cascade_figures(broken)


def test_normalised_rmse_is_relative_to_the_largest_real_value() -> None:
    assert normalised_rmse([1, 2, 4], [1, 2, 4]) == 0
    assert normalised_rmse([0, 0], [3, 4]) == pytest.approx(math.sqrt(12.5) / 4)
    with pytest.raises(SocietyError):
        normalised_rmse([1], [1, 2])
    with pytest.raises(SocietyError):
        normalised_rmse([1], [0])
