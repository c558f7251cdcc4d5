"""How often intervals contain the truth, and how often tests reject a true null: measured on drawn samples.

    python -m benchmarks.coverage           # writes docs/explanation/coverage.md (some minutes)

Each row draws samples of a known truth and asks the functions that the product prints. A row `at_least` may contain the
truth more often than 97.5 %: figures that take few values cannot come closer to 95 % (a coin thrown ten times has
coverage 97.9 % or 89.1 %, nothing between), and are then on the safe side.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from simulation.metrics.behaviour import beyond_chance, difference_of_means, slope
from simulation.metrics.commons import Lifetime, kaplan_meier
from simulation.metrics.inference import permutation_p_value, sign_flip_p_value
from simulation.metrics.intervals import (
    UNIT,
    cluster_interval,
    difference,
    jackknife_interval,
    mean_interval,
    ratio,
)
from simulation.metrics.registry import LEAST_UNITS, Interval
from simulation.metrics.scores import iqm
from simulation.metrics.transitivity import transitivity

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "coverage.md"
UNITS = (6, 8, 10, 20, 50)
LOWEST, HIGHEST = 0.93, 0.975
Rng = np.random.Generator


@dataclass(frozen=True)
class CoverageCase:
    """One row: `draw` makes a sample of n units and returns its interval and the truth.

    Attributes:
        figure: What is estimated.
        sample: What is drawn.
        draw: Takes a generator and n.
        at_least: Whether coverage may be above 97.5 %, as the figure takes few values.
    """

    figure: str
    sample: str
    draw: Callable[[Rng, int], tuple[Interval, float]]
    at_least: bool = False


@dataclass(frozen=True)
class NullCase:
    """One row: `p_value` draws a sample without an effect, of n units."""

    test: str
    sample: str
    p_value: Callable[[Rng, int], float]


# -- intervals ------------------------------------------------------------------------------------------


def _mean(values: Callable[[Rng, int], np.ndarray], truth: float, rng: Rng, n: int) -> tuple[Interval, float]:
    return mean_interval(values(rng, n)), truth


def _share(values: Callable[[Rng, int, float], np.ndarray], rng: Rng, n: int) -> tuple[Interval, float]:
    truth = float(rng.uniform(0.05, 0.95))
    return mean_interval(values(rng, n, truth), bounds=UNIT), truth


def _clustered_share(agreement: float, rng: Rng, n: int) -> tuple[Interval, float]:
    """Episodes of 1-8 decisions with shares of their own, evenly spread truth."""
    truth, spread = float(rng.uniform(0.05, 0.95)), (1 - agreement) / agreement
    sizes = rng.integers(1, 9, n)
    hits = rng.binomial(sizes, rng.beta(truth * spread, (1 - truth) * spread, n))
    return cluster_interval(ratio, np.stack([hits, sizes], axis=1).astype(float), bounds=UNIT), truth


def _clustered_mean(noise: Callable[[Rng, int], np.ndarray], rng: Rng, n: int) -> tuple[Interval, float]:
    """Episodes of 1-8 values that share a part."""
    sizes = rng.integers(1, 9, n)
    totals = sizes * noise(rng, n) + rng.normal(0, 1, n) * np.sqrt(sizes)
    return cluster_interval(ratio, np.stack([totals, sizes], axis=1)), 0.0


def _unpaired(noise: Callable[[Rng, int], np.ndarray], rng: Rng, n: int) -> tuple[Interval, float]:
    """Two sides of different size and spread."""
    return difference(mean_interval(noise(rng, n)), mean_interval(3 * noise(rng, n + 4))), 0.0


def _unpaired_share(rng: Rng, n: int) -> tuple[Interval, float]:
    (first, one), (second, other) = (_clustered_share(0.3, rng, n) for _ in range(2))
    return difference(first, second), one - other


def _slope(rng: Rng, n: int) -> tuple[Interval, float]:
    """Episodes of five steps that share a part; the slope is 0.6."""
    x = rng.uniform(0, 1, (n, 5))
    y = 0.6 * x + rng.normal(0, 0.2, (n, 1)) + rng.normal(0, 0.2, (n, 5))
    parts = [x, y, x * x, x * y, np.ones_like(x)]
    return cluster_interval(slope, np.stack([part.sum(axis=1) for part in parts], axis=1)), 0.6


def _change(rng: Rng, n: int) -> tuple[Interval, float]:
    """The mean after punishment less that after none, in episodes of some steps of each."""
    fined, spared = rng.integers(1, 5, n), rng.integers(1, 5, n)
    own = rng.normal(0, 0.2, n)
    sums = [fined * (0.3 + own) + rng.normal(0, 0.3, n), fined, spared * own + rng.normal(0, 0.3, n), spared]
    return cluster_interval(difference_of_means, np.stack(sums, axis=1)), 0.3


def _agreement(rng: Rng, n: int) -> tuple[Interval, float]:
    """Episodes of six messages; half of them are followed whatever was said, the others at random."""
    said = rng.random((n, 6)) < rng.beta(4, 4, (n, 1))
    done = np.where(rng.random((n, 6)) < 0.5, said, rng.random((n, 6)) < 0.5)
    sums = np.stack([(said == done).sum(1), said.sum(1), done.sum(1), np.full(n, 6)], axis=1).astype(float)
    return cluster_interval(beyond_chance, sums), 0.25


def _iqm(rng: Rng, n: int) -> tuple[Interval, float]:
    """Seeds with four tasks of different means; the middle half is symmetric about its mean."""
    scores = np.array([0.3, 0.45, 0.55, 0.7]) + rng.normal(0, 0.1, (n, 1)) + rng.normal(0, 0.1, (n, 4))
    return jackknife_interval(iqm, scores, range(n)), 0.5


def _survival(rng: Rng, n: int) -> tuple[Interval, float]:
    """The share of commons alive after step 3; one in five collapses at a step."""
    steps = rng.geometric(0.2, n)
    lives = [Lifetime(int(min(step, 6)), bool(step < 6)) for step in steps]
    points = [point for point in kaplan_meier(lives) if point.step <= 3]
    return points[-1].survival if points else mean_interval([1.0] * n, bounds=UNIT), 0.8**3


def _normal(rng: Rng, n: int) -> np.ndarray:
    return rng.normal(0, 1, n)


def _skewed(rng: Rng, n: int) -> np.ndarray:
    return rng.exponential(1, n) - 1


def _heavy(rng: Rng, n: int) -> np.ndarray:
    return rng.standard_t(5, n)


def _log_normal(rng: Rng, n: int) -> np.ndarray:
    return np.asarray(np.exp(rng.normal(0, 0.5, n)) - math.exp(0.125))


def _payoffs(rng: Rng, n: int) -> np.ndarray:
    return rng.choice([0.0, 1.0, 3.0, 5.0], n, p=[0.2, 0.4, 0.3, 0.1])


def _ternary(rare: float, rng: Rng, n: int) -> np.ndarray:
    return rng.choice([-1.0, 0.0, 1.0], n, p=[rare, 1 - 2 * rare, rare])


def _coins(rng: Rng, n: int, share: float) -> np.ndarray:
    return (rng.random(n) < share).astype(float)


def _in_unit(rng: Rng, n: int, share: float) -> np.ndarray:
    return rng.beta(2 * share, 2 * (1 - share), n)


CASES = (
    CoverageCase("mean per episode", "normal", partial(_mean, _normal, 0.0)),
    CoverageCase("mean per episode", "skewed (exponential)", partial(_mean, _skewed, 0.0)),
    CoverageCase("mean per episode", "skewed (log-normal, 0.5)", partial(_mean, _log_normal, 0.0)),
    CoverageCase("mean per episode", "heavy tails (t, 5 degrees)", partial(_mean, _heavy, 0.0)),
    CoverageCase("mean per episode", "payoffs 0, 1, 3, 5", partial(_mean, _payoffs, 1.8), at_least=True),
    CoverageCase("paired difference", "-1, 0, 1 evenly", partial(_mean, partial(_ternary, 1 / 3), 0.0), at_least=True),
    CoverageCase(
        "paired difference", "rarely -1 or 1 (5 %)", partial(_mean, partial(_ternary, 0.05), 0.0), at_least=True
    ),
    CoverageCase("share", "binary", partial(_share, _coins)),
    CoverageCase("share", "between 0 and 1 (beta)", partial(_share, _in_unit), at_least=True),
    CoverageCase("share of clustered decisions", "episodes agree little (0.1)", partial(_clustered_share, 0.1)),
    CoverageCase("share of clustered decisions", "episodes agree more (0.3)", partial(_clustered_share, 0.3)),
    CoverageCase("mean of clustered values", "normal", partial(_clustered_mean, _normal)),
    CoverageCase("mean of clustered values", "skewed (exponential)", partial(_clustered_mean, _skewed)),
    CoverageCase("unpaired difference", "normal, spreads 1 and 3", partial(_unpaired, _normal)),
    CoverageCase("unpaired difference", "skewed, spreads 1 and 3", partial(_unpaired, _skewed)),
    CoverageCase("difference of clustered shares", "episodes agree more (0.3)", _unpaired_share, at_least=True),
    CoverageCase("slope of gifts", "clustered steps", _slope),
    CoverageCase("effect of punishment", "clustered steps", _change),
    CoverageCase("agreement beyond chance", "clustered messages", _agreement),
    CoverageCase("interquartile mean", "four tasks a seed", _iqm),
    CoverageCase("survival of a commons", "one in five collapses a step", _survival, at_least=True),
)


def coverage(case: CoverageCase, n: int, trials: int, seed: int = 0) -> tuple[float, int]:
    """Return how often intervals contain the truth, and how many intervals there were."""
    rng, hits, printed = np.random.default_rng([seed, n]), 0, 0
    for _ in range(trials):
        interval, truth = case.draw(rng, n)
        printed += interval.known
        hits += interval.known and interval.low - 1e-12 <= truth <= interval.high + 1e-12
    return hits / max(1, printed), printed


# -- tests ----------------------------------------------------------------------------------------------


def _flips(values: Callable[[Rng, int], np.ndarray], rng: Rng, n: int) -> float:
    return sign_flip_p_value(values(rng, n), flips=500, seed=int(rng.integers(2**31)))


def _divided(rng: Rng, n: int) -> float:
    sums = [np.stack([rng.binomial(4, rng.beta(2, 3, size)), np.full(size, 4)], axis=1) for size in (n, n + 4)]
    first, second = (each.astype(float) for each in sums)
    return permutation_p_value(ratio, first, second, permutations=400, seed=int(rng.integers(2**31)))


def _margins(noise: Callable[[Rng, int], np.ndarray], players: int, rng: Rng, n: int) -> float:
    """The margins of transitive play in which players have good and bad episodes, too."""
    strength, form = rng.normal(0, 1, players), rng.normal(0, 0.7, (players, n))
    episodes = {
        (i, j): strength[i] - strength[j] + form[i] - form[j] + noise(rng, n)
        for i in range(players)
        for j in range(i + 1, players)
    }
    return transitivity(episodes, players).p_value


NULLS = (
    NullCase("sign flips (effect)", "normal", partial(_flips, _normal)),
    NullCase("sign flips (effect)", "-1, 0, 1 evenly", partial(_flips, partial(_ternary, 1 / 3))),
    NullCase("sign flips (effect)", "skewed (exponential)", partial(_flips, _skewed)),
    NullCase("permutation (fingerprint)", "clustered shares", _divided),
    NullCase("transitivity (tournament)", "3 players, normal", partial(_margins, _normal, 3)),
    NullCase("transitivity (tournament)", "4 players, skewed", partial(_margins, _skewed, 4)),
    NullCase("transitivity (tournament)", "6 players, normal", partial(_margins, _normal, 6)),
)


def false_rejections(case: NullCase, n: int, trials: int, seed: int = 0) -> float:
    """Return how often a true null is rejected at 5 %."""
    rng = np.random.default_rng([seed, n])
    return sum(case.p_value(rng, n) <= 0.05 for _ in range(trials)) / trials


# -- the page -------------------------------------------------------------------------------------------

TEXT = """# How often intervals contain the truth

