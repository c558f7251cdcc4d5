"""`society study compare`: runs against runs. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import FIGURE_HEADS, print_result, shown_interval, skipped_runs_on_stderr, text_table
from simulation.cli.options import JsonOption, LevelOption, MixTiersOption, RunsArgument

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.compare.result import Comparison, FigureDifference


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study compare 'runs/cooperative-*' 'runs/competitive-*'`")(compare)


def compare(
    runs: RunsArgument,
    by: Annotated[
        str | None,
        typer.Option(help="Split all runs by the values of this key of the scenario, for example mode."),
    ] = None,
    level: LevelOption = 0.95,
    models: Annotated[bool, typer.Option(help="Also one table per model that plays on both sides.")] = True,
    synthetic: Annotated[bool, typer.Option(help="Include synthetic episodes.")] = False,
    mix_tiers: MixTiersOption = False,
    json_: JsonOption = False,
) -> None:
    """Compare runs: welfare, efficiency, cooperation, payoff and Gini, in pairs of episodes of the same seed.

    Each path is a side; the first is compared with the others. Prints first - other with its interval, a verdict that
    the numbers support, and the settings that differ. Without pairs the sides are compared as independent samples.
    """
    from simulation.studies.compare.report import compare_runs

    with skipped_runs_on_stderr():
        found = compare_runs(*map(Path, runs), by=by, level=level, synthetic=synthetic, mix_tiers=mix_tiers)
    if json_:
        typer.echo(_json(found))
        return
    print_result(found.banner, _tables(found, models))


def _json(found: Comparison) -> str:
    from dataclasses import asdict

    import orjson

    plain = asdict(found)
    plain["runs"] = {name: [path.as_posix() for path in paths] for name, paths in found.runs.items()}
    return orjson.dumps(plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def _tables(found: Comparison, models: bool) -> Iterator[Table]:
    for other in found.sides[1:]:
        rows = [each for each in found.differences if each.against == other]
        names = (found.sides[0], other)
        yield _table(names, "", [each for each in rows if not each.model_id])
        one_by_one = [each for each in rows if each.model_id]
        if models and one_by_one:
            yield _table(names, ", model by model", one_by_one)


def _table(names: tuple[str, str], what: str, rows: Sequence[FigureDifference]) -> Table:
    """One row per figure; tasks and models have a column where there are several."""
    columns = {
        "task": [each.task_id for each in rows] if len({each.task_id for each in rows}) > 1 else None,
        "model": [each.model_id for each in rows] if any(each.model_id for each in rows) else None,
    }
    lead = {head: texts for head, texts in columns.items() if texts}
    level = f"{rows[0].interval.level:.0%}" if rows else ""
    numbers = (*names, f"difference [{level} interval]", "n")
    return text_table(
        f"{names[0]} against {names[1]}{what}",
        (*lead, "figure", *numbers, f"{names[0]} is"),
        ((*parts, *_cells(each)) for each, *parts in zip(rows, *lead.values(), strict=True)),
        right=numbers,
    )


def _cells(each: FigureDifference) -> tuple[str, ...]:
    name = each.figure.value
    head = name if each.model_id and name == "payoff" else FIGURE_HEADS.get(name, name)
    figure = f"{head}, {each.unit}" if each.unit else head
    difference = shown_interval(each.interval, 3, "+")
    return (figure, f"{each.first:.3f}", f"{each.other:.3f}", difference, str(each.interval.n), each.verdict.value)
