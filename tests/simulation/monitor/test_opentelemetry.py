"""A run's spans, as OpenTelemetry's own exporters get them."""

from __future__ import annotations

import gzip
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as conventions
from opentelemetry.trace import SpanKind, StatusCode

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import Tier
from agents.inference.recording import ReplyCache
from simulation.engine.environment import MultiModelEnvironment
from simulation.monitor.opentelemetry import traced
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, run_scenario
from simulation.tables.run import Run
from simulation.task import TrainingTask
from tests.conftest import models
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.faults import Fault
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

Play = Callable[..., tuple[Run, Sequence[ReadableSpan]]]


@pytest.fixture
def play(make_plan: Callable[..., Plan], runs: Path) -> Play:
    """Run a small plan with tracing; return the run and its spans, in the order in which they ended."""

    def run(content: bool = False, **keys: Any) -> tuple[Run, Sequence[ReadableSpan]]:
        exporter = InMemorySpanExporter()
        with traced("small", content=content, processor=SimpleSpanProcessor(exporter)) as tracer:
            finished = run_scenario(make_plan(**keys), out=runs, on_event=tracer)
        return finished, exporter.get_finished_spans()

    return run


def named(spans: Sequence[ReadableSpan], start: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name.startswith(start)]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_spans_are_nested_as_run_episode_step_attempt(play: Play) -> None:
    run, spans = play()
    by_id = {span.context.span_id: span for span in spans}

    def ancestry(span: ReadableSpan) -> list[str]:
        above = by_id[span.parent.span_id] if span.parent else None
        return [span.name, *(ancestry(above) if above else [])]

    attempts = named(spans, "chat ")
    assert len(attempts) == len(run.calls) > 0
    for span in attempts:
        episode, step = attributes(span)["society.episode"], attributes(span)["society.step"]
        assert ancestry(span) == ["chat cooperator", f"step {step + 1}", f"episode {episode + 1}", "run small"]
        assert span.kind is SpanKind.CLIENT
    assert len(named(spans, "step ")) == 4
    assert len({span.context.trace_id for span in spans}) == 1
    for span in spans:
        if span.parent:
            above = by_id[span.parent.span_id]
            assert above.start_time <= span.start_time <= span.end_time <= above.end_time  # type: ignore[operator]


def test_span_times_survive_a_clock_that_jumps_back(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    real, hours = time.time_ns, itertools.count()
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000 * next(hours))
    _, spans = play()
    by_id = {span.context.span_id: span for span in spans}
    for span in spans:
        above = by_id[span.parent.span_id] if span.parent else span
        assert above.start_time <= span.start_time <= span.end_time <= above.end_time  # type: ignore[operator]


def test_attempt_span_follows_the_conventions(play: Play) -> None:
    with in_thread(ScriptedVLLM(delay=0.02)) as server:
        inference = {"tiers": ["http"], "endpoints": [server.url], "max_tokens": 33, "temperature": 0.3}
        run, spans = play(inference=inference)
    rows = {(r.model_id, r.episode, r.step, r.purpose, r.talk_round): r for r in run.calls.itertuples()}
    known = {value for name, value in vars(conventions).items() if name.startswith("GEN_AI")}
    for span in named(spans, "chat "):
        its = attributes(span)
        row = rows[tuple(its[f"society.{name}"] for name in ("model_id", "episode", "step", "purpose", "talk_round"))]
        assert {name for name in its if name.startswith("gen_ai.")} <= known
        assert its["gen_ai.operation.name"] == "chat"
        assert its["gen_ai.provider.name"] == "vllm"
        assert its["gen_ai.request.model"] == its["gen_ai.response.model"] == "cooperator"
        assert (its["gen_ai.request.max_tokens"], its["gen_ai.request.temperature"]) == (33, 0.3)
        assert its["gen_ai.usage.input_tokens"] == row.prompt_tokens
        assert its["gen_ai.usage.output_tokens"] == row.completion_tokens
        assert its["gen_ai.usage.cache_read.input_tokens"] == row.cached_tokens
        assert its["gen_ai.response.finish_reasons"] == (row.finish_reason,)
        assert (its["server.address"], its["server.port"]) == ("127.0.0.1", int(server.url.split(":")[2].split("/")[0]))
        assert (its["society.tier"], its["society.attempt"], its["society.ask"]) == ("http", 1, 0)
        assert its["society.prompt_hash"] == row.prompt_hash
        assert (span.end_time - span.start_time) / 1e9 == pytest.approx(row.latency, abs=1e-6)  # type: ignore[operator]
        assert row.latency >= 0.02
        assert "error.type" not in its


