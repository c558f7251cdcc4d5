"""Live metrics, scraped over HTTP as Prometheus does."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.problems import UsageError
from simulation.monitor.prometheus import LiveMetrics, serve_metrics
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import CallMade, Event, StepResolved
from simulation.tables.run import load_run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.faults import Fault
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(url: str) -> Samples:
    """Return every sample by name and labels."""
    text = urllib.request.urlopen(url, timeout=5).read().decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value for (found, its), value in samples.items() if found == name and labels.items() <= dict(its).items()
    )


def test_scraped_metrics_equal_the_tables(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM()) as server:
        inference = {"tiers": ["http"], "endpoints": [server.url], "retries": 3}
        plan = make_plan(inference=inference)
        server.script(Fault.SERVER_ERROR, Fault.INVALID_JSON)
        metrics = LiveMetrics(2)
        with serve_metrics(metrics, 0) as url:
            run = run_scenario(plan, out=runs, on_event=metrics)
            samples = scrape(url)
        asked = len(server.bodies)
    calls = run.calls
    assert total(samples, "society_calls_total", tier="http", endpoint=server.url, adapter="cooperator") == len(calls)
    assert len(calls) == asked
    assert total(samples, "society_calls_total", status="failed") == 2
    assert total(samples, "society_call_errors_total", error_class="TransientError") == 1
    assert total(samples, "society_call_errors_total", error_class="BadReplyError") == 1
    ok = calls[calls["status"] == "ok"]
    assert total(samples, "society_call_latency_seconds_count", status="ok") == len(ok)
    assert total(samples, "society_call_latency_seconds_sum", status="ok") == pytest.approx(ok["latency"].sum())
    assert total(samples, "society_call_queue_seconds_sum") == pytest.approx(calls["queue_time"].sum())
    for kind in ("prompt", "completion", "cached"):
        assert total(samples, "society_tokens_total", kind=kind) == ok[f"{kind}_tokens"].sum()
    assert total(samples, "society_messages_total", tier="http") == len(run.messages)
    assert total(samples, "society_decisions_total", valid="true") == len(run.decisions)
    assert total(samples, "society_episodes_total") == total(samples, "society_episodes_planned") == 2
    assert total(samples, "society_steps_total") == 4
    assert total(samples, "society_calls_in_flight") == 0


def test_social_actions_are_counted(make_plan: Callable[..., Plan], runs: Path) -> None:
    metrics = LiveMetrics(2)
    with serve_metrics(metrics, 0) as url:
        run = run_scenario(make_plan(communication={"social_actions": ["create_post"]}), out=runs, on_event=metrics)
        samples = scrape(url)
    assert len(run.acts) > 0
    assert total(samples, "society_acts_total", tier="simulated") == len(run.acts)
    assert total(samples, "society_acts_total", success="true") == run.acts["success"].sum()


def test_metrics_change_during_the_run(make_plan: Callable[..., Plan], runs: Path) -> None:
    metrics, seen = LiveMetrics(2), list[Samples]()
    with in_thread(ScriptedVLLM(delay=0.1)) as server, serve_metrics(metrics, 0) as url:

        def watch(event: Event) -> None:
            metrics(event)
            if not seen and isinstance(event, CallMade):
                seen.append(scrape(url))

        run_scenario(make_plan(inference={"tiers": ["http"], "endpoints": [server.url]}), out=runs, on_event=watch)
    assert total(seen[0], "society_calls_in_flight", adapter="cooperator") == 3
    assert total(seen[0], "society_episodes_total") == 0
    assert total(seen[0], "society_episode") == 1


def test_fallbacks_are_counted(make_plan: Callable[..., Plan], runs: Path) -> None:
    metrics = LiveMetrics(2)
    plan = make_plan(inference={"tiers": ["http", "simulated"], "endpoints": ["http://127.0.0.1:9/v1"], "retries": 0})
    with serve_metrics(metrics, 0) as url:
        run = run_scenario(plan, out=runs, on_event=metrics)
        samples = scrape(url)
    assert total(samples, "society_fallbacks_total", fallback_from="http", tier="simulated") == len(run.calls)


def test_resumed_run_counts_earlier_episodes(make_plan: Callable[..., Plan], runs: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, StepResolved) and event.episode == 1:
            raise KeyboardInterrupt

    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(make_plan(), out=runs, on_event=stop)
    metrics = LiveMetrics(2)
    with serve_metrics(metrics, 0) as url:
        resume_run(stopped.value.path, on_event=metrics)
        assert total(scrape(url), "society_episodes_total") == 2


def test_call_begun_is_observed_but_not_stored(make_plan: Callable[..., Plan], runs: Path) -> None:
    events: list[Event] = []
    run = run_scenario(make_plan(), out=runs, on_event=events.append)
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("CallBegun") == kinds.count("CallMade") == len(run.calls)
    assert "CallBegun" not in (run.path / "events.jsonl").read_text()


def test_serve_metrics_uses_localhost_and_frees_the_port() -> None:
    with serve_metrics(LiveMetrics(1), 0) as url:
        port = int(url.split(":")[2].split("/")[0])
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(UsageError, match=rf"--metrics-port {port}: another program uses this port; choose another"):
            serve_metrics(LiveMetrics(1), port).__enter__()
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize("command", ["run", "effect"])
def test_metrics_port_prints_the_url_and_refuses_a_used_port(capsys: pytest.CaptureFixture[str], command: str) -> None:
    shown = ("first_contact", "--tier", "simulated", "--episodes", "2", "--metrics-port")
    code, _, err = society(capsys, command, *shown, "0")
    assert code == 0
    assert "metrics: http://127.0.0.1:" in err
    before = set(Path("runs").iterdir())
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, _, err = society(capsys, command, *shown, str(other.getsockname()[1]))
    assert code == 2
    assert "another program uses this port" in err
    assert set(Path("runs").iterdir()) == before


def test_resume_has_the_metrics_port_option(
    capsys: pytest.CaptureFixture[str], make_plan: Callable[..., Plan], runs: Path
) -> None:
    run = run_scenario(make_plan(), out=runs)
    code, _, err = society(capsys, "resume", str(run.path), "--metrics-port", "0")
    assert code == 0
    assert "metrics: http://127.0.0.1:" in err
    assert len(load_run(run.path).episodes) == 2
