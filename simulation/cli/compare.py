"""`society compare`: runs against runs. Heavy imports stand inside the command."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import wide_console

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.compare.report import Comparison, FigureDifference

HEADS = {"cooperation_score": "cooperation", "payoff": "payoff per model", "reward_earned": "reward", "gini": "Gini"}


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society compare 'runs/cooperative-*' 'runs/competitive-*'`")(compare)


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs, folders of runs, or quoted patterns of runs: each is a side, the first against all."
        ),
    ],
    by: Annotated[
        str | None, typer.Option(help="Take all runs together and split them by this key of the scenario: mode.")
    ] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")] = 0.95,
    models: Annotated[bool, typer.Option(help="Also one table per model that plays on both sides.")] = True,
    synthetic: Annotated[bool, typer.Option(help="Take synthetic episodes in.")] = False,
    mix_tiers: Annotated[bool, typer.Option(help="Average over tiers.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare runs: welfare, efficiency, cooperation, payoff and Gini, in pairs of the same seed where there are any.

    Prints first - other with its interval, and a verdict that the numbers support. What the runs differ in is said.
    """
    from simulation.cli.console import stderr
    from simulation.studies.compare.report import compare_runs
    from simulation.tables.runs import SkippedRunsWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SkippedRunsWarning)
        found = compare_runs(*map(Path, runs), by=by, level=level, synthetic=synthetic, mix_tiers=mix_tiers)
    for each in caught:
        stderr().print(str(each.message), markup=False, highlight=False, soft_wrap=True)
    if json_:
        typer.echo(_json(found))
        return
    console = wide_console()
    for table in _tables(found, models):
        console.print(table)
    for line in _said(found):
        typer.echo(line)


def _json(found: Comparison) -> str:
    from dataclasses import asdict

    import orjson

    plain = asdict(found)
    plain["runs"] = {name: [path.as_posix() for path in paths] for name, paths in found.runs.items()}
    return orjson.dumps(plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def _tables(found: Comparison, models: bool) -> list[Table]:
    first = found.sides[0]
    tables = []
    for other in found.sides[1:]:
        rows = [each for each in found.differences if each.against == other]
        names = (first, other)
        tables.append(_table(names, "", [each for each in rows if not each.model_id]))
        one_by_one = [each for each in rows if each.model_id]
        if models and one_by_one:
            tables.append(_table(names, ", model by model", one_by_one))
    return tables


def _table(names: tuple[str, str], what: str, rows: list[FigureDifference]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    level = f"{rows[0].interval.level:.0%}" if rows else ""
    first, other = names
    table = Table(title=escape(f"{first} against {other}{what}"), title_justify="left")
    several, one_by_one = len({each.task_id for each in rows}) > 1, any(each.model_id for each in rows)
    heads = (*(("task",) if several else ()), *(("model",) if one_by_one else ()), "figure")
    for head in heads:
        table.add_column(head)
    for head in (first, other, f"difference [{level} interval]"):
        table.add_column(escape(head), justify="right")
    table.add_column("n", justify="right")
    table.add_column(escape(f"{first} is"))
    for each in rows:
        told = (*((each.task_id,) if several else ()), *((each.model_id,) if one_by_one else ()))
        figure = HEADS.get(each.figure.value, each.figure.value)
        figure = "payoff" if each.model_id and each.figure.value == "payoff" else figure
        interval = each.interval
        shown = f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
        cells = (*told, figure, f"{each.first:.3f}", f"{each.other:.3f}", shown, str(interval.n), each.verdict.value)
        table.add_row(*map(escape, cells))
    return table


def _said(found: Comparison) -> list[str]:
    lines = []
    for name in found.sides:
        seeds = found.seeds[name]
        told = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds, {seeds[0]} to {seeds[-1]}"
        lines.append(f"{name}: {len(found.runs[name])} runs, {told}, replies: {', '.join(found.tiers[name])}")
    for key, values in found.differs.items():
        lines.append(f"differs in {key}: {' / '.join(values)}")
    return [*lines, *found.notes]
