"""Random numbers that are seeded late are those that are seeded at once."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from simulation.engine.batch.answers import LateRandom

DRAWS: list[Callable[[random.Random], object]] = [
    lambda rng: rng.random(),
    lambda rng: rng.getrandbits(70),
    lambda rng: rng.choice("abcdefg"),
    lambda rng: rng.choices("abc", [0.2, 0.3, 0.5], k=3),
    lambda rng: rng.sample(range(50), 4),
    lambda rng: rng.gauss(0, 1),
    lambda rng: rng.shuffle([1, 2, 3]),
    lambda rng: rng.uniform(1, 2),
]


@pytest.mark.parametrize("first", range(len(DRAWS)))
def test_late_draws_are_those_of_a_seeded_generator(first: int) -> None:
    for seed in ("", "7|ada", "7|ben"):
        late, seeded = LateRandom(seed), random.Random(seed)
        for draw in DRAWS[first:] + DRAWS[:first]:
            assert draw(late) == draw(seeded)
