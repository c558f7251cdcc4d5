"""The options by which a run is watched, and everything that watches it. Heavy imports stand inside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulation.monitor.progress import LiveProgress
    from simulation.store.events import Event

notices = logging.getLogger("society.notice")

MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Serve live Prometheus metrics at this port of 127.0.0.1; 0 is any free one."),
]
Otel = Annotated[
    bool,
    typer.Option("--otel", help="Send OpenTelemetry spans of every call; where to is said by the OTEL_* variables."),
]
OtelContent = Annotated[bool, typer.Option("--otel-content", help="Put prompts and replies into the spans as well.")]


@contextmanager
def watched(
    progress: LiveProgress,
    episodes: int,
    name: str,
    *,
    metrics_port: int | None = None,
    otel: bool = False,
    content: bool = False,
) -> Iterator[Callable[[Event], None]]:
    """What the run called `name` is to tell its events: the progress bar and whatever the options ask for.

    Raises SocietyError where an option cannot be met, before anything is played.
    """
    with ExitStack() as stack:
        watchers: list[Callable[[Event], None]] = []
        if metrics_port is not None:
            from simulation.monitor.prometheus import LiveMetrics, serve_metrics

            metrics = LiveMetrics(episodes)
            notices.info("metrics: %s", stack.enter_context(serve_metrics(metrics, metrics_port)))
            watchers.append(metrics)
        if otel or content:
            from simulation.monitor.opentelemetry import traced

            watchers.append(stack.enter_context(traced(name, content=content)))
        watchers.append(stack.enter_context(progress))

        def tell(event: Event) -> None:
            for watcher in watchers:
                watcher(event)

        yield tell
