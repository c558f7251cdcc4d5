"""What the progress line tells of calls: made ones, failed ones, and those for which nothing was sent."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from simulation.plan import Plan
from simulation.progress import LiveProgress
from simulation.runner import run_scenario
from tests.support.faults import Fault
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM


def last_line(plan: Plan, runs: Path, cache: Path) -> str:
    written = io.StringIO()
    with LiveProgress(Console(file=written, width=200), 1) as progress:
        run_scenario(plan, out=runs, on_event=progress, cache=cache)
    return written.getvalue().splitlines()[-1]


def test_a_cached_reply_is_neither_a_call_nor_a_failure(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM()) as server:
        plan = make_plan(episodes=1, inference={"tiers": ["http"], "endpoints": [server.url], "retries": 3})
        server.script(Fault.SERVER_ERROR)
        first, again = (last_line(plan, runs, runs / "cache") for _ in range(2))
    assert "| 17 calls, 1 failed |" in first  # 4 models, 2 steps, a message and a decision each
    assert "http:16" in first
    assert "| 0 calls, 16 cached |" in again
    assert "http:16" in again
