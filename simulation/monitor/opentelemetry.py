"""A run as OpenTelemetry spans: run > episode > step > one span per attempt of a call.

Attempts follow the semantic conventions for generative AI (`gen_ai.*`, span name "chat MODEL"); attributes of our own
are under `society.*`. An attempt's span lasts from sending to the reply, as measured; the time it waited before that is
`society.queue_time`. A reply from the reply cache is an event of its step, as no call was made. Prompts and replies are
recorded on request only.

OpenTelemetry is an extra: pip install -e '.[otel]'.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.inference.provenance import CallKey, CallRecord, CallStatus, ChatMessage, Reply, Request, Tier, fallen
from agents.problems import SocietyError
from simulation.store.events import CallBegun, CallMade, EpisodeEnded, EpisodeStarted, Event, RunEnded, StepResolved

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

SERVICE = "lora-society"
_PROVIDERS = {Tier.CAMEL: "vllm", Tier.HTTP: "vllm"}

Attributes = Mapping[str, Any]


@dataclass
class _Open:
    """An episode in progress: the spans of its open steps, the next step, and the time (ns) at which that began."""

    span: Span
    since: int
    next: int = 0
    steps: dict[int, Span] = field(default_factory=dict)
    requests: dict[CallKey, Request] = field(default_factory=dict)


class RunTracer:
    """Makes spans from a run's events. Call it with each event, and `close` at the end.

    Args:
        tracer: The OpenTelemetry tracer that makes the spans.
        name: The scenario's name.
        content: Also record prompts and replies.
    """

    def __init__(self, tracer: Tracer, name: str, *, content: bool = False) -> None:
        self._tracer, self._content = tracer, content
        self._offset = time.time_ns() - time.monotonic_ns()
        self._run = tracer.start_span(f"run {name}", attributes={"society.scenario": name}, start_time=self._now())
        self._episodes: dict[int, _Open] = {}

    def _now(self) -> int:
        """Return the time of day (ns). It never goes back, even if the machine's clock is set during the run."""
        return self._offset + time.monotonic_ns()

    def __call__(self, event: Event) -> None:
        """Handle one event of the run."""
        match event:
            case EpisodeStarted():
                self._start(event)
            case CallBegun():
                self._begin(event.request)
            case CallMade():
                self._call(event.record)
            case StepResolved():
                self._resolve(event)
            case EpisodeEnded():
                self._end(event)
            case RunEnded():
                self._run.set_attribute("society.status", event.status)
            case _:
                pass

    def close(self) -> None:
        """End every open span: those of an interrupted episode, and the run's."""
        for number in list(self._episodes):
            self._close_episode(number, self._now())
        self._run.end(self._now())

    # -- episodes and steps -----------------------------------------------------------------------------

    def _start(self, event: EpisodeStarted) -> None:
        now = self._now()
        attributes = {
            "society.episode": event.episode,
            "society.task_id": event.task_id,
            "society.task_type": event.task_type,
            "society.mode": event.mode,
            "society.synthetic": event.synthetic,
        }
        span = self._child(self._run, f"episode {event.episode + 1}", now, attributes)
        self._episodes[event.episode] = _Open(span, now)

    def _step(self, number: int, step: int) -> Span:
        """Return the span of a step; the run's span for a call outside all episodes.

        It begins at the end of the last step, or where models go ahead of a step that is not over, now.
        """
        episode = self._episodes.get(number)
        if episode is None:
            return self._run
        if step not in episode.steps:
            attributes = {"society.episode": number, "society.step": step}
            begins = episode.since if step <= episode.next else self._now()
            episode.steps[step] = self._child(episode.span, f"step {step + 1}", begins, attributes)
        return episode.steps[step]

    def _resolve(self, event: StepResolved) -> None:
        span = self._step(event.episode, event.step)
        episode, now = self._episodes[event.episode], self._now()
        span.set_attribute("society.welfare", sum(row.payoff for row in event.rows))
        for step in [step for step in episode.steps if step <= event.step]:
            episode.steps.pop(step).end(now)
        episode.next, episode.since = event.step + 1, now
        episode.requests = {key: each for key, each in episode.requests.items() if key.step > event.step}

    def _end(self, event: EpisodeEnded) -> None:
        attributes: Attributes = {
            "society.tier": event.tier,
            "society.real_share": event.real_share,
            "society.welfare": event.welfare,
            "society.optimum": event.optimum,
        }
        self._episodes[event.episode].span.set_attributes(attributes)
        self._close_episode(event.episode, self._now())

    def _close_episode(self, number: int, now: int) -> None:
        episode = self._episodes.pop(number)
        for step in episode.steps.values():
            step.end(now)
        episode.span.end(now)

    # -- calls ------------------------------------------------------------------------------------------

    def _begin(self, request: Request) -> None:
        """Store the request: the record of an attempt does not include it."""
        episode = self._episodes.get(request.key.episode)
        if episode is not None:
            episode.requests[request.key] = request
            self._step(request.key.episode, request.key.step)

    def _call(self, record: CallRecord) -> None:
        """Make the span of an attempt that has just ended."""
        now, key = self._now(), record.key
        parent = self._step(key.episode, key.step)
        episode = self._episodes.get(key.episode)
        request = episode.requests.get(key) if episode else None
        attributes = {**_record_attributes(record), **_request_attributes(request)}
        if self._content:
            attributes |= _content(request, record.reply)
        if record.status is CallStatus.CACHED:
            parent.add_event("society.cached_reply", attributes, now)
            return
        start = now - round(record.latency * 1e9)
        span = self._child(parent, f"chat {record.adapter}", start, attributes, client=True)
        if record.status is CallStatus.FAILED:
            _mark_failed(span, record.error)
        span.end(now)

    def _child(self, parent: Span, name: str, start: int, attributes: Attributes, *, client: bool = False) -> Span:
        from opentelemetry.trace import SpanKind, set_span_in_context

        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        return self._tracer.start_span(name, set_span_in_context(parent), kind, attributes, start_time=start)


