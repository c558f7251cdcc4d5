"""`society effect`: what messages do. Heavy imports stand inside the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import progress_bar, shown_interval, wide_console
from simulation.cli.observers import MetricsPort, Otel, OtelContent, watched
from simulation.cli.options import planned
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.effect import Effect, EffectReport


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    app.command(epilog="Example: `society effect with_scripted_players.yaml --tier embedded --episodes 50`")(effect)


def effect(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, a shipped one's name, or the folder of an effect that was cut off.")
    ],
    treatment: Annotated[
        list[Treatment] | None, typer.Option(help="silenced, shuffled, replaced; all three unless named.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="The only tier to use; or auto: all of them.")] = None,
    require: Annotated[str | None, typer.Option(help="Stop rather than fall below this tier.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the scenario's.")] = None,
    episodes: Annotated[int | None, typer.Option(min=2, help="Pairs of each task, in place of the scenario's.")] = None,
    endpoint: Annotated[list[str] | None, typer.Option(help="vLLM server URL; may be given more than once.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs"),
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, dotted keys.")] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")] = 0.95,
    mix_tiers: Annotated[bool, typer.Option(help="Average over tiers.")] = False,
    metrics_port: MetricsPort = None,
    otel: Otel = False,
    otel_content: OtelContent = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """What messages do: the same episodes with messages delivered, silenced, shuffled and replaced.

    Prints delivered - treated with interval and p-value; the last line is the folder of the runs.
    """
    from simulation.studies.effect import REPORT, TREATMENTS, play_treatments, read_effects, resume_treatments

    if Path(scenario).is_dir():
        folder = resume_treatments(Path(scenario))
    else:
        endpoints = tuple(endpoint or ())
        plan = planned(scenario, set_, tier=tier, require=require, seed=seed, episodes=episodes, endpoints=endpoints)
        arms = list(dict.fromkeys((Treatment.DELIVERED, *(treatment or TREATMENTS))))
        count, name = len(arms) * plan.scenario.episodes * len(plan.scenario.tasks), plan.scenario.name
        progress = progress_bar(count)
        with watched(progress, count, name, metrics_port=metrics_port, otel=otel, content=otel_content) as watch:
            folder = play_treatments(plan, arms, out=out, on_event=watch)
    report = read_effects(folder, level=level, mix_tiers=mix_tiers)
    if json_:
        typer.echo((folder / REPORT).read_text(encoding="utf-8"), nl=False)
        return
    wide_console().print(_effect_table(report))
    typer.echo(str(folder))


def _effect_table(report: EffectReport) -> Table:
    from rich.markup import escape
    from rich.table import Table

    level = f"{report.effects[0].interval.level:.0%}" if report.effects else ""
    title = f"{report.scenario}: effect of messages, delivered - treated (seed {report.seed})"
    table = Table(title=escape(title), title_justify="left", caption_justify="left")
    table.caption = escape("\n".join([f"replies: {', '.join(report.tiers)}", *report.notes]))
    for head in ("against", "task", "measure", "whose", f"effect [{level} interval]", "pairs", "p", "p (Holm)"):
        table.add_column(escape(head))
    for each in report.effects:
        table.add_row(*map(escape, _effect_row(each)))
    return table


def _effect_row(effect: Effect) -> Sequence[str]:
    whose = f"{effect.scope.value} {effect.group}" if effect.group else effect.scope.value
    p_values = (f"{p:.4f}" for p in (effect.p_value, effect.p_adjusted))
    pairs = str(effect.interval.n)
    what = (effect.treatment.value, effect.task_id, effect.measure.value, whose)
    return (*what, shown_interval(effect.interval), pairs, *p_values)
