"""Pictures of cascades and opinions: trees that keep every link, ribbons whose quantiles are those of the answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import UsageError
from agents.roster import ModelConfig
from simulation.pictures.cascades import trees_of
from simulation.pictures.opinions import ribbons_of
from simulation.plan import Plan
from simulation.runs.runner import play_plan
from simulation.tables.run import Run

MakePlan = Callable[..., Plan]


@pytest.fixture
def shared(make_plan: MakePlan, runs: Path) -> Run:
    parameters = {"platform": "twitter", "actions": ["repost"], "posts": [{"author": "m0", "text": "first"}]}
    task = {"task_id": "net", "task_type": "social_network", "max_steps": 4, "parameters": parameters}
    return play_plan(make_plan(8, mode="cooperative", episodes=1, tasks=[task]), out=runs)


@pytest.fixture
def discussed(make_plan: MakePlan, runs: Path) -> Run:
    parameters = {"low": 0, "high": 4, "initial": [0, 1, 4, 4]}
    task = {"task_id": "talk", "task_type": "opinion", "max_steps": 2, "parameters": parameters}
    rows = tuple(ModelConfig(model_id=f"m{place}", policy="stubborn") for place in range(4))
    return play_plan(make_plan(rows=rows, mode="cooperative", episodes=1, tasks=[task]), out=runs)


def test_trees_of_a_run_have_every_share(shared: Run) -> None:
    (tree,) = trees_of(shared)
    assert tree.scale == len(tree.nodes) == len(shared.posts)
    links = {(tree.nodes[node.parent].author, node.author) for node in tree.nodes if node.parent >= 0}
    author = dict(zip(shared.posts["item"], shared.posts["author"], strict=True))
    rows = shared.posts[shared.posts["parent"] > 0]
    assert links == {(author[parent], who) for parent, who in zip(rows["parent"], rows["author"], strict=True)}


def test_tree_puts_a_post_below_the_post_it_shares(shared: Run) -> None:
    (tree,) = trees_of(shared)
    assert max(node.depth for node in tree.nodes) == tree.depth
    for node in tree.nodes:
        if node.parent >= 0:
            assert node.depth == tree.nodes[node.parent].depth + 1
    places = [(node.x, node.depth) for node in tree.nodes]
    assert len(set(places)) == len(places)


def test_ribbon_has_the_quantiles_of_the_answers(discussed: Run) -> None:
    (ribbon,) = ribbons_of(discussed)
    assert ribbon.steps == [1, 2]
    lowest, *_, highest = ribbon.quantiles
    assert lowest == [0, 0]
    assert highest == [1, 1]
    assert ribbon.quantiles[3] == [0.625, 0.625]  # 0, 1/4, 1, 1
    assert ribbon.polarisation[0] == pytest.approx(4 * 0.19921875)


def test_run_plots_what_spread(shared: Run, discussed: Run) -> None:
    assert len(shared.plot.cascades().data) == 2
    assert "polarisation" in {trace.name for trace in discussed.plot.opinions().data}


def test_run_without_network_or_opinions_says_so(discussed: Run, shared: Run) -> None:
    with pytest.raises(UsageError, match="no cascade"):
        discussed.plot.cascades()
    with pytest.raises(UsageError, match="game opinion"):
        shared.plot.opinions()
