"""`society study effect`: what messages do. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import show_study, shown_interval, text_table
from simulation.cli.observers import MetricsPort, Otel, OtelContent, watched
from simulation.cli.options import (
    RUNS,
    EndpointsOption,
    JsonOption,
    LevelOption,
    MixTiersOption,
    OutOption,
    PairsOption,
    RequireOption,
    ScenarioOrFolder,
    ScenarioSeedOption,
    SetOption,
    TierOption,
    planned,
    settings_of,
)
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.effect import Effect, EffectReport


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study effect with_scripted_players.yaml --tier embedded --episodes 50`")(
        effect
    )


def effect(
    scenario: ScenarioOrFolder,
    treatment: Annotated[
        list[Treatment] | None, typer.Option(help="May be given more than once; by default all but delivered.")
    ] = None,
    tier: TierOption = None,
    require: RequireOption = None,
    seed: ScenarioSeedOption = None,
    episodes: PairsOption = None,
    endpoint: EndpointsOption = None,
    out: OutOption = RUNS,
    set_: SetOption = None,
    level: LevelOption = 0.95,
    mix_tiers: MixTiersOption = False,
    metrics_port: MetricsPort = None,
    otel: Otel = False,
    otel_content: OtelContent = False,
    json_: JsonOption = False,
) -> None:
    """Measure what messages do: the same episodes with messages delivered, silenced, shuffled and replaced.

    Prints delivered - treated with interval and p-value; the last line is the folder of the runs.
    """
    from simulation.studies.effect import REPORT, read_effects
    from simulation.studies.treatments import TREATMENTS, play_treatments, resume_treatments

    if Path(scenario).is_dir():
        folder = resume_treatments(Path(scenario))
    else:
        settings = settings_of(tier=tier, require=require, seed=seed, episodes=episodes, endpoints=endpoint, pairs=set_)
        plan = planned(scenario, settings)
        arms = list(dict.fromkeys((Treatment.DELIVERED, *(treatment or TREATMENTS))))
        count, name = len(arms) * plan.scenario.episodes * len(plan.scenario.tasks), plan.scenario.name
        with watched(count, name, metrics_port=metrics_port, otel=otel, content=otel_content) as watch:
            folder = play_treatments(plan, arms, out=out, on_event=watch)
    report = read_effects(folder, level=level, mix_tiers=mix_tiers)
    show_study(folder, REPORT, json_, lambda: report.banner, lambda: [effect_table(report)])


def effect_table(report: EffectReport) -> Table:
    """One row per effect."""
    level = f"{report.effects[0].interval.level:.0%}" if report.effects else ""
    return text_table(
        "",
        ("against", "task", "measure", "whose", f"effect [{level} interval]", "pairs", "p", "p (Holm)"),
        map(_effect_row, report.effects),
    )


def _effect_row(effect: Effect) -> Sequence[str]:
    whose = f"{effect.scope.value} {effect.group}" if effect.group else effect.scope.value
    p_values = (f"{p:.4f}" for p in (effect.p_value, effect.p_adjusted))
    what = (effect.treatment.value, effect.task_id, effect.measure.value, whose)
    return (*what, shown_interval(effect.interval, 3, "+"), str(effect.interval.n), *p_values)
