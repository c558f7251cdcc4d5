"""The figures of pairs, from payoffs written down by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.metrics.intervals import mean_interval
from simulation.metrics.ratings import RatedSide, rate
from simulation.metrics.registry import LEVEL
from simulation.studies.tournament.pairs import CrossPlay, Payoffs


def steady(first: float, second: float, count: int = 6) -> Payoffs:
    return np.array([[first, second]] * count)


def rock_paper_scissors(noise: float = 0.0, count: int = 6) -> CrossPlay:
    rng = np.random.default_rng(1)
    pairs = {(0, 1): (0, 1), (0, 2): (1, 0), (1, 2): (0, 1), (0, 0): (0, 0), (1, 1): (0, 0), (2, 2): (0, 0)}
    drawn = {pair: steady(*payoffs, count) + noise * rng.normal(size=(count, 2)) for pair, payoffs in pairs.items()}
    return CrossPlay(("rock", "paper", "scissors"), drawn)


def widths(play: CrossPlay) -> dict[tuple[str, str], float]:
    return {(each.row, each.column): (each.payoff.high - each.payoff.low) / 2 for each in play.meetings()}


DILEMMA = CrossPlay(("c", "d"), {(0, 0): steady(3, 3), (0, 1): steady(0, 5), (1, 1): steady(1, 1)})


def test_matrix_has_the_payoffs_of_both_sides() -> None:
    cells = {(each.row, each.column): each.payoff for each in DILEMMA.meetings()}
    assert {pair: cell.value for pair, cell in cells.items()} == {
        ("c", "c"): 3, ("c", "d"): 0, ("d", "c"): 5, ("d", "d"): 1,
    }  # fmt: skip
    assert {cell.why for cell in cells.values()} == {"all 6 episodes gave the same"}
    assert {cell.level for cell in cells.values()} == {LEVEL}


def test_self_play_is_the_mean_of_both_players() -> None:
    play = CrossPlay(("a",), {(0, 0): np.array([[1.0, 3.0], [5.0, 7.0]])})
    (only,) = play.meetings()
    assert only.payoff.value == 4
    assert play.standings()[0].rating is None


def test_standings_of_the_dilemma() -> None:
    first, second = DILEMMA.standings()
    assert (first.model_id, first.payoff.value, second.payoff.value) == ("d", 3.0, 1.5)
    assert first.mass > 0.99
    assert first.rating is not None
    assert second.rating is not None
    assert first.rating.skill.value > 25 > second.rating.skill.value
    assert first.rating.skill.n == 6
    assert DILEMMA.transitivity.transitive


def test_rock_paper_scissors_has_no_order_and_equal_masses() -> None:
    play = rock_paper_scissors()
    assert play.transitivity.transitive is False
    assert play.transitivity.cyclic_share == pytest.approx(1)
    assert sorted(play.players[number] for number in play.transitivity.circle) == ["paper", "rock", "scissors"]
    assert [each.mass for each in play.standings()] == pytest.approx([1 / 3] * 3)


def test_intervals_grow_with_noise_and_shrink_with_episodes() -> None:
    few, many = widths(rock_paper_scissors(1.0, 10)), widths(rock_paper_scissors(1.0, 160))
    for pair, width in few.items():
        assert 2 < width / many[pair] < 8  # about 4, by chance more or less


def test_standing_counts_noise_that_all_pairs_of_an_episode_share() -> None:
    """A player's good and bad episodes do not cancel out over its opponents."""
    form = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [-2.0, 0.0], [0.5, 0.0], [-0.5, 0.0]])
    pairs = {(0, 0): form, (0, 1): form, (0, 2): form, (1, 1): steady(0, 0), (1, 2): steady(0, 0), (2, 2): steady(0, 0)}
    standing = next(each for each in CrossPlay(("a", "b", "c"), pairs).standings() if each.model_id == "a")
    alone = mean_interval(form[:, 0] * (0.5 + 1 + 1) / 3)
    assert (standing.payoff.low, standing.payoff.high) == pytest.approx((alone.low, alone.high))


def test_interval_covers_the_true_payoff() -> None:
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        play = CrossPlay(("a", "b"), {pair: rng.normal(size=(30, 2)) for pair in ((0, 0), (0, 1), (1, 1))})
        inside += any(
            each.row == "a" and each.column == "b" and not each.payoff.excludes(0) for each in play.meetings()
        )
    assert 0.88 <= inside / 100 <= 1


def test_synergy_of_pairs_by_hand() -> None:
    gains = CrossPlay(("x", "y"), {(0, 0): steady(1, 1), (0, 1): steady(4, 2), (1, 1): steady(2, 2)})
    (pair,) = gains.synergies()
    assert pair.value.value == 6 - (2 + 4) / 2
    (pair,) = DILEMMA.synergies()
    assert pair.value.value == 5 - (6 + 2) / 2


def test_ratings_know_teams_and_draws() -> None:
    won = rate([(RatedSide(("a", "b"), 2.0), RatedSide(("c",), 1.0))] * 3)
    skill = {each.player: each.skill.value for each in won}
    assert skill["a"] == skill["b"] > 25 > skill["c"]
    drawn = {each.player: each.skill.value for each in rate([(RatedSide(("a",), 1.0), RatedSide(("b",), 1.0))])}
    assert drawn["a"] == pytest.approx(drawn["b"])
    assert rate([]) == ()
