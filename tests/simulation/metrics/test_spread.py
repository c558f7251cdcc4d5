"""How the first posts of a network spread, from a run whose acts are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pytest

from simulation.metrics.spread import first_cascades, spread
from simulation.plan import Plan
from simulation.runs.runner import play_plan
from simulation.tables.run import Run

MakePlan = Callable[..., Plan]


@pytest.fixture
def shared(make_plan: MakePlan, runs: Path) -> Run:
    parameters = {
        "platform": "twitter",
        "actions": ["repost", "quote_post", "create_comment"],
        "posts": [{"author": "m0", "text": "first"}, {"author": "m1", "text": "second"}],
    }
    task = {"task_id": "net", "task_type": "social_network", "max_steps": 4, "parameters": parameters}
    return play_plan(make_plan(6, mode="cooperative", episodes=1, tasks=[task]), out=runs)


def test_spread_counts_what_was_shared_from_first_posts(shared: Run) -> None:
    posts, found = shared.posts, spread(shared)
    rows = posts[posts["kind"].isin(["repost", "quote"])]
    tree = nx.DiGraph(list(rows[["parent", "item"]].itertuples(index=False, name=None)))
    tree.add_nodes_from((1, 2))
    scales = [1 + len(nx.descendants(tree, root)) for root in (1, 2)]
    assert found is not None
    assert found["scale"] == pytest.approx(sum(scales) / 2)
    assert sum(scales) > 2


def test_spread_depth_is_the_longest_way(shared: Run) -> None:
    found = spread(shared)
    depths = []
    for (_, root), tree in first_cascades(shared).items():
        graph = nx.DiGraph([(post.parent, post.post_id) for post in tree if post.parent is not None])
        depths.append(nx.dag_longest_path_length(graph) if graph else 0)
        assert tree[0].post_id == root
    assert found is not None
    assert found["depth"] == pytest.approx(sum(depths) / len(depths))


def test_spread_of_a_game_is_none(make_plan: MakePlan, runs: Path) -> None:
    assert spread(play_plan(make_plan(), out=runs)) is None
