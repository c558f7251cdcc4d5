"""Known answers of crowds come out, and a planted error makes each kind fail."""

from __future__ import annotations

import random
from collections.abc import Callable

import networkx as nx
import pytest

from agents.network import NetworkView
from agents.players import crowds
from simulation.studies.verify.crowd_cases import crowd_cases, giant_share, random_links
from simulation.studies.verify.verify import KnownCase, KnownFigure, verify

CASES = {case.name.split(":")[0].split(",")[0]: case for case in crowd_cases()}
TREES = [name for name in CASES if name.startswith("a cascade")]
URN = "a crowd that votes like Pólya's urn"
PERCOLATION = "percolation on a random graph"


def failed(case: KnownCase) -> list[KnownFigure]:
    return [found.figure for found in verify([case]) if not found.passed]


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_sharers_with_a_second_chance_spread_too_far(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    once: Callable[[float, NetworkView, random.Random], object] = crowds.share
    monkeypatch.setattr(crowds, "share", lambda chance, view, rng: once(1 - (1 - chance) ** 2, view, rng))
    assert failed(CASES[name]) == [KnownFigure.CASCADE]


@pytest.mark.slow
def test_sharers_below_the_threshold_miss_the_outbreak(monkeypatch: pytest.MonkeyPatch) -> None:
    once: Callable[[float, NetworkView, random.Random], object] = crowds.share
    monkeypatch.setattr(crowds, "share", lambda chance, view, rng: once(chance / 2.5, view, rng))
    above = next(case for case in crowd_cases() if "above the threshold" in case.name)
    assert failed(above) == [KnownFigure.CASCADE]


def test_voters_deaf_to_votes_vary_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "up_chance", lambda _likes, _dislikes: 0.5)
    assert failed(CASES[URN]) == [KnownFigure.LIKES_VARIANCE]


def test_up_chance_is_that_of_the_urn() -> None:
    assert crowds.up_chance(likes=2, dislikes=1) == 3 / 5


def test_giant_share_is_the_largest_component_of_a_random_graph() -> None:
    graph = nx.Graph(random_links(4000, 2.0, seed=3))
    largest = max(map(len, nx.connected_components(graph)))
    assert giant_share(2.0) == pytest.approx(largest / 4000, abs=0.03)
    assert giant_share(0.8) == 0
