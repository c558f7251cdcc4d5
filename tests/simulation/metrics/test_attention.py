"""Figures of attention: inequality, cores, and the spread of a claim."""

from __future__ import annotations

import networkx as nx
import pytest

from simulation.games.measures import gini
from simulation.metrics.attention import claim_spread, core_numbers


def test_one_model_with_all_the_attention_has_the_largest_gini() -> None:
    assert gini([0, 0, 0, 8]) == pytest.approx(3 / 4)
    assert gini([2, 2, 2]) == pytest.approx(0)


def test_core_of_a_clique_with_a_tail() -> None:
    links = nx.DiGraph([(0, 1), (1, 2), (2, 0), (2, 3), (3, 3)])
    assert core_numbers(links) == {0: 2, 1: 2, 2: 2, 3: 1}


def test_claim_spreads_to_each_model_once() -> None:
    said = [(0, 1, "The Moon is made of cheese"), (1, 1, "cheese moon!"), (1, 2, "no cheese"), (2, 3, "MOON of CHEESE")]
    assert claim_spread(said, ["moon", "cheese"]) == {0: 1, 1: 1, 2: 2}
