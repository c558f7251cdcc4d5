"""Whether one rating per player explains the margins, or players beat each other in circles."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import SocietyError
from simulation.metrics.transitivity import clearest_circle, cyclic_share, transitivity

CIRCLE = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
ratings = st.lists(st.floats(-50, 50), min_size=2, max_size=7)


@given(ratings)
def test_margins_from_ratings_are_transitive(rating: list[float]) -> None:
    strengths = np.array(rating)
    assert cyclic_share(strengths[:, None] - strengths[None, :]) == pytest.approx(0, abs=1e-9)


def test_cyclic_share_of_circle_and_of_mixed_margins() -> None:
    assert cyclic_share(CIRCLE) == pytest.approx(1)
    ladder = np.array([2.0, 1.0, 0.0])
    mixed = CIRCLE + ladder[:, None] - ladder[None, :]
    assert cyclic_share(mixed) == pytest.approx(6 / 18)  # squared: 6 of the circle, 12 of the ladder, orthogonal
    assert cyclic_share(np.zeros((3, 3))) == 0


@given(st.integers(2, 6), st.integers(0, 1000))
def test_cyclic_share_is_in_0_1(players: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).normal(size=(players, players))
    assert 0 <= cyclic_share(drawn - drawn.T) <= 1


def episodes(margins: np.ndarray, noise: float, count: int, seed: int) -> dict[tuple[int, int], np.ndarray]:
    rng = np.random.default_rng(seed)
    pairs = combinations(range(len(margins)), 2)
    return {(i, j): margins[i, j] + noise * rng.normal(size=count) for i, j in pairs}


def test_transitivity_p_values_are_calibrated() -> None:
    ladder = np.array([2.0, 1.0, 0.5, 0.0])
    margins = ladder[:, None] - ladder[None, :]
    found = [transitivity(episodes(margins, 1.0, 20, seed), 4).transitive for seed in range(200)]
    assert 0.88 <= np.mean(found) <= 0.99


def test_transitivity_finds_a_circle_in_noise() -> None:
    found = transitivity(episodes(CIRCLE, 1.0, 20, 1), 3)
    assert found.transitive is False
    assert found.cyclic_share > 0.5


def test_transitivity_of_deterministic_players_is_exact() -> None:
    assert transitivity(episodes(CIRCLE, 0.0, 6, 1), 3).p_value == 2 / 2**6
    strengths = np.array([0.3, 0.1, 0.2])
    ladder = transitivity(episodes(strengths[:, None] - strengths[None, :], 0.0, 6, 1), 3)
    assert ladder.transitive
    assert ladder.p_value == 1
    assert transitivity(episodes(np.zeros((3, 3)), 0.0, 6, 1), 3).p_value == 1


@pytest.mark.parametrize("count", [1, 5])
def test_transitivity_of_few_episodes_is_not_tested(count: int) -> None:
    found = transitivity(episodes(CIRCLE, 0.1, count, 1), 3)
    assert (found.transitive, found.why) == (None, f"too few episodes: {count}, need 6")
    assert found.cyclic_share > 0.5
    assert found.circle == (0, 2, 1)


def test_pairs_of_unequal_length_share_their_first_episodes() -> None:
    long = episodes(CIRCLE, 1.0, 20, 1)
    short = {pair: values[:8] for pair, values in long.items()}
    assert transitivity({**long, (0, 1): long[0, 1][:8]}, 3).p_value == transitivity(short, 3).p_value


def test_cyclic_share_refuses_other_matrices() -> None:
    with pytest.raises(SocietyError, match="margins"):
        cyclic_share(np.ones((2, 2)))


def test_clearest_circle_has_the_largest_margins() -> None:
    assert clearest_circle(CIRCLE) == (0, 2, 1)
    strengths = np.array([3.0, 2.0, 1.0])
    assert clearest_circle(strengths[:, None] - strengths[None, :]) == ()
    assert clearest_circle(np.zeros((2, 2))) == ()
    assert transitivity(episodes(CIRCLE, 0.0, 2, 1), 3).circle == (0, 2, 1)
