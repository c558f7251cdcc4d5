"""What a reader must know of a run before its figures: where its texts came from, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.inference.provenance import CallStatus
from agents.inference.servers.proof import stored_warnings
from simulation.metrics.banner import SourceCounts
from simulation.metrics.replies import reply_shares
from simulation.tables.listing import run_state

if TYPE_CHECKING:
    from simulation.tables.run import Run


@dataclass(frozen=True)
class HonestyBanner:
    """Counts of a run's texts, calls and decisions.

    Attributes:
        status: finished, stopped, running, or cut off where no process plays it.
        treatment: What was done to messages before they were heard.
        tiers: Messages, decisions and social actions by the tier of their text.
        real: Share of texts from a language model (0-1); None without texts.
        synthetic: Share of outcomes that are a formula over words (0-1); None without outcomes.
        calls: Attempts that were not cancelled.
        failed: Attempts that failed.
        cached: Replies from a reply cache.
        fallbacks: Texts that a better tier had failed to give.
        decisions: All decisions.
        invalid: Decisions that were no legal option.
        acts: All acts in the social network.
        invalid_acts: Acts that were no legal action.
        empty: Replies with neither text nor tool call.
        cut: Replies that ended because the most tokens were reached.
        problems: Shares above their bound, each with its likely cause and a fix, as texts.
        people: The ids of persons who took part.
        unproved: What is not proved of the models that answered, and what servers refused, one sentence each.
    """

    status: str
    treatment: str
    tiers: dict[str, int]
    real: float | None
    synthetic: float | None
    calls: int
    failed: int
    cached: int
    fallbacks: int
    decisions: int
    invalid: int
    acts: int
    invalid_acts: int
    empty: int
    cut: int
    problems: tuple[str, ...]
    people: tuple[str, ...]
    unproved: tuple[str, ...]


def honesty_of(run: Run) -> HonestyBanner:
    """The banner of a run, finished or not."""
    counts, decisions = SourceCounts.of(run), run.decisions
    statuses = run.calls["status"].astype(str).value_counts()
    shares = {each.name: each for each in reply_shares(run)}
    return HonestyBanner(
        status=run_state(run.path, run.manifest),
        treatment=str(run.manifest["scenario"]["communication"].get("treatment", "delivered")),
        tiers=dict(counts.texts),
        real=counts.real_share,
        synthetic=counts.synthetic_share,
        calls=int(statuses.get(CallStatus.OK.value, 0) + statuses.get(CallStatus.FAILED.value, 0)),
        failed=int(statuses.get(CallStatus.FAILED.value, 0)),
        cached=int(statuses.get(CallStatus.CACHED.value, 0)),
        fallbacks=counts.fallbacks,
        decisions=len(decisions),
        invalid=int((~decisions["valid"]).sum()),
        acts=len(run.acts),
        invalid_acts=int(run.acts["action"].isna().sum()),
        empty=shares["empty"].count if "empty" in shares else 0,
        cut=shares["cut"].count if "cut" in shares else 0,
        problems=tuple(
            f"{each.name} {each.count} of {each.of} ({each.share:.0%}): {each.cause}; {each.fix}"
            for each in shares.values()
            if each.exceeds
        ),
        people=tuple(row.model_id for row in run.roster.expand() if row.human),
        unproved=tuple(stored_warnings(run.manifest.get("probes") or {})),
    )
