"""Figures of opinions have their known values, and agree with brute force."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.metrics.opinion import bimodality, camps, clusters, echo, opinion_figures

LEVELS = st.lists(st.floats(0, 1), min_size=4, max_size=30)


def test_two_camps_at_the_ends_are_fully_polarised() -> None:
    found = opinion_figures([0.0, 1.0] * 5)
    assert (found.mean, found.variance, found.polarisation, found.clusters) == (0.5, 0.25, 1.0, 2)


def test_agreement_has_no_polarisation_and_no_bimodality() -> None:
    found = opinion_figures([0.4] * 6)
    assert found.variance == pytest.approx(0)
    assert found.polarisation == pytest.approx(0)
    assert math.isnan(found.bimodality)
    assert found.clusters == 1


def test_bimodality_of_a_uniform_sample_is_five_ninths() -> None:
    assert bimodality(np.linspace(0, 1, 20_001)) == pytest.approx(5 / 9, abs=1e-3)
    assert bimodality([0.0, 1.0] * 5_000) == pytest.approx(1, abs=1e-3)
    assert bimodality(np.random.default_rng(0).normal(size=100_000)) == pytest.approx(1 / 3, abs=0.01)


def test_missing_opinions_are_left_out() -> None:
    assert opinion_figures([0.2, math.nan, 0.4]).mean == pytest.approx(0.3)
    assert opinion_figures([0.2, math.nan, 0.4]).n == 2


@given(LEVELS)
def test_clusters_are_the_components_of_near_opinions(levels: list[float]) -> None:
    near = nx.Graph()
    near.add_nodes_from(range(len(levels)))
    pairs = ((i, j) for i in range(len(levels)) for j in range(i))
    near.add_edges_from((i, j) for i, j in pairs if abs(levels[i] - levels[j]) <= 0.05 + 1e-9)
    assert clusters(levels) == nx.number_connected_components(near)


def test_echo_is_one_for_separate_camps_and_minus_one_for_opposites() -> None:
    apart = nx.Graph([(0, 1), (2, 3)])
    assert echo(apart, [0.1, 0.1, 0.9, 0.9]) == pytest.approx(1)
    assert echo(apart, [0.1, 0.9, 0.1, 0.9]) == pytest.approx(-1)
    assert math.isnan(echo(apart, [0.5] * 4))


def test_camps_are_the_modularity_of_both_sides() -> None:
    apart = nx.Graph([(0, 1), (2, 3)])
    assert camps(apart, [0.1, 0.2, 0.8, 0.9]) == pytest.approx(0.5)
    assert camps(apart, [0.1, 0.9, 0.1, 0.9]) == pytest.approx(-0.5)
    assert math.isnan(camps(apart, [0.1] * 4))
    assert math.isnan(camps(apart, [math.nan] * 4))


def test_echo_of_random_opinions_is_around_zero() -> None:
    rng = np.random.default_rng(1)
    links = nx.gnp_random_graph(60, 0.1, seed=1)
    found = [echo(links, list(rng.random(60))) for _ in range(200)]
    assert abs(np.mean(found)) < 0.03
