"""A society on the lean server makes the documented calls, and no more."""

from __future__ import annotations

import asyncio
import json
import urllib.request

import pytest

from agents.inference.provenance import Tier
from benchmarks import societies
from benchmarks.lean_server import REPLY, lean_server
from benchmarks.societies import ADAPTERS, Watched, play
from simulation.store.events import CallMade, Event


def test_constrained_reply_is_one_of_the_choices() -> None:
    with lean_server(0.0, *ADAPTERS) as url:
        assert _answer(url, {}) == REPLY
        assert _answer(url, {"structured_outputs": {"choice": ["0", "10"]}}) == "0"


def test_step_is_two_calls_per_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[CallMade] = []

    class Counted(Watched):
        def note(self, event: Event) -> None:
            if isinstance(event, CallMade):
                calls.append(event)
            super().note(event)

    monkeypatch.setattr(societies, "Watched", Counted)
    with lean_server(0.0, *ADAPTERS) as url:
        asyncio.run(play(3, 4, Tier.HTTP, url))
    assert len(calls) == 2 * 3 * 4


def _answer(url: str, more: dict[str, object]) -> str:
    body = json.dumps({"model": ADAPTERS[0], "messages": [], **more}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body)) as response:
        return str(json.load(response)["choices"][0]["message"]["content"])