def test_failed_attempt_has_error_status_and_class(play: Play) -> None:
    with in_thread(ScriptedVLLM()) as server:
        server.script(Fault.SERVER_ERROR)
        _, spans = play(inference={"tiers": ["http"], "endpoints": [server.url]})
    failed = [span for span in named(spans, "chat ") if span.status.status_code is StatusCode.ERROR]
    assert [attributes(span)["error.type"] for span in failed] == ["TransientError"]
    assert "EngineCore" in str(failed[0].status.description)
    assert attributes(failed[0])["society.status"] == "failed"
    assert "gen_ai.response.model" not in attributes(failed[0])


def test_simulated_replies_have_their_own_provider_name(play: Play) -> None:
    _, spans = play()
    assert {attributes(span)["gen_ai.provider.name"] for span in named(spans, "chat ")} == {"lora_society.simulated"}


CONTENT = ("gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages")


def test_spans_have_no_prompts_by_default(play: Play) -> None:
    _, spans = play(language="zh")
    assert not [name for span in spans for name in attributes(span) if name in CONTENT]
    assert "训练任务" not in "".join(str(attributes(span)) for span in spans)


def test_content_option_adds_prompts_and_replies(play: Play) -> None:
    run, spans = play(content=True, language="zh")
    talks = [attributes(span) for span in named(spans, "chat ") if attributes(span)["society.purpose"] == "talk"]
    said = {json.loads(its["gen_ai.output.messages"])[0]["parts"][0]["content"] for its in talks}
    assert said == set(run.messages["text"])
    for its in talks:
        system, asked = json.loads(its["gen_ai.system_instructions"]), json.loads(its["gen_ai.input.messages"])
        assert "训练任务" in system[0]["content"]
        assert [message["role"] for message in asked] == ["user"]
        assert its["society.model_id"] in asked[0]["parts"][0]["content"]


async def test_cached_reply_is_an_event_not_a_span(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path)
    async with ScriptedVLLM() as server:
        for _ in range(2):
            exporter = InMemorySpanExporter()
            with traced("cached", processor=SimpleSpanProcessor(exporter)) as tracer:
                env = MultiModelEnvironment(
                    server.url,
                    base_model="base",
                    settings=InferenceSettings(tiers=(Tier.HTTP,)),
                    on_event=tracer,
                    cache=cache,
                )
                for config in models(2):
                    env.add_model(config)
                async with env:
                    await env.run_task(TrainingTask(task_id="t", task_type="public_goods", max_steps=1))
    cache.close()
    spans = exporter.get_finished_spans()
    assert named(spans, "chat ") == []
    events = [event for span in named(spans, "step ") for event in span.events]
    assert len(events) == len(server.bodies) == 4
    assert {event.name for event in events} == {"society.cached_reply"}


def test_stopped_run_ends_all_spans(make_plan: Callable[..., Plan], runs: Path) -> None:
    exporter = InMemorySpanExporter()
    with in_thread(ScriptedVLLM()) as server:
        plan = make_plan(inference={"tiers": ["http"], "endpoints": [server.url], "retries": 0})
        server.script(Fault.SERVER_ERROR)
        with traced("small", processor=SimpleSpanProcessor(exporter)) as tracer, pytest.raises(RunStoppedError):
            run_scenario(plan, out=runs, on_event=tracer)
    spans = exporter.get_finished_spans()
    assert {"run small", "episode 1", "step 1", "chat cooperator"} <= {span.name for span in spans}
    assert attributes(named(spans, "run")[0])["society.status"] == "stopped"


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Yield the address of an OTLP collector and what it receives."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


RUN = ("run", "first_contact", "--tier", "simulated", "--episodes", "1")


def test_otel_option_sends_spans_to_the_otlp_endpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (address, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        code, out, _ = society(capsys, *RUN, "--otel", "--json")
    assert code == 0
    sent = [resource for request in received for resource in request.resource_spans]
    spans = [span.name for resource in sent for scope in resource.scope_spans for span in scope.spans]
    assert sum(name.startswith("chat ") for name in spans) == json.loads(out)["tier_mix"]["simulated"]
    service = {a.value.string_value for r in sent for a in r.resource.attributes if a.key == "service.name"}
    assert service == {"lora-society"}


def test_otel_option_without_the_extra_fails_before_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    code, _, err = society(capsys, *RUN, "--otel")
    assert code == 1
    assert "pip install -e '.[otel]'" in err
    assert not Path("runs").exists()


def test_calls_of_models_that_went_ahead_are_in_the_spans_of_their_steps(play: Play) -> None:
    tasks = [{"task_id": "t", "task_type": "opinion", "max_steps": 4}]
    communication = {"topology": "ring", "stepping": "by_neighbours"}
    _, spans = play(mode="cooperative", tasks=tasks, communication=communication, episodes=1)
    steps = {span.context.span_id: span.attributes["society.step"] for span in named(spans, "step ")}
    assert sorted(steps.values()) == [0, 1, 2, 3]
    calls = named(spans, "chat ")
    assert {steps[call.parent.span_id] - call.attributes["society.step"] for call in calls} == {0}
