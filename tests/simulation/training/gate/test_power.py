"""The published power is how often the decision sees a gain."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.sections.gate import GateConfig
from simulation.training.gate.decision import COMPANY, PairedDifferences, evidence_of
from simulation.training.gate.power import exact_power, pairs_needed, pilot_power, power, power_lines


@pytest.mark.parametrize(("effect", "pairs"), [(0.4, 16), (0.4, 48), (0.8, 12)])
def test_power_is_how_often_a_gain_is_shown(effect: float, pairs: int) -> None:
    rng, error, draws = np.random.default_rng(pairs), 0.03, 1500
    samples = rng.normal(effect, 1.0, (draws, pairs))
    shown = np.mean([evidence_of(PairedDifferences(COMPANY, each), 0.0, error).passed for each in samples])
    expected = power(effect, 1.0, pairs, error)
    # the wider of two intervals shows somewhat less than the t-test, whose power it is
    assert expected - 0.08 < shown < expected + 3 * np.sqrt(0.25 / draws)


def test_needed_pairs_are_the_fewest_with_enough_power() -> None:
    needed = pairs_needed(0.2, 1.0, 0.03)
    assert power(0.2, 1.0, needed - 1, 0.03) < 0.8 <= power(0.2, 1.0, needed, 0.03)
    assert pairs_needed(0.2, 0.0, 0.03) == 6


def test_too_few_pairs_have_no_power() -> None:
    assert power(100.0, 1.0, 5, 0.05) == 0
    assert power(100.0, 1.0, 7, 0.001) == 0  # seven equal signs: 1 in 128
    assert power(100.0, 0.0, 10, 0.001) == 1


def test_pilot_power_says_what_is_needed() -> None:
    gate = GateConfig(held_out=("grim",), delta=0.5, episodes=12)
    found = pilot_power("ann", COMPANY, np.tile([0.0, 1.0], 6), gate)
    assert found.deviation == pytest.approx(np.sqrt(2) * np.std([0, 1] * 6, ddof=1))
    assert 0 < found.power < 0.8
    assert found.needed > 12
    lines = power_lines([found, exact_power("ann", "grim", gate), exact_power("bo", "grim", gate)])
    assert len(lines) == 2
    assert f"needs {found.needed}" in lines[0]
    assert lines[1].endswith("any gain is seen: grim")
