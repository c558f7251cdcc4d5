"""The figures of teams, from what compositions earn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.metrics.shapley import Coalition
from simulation.studies.tournament.matchups import coalitions_of
from simulation.studies.tournament.teams import Compositions, Worth


def every(players: list[str]) -> list[Coalition]:
    return [frozenset(team) for size in range(len(players) + 1) for team in combinations(players, size)]


def made(players: list[str], episodes: dict[Coalition, np.ndarray], orders: int = 2) -> Compositions:
    return Compositions("red", players, Worth.PAYOFF, episodes, orders=orders, seed=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10_000))
def test_shares_add_up_to_what_the_team_earned(size: int, seed: int) -> None:
    players, rng = [f"p{i}" for i in range(size)], np.random.default_rng(seed)
    episodes = {team: rng.normal(size=5) for team in every(players)}
    shares = list(made(players, episodes).contributions())
    whole = episodes[frozenset(players)].mean() - episodes[frozenset()].mean()
    assert sum(each.value.value for each in shares) == pytest.approx(whole)
    assert {each.error for each in shares} == {0.0}
    assert {each.value.n for each in shares} == {5}


def test_empty_coalition_earns_0_without_stand_ins() -> None:
    empty = {frozenset({"a"}): np.array([4.0, 6.0])}
    assert next(made(["a"], empty).contributions()).value.value == 5
    stood_in = {**empty, frozenset(): np.array([1.0, 1.0])}
    assert next(made(["a"], stood_in).contributions()).value.value == 4


def test_noise_common_to_coalitions_leaves_the_interval() -> None:
    """All compositions have the same good and bad episodes, so what a member adds is exact."""
    luck = np.array([-3.0, 5.0, 1.0, -8.0, 2.0, 0.5])
    episodes = {team: luck + 2.0 * len(team) for team in every(["a", "b"])}
    figures = made(["a", "b"], episodes)
    for share in figures.contributions():
        assert share.value.value == pytest.approx(2)
        assert share.value.constant
    for composition in figures.compositions():
        assert composition.value.low < composition.value.high


def test_synergy_has_an_interval_of_its_own() -> None:
    bonus = np.array([1.0, 3.0, 2.0, 1.5, 2.5, 2.0])
    episodes = {team: 4.0 * len(team) + (len(team) == 2) * bonus for team in every(["a", "b"])}
    (pair,) = made(["a", "b"], episodes).synergies()
    assert pair.value.value == pytest.approx(2)
    assert 1 <= pair.value.low < 2 < pair.value.high <= 3


def test_more_than_eight_members_are_sampled_with_an_error() -> None:
    players = [f"p{i}" for i in range(9)]
    rng = np.random.default_rng(1)
    episodes = {frozenset(team): rng.normal(size=2) for team in coalitions_of(players, 3, 0)}
    figures = made(players, episodes, orders=3)
    shares = list(figures.contributions())
    whole = episodes[frozenset(players)].mean() - episodes[frozenset()].mean()
    assert sum(each.value.value for each in shares) == pytest.approx(whole)
    assert all(each.error > 0 for each in shares)
    assert list(figures.synergies()) == []
