"""The gate's decision on one candidate, from what was measured.

| what | the candidate passes where |
|---|---|
| company | the lower bound of the objective's gain is above 0 |
| each held-out partner | the lower bound of its own payoff's difference is above -delta |
| exploitability, invalid decisions | they are at most their limits |

Differences are paired: candidate less incumbent, in points a step. All must pass, so every test may use the decision's
whole error (Berger 1982). Decision k of a training spends error * 6 / (pi^2 k^2): all of them together spend `error`.

Sources: Berger, Technometrics 24 (1982), for tests that must all pass; the bounds: `simulation.metrics.intervals`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from simulation.metrics.arrays import Vector
from simulation.metrics.intervals import mean_interval
from simulation.sections.gate import GateConfig, decision_error, least_pairs

COMPANY = "company"
"""The training's own rows, as a partner."""
_ROUNDING = 1e-9


class GateVerdict(str, Enum):
    """What became of a candidate; `no_change`: it earned exactly what the incumbent did, everywhere."""

    PROMOTED = "promoted"
    NO_CHANGE = "no_change"
    REFUSED = "refused"


@dataclass(frozen=True)
class PairedDifferences:
    """What a candidate earned more than the incumbent with one partner, in points a step.

    Attributes:
        partner: A policy, or `COMPANY`.
        values: One per pair of episodes; one number where it is exact.
        exact: Whether it was computed and not played.
    """

    partner: str
    values: Vector
    exact: bool = False


@dataclass(frozen=True)
class GateEvidence:
    """One partner's part in a decision.

    Attributes:
        partner: A policy, or `COMPANY`.
        n: Pairs of episodes; 0 where it is exact.
        difference: Candidate less incumbent, in points a step.
        low: The lower bound at the decision's error, one-sided; None where there is none.
        high: The upper bound, likewise.
        passed: Whether the bound is above the margin.
        why: Why there is no bound, or that the difference is exact.
    """

    partner: str
    n: int
    difference: float
    low: float | None
    high: float | None
    passed: bool
    why: str = ""


@dataclass(frozen=True)
class GateDecision:
    """One decision, with its evidence.

    Attributes:
        decision: Its number in the training, from 1, over all learners.
        error: What it may spend of the training's error.
        candidate: The version that was examined.
        incumbent: The version that it was compared with.
        verdict: Whether it was promoted.
        reason: Why.
        evidence: One entry per partner, the company first.
        invalid: Share of the candidate's decisions that were not legal (0-1).
        exploitability: What a best responder earns above the learner, in points a step; None where not computed.
        goes_on: The version that the next update changes.
    """

    decision: int
    error: float
    candidate: str
    incumbent: str
    verdict: GateVerdict
    reason: str
    evidence: tuple[GateEvidence, ...]
    invalid: float
    exploitability: float | None
    goes_on: str

    @property
    def promoted(self) -> bool:
        """Whether the candidate is the new incumbent."""
        return self.verdict is GateVerdict.PROMOTED


def decision_from(data: Mapping[str, Any]) -> GateDecision:
    """Return a decision from a line of the ledger. Raises TypeError, KeyError or ValueError where it is none."""
    evidence = tuple(GateEvidence(**each) for each in data["evidence"])
    return GateDecision(**{**data, "verdict": GateVerdict(data["verdict"]), "evidence": evidence})


def evidence_of(found: PairedDifferences, margin: float, error: float) -> GateEvidence:
    """Return whether a difference is above a margin.

    Args:
        found: The differences.
        margin: What the lower bound must be above: 0 for a gain, -delta for no loss.
        error: The error of the bound, one-sided.
    """
    if found.exact:
        gain = float(found.values[0])
        passed = gain > margin + (_ROUNDING if margin >= 0 else -_ROUNDING)
        return GateEvidence(found.partner, 0, gain, gain, gain, passed, "exact")
    interval = mean_interval(found.values, level=1 - 2 * error, unit="episodes")
    enough = interval.n >= least_pairs(error)
    if interval.known:
        passed = interval.low > margin and enough
        return GateEvidence(found.partner, interval.n, interval.value, interval.low, interval.high, passed)
    passed = interval.constant and interval.value > margin and enough
    return GateEvidence(found.partner, interval.n, interval.value, None, None, passed, interval.why)


@dataclass(frozen=True)
class GateMeasures:
    """Everything that was measured of a candidate.

    Attributes:
        candidate: The version that is examined.
        incumbent: The version that it is compared with.
        company: The objective's differences in the training's own company.
        held_out: The own payoff's differences with each held-out partner.
        invalid: As in `GateDecision`.
        exploitability: As in `GateDecision`.
    """

    candidate: str
    incumbent: str
    company: PairedDifferences
    held_out: Sequence[PairedDifferences]
    invalid: float = 0.0
    exploitability: float | None = None


def decide(found: GateMeasures, config: GateConfig, decision: int) -> GateDecision:
    """Return the decision on a candidate; `goes_on` is the candidate, whatever `on_reject` says.

    Args:
        found: What was measured.
        config: The gate's limits.
        decision: The decision's number in the training, from 1.
    """
    error = decision_error(config.error, decision)
    gain = evidence_of(found.company, 0.0, error)
    others = [evidence_of(each, -config.delta, error) for each in found.held_out]
    faults = list(_faults(found, config, gain, others))
    verdict, reason = GateVerdict.PROMOTED, "better in its company, and no worse with any held-out partner"
    if not any(np.any(each.values) for each in (found.company, *found.held_out)):
        verdict, reason = GateVerdict.NO_CHANGE, "it earns exactly what the incumbent does, with every partner"
    elif faults:
        verdict, reason = GateVerdict.REFUSED, "; ".join(faults)
    return GateDecision(
        decision=decision,
        error=error,
        candidate=found.candidate,
        incumbent=found.incumbent,
        verdict=verdict,
        reason=reason,
        evidence=(gain, *others),
        invalid=found.invalid,
        exploitability=found.exploitability,
        goes_on=found.candidate,
    )


def _faults(
    found: GateMeasures, config: GateConfig, gain: GateEvidence, others: Sequence[GateEvidence]
) -> Iterator[str]:
    if not gain.passed:
        yield f"no gain of its objective is shown: {shown(gain)}"
    for each in others:
        if not each.passed:
            lost = "loses" if (each.high if each.high is not None else each.difference) < -config.delta else "may lose"
            yield f"{lost} more than {config.delta:g} a step with {each.partner}: {shown(each)}"
    limit = config.max_exploitability
    if limit is not None and found.exploitability is not None and found.exploitability > limit + _ROUNDING:
        yield f"a best responder earns {found.exploitability:.3g} a step above it; the limit is {limit:g}"
    if found.invalid > config.max_invalid:
        yield f"{found.invalid:.1%} of its decisions are invalid; the limit is {config.max_invalid:.1%}"


def shown(evidence: GateEvidence) -> str:
    """Return a difference with its bounds, as text."""
    if evidence.low is None or evidence.high is None:
        return f"{evidence.difference:+.3f} ({evidence.why})"
    if not evidence.n:
        return f"{evidence.difference:+.3f} (exact)"
    return f"{evidence.difference:+.3f} [{evidence.low:+.3f}, {evidence.high:+.3f}], n={evidence.n}"
