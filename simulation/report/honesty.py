"""What must be said about a run before its figures: where its texts came from, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.inference.provenance import CallStatus, Tier

if TYPE_CHECKING:
    from simulation.tables.run import Run


@dataclass(frozen=True)
class HonestyBanner:
    """Counts of a run's texts, calls and decisions; shares are 0-1, None where there is nothing to share.

    `tiers` counts messages, decisions and social actions by where their text came from. `synthetic` is the share of
    outcomes that are a formula over words. `falls` counts texts that a better tier had failed to give.
    """

    status: str
    treatment: str
    tiers: dict[str, int]
    real: float | None
    synthetic: float | None
    calls: int
    failed: int
    cached: int
    falls: int
    decisions: int
    invalid: int
    people: tuple[str, ...]


def honesty_of(run: Run) -> HonestyBanner:
    """What is to be said of `run`, finished or not."""
    import pandas as pd

    texts = [frame[["tier", "fallback_from"]].astype(str) for frame in (run.messages, run.decisions, run.acts)]
    told = pd.concat(texts, ignore_index=True)
    statuses = run.calls["status"].astype(str).value_counts()
    counts = {tier.value: int((told["tier"] == tier.value).sum()) for tier in Tier}
    real = sum(counts[tier.value] for tier in Tier if tier.real)
    outcomes, decisions = run.outcomes, run.decisions
    return HonestyBanner(
        status=str(run.manifest["status"]),
        treatment=str(run.manifest["scenario"]["communication"].get("treatment", "delivered")),
        tiers={tier: count for tier, count in counts.items() if count},
        real=real / len(told) if len(told) else None,
        synthetic=float(outcomes["synthetic"].mean()) if len(outcomes) else None,
        calls=int(statuses.get(CallStatus.OK.value, 0) + statuses.get(CallStatus.FAILED.value, 0)),
        failed=int(statuses.get(CallStatus.FAILED.value, 0)),
        cached=int(statuses.get(CallStatus.CACHED.value, 0)),
        falls=int((told["fallback_from"] != "").sum()),
        decisions=len(decisions),
        invalid=int((~decisions["valid"]).sum()),
        people=tuple(row.model_id for row in run.roster.expand() if row.human),
    )
