"""Shapley values by their axioms, and pairwise synergy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.problems import SocietyError
from simulation.metrics.shapley import EXACT_UP_TO, Coalition, CoalitionValue, shapley_values, synergies

Table = Mapping[Coalition, float]


def names(count: int) -> list[str]:
    return [f"p{i}" for i in range(count)]


def coalitions(players: list[str]) -> list[Coalition]:
    return [frozenset(team) for size in range(len(players) + 1) for team in combinations(players, size)]


@st.composite
def team_games(draw: st.DrawFn, count: int | None = None) -> tuple[list[str], Table]:
    """Any value for every coalition of 1-5 players."""
    players = names(count or draw(st.integers(1, 5)))
    value = st.floats(-100, 100)
    return players, {team: draw(value) for team in coalitions(players)}


def majority(team: Coalition) -> float:
    """One vote each, ten voters: worth 1 with six."""
    return float(len(team) >= 6)


def gloves(team: Coalition) -> float:
    """Shapley's glove market: one left glove (p0) and two right ones; a pair is worth 1."""
    return float("p0" in team and len(team) >= 2)


def test_shapley_values_of_the_glove_market() -> None:
    values = shapley_values(names(3), gloves)
    assert values.exact
    assert [share.value for share in values.shares] == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    assert {share.error for share in values.shares} == {0.0}


@given(team_games())
def test_efficiency_shares_add_up_to_the_teams_reward(game: tuple[list[str], Table]) -> None:
    players, table = game
    values = shapley_values(players, table.__getitem__)
    total = sum(share.value for share in values.shares)
    assert total == pytest.approx(table[frozenset(players)] - table[frozenset()], abs=1e-9)


@given(team_games(), st.floats(-10, 10))
def test_dummy_player_gets_what_it_earns_alone(game: tuple[list[str], Table], alone: float) -> None:
    players, table = game
    for brought in (alone, 0.0):

        def value(team: Coalition, brought: float = brought) -> float:
            return table[team - {"dummy"}] + brought * ("dummy" in team)

        assert shapley_values([*players, "dummy"], value).of("dummy").value == pytest.approx(brought, abs=1e-9)


@given(team_games(4))
def test_symmetric_players_get_equal_shares(game: tuple[list[str], Table]) -> None:
    players, table = game

    def value(team: Coalition) -> float:
        """p0 and p1 count as the same player."""
        swapped = frozenset({"p0": "p1", "p1": "p0"}.get(player, player) for player in team)
        return table[team] + table[swapped]

    values = shapley_values(players, value)
    assert values.of("p0").value == pytest.approx(values.of("p1").value, abs=1e-9)


@given(team_games(3), team_games(3), st.floats(-5, 5), st.floats(-5, 5))
def test_shapley_values_are_linear(
    first: tuple[list[str], Table], second: tuple[list[str], Table], a: float, b: float
) -> None:
    players, one, other = first[0], first[1], second[1]
    mixed = shapley_values(players, lambda team: a * one[team] + b * other[team])
    parts = [shapley_values(players, table.__getitem__) for table in (one, other)]
    for player in players:
        expected = a * parts[0].of(player).value + b * parts[1].of(player).value
        assert mixed.of(player).value == pytest.approx(expected, abs=1e-8)


def weighted(team: Coalition) -> float:
    """Each player adds its number, and the first two add five more together."""
    return sum(int(player[1:]) for player in team) + 5.0 * ({"p0", "p1"} <= team)


def test_sampled_shapley_values_have_an_honest_error() -> None:
    players = names(EXACT_UP_TO + 2)
    values = shapley_values(players, weighted, samples=1000, seed=1)
    assert not values.exact
    assert sum(share.value for share in values.shares) == pytest.approx(weighted(frozenset(players)))
    truth = {player: float(player[1:]) for player in players} | {"p0": 2.5, "p1": 3.5}
    for share in values.shares:
        assert abs(share.value - truth[share.player]) <= 4 * share.error + 1e-9
    assert values.of("p0").error > 0
    assert values.of("p5").error == pytest.approx(0)


def test_error_shrinks_with_the_root_of_the_samples() -> None:
    errors = [shapley_values(names(10), majority, samples=count).of("p0").error for count in (400, 6400)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)


def test_sampled_shapley_values_are_seeded() -> None:
    first, again, other = (shapley_values(names(10), majority, samples=50, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_value_of_a_coalition_is_computed_once() -> None:
    asked: list[Coalition] = []

    def value(team: Coalition) -> float:
        asked.append(team)
        return float(len(team))

    shapley_values(names(5), value)
    assert len(asked) == len(set(asked)) == 2**5


def synergy_of(value: CoalitionValue, count: int) -> dict[tuple[str, str], float]:
    return {(each.first, each.second): each.value for each in synergies(names(count), value)}


def test_additive_players_have_no_synergy() -> None:
    assert set(synergy_of(lambda team: 3.0 * len(team), 4).values()) == {0.0}


def test_synergy_of_a_pair_is_its_bonus() -> None:
    found = synergy_of(weighted, 4)
    assert found.pop(("p0", "p1")) == pytest.approx(5)
    assert all(value == pytest.approx(0) for value in found.values())


def test_rivals_have_negative_synergy() -> None:
    assert synergy_of(gloves, 3)["p1", "p2"] < 0 < synergy_of(gloves, 3)["p0", "p1"]


def test_synergy_of_more_than_eight_players_is_refused() -> None:
    with pytest.raises(SocietyError, match="up to 8 players, not 10"):
        synergies(names(10), majority)


@settings(max_examples=25)
@given(team_games(3))
def test_synergy_of_two_players_by_definition(game: tuple[list[str], Table]) -> None:
    _, table = game
    two = ["p0", "p1"]
    (pair,) = synergies(two, table.__getitem__)
    expected = table[frozenset(two)] - table[frozenset({"p0"})] - table[frozenset({"p1"})] + table[frozenset()]
    assert pair.value == pytest.approx(expected)


@pytest.mark.parametrize("players", [[], ["a", "a"]])
def test_shapley_values_refuse_no_or_double_players(players: list[str]) -> None:
    with pytest.raises(SocietyError, match="each named once"):
        shapley_values(players, len)


def test_shapley_values_refuse_one_sample() -> None:
    with pytest.raises(SocietyError, match="at least 2"):
        shapley_values(names(10), majority, samples=1)


def test_share_of_an_unknown_player_names_the_known() -> None:
    with pytest.raises(SocietyError, match="p0, p1, p2"):
        shapley_values(names(3), gloves).of("zed")
