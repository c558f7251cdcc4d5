"""The options that add observers to a run, and the observers. Heavy imports are inside the function."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import progress_bar
from simulation.store.blocks import takes_blocks, tell

if TYPE_CHECKING:
    from simulation.plan import Plan
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
    episodes: int,
    name: str,
    *,
    metrics_port: int | None = None,
    otel: bool = False,
    content: bool = False,
    plan: Plan | None = None,
) -> Iterator[Callable[[Event], None]]:
    """Return the observer of a run's events: the progress bar, and what the options add.

    Args:
        episodes: How many episodes are played in all.
        name: The scenario's name.
        metrics_port: The port for Prometheus.
        otel: Send spans.
        content: Put prompts and replies into the spans.
        plan: What is played, if it is one: the bar then moves within an episode.

    Raises:
        SocietyError: An option cannot be met; nothing is played.
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
        watchers.append(stack.enter_context(progress_bar(episodes, plan)))

        @takes_blocks
        def tell_all(event: Event) -> None:
            for watcher in watchers:
                tell(watcher, event)

        yield tell_all
