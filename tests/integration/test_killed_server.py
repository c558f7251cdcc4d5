"""A server that is killed during a run and restarted: nothing is lost, nothing is done twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.inference.provenance import CallStatus
from simulation.runs.runner import run_scenario
from simulation.store.events import CallMade, Event
from tests.integration.fleet import answers, plan_for, same_story
from tests.support.scripted_process import ScriptedProcess, scripted_process

pytestmark = pytest.mark.slow
DELAY = "0.04"


class Calls:
    """Watches a run from another thread: how many calls a server has answered so far."""

    def __init__(self) -> None:
        self.answered: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallMade) and event.record.status is CallStatus.OK:
            self.answered.append(event.record.endpoint)

    def wait(self, url: str, more: int, running: threading.Thread) -> None:
        enough = self.answered.count(url) + more
        while self.answered.count(url) < enough:
            assert running.is_alive(), f"the run ended before {url} was asked {more} times more"
            time.sleep(0.01)


@pytest.fixture
def right() -> Iterator[ScriptedProcess]:
    with scripted_process(("cooperator",), "--delay", DELAY) as server:
        yield server


@pytest.mark.parametrize("tier", ["http", "camel"])
def test_killed_server_loses_no_message_and_is_used_again(right: ScriptedProcess, tier: str, tmp_path: Path) -> None:
    size = {"steps": 40, "episodes": 3}
    with scripted_process(("cooperator",)) as quick:
        undisturbed = run_scenario(plan_for([quick.url], tier, **size), out=tmp_path / "undisturbed")
    watch, runs = Calls(), []
    with scripted_process(("cooperator",), "--delay", DELAY) as left:
        plan = plan_for([left.url, right.url], tier, **size)
        running = threading.Thread(
            target=lambda: runs.append(run_scenario(plan, out=tmp_path / "run", on_event=watch)), daemon=True
        )
        running.start()
        watch.wait(left.url, 20, running)
        left.kill()
        watch.wait(right.url, 20, running)
    port = left.url.split(":")[-1].removesuffix("/v1")
    with scripted_process(("cooperator",), "--delay", DELAY, "--port", port) as again:
        assert again.url == left.url
        watch.wait(left.url, 20, running)
        running.join(120)
    [run] = runs
    same_story(run, undisturbed)
    assert set(run.calls["tier"]) == {tier}
    lost = run.calls[run.calls["status"] == "failed"]
    assert len(lost) > 0
    assert set(zip(lost["endpoint"], lost["error_class"], strict=True)) == {(left.url, "ServerLostError")}
    moved = answers(run).query("attempt > 1")
    assert len(moved) == len(lost)
    assert set(moved["endpoint"]) == {right.url}
