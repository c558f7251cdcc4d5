"""`society study metrics`: every metric of runs. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import typer

from agents.problems import SocietyError
from simulation.cli.console import as_json, load_several, print_result, shown_interval, text_table
from simulation.cli.options import JsonOption, MixTiersOption, RunsArgument

if TYPE_CHECKING:
    from simulation.studies.metrics import MetricRow


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command("metrics", epilog="Example: `society study metrics runs/team_battle-*`")(metrics_)


def metrics_(
    runs: RunsArgument,
    mix_tiers: MixTiersOption = False,
    json_: JsonOption = False,
) -> None:
    """Print every metric that applies to the runs: its value, what it measures and its source.

    The runs play the same tasks; their seeds may differ. Scores of 0-1 have intervals clustered by seed. All models
    count together; synthetic episodes are left out.
    """
    from simulation.studies.metrics import measure_metrics

    report = measure_metrics(list(load_several(runs)), mix_tiers=mix_tiers)
    if not report.rows:
        raise SocietyError("\n".join(report.notes) or "no metric applies: no episode is finished and no call was made")
    if json_:
        typer.echo(as_json(report))
        return
    heads = ("metric", "of", "value [interval]", "n", "what it measures", "source")
    print_result(report.banner, [text_table("", heads, _lines(report.rows))])


def _lines(rows: Sequence[MetricRow]) -> Iterator[tuple[str, ...]]:
    """One line per value; a metric's name, meaning and source are in its first line only."""
    for metric, values in groupby(rows, key=lambda row: (row.metric, row.meaning, row.source)):
        name, meaning, source = metric
        for row in values:
            value = shown_interval(row.interval, 3) if row.interval else f"{row.value:.4g}"
            yield (name, row.part, value, str(row.interval.n) if row.interval else "", meaning, source)
            name = meaning = source = ""
