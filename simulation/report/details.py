"""The details of one message or decision: the prompt that was asked, the reply as it came, who heard it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.provenance import CallKey, Purpose
from simulation.store.prompts import read_prompts

if TYPE_CHECKING:
    from agents.inference.provenance import ChatMessage
    from simulation.tables.run import Run

Prompt = tuple["ChatMessage", ...]
CHUNK = 500
"""Rows whose details the browser unpacks at once."""


class Detail(NamedTuple):
    """`prompt` is (role, text) of each chat message, empty where it is unknown; `reply` is the text as it came."""

    prompt: list[tuple[str, str]]
    reply: str
    audience: list[str]


@dataclass(frozen=True)
class Prompts:
    """Prompts by call; `why` says why there are none."""

    by_call: Mapping[CallKey, Prompt] = field(default_factory=dict)
    why: str = ""


def prompts_of(run: Run) -> Prompts:
    """Return every prompt that a run stored."""
    found = {key: prompt.messages for key, prompt in read_prompts(run.path).items()}
    return Prompts(found, "" if found else run.why_no_prompts)


def details_of(run: Run, prompts: Mapping[CallKey, Prompt]) -> list[Detail]:
    """One detail per row of `texts_of(run)`, in its order."""
    messages, decisions = run.messages, run.decisions
    sent = zip(
        *(messages[name] for name in ("episode", "step", "talk_round", "sender", "text", "audience")), strict=True
    )
    decided = zip(*(decisions[name] for name in ("episode", "step", "model_id", "asks", "text")), strict=True)
    found = [
        Detail(_parts(prompts.get(CallKey(int(e), int(s), str(who), Purpose.TALK, int(r)))), str(text), list(audience))
        for e, s, r, who, text, audience in sent
    ]
    for e, s, who, asks, text in decided:
        key = CallKey(int(e), int(s), str(who), Purpose.DECIDE, 0, int(asks) - 1)
        found.append(Detail(_parts(prompts.get(key)), str(text), []))
    return found


def _parts(prompt: Prompt | None) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt or ()]
