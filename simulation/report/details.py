"""The details of one message or decision: its prompt, the reply as it came, who heard it.

A run stores the hash of a prompt, not its words. The words are computed again from the run's events and checked
against the hash. Where events are not enough (social actions, treated messages), a replay gives the rest. A run that
is unfinished or does not replay is reported without those prompts, and the report says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.provenance import CallKey, CallStatus, Purpose
from agents.problems import SocietyError

if TYPE_CHECKING:
    from agents.inference.provenance import ChatMessage, Request
    from simulation.tables.run import Run

Prompt = tuple["ChatMessage", ...]
CHUNK = 500
"""Rows whose details the browser unpacks at once."""


class Detail(NamedTuple):
    """`prompt` is (role, text) of each chat message, empty where it is unknown; `reply` is the text as it came."""

    prompt: list[tuple[str, str]]
    reply: str
    audience: list[str]


@dataclass
class Prompts:
    """Prompts by call; `why` says why there are none."""

    by_call: dict[CallKey, Prompt] = field(default_factory=dict)
    why: str = ""

    def see(self, request: Request) -> None:
        """Note the messages of a request."""
        self.by_call[request.key] = request.messages


def prompts_of(run: Run) -> Prompts:
    """Every prompt of a run that can be computed again."""
    from simulation.report.prompts import prompts_from_events

    found = dict(prompts_from_events(run))
    replies = run.calls[run.calls["status"].isin((CallStatus.OK.value, CallStatus.CACHED.value))]
    if len(found) >= len(replies):
        return Prompts(found)
    replayed = _replayed(run)
    return Prompts({**found, **replayed.by_call}, replayed.why)


def _replayed(run: Run) -> Prompts:
    from simulation.runs.replay import replay_run

    prompts = Prompts()
    try:
        with TemporaryDirectory(prefix="society-report-") as folder:
            replay_run(run.path, out=Path(folder), on_request=prompts.see)
    except SocietyError as error:
        return Prompts(why=str(error).splitlines()[0])
    return prompts


def details_of(run: Run, prompts: Mapping[CallKey, Prompt]) -> list[Detail]:
    """One detail per row of `texts_of(run)`, in its order."""
    messages, decisions = run.messages, run.decisions
    sent = zip(
        *(messages[name] for name in ("episode", "step", "talk_round", "sender", "text", "audience")), strict=True
    )
    decided = zip(*(decisions[name] for name in ("episode", "step", "model_id", "asks", "text")), strict=True)
    found = [
        Detail(_pairs(prompts.get(CallKey(int(e), int(s), str(who), Purpose.TALK, int(r)))), str(text), list(audience))
        for e, s, r, who, text, audience in sent
    ]
    for e, s, who, asks, text in decided:
        key = CallKey(int(e), int(s), str(who), Purpose.DECIDE, 0, int(asks) - 1)
        found.append(Detail(_pairs(prompts.get(key)), str(text), []))
    return found


def _pairs(prompt: Prompt | None) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt or ()]
