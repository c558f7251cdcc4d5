"""Figures of attention: inequality, cores, and the spread of a claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pytest

from simulation.games.measures import gini
from simulation.metrics.attention import attention, claim_spread, core_numbers
from simulation.plan import Plan
from simulation.runs.runner import play_plan


def test_one_model_with_all_the_attention_has_the_largest_gini() -> None:
    assert gini([0, 0, 0, 8]) == pytest.approx(3 / 4)
    assert gini([2, 2, 2]) == pytest.approx(0)


def test_core_of_a_clique_with_a_tail() -> None:
    links = nx.DiGraph([(0, 1), (1, 2), (2, 0), (2, 3), (3, 3)])
    assert core_numbers(links) == {0: 2, 1: 2, 2: 2, 3: 1}


def test_claim_spreads_to_each_model_once() -> None:
    said = [(0, 1, "The Moon is made of cheese"), (1, 1, "cheese moon!"), (1, 2, "no cheese"), (2, 3, "MOON of CHEESE")]
    assert claim_spread(said, ["moon", "cheese"]) == {0: 1, 1: 1, 2: 2}


def test_attention_of_a_network_with_one_author(make_plan: Callable[..., Plan], runs: Path) -> None:
    posts = [{"author": "m0", "text": "first", "likes": 8}]
    parameters = {"posts": posts, "actions": ["do_nothing"]}
    task = {"task_id": "net", "task_type": "social_network", "max_steps": 2, "parameters": parameters}
    run = play_plan(make_plan(4, mode="cooperative", episodes=2, tasks=[task]), out=runs)
    found = attention(run)
    assert found == pytest.approx({"gini_impressions": 3 / 4, "gini_likes": 3 / 4, "core": 3})
    assert attention(play_plan(make_plan(), out=runs)) is None
