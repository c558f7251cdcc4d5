"""How likely a gate sees a gain of delta, published before the training starts.

A pilot plays the first versions. If candidate and incumbent draw independently, the deviation of a pair's difference
is that of an episode times the square root of 2. The gate pairs by seed, so the deviation is smaller where both play
alike: for a candidate whose payoffs vary as those of the first versions do, the published power is a lower bound.

Source: power of the paired t-test by the noncentral t distribution: Johnson & Welch, Biometrika 31 (1940).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson

from simulation.metrics.arrays import Vector
from simulation.metrics.registry import LEAST_UNITS
from simulation.sections.gate import GateConfig, decision_error, least_pairs
from simulation.store.files import replace_file

POWER = "power.json"
ENOUGH = 0.8
_MOST = 10**7


@dataclass(frozen=True)
class GatePower:
    """How well the first decision sees a difference of delta with one partner.

    Attributes:
        learner: The learner.
        partner: A policy, or the company.
        deviation: Of a pair's difference, in points a step; 0 where the difference is exact.
        power: The chance that `episodes` pairs show a difference of delta (0-1).
        needed: The pairs that show it with a chance of 0.8; 0 where it is exact.
        episodes: The pairs that the gate plays: the scenario's, of every task.
        delta: The difference, in points a step.
        error: The first decision's error.
        exact: Whether the difference is computed and not played.
    """

    learner: str
    partner: str
    deviation: float
    power: float
    needed: int
    episodes: int
    delta: float
    error: float
    exact: bool = False

    def __str__(self) -> str:
        return (
            f"gate of {self.learner}, {self.partner}: {self.episodes} episodes show a difference of {self.delta:g} a "
            f"step with a chance of about {self.power:.0%} or more; a chance of {ENOUGH:.0%} needs {self.needed:,} "
            f"(deviation {self.deviation:.3g})"
        )


def power(effect: float, deviation: float, pairs: int, error: float) -> float:
    """Return the chance that the lower bound of a mean is above the margin.

    Args:
        effect: The true mean less the margin.
        deviation: Of one pair, at least 0.
        pairs: How many there are.
        error: The bound's error, one-sided.
    """
    from scipy.stats import nct, t

    if pairs < max(LEAST_UNITS, least_pairs(error)):
        return 0.0
    if deviation == 0:
        return float(effect > 0)
    shift = effect * math.sqrt(pairs) / deviation
    found = float(nct.sf(t.ppf(1 - error, pairs - 1), pairs - 1, shift))
    return found if math.isfinite(found) else 1.0


def pairs_needed(effect: float, deviation: float, error: float) -> int:
    """Return the fewest pairs with a power of 0.8, at most ten million; arguments as in `power`."""
    low = high = max(LEAST_UNITS, least_pairs(error))
    while high < _MOST and power(effect, deviation, high, error) < ENOUGH:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, deviation, middle, error) >= ENOUGH else (middle + 1, high)
    return min(low, _MOST)


def pilot_power(learner: str, partner: str, values: Vector, config: GateConfig) -> GatePower:
    """Return the power from what the first version earned in each episode, in points a step."""
    deviation, error = math.sqrt(2) * float(np.std(values, ddof=1)), decision_error(config.error, 1)
    seen, needed = power(config.delta, deviation, len(values), error), pairs_needed(config.delta, deviation, error)
    return GatePower(learner, partner, deviation, seen, needed, len(values), config.delta, error)


def exact_power(learner: str, partner: str, config: GateConfig) -> GatePower:
    """Return the power where differences are exact."""
    return GatePower(learner, partner, 0.0, 1.0, 0, 0, config.delta, decision_error(config.error, 1), True)


def write_power(folder: Path, found: Sequence[GatePower]) -> None:
    """Write the power into a training's folder."""
    data = orjson.dumps([asdict(each) for each in found], option=orjson.OPT_INDENT_2)
    replace_file(folder / POWER, data + b"\n")


def read_power(folder: Path) -> tuple[GatePower, ...]:
    """Return the power that a training published; nothing where it has no gate, or is not begun."""
    path = folder / POWER
    return tuple(GatePower(**each) for each in orjson.loads(path.read_bytes())) if path.is_file() else ()


def power_lines(found: Sequence[GatePower]) -> list[str]:
    """Return the power as lines of text; what is exact takes one line."""
    exact = [each for each in found if each.exact]
    lines = [str(each) for each in found if not each.exact]
    if exact:
        partners = ", ".join(dict.fromkeys(each.partner for each in exact))
        lines.append(f"gate: differences are computed exactly, and any gain is seen: {partners}")
    return lines