<!-- made by: python -m benchmarks.coverage -->

Every 95 % interval of this product comes from one method ([Statistics](statistics.md)). This page measures it:
samples with a known truth are drawn {trials:,} times for each cell, and the cell is the share of intervals that
contain the truth. Its own error is about {error:.1f} points. The aim is {low:.0f} % to {high:.1f} %. Below {least}
independent units no interval is printed. In rows marked "or more", figures take few values: no method comes closer to
95 % there (a coin thrown ten times has 97.9 % or 89.1 %, nothing between), and this one is on the safe side. Truths
of shares are spread evenly from 5 % to 95 %. Samples in which all units are the same have no interval (but shares of
0 and 1 have), and do not count.
"""

NULL_TEXT = """
## How often a test rejects where nothing is

The same for p-values, with a quarter of the samples: how often p is at most 0.05 where there is no effect. It should be
5 % or less.
Sign flips need differences that are symmetric about 0 where there is no effect; the row "skewed" shows what happens
where they are not.
"""


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def page(trials: int, units: Sequence[int] = UNITS) -> str:
    """Return the page, from `trials` samples for each cell."""
    error = 196 * math.sqrt(0.05 * 0.95 / trials)
    heads = " | ".join(f"n = {n}" for n in units)
    lines = [TEXT.format(trials=trials, error=error, low=100 * LOWEST, high=100 * HIGHEST, least=LEAST_UNITS)]
    lines += [f"| estimate | sample | {heads} | |", f"|---|---|{'---:|' * len(units)}---|"]
    for case in CASES:
        cells = " | ".join(_percent(coverage(case, n, trials)[0]) for n in units)
        lines.append(f"| {case.figure} | {case.sample} | {cells} | {'or more' if case.at_least else ''} |")
    lines += [NULL_TEXT, f"| test | sample | {heads} |", f"|---|---|{'---:|' * len(units)}"]
    for null in NULLS:
        cells = " | ".join(_percent(false_rejections(null, n, trials // 4)) for n in units)
        lines.append(f"| {null.test} | {null.sample} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="samples for each cell")
    options = parser.parse_args()
    PAGE.write_text(page(options.trials), encoding="utf-8")


if __name__ == "__main__":
    main()
