"""`society run` and `society resume`. Heavy imports are inside the commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.yaml_file import display
from simulation.cli.console import show
from simulation.cli.observers import MetricsPort, Otel, OtelContent, watched
from simulation.cli.options import (
    RUNS,
    AsOption,
    CacheOption,
    EndpointsOption,
    EngineOption,
    EpisodesOption,
    GridOption,
    JobsOption,
    JsonOption,
    OutOption,
    PlayedArgument,
    ReplaceOption,
    RequireOption,
    ScenarioSeedOption,
    SeedsOption,
    SetOption,
    TierOption,
    fail_usage,
    jobs_or_default,
    settings_of,
)
from simulation.cli.play import human_player_in

if TYPE_CHECKING:
    from simulation.plan import Plan
    from simulation.runs.engines import Workers
    from simulation.tables.run import Run

NO_DECISION, NO_SERVER = 3, 4
"""The exit codes of a finished run: no decision was valid or a language model's; no server that the user named
answered, so that another tier played."""


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    app.command(epilog="Example: `society run team_battle --tier simulated --seeds 20`")(run)
    app.command(epilog="Example: `society resume runs/first_contact-20260101-120000-abc123`")(resume)


def run(
    scenario: PlayedArgument,
    tier: TierOption = None,
    require: RequireOption = None,
    seed: ScenarioSeedOption = None,
    episodes: EpisodesOption = None,
    endpoint: EndpointsOption = None,
    replace: ReplaceOption = None,
    set_: SetOption = None,
    seeds: SeedsOption = None,
    grid: GridOption = None,
    as_: AsOption = None,
    jobs: JobsOption = None,
    engine: EngineOption = "local",
    out: OutOption = RUNS,
    cache: CacheOption = None,
    metrics_port: MetricsPort = None,
    otel: Otel = False,
    otel_content: OtelContent = False,
    json_: JsonOption = False,
) -> None:
    """Play a scenario; print who earned what, and the run's directory.

    With --seeds, --grid or a scenario's `sweep` it plays many runs, several at a time, and prints their means with
    intervals; the last line is their folder. With --as you play one model yourself: type messages and choices, or pipe
    them in. The exit code is 3 if the run is finished, and no decision in it was valid or none was taken by a language
    model although one was to answer. It is 4 if you named servers (--endpoint, scenario or roster) and none answered.
    """
    from simulation.cli.many import begin_many, finish_many, grid_of
    from simulation.cli.source import source_of
    from simulation.plan import make_plan

    settings = settings_of(tier=tier, require=require, seed=seed, episodes=episodes, endpoints=endpoint, pairs=set_)
    swept = grid_of(grid or ())
    source = source_of(scenario, replace or ())
    plan = make_plan(source, settings)
    if replace and "roster" in {*swept, *settings.set, *plan.scenario.sweep}:
        fail_usage("--replace changes rows of the scenario's roster: leave out --replace, or the other rosters")
    if seeds and "seed" in swept:
        fail_usage("--seeds and --grid seed= both give seeds: leave one out")
    if seeds or swept or plan.scenario.sweep:
        if as_ or cache or metrics_port is not None or otel or otel_content:
            fail_usage("--as, --cache, --metrics-port and --otel are options of one run: leave out --seeds and --grid")
        folder = begin_many(source, plan.scenario, settings, seeds, swept, out)
        runs = tuple(finish_many(folder, jobs, engine, json_))
        refuse_no_server(runs, endpoint or ())
        refuse_no_decision_in(runs)
    elif as_ or any(row.human for row in plan.roster.models):
        _play_as(plan, as_, out, json_)
    else:
        workers = workers_of(plan, jobs, engine)
        _play_one(plan, workers, out, cache, metrics_port, otel, otel_content, json_, tuple(endpoint or ()))


def _play_as(plan: Plan, model_id: str | None, out: Path, json_: bool) -> None:
    """Play a plan with a person at this terminal in one row."""
    from simulation.cli.human_player import with_human
    from simulation.plan import make_plan
    from simulation.runs.runner import play_plan

    plan = make_plan(plan, roster=with_human(plan.roster, model_id))
    player = human_player_in(plan.roster.model_dump())
    assert player is not None  # the plan has one
    _show_end(play_plan(plan, out=out, on_event=player.watch, responders=player.responders), json_)


def workers_of(plan: Plan, jobs: int | None, engine: str) -> Workers:
    """Return who computes the answers of one run, as --jobs and --engine say. Raises UsageError for an engine."""
    from agents.problems import member_of
    from simulation.engine.batch.settings import can_be_split
    from simulation.runs.engines import Engine, Workers

    where = member_of(Engine, engine, "--engine")
    if where is Engine.RAY and not can_be_split(plan.scenario, plan.roster.expand()):
        fail_usage("--engine ray splits a run that is played in columns: --tier simulated --set prompts=off")
    return Workers(jobs_or_default(jobs), where)


def _play_one(
    plan: Plan,
    workers: Workers,
    out: Path,
    cache: Path | None,
    port: int | None,
    otel: bool,
    content: bool,
    json_: bool,
    endpoints: tuple[str, ...],
) -> None:
    from simulation.plan_warnings import warn
    from simulation.runs.runner import play_plan

    warn(plan)
    count, name = plan.scenario.episodes * len(plan.scenario.tasks), plan.scenario.name
    with watched(count, name, metrics_port=port, otel=otel, content=content, plan=plan) as watch:
        finished = play_plan(plan, out=out, on_event=watch, cache=cache, workers=workers)
    _show_end(finished, json_, endpoints)


def resume(
    path: Annotated[Path, typer.Argument(help="The directory of a run that was cut off, or the folder of many.")],
    jobs: JobsOption = None,
    engine: EngineOption = "local",
    cache: CacheOption = None,
    metrics_port: MetricsPort = None,
    otel: Otel = False,
    otel_content: OtelContent = False,
    json_: JsonOption = False,
) -> None:
    """Finish a run, or many, that were cut off; no call is made twice.

    Exit code 3: no decision was valid. Exit code 4: none of the servers that the scenario or roster names answered.
    """
    from simulation.cli.many import finish_many
    from simulation.sweep_values import arms_in

    if arms_in(path):
        runs = tuple(finish_many(path, jobs, engine, json_))
        refuse_no_server(runs)
        refuse_no_decision_in(runs)
        return
    from simulation.plan import Plan
    from simulation.runs.runner import resume_run
    from simulation.tables.run import read_manifest

    manifest = read_manifest(path)
    plan = Plan.of(manifest)  # a manifest that was harmed has a clear error
    seat = human_player_in(manifest["roster"])
    if seat is not None:
        finished = resume_run(path, on_event=seat.watch, responders=seat.responders)
    else:
        count, name = plan.scenario.episodes * len(plan.scenario.tasks), plan.scenario.name
        with watched(count, name, metrics_port=metrics_port, otel=otel, content=otel_content, plan=plan) as watch:
            own = jobs_or_default(jobs)
            finished = resume_run(path, on_event=watch, cache=cache, jobs=own, engine=engine)
    _show_end(finished, json_)


def _show_end(finished: Run, json_: bool, endpoints: tuple[str, ...] = ()) -> None:
    show(finished, json_)
    show_unproved(finished)
    refuse_no_server((finished,), endpoints)
    refuse_no_decision(finished)


def show_unproved(finished: Run) -> None:
    """Print what is not proved of the models that answered, and what their servers do not obey."""
    from agents.inference.servers.proof import stored_warnings
    from simulation.cli.console import complain

    for text in stored_warnings(finished.manifest.get("probes") or {}):
        complain(text)


def refuse_no_server(runs: Sequence[Run], given: Sequence[str] = ()) -> None:
    """End the command with `NO_SERVER` if none of the servers that the user named answered in any run."""
    from collections import Counter

    from simulation.cli.console import complain
    from simulation.metrics.replies import unanswered_servers

    found = [unanswered_servers(run, given) for run in runs]
    if found and all(found):
        mix = sum((Counter(run.manifest["tier_mix"]) for run in runs), Counter[str]())
        complain(no_server_text(tuple(dict.fromkeys(each for servers in found for each in servers)), mix))
        raise typer.Exit(NO_SERVER)


def no_server_text(servers: Sequence[str], tier_mix: Mapping[str, int]) -> str:
    """Return that no server answered, what did, and the fix."""
    from agents.inference.servers.discovery import how_to_start

    who = ", ".join(f"{tier} {count}" for tier, count in tier_mix.items() if count)
    options = " ".join(f"--endpoint {server}" for server in servers)
    return (
        f"NO SERVER ANSWERED at {', '.join(servers)}: all replies are of other tiers ({who}). Correct the address, or "
        f"{how_to_start(servers[0])}; check with: society doctor {options}; --tier simulated asks for scripted replies"
    )


def refuse_no_decision(finished: Run) -> None:
    """End the command with `NO_DECISION` if no decision of a run was valid, or no language model took one."""
    refuse_no_decision_in((finished,))


def refuse_no_decision_in(runs: Iterable[Run]) -> None:
    """End the command with `NO_DECISION` if that is so in any of some runs."""
    from simulation.cli.console import complain

    reasons = {run.path: reason for run in runs if (reason := _no_decision(run))}
    for path, reason in reasons.items():
        complain(f"{reason}. Read what was asked and answered with: society show --prompts {display(path)}")
    if reasons:
        raise typer.Exit(NO_DECISION)


def _no_decision(run: Run) -> str:
    """Return why a run's outcomes say nothing of its models; empty where they do."""
    from simulation.metrics.replies import without_model_decision

    valid = run.decisions["valid"]
    if len(valid) and not valid.any():
        return (
            f"none of the {len(valid)} decisions is valid: no reply was a legal action, so the outcomes are those of "
            "invalid decisions"
        )
    reason = without_model_decision(run)
    return f"{reason}, so the outcomes are not those of the models" if reason else ""
