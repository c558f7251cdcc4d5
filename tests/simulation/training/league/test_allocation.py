"""Matches go where payoffs are known least; the intervals hold the truth although play stops when they are narrow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from simulation.training.league.allocation import MATCH, Pair, estimate, next_pair, spread_of, widest

Draw = Callable[[np.random.Generator], float]
PAIRS: list[Pair] = [(0, 0), (0, 1), (1, 0), (1, 1)]
DRAWS: dict[Pair, Draw] = {
    (0, 0): lambda rng: 3.0,
    (0, 1): lambda rng: float(rng.choice([0.0, 5.0], p=[0.9, 0.1])),
    (1, 0): lambda rng: float(rng.normal(2, 0.3)),
    (1, 1): lambda rng: float(rng.choice([0.0, 5.0])),
}
MEANS = {(0, 0): 3.0, (0, 1): 0.5, (1, 0): 2.0, (1, 1): 2.5}


def play(seed: int, *, width: float, most: int = 10_000) -> dict[Pair, list[list[float]]]:
    """Play matches of one learner's payoff until no pair is next."""
    rng, played = np.random.default_rng(seed), {pair: list[list[float]]() for pair in PAIRS}
    while (pair := next_pair(played, PAIRS, width=width, most=most)) is not None:
        played[pair] += [[DRAWS[pair](rng)] for _ in range(MATCH)]
    return played


def test_every_pair_plays_first_and_the_widest_next() -> None:
    played = {pair: [[float(number % 2)] for number in range(MATCH)] for pair in PAIRS[:3]}
    assert next_pair({**played, PAIRS[3]: []}, PAIRS, width=0.1, most=99) == PAIRS[3]
    played[PAIRS[3]] = [[5.0 * (number % 2)] for number in range(MATCH)]
    assert next_pair(played, PAIRS, width=0.1, most=99) == PAIRS[3]


def test_play_ends_where_all_are_narrow_or_have_played_most() -> None:
    played = play(1, width=0.8)
    assert all(widest(values, spread_of(played)) <= 0.8 for values in played.values())
    assert max(map(len, play(1, width=0.01, most=30).values())) == 30


def test_equal_episodes_are_not_taken_for_certainty() -> None:
    found = estimate([3.0] * 6, spread=5.0)
    assert (found.low, found.high) == (0.5, 5.5)
    assert len(play(1, width=0.5)[0, 0]) >= 2 * 3 * 4.5 / 0.5  # 3 / n of what was seen, on both sides


def test_intervals_hold_the_truth_although_play_stops_when_narrow() -> None:
    held = dict.fromkeys(PAIRS, 0)
    for seed in range(200):
        played = play(seed, width=1.2)
        for pair, values in played.items():
            found = estimate([row[0] for row in values], spread_of(played))
            held[pair] += found.low <= MEANS[pair] <= found.high
    assert held[0, 0] == 200
    assert min(held.values()) >= 0.9 * 200, held


@pytest.mark.parametrize("seed", range(3))
def test_fewer_episodes_than_if_all_pairs_played_as_often(seed: int) -> None:
    width = 0.8
    played = play(seed, width=width)
    rng, even = np.random.default_rng(seed), {pair: list[list[float]]() for pair in PAIRS}
    while not all(even.values()) or max(widest(values, spread_of(even)) for values in even.values()) > width:
        for pair in PAIRS:
            even[pair] += [[DRAWS[pair](rng)] for _ in range(MATCH)]
    assert sum(map(len, played.values())) < 0.7 * sum(map(len, even.values()))
