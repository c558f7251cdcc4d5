"""The gate's decision: who is promoted, who is refused, and at what error."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import orjson
import pytest

from simulation.sections.gate import GateConfig, decision_error, least_pairs
from simulation.training.gate.decision import (
    COMPANY,
    GateDecision,
    GateMeasures,
    GateVerdict,
    PairedDifferences,
    decide,
    decision_from,
)

GATE = GateConfig(held_out=("grim", "random"), delta=0.2, episodes=16, max_exploitability=1.0)
RNG = np.random.default_rng(1)
GAIN = RNG.normal(1.0, 0.5, 16)
EQUAL = RNG.normal(0.0, 0.05, 16)


def decided(
    company: Any, *held_out: Any, decision: int = 1, exact: bool = False, gate: GateConfig = GATE, **measured: float
) -> GateDecision:
    others = tuple(
        PairedDifferences(name, np.array(each), exact) for name, each in zip(gate.held_out, held_out, strict=False)
    )
    first = PairedDifferences(COMPANY, np.array(company), exact)
    return decide(GateMeasures("new", "old", first, others, **measured), gate, decision)


def test_decisions_never_spend_more_than_the_error() -> None:
    spent = sum(decision_error(0.05, number) for number in range(1, 100_000))
    assert 0.0499 < spent < 0.05
    assert least_pairs(decision_error(0.05, 1)) == 6


def test_gain_without_a_loss_is_promoted() -> None:
    found = decided(GAIN, EQUAL, EQUAL)
    assert found.verdict is GateVerdict.PROMOTED
    assert found.goes_on == "new"
    assert all(each.passed for each in found.evidence)


def test_same_play_is_no_change_and_never_promoted() -> None:
    for exact in (False, True):
        zeros = np.zeros(1 if exact else 200)
        found = decided(zeros, zeros, zeros, exact=exact)
        assert found.verdict is GateVerdict.NO_CHANGE
        assert not found.promoted


def test_loss_with_one_partner_refuses_though_the_mean_gains() -> None:
    found = decided(GAIN, GAIN * 5, EQUAL - 0.5)
    assert found.verdict is GateVerdict.REFUSED
    assert "random" in found.reason
    assert "grim" not in found.reason


def test_loss_that_is_not_excluded_refuses() -> None:
    wide = RNG.normal(0.0, 2.0, 16)
    found = decided(GAIN, EQUAL, wide - wide.mean())
    assert "may lose more than 0.2 a step with random" in found.reason


def test_gain_must_be_shown_at_the_error_of_its_decision() -> None:
    weak = GAIN - GAIN.mean() + 0.35
    assert decided(weak, EQUAL, EQUAL, decision=1).promoted
    assert not decided(weak, EQUAL, EQUAL, decision=20).promoted


def test_equal_gains_of_too_few_pairs_show_nothing() -> None:
    alike = np.ones(6)
    assert decided(alike, alike, alike, decision=1).promoted
    assert not decided(alike, alike, alike, decision=2).promoted  # 1 in 64 is above .05 * 6 / (4 pi^2)


@pytest.mark.parametrize(
    ("company", "partner", "promoted"),
    [(0.01, -0.2, True), (0.01, -0.21, False), (1e-12, 0.1, False), (-0.1, 0.1, False)],
)
def test_exact_differences_need_no_interval(company: float, partner: float, promoted: bool) -> None:
    found = decided([company], [partner], [0.0], exact=True)
    assert found.promoted is promoted
    assert {(each.n, each.why) for each in found.evidence} == {(0, "exact")}


@pytest.mark.parametrize(
    ("measured", "word"), [({"exploitability": 1.1}, "best responder"), ({"invalid": 0.03}, "invalid")]
)
def test_limits_refuse(measured: dict[str, float], word: str) -> None:
    found = decided(GAIN, EQUAL, EQUAL, **measured)
    assert found.verdict is GateVerdict.REFUSED
    assert word in found.reason
    assert decided(GAIN, EQUAL, EQUAL, exploitability=1.0, invalid=0.02).promoted


def test_decision_is_the_same_after_the_ledger() -> None:
    for found in (decided(GAIN, EQUAL, np.ones(16), exploitability=0.5), decided(np.zeros(16))):
        assert decision_from(orjson.loads(orjson.dumps(asdict(found)))) == found
