"""Many runs of one command: every combination of swept values and seeds, and what they print in the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agents.problems import member_of
from simulation.cli.console import FIGURE_HEADS, print_result, shown_interval, stderr, text_table
from simulation.cli.options import fail_usage, jobs_or_default

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.plan import Plan, Settings
    from simulation.scenario import Scenario
    from simulation.studies.seeds import EarnedOverRuns, SeedReport
    from simulation.studies.sweep import SweepReport
    from simulation.tables.runs import Runs


def grid_of(pairs: Sequence[str]) -> dict[str, list[object]]:
    """Return the values of `--grid` by key.

    Args:
        pairs: `key=a,b`, or `key=[...]` in YAML where a value has a comma itself.
    """
    from agents.yaml_file import read_value

    wrong = [pair for pair in pairs if not all(pair.partition("="))]
    if wrong:
        fail_usage(f"--grid {wrong[0]}: write key=a,b, for example --grid mode=cooperative,competitive")
    grid: dict[str, list[object]] = {}
    for pair in pairs:
        key, text = pair.split("=", 1)
        if key in grid:
            fail_usage(f"--grid {key} is there twice: write its values in one, --grid {key}=a,b")
        found = read_value(text if text.lstrip().startswith("[") else f"[{text}]", f"--grid {pair}", key)
        grid[key] = found if isinstance(found, list) else [found]
    return grid


def begin_many(
    source: str | Plan,
    scenario: Scenario,
    settings: Settings,
    seeds: int | None,
    grid: Mapping[str, list[object]],
    out: Path,
) -> Path:
    """Make the folder of many runs: the scenario's sweep, `grid` and so many seeds from its own.

    Args:
        source: The scenario's file or name, or a plan.
        scenario: The scenario of it, once `settings` are applied.
        settings: What the command changes in it.
        seeds: How many seeds; None: its own alone.
        grid: The values of keys that are played too.
        out: The folder in which the new folder is made.
    """
    from dataclasses import replace

    from simulation.runs.sweep import begin_sweep, sweep_arms

    sweep = {**scenario.sweep, **grid}
    if seeds:
        sweep["seed"] = list(range(scenario.seed, scenario.seed + seeds))
    kept = replace(settings, set={**settings.set, "sweep": sweep})
    return begin_sweep(scenario.name, sweep_arms(source, kept), out)


def finish_many(folder: Path, jobs: int | None, engine: str, as_json: bool) -> Runs:
    """Play what is missing in a folder of many runs and print their means; the last line is the folder."""
    from simulation.monitor.progress import counted
    from simulation.runs.engines import Engine
    from simulation.runs.sweep import play_sweep

    chosen = member_of(Engine, engine, "--engine")
    with counted("run", stderr()) as watch:
        runs = play_sweep(folder, engine=chosen, jobs=jobs_or_default(jobs), watch=watch)
    _show(folder, runs, as_json)
    return runs


def _show(folder: Path, runs: Runs, as_json: bool) -> None:
    from simulation.studies.seeds import measure_seeds
    from simulation.studies.sweep import measure_sweep

    report, earned = measure_sweep(runs), measure_seeds(runs)
    if as_json:
        notes = tuple(dict.fromkeys((*report.notes, *earned.notes)))
        means, models = (json.loads(each.table().to_json(orient="records")) for each in (report, earned))
        told = {"sweep": str(folder), "runs": len(runs), "means": means, "models": models, "notes": notes}
        typer.echo(json.dumps(told))
        return
    others = [note for note in earned.notes if note not in report.notes]
    print_result(report.banner, [sweep_table(report), *earned_tables(earned, len(runs))], [*others, str(folder)])


def sweep_table(report: SweepReport) -> Table:
    """One row per combination, task and tier."""
    from simulation.studies.sweep import SWEPT_FIGURES

    means = report.table()
    names = [str(column).removeprefix("sweep.") for column in means]
    heads = [FIGURE_HEADS.get(name, name) for name in names]
    rows = (
        [f"{value:.3f}" if name in SWEPT_FIGURES else str(value) for name, value in row.items()]
        for row in means.to_dict("records")
    )
    return text_table("", heads, rows, right=heads[len(report.keys) :])


def earned_tables(report: SeedReport, runs: int) -> list[Table]:
    """Return what each model earned, best first; and each adapter, where one plays several models."""
    shared = len(report.adapters) < len(report.models)
    title = f"mean of an episode over {runs} runs [95% interval over runs]"
    tables = [_earned_table(f"what each model earned: {title}", report.models, by_model=True)]
    return [*tables, _earned_table(f"what each adapter earned: {title}", report.adapters)] if shared else tables


def _earned_table(title: str, rows: Sequence[EarnedOverRuns], *, by_model: bool = False) -> Table:
    swept = list(rows[0].swept) if rows else []
    tasks = ["task"] if len({each.task for each in rows}) > 1 else []
    numbers = ("payoff", "reward", "runs")
    cells = (
        (
            *(str(value) for value in each.swept.values()),
            *([each.task] if tasks else []),
            *([each.name] if by_model else []),
            *(each.played_by, each.tier, shown_interval(each.payoff), shown_interval(each.reward), str(each.payoff.n)),
        )
        for each in rows
    )
    heads = (*swept, *tasks, *(["model"] if by_model else []), "played by", "tier", *numbers)
    return text_table(title, heads, cells, right=numbers)