def _record_attributes(record: CallRecord) -> Attributes:
    key, reply = record.key, record.reply
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS.get(record.tier, f"lora_society.{record.tier.value}"),
        "gen_ai.request.model": record.adapter,
        "gen_ai.response.model": record.adapter if reply else None,
        "gen_ai.response.finish_reasons": [record.finish_reason] if record.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": record.first_token_time,
        "gen_ai.usage.input_tokens": record.prompt_tokens,
        "gen_ai.usage.output_tokens": record.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
        "error.type": record.error_class or None,
        **_server(record.endpoint),
        "society.tier": record.tier.value,
        "society.status": record.status.value,
        "society.attempt": record.attempt,
        "society.queue_time": record.queue_time,
        "society.fallback_from": fallen(reply.provenance) if reply else None,
        "society.prompt_hash": record.prompt_hash,
        "society.model_id": key.model_id,
        "society.episode": key.episode,
        "society.step": key.step,
        "society.purpose": key.purpose.value,
        "society.talk_round": key.talk_round,
        "society.ask": key.attempt,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _server(endpoint: str) -> Attributes:
    if not endpoint:
        return {}
    parts = urlsplit(endpoint)
    return {"server.address": parts.hostname, "server.port": parts.port or (443 if parts.scheme == "https" else 80)}


def _request_attributes(request: Request | None) -> Attributes:
    if request is None:
        return {}
    attributes = {
        "gen_ai.request.max_tokens": request.sampling.max_tokens,
        "gen_ai.request.temperature": request.sampling.temperature,
        "gen_ai.request.top_p": request.sampling.top_p,
        "gen_ai.request.seed": request.seed,
        "society.base_model": request.base_model,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _content(request: Request | None, reply: Reply | None) -> Attributes:
    """Return prompt and reply in the JSON of the semantic conventions."""
    attributes: dict[str, str] = {}
    if request is not None:
        instructions = [message for message in request.messages if message.role == "system"]
        rest = [message for message in request.messages if message.role != "system"]
        attributes["gen_ai.system_instructions"] = _json([part for message in instructions for part in _parts(message)])
        attributes["gen_ai.input.messages"] = _json([{"role": m.role, "parts": _parts(m)} for m in rest])
    if reply is not None:
        message = ChatMessage("assistant", reply.text, reply.tool_calls)
        reason = reply.provenance.finish_reason
        attributes["gen_ai.output.messages"] = _json(
            [{"role": message.role, "parts": _parts(message), "finish_reason": reason}]
        )
    return attributes


def _parts(message: ChatMessage) -> list[dict[str, Any]]:
    text = [{"type": "text", "content": message.content}] if message.content else []
    calls = [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    return [*text, *calls]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _mark_failed(span: Span, why: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, why))


# -- where spans go ------------------------------------------------------------------------------------------


@contextmanager
def traced(name: str, *, content: bool = False, processor: SpanProcessor | None = None) -> Iterator[RunTracer]:
    """Yield a tracer for the run called `name`. All its spans are sent by the end of the block.

    Args:
        name: The scenario's name.
        content: Also record prompts and replies.
        processor: Where spans go; by default to the OTLP endpoint (HTTP, protobuf) of the standard OTEL_* variables.

    Raises:
        SocietyError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider

        sink = processor or _otlp()
    except ImportError as error:
        raise SocietyError(f"--otel needs OpenTelemetry ({error}); run: pip install -e '.[otel]'") from error
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(sink)
    tracer = RunTracer(provider.get_tracer("lora_society"), name, content=content)
    try:
        yield tracer
    finally:
        tracer.close()
        provider.shutdown()


def _otlp() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())
