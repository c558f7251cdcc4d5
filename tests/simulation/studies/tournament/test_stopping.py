"""What stopping early does to intervals, measured: the figure `simulation/studies/tournament/tournament.py` tells."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.metrics.inference import paired_bootstrap
from simulation.studies.tournament.tournament import ROUND


def stopped(seed: int, width: float, rounds: int = 10) -> tuple[bool, int]:
    """Whether the interval at the stop holds the true mean of 0, and the episodes played."""
    payoffs = np.random.default_rng(seed).normal(size=rounds * ROUND)
    for count in range(ROUND, len(payoffs) + 1, ROUND):
        interval = paired_bootstrap(payoffs[:count], resamples=300)
        if (interval.high - interval.low) / 2 <= width:
            break
    return not interval.excludes(0), count


@pytest.mark.parametrize("width", [0.8, 0.5, 0.3])
def test_intervals_hold_the_truth_nine_times_in_ten_rather_than_nineteen_in_twenty(width: float) -> None:
    found = [stopped(seed, width) for seed in range(400)]
    assert 0.86 <= np.mean([inside for inside, _ in found]) <= 0.95
    assert np.mean([count for _, count in found]) < 60
