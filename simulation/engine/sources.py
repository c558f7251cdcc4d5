"""What events and memories say of the replies behind a message, a decision and an act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.inference.provenance import Reply, fallen

if TYPE_CHECKING:
    from agents.lora_model import Act, Decision


def message_source(reply: Reply) -> dict[str, Any]:
    """Return what a `MessageSent` says of its reply."""
    return {**_source(reply), "reasoning": reply.reasoning}


def decision_source(decision: Decision) -> dict[str, Any]:
    """Return what a `DecisionMade` says of its replies."""
    last = decision.replies[-1]
    return {
        **_source(last),
        "asks": len(decision.replies),
        "choice_probability": last.choice_probability,
        "reading": decision.reading.value if decision.reading else "",
        "note": decision.note.text if decision.note else "",
        "reasoning": "\n".join(reply.reasoning for reply in replies_of(decision) if reply.reasoning),
    }


def replies_of(decision: Decision) -> list[Reply]:
    """Return all replies of a decision, the note first."""
    return [reply for reply in (decision.note, *decision.replies) if reply is not None]


def _source(reply: Reply) -> dict[str, Any]:
    source = reply.provenance
    return {
        "tier": source.tier.value,
        "adapter": source.adapter,
        "endpoint": source.endpoint,
        "latency": source.latency,
        "fallback_from": fallen(source),
    }


def act_in_words(act: Act) -> str:
    """Return what a model did in the social network: the action and its arguments; empty for nothing legal."""
    if act.move is None:
        return ""
    return " ".join([act.move.action.value, *map(str, act.move.arguments.values())])
