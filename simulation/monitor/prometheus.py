"""A run's metrics for Prometheus, while the run goes on: counted from its events, served on this machine only.

    society run SCENARIO --metrics-port 9200        then scrape http://127.0.0.1:9200/metrics

`society study calls` has the same figures for a run that has ended.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agents.inference.provenance import CallKey, CallRecord, CallStatus, fallen
from agents.problems import UsageError
from simulation.store.events import (
    CallBegun,
    CallMade,
    DecisionMade,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    MessageSent,
    RunResumed,
    SocialActed,
    StepResolved,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

ADDRESS = "127.0.0.1"
LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the histogram buckets, in seconds."""

_SENT = (CallStatus.OK, CallStatus.FAILED)


class LiveMetrics:
    """Counts a run's events in the metrics of its own `registry`. `episodes` is the number of episodes to play."""

    def __init__(self, episodes: int) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        registry: CollectorRegistry = CollectorRegistry()
        at = ("tier", "endpoint")
        self.registry = registry
        self._calls = Counter("society_calls", "Attempts, by status", (*at, "adapter", "status"), registry=registry)
        self._errors = Counter(
            "society_call_errors",
            "Failed attempts, by error class",
            (*at, "error_class"),
            registry=registry,
        )
        self._latency = Histogram(
            "society_call_latency_seconds",
            "Seconds from sending to the complete reply or to the failure",
            (*at, "status"),
            buckets=LATENCIES,
            registry=registry,
        )
        self._queue = Histogram(
            "society_call_queue_seconds",
            "Seconds in the queue before sending",
            at,
            buckets=LATENCIES,
            registry=registry,
        )
        self._tokens = Counter(
            "society_tokens",
            "Tokens of replies: prompt, cached (of the prompt), completion",
            (*at, "adapter", "kind"),
            registry=registry,
        )
        self._fallbacks = Counter(
            "society_fallbacks",
            "Replies from a lower tier, after a higher tier failed",
            ("fallback_from", "tier"),
            registry=registry,
        )
        self._in_flight = Gauge(
            "society_calls_in_flight",
            "Calls without a reply yet, in queues or sent",
            ("adapter",),
            registry=registry,
        )
        self._messages = Counter("society_messages", "Messages sent", ("tier",), registry=registry)
        self._decisions = Counter("society_decisions", "Decisions made", ("tier", "valid"), registry=registry)
        self._acts = Counter(
            "society_acts", "Actions in the social network", ("tier", "action", "success"), registry=registry
        )
        self._steps = Counter("society_steps", "Steps played", registry=registry)
        self._ended = Counter("society_episodes", "Episodes played, also by earlier sessions", registry=registry)
        self._planned = Gauge("society_episodes_planned", "Episodes to play in all", registry=registry)
        self._episode = Gauge("society_episode", "Current episode, from 1", registry=registry)
        self._step = Gauge("society_step", "Steps played in the current episode", registry=registry)
        self._planned.set(episodes)
        self._open: set[CallKey] = set()

    def __call__(self, event: Event) -> None:
        """Handle one event of the run."""
        match event:
            case CallBegun():
                self._begin(event)
            case CallMade():
                self._end(event.record)
            case MessageSent():
                self._messages.labels(event.tier).inc()
            case DecisionMade():
                self._decisions.labels(event.tier, str(event.action is not None).lower()).inc()
            case SocialActed():
                self._acts.labels(event.tier, event.action or "invalid", str(event.success).lower()).inc()
            case EpisodeStarted():
                self._episode.set(event.episode + 1)
                self._step.set(0)
            case StepResolved():
                self._steps.inc()
                self._step.set(event.step + 1)
            case EpisodeEnded():
                self._ended.inc()
            case RunResumed():
                self._ended.inc(event.episode)
            case _:
                pass

    def _begin(self, event: CallBegun) -> None:
        self._open.add(event.request.key)
        self._in_flight.labels(event.request.adapter).inc()

    def _end(self, record: CallRecord) -> None:
        where = (record.tier.value, record.endpoint)
        self._calls.labels(*where, record.adapter, record.status.value).inc()
        if record.status in _SENT:
            self._latency.labels(*where, record.status.value).observe(record.latency)
            self._queue.labels(*where).observe(record.queue_time)
        if record.status is CallStatus.FAILED:
            self._errors.labels(*where, record.error_class).inc()
        if record.status is CallStatus.OK and record.reply is not None:
            self._answered(record, fallen(record.reply.provenance))

    def _answered(self, record: CallRecord, fallback_from: str) -> None:
        counts = {
            "prompt": record.prompt_tokens,
            "cached": record.cached_tokens,
            "completion": record.completion_tokens,
        }
        for kind, count in counts.items():
            if count is not None:
                self._tokens.labels(record.tier.value, record.endpoint, record.adapter, kind).inc(count)
        if fallback_from:
            self._fallbacks.labels(fallback_from, record.tier.value).inc()
        if record.key in self._open:
            self._open.remove(record.key)
            self._in_flight.labels(record.adapter).dec()


@contextmanager
def serve_metrics(metrics: LiveMetrics, port: int) -> Iterator[str]:
    """Serve `metrics` on this machine until the block ends, and yield the URL to scrape.

    Args:
        metrics: The metrics of a run.
        port: The TCP port; 0 for any free one.

    Raises:
        UsageError: The port cannot be used.
    """
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, ADDRESS, metrics.registry)
    except (OSError, OverflowError) as error:
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "another program uses this port" if in_use else str(error)
        raise UsageError(f"--metrics-port {port}: {why}; choose another port, or 0 for any free one") from error
    try:
        yield f"http://{ADDRESS}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
