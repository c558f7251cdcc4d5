"""The `society` command. Heavy imports stand inside the commands: `--help` must be quick."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from agents.inference.provenance import FALLING_ORDER, Tier
from agents.problems import InvalidFileError, Problem, SocietyError, UsageError
from agents.sanitize import printable_lines
from simulation.cli.app import logs
from simulation.cli.compare import add_to as add_compare
from simulation.cli.doctor import add_to as add_doctor
from simulation.cli.effect import add_to as add_science
from simulation.cli.fingerprint import add_to as add_fingerprint
from simulation.cli.games import add_to as add_games
from simulation.cli.observers import MetricsPort, Otel, OtelContent, watched
from simulation.cli.panels import arrange
from simulation.cli.play import add_to as add_play
from simulation.cli.play import seat_in
from simulation.cli.population import add_to as add_populations
from simulation.cli.quality import add_to as add_observe
from simulation.cli.replay import add_to as add_replay
from simulation.cli.report import add_to as add_report
from simulation.cli.roster import add_to as add_roster
from simulation.cli.scenario import add_to as add_scenario
from simulation.cli.serve import add_to as add_fleet
from simulation.cli.sweep import add_to as add_sweep
from simulation.cli.tournament import add_to as add_tournament
from simulation.cli.verify import add_to as add_verify
from simulation.cli.watch import add_to as add_live

if TYPE_CHECKING:
    from rich.console import Console

    from simulation.plan import Plan
    from simulation.runs.runner import RunOptions
    from simulation.tables.run import Run

USAGE_ERROR = 2

app = typer.Typer(
    name="society",
    help="A multi-agent social simulation on CAMEL-AI's OASIS in which every agent is a LoRA model.",
    epilog="Start with: society run first_contact",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
model_app = typer.Typer(help="The embedded tier's small model.", no_args_is_help=True)
add_roster(app)
add_scenario(app)
app.add_typer(model_app, name="model")
add_doctor(app)
add_replay(app)
add_report(app)
add_science(app)
add_fleet(app)
add_observe(app)
add_populations(app)
add_fingerprint(app)
add_verify(app)
add_games(app)
add_play(app)
add_tournament(app)
add_live(app)
add_compare(app)
add_sweep(app)


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="One line per call on stderr.")] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log as JSON on stderr: one object a line, every call among them.")
    ] = False,
) -> None:
    logs.set_up(stderr(), verbose=verbose, as_json=log_json)


@app.command(epilog="Example: `society run team_battle --tier simulated --seed 7 --set tasks.0.max_steps=3`")
def run(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a shipped one.")],
    tier: Annotated[
        str | None, typer.Option(help="The only tier to use: camel, http, embedded, simulated; or auto: all of them.")
    ] = None,
    require: Annotated[str | None, typer.Option(help="Stop rather than fall below this tier.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the scenario's.")] = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes, in place of the scenario's.")] = None,
    endpoint: Annotated[list[str] | None, typer.Option(help="vLLM server URL; may be given more than once.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for run directories.")] = Path("runs"),
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, dotted keys.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of replies shared by runs: what one paid for, others are given.")
    ] = None,
    metrics_port: MetricsPort = None,
    otel: Otel = False,
    otel_content: OtelContent = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Run a scenario and print its outcomes; the last line printed is the run directory."""
    from simulation.runs.runner import run_scenario

    plan = planned(
        scenario, set_, tier=tier, require=require, seed=seed, episodes=episodes, endpoints=tuple(endpoint or ())
    )
    count, name = plan.scenario.episodes * len(plan.scenario.tasks), plan.scenario.name
    with watched(_progress(count), count, name, metrics_port=metrics_port, otel=otel, content=otel_content) as watch:
        finished = run_scenario(plan, out=out, on_event=watch, cache=cache)
    show(finished, json_)


@app.command(epilog="Example: `society resume runs/first_contact-20260101-120000-abc123`")
def resume(
    path: Annotated[Path, typer.Argument(help="The directory of a run that was cut off.")],
    cache: Annotated[Path | None, typer.Option(help="Folder of replies shared by runs.")] = None,
    metrics_port: MetricsPort = None,
    otel: Otel = False,
    otel_content: OtelContent = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Finish a run that was cut off; no finished call is made again."""
    from simulation.runs.runner import resume_run
    from simulation.tables.run import read_manifest

    manifest = read_manifest(path)
    scenario, seat = manifest["scenario"], seat_in(manifest["roster"])
    if seat is not None:
        finished = resume_run(path, on_event=seat.watch, voices=seat.voices)
    else:
        count, name = scenario["episodes"] * len(scenario["tasks"]), scenario["name"]
        with watched(
            _progress(count), count, name, metrics_port=metrics_port, otel=otel, content=otel_content
        ) as watch:
            finished = resume_run(path, on_event=watch, cache=cache)
    show(finished, json_)


@app.command("list")
def list_() -> None:
    """Shipped scenarios, rosters, games and scripted policies."""
    from agents.players.policies import POLICIES
    from agents.roster import shipped_rosters
    from simulation.games import task_types
    from simulation.scenario import shipped_scenarios

    for title, names in (
        ("scenarios", shipped_scenarios()),
        ("rosters", shipped_rosters()),
        ("games", task_types()),
        ("policies", tuple(POLICIES)),
    ):
        typer.echo(f"{title}:")
        for name in names:
            typer.echo(f"  {name}")


@app.command(epilog="Example: `society validate scenarios/*.yaml agents/rosters/*.yaml`")
def validate(
    files: Annotated[list[str], typer.Argument(help="Scenario or roster files, or shipped names.")],
) -> None:
    """Check files without running them; every mistake of every file is printed."""
    from simulation.authoring.files import check_file

    problems: list[Problem] = []
    for file in files:
        try:
            typer.echo(f"ok: {file} ({check_file(file)})")
        except InvalidFileError as error:
            problems.extend(error.problems)
    if problems:
        raise InvalidFileError(problems)


@app.command(epilog="Example: `society schema scenario > scenario.schema.json`")
def schema(kind: Annotated[str, typer.Argument(help="scenario or roster")]) -> None:
    """Print the JSON Schema of a file, for editors."""
    from agents.roster import roster_schema
    from simulation.scenario import scenario_schema

    makers = {"scenario": scenario_schema, "roster": roster_schema}
    if kind not in makers:
        _usage(f"schema: {kind!r} is neither scenario nor roster")
    typer.echo(json.dumps(makers[kind](), indent=2, ensure_ascii=False))


@model_app.command("pull")
def model_pull(force: Annotated[bool, typer.Option(help="Fetch it again.")] = False) -> None:
    """Fetch and convert the embedded model into the cache."""
    from agents.inference.embedded.model_store import pull

    typer.echo(str(pull(lambda line: typer.echo(line, err=True), force=force)))


@model_app.command("path")
def model_path_() -> None:
    """Print where the embedded model lies."""
    from agents.inference.embedded.model_store import model_path

    path = model_path()
    if path is None:
        raise SocietyError("the embedded model is not in the cache; fetch it with: society model pull")
    typer.echo(str(path))


def planned(
    scenario: str,
    pairs: list[str] | None,
    *,
    tier: str | None,
    require: str | None,
    seed: int | None,
    episodes: int | None,
    endpoints: tuple[str, ...],
) -> Plan:
    """The plan a command carries out: the scenario with the options given, in which `tier` may be "auto"."""
    from simulation.plan import Plan
    from simulation.runs.runner import refuse_sweep

    overrides = overrides_of(pairs or [])
    if tier == "auto":
        overrides["inference.tiers"] = f"[{', '.join(each.value for each in FALLING_ORDER)}]"
    options = run_options(tier=tier, require=require, seed=seed, episodes=episodes, endpoints=endpoints)
    loaded = Plan.load(scenario, overrides)
    refuse_sweep(loaded)
    return Plan(options.applied(loaded.scenario), loaded.roster)


def run_options(
    *,
    tier: str | None,
    require: str | None = None,
    seed: int | None = None,
    episodes: int | None = None,
    endpoints: tuple[str, ...] = (),
) -> RunOptions:
    """The options of a command, checked; the tier "auto" leaves the scenario's tiers as they are."""
    from simulation.runs.runner import RunOptions

    only = None if tier == "auto" else _tier(tier, "--tier")
    return RunOptions(only, _tier(require, "--require"), seed, episodes, endpoints)


def _tier(value: str | None, option: str) -> Tier | None:
    if value is None:
        return None
    names = [tier.value for tier in FALLING_ORDER]
    if value not in names:
        _usage(f"{option} {value}: not one of {', '.join(names)}")
    return Tier(value)


def overrides_of(pairs: list[str]) -> dict[str, str]:
    """What `--set` asks for, by key. Raises UsageError."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        _usage(f"--set {wrong[0]}: write key=value, for example --set inference.temperature=0")
    return dict(pair.split("=", 1) for pair in pairs)


def _progress(episodes: int) -> Any:
    from rich.console import Console

    from simulation.monitor.progress import LiveProgress

    console = Console(stderr=True, quiet=True, force_terminal=False) if logs.are_json() else stderr()
    return LiveProgress(console, episodes)


def show(finished: Run, as_json: bool) -> None:
    """Print a run's outcomes; the last line is its directory."""
    if as_json:
        outcomes = json.loads(finished.outcomes.to_json(orient="records"))
        typer.echo(
            json.dumps({"run": str(finished.path), "tier_mix": finished.manifest["tier_mix"], "outcomes": outcomes})
        )
        return
    from rich.console import Console

    from simulation.monitor.progress import outcome_table

    console = Console()
    wide = console if console.is_terminal else Console(width=200)
    wide.print(outcome_table(finished, wide.width))
    typer.echo(str(finished.path))


@cache
def stderr() -> Console:
    """One console for the progress bar and the log, which would otherwise write over each other."""
    from rich.console import Console

    return Console(stderr=True)


def _complain(message: str, who: str = "society: ") -> None:
    """Why the command ends, in the shape of the log."""
    if logs.are_json():
        logs.logger.error("%s", message)
    else:
        typer.echo(printable_lines(f"{who}{message}"), err=True)


def _usage(message: str) -> NoReturn:
    raise UsageError(message)


def main() -> None:
    """The entry point: a user's mistake is a message and an exit code, never a traceback."""
    try:
        app()
    except InvalidFileError as error:
        for problem in error.problems:
            _complain(str(problem), "")
        sys.exit(USAGE_ERROR)
    except UsageError as error:
        _complain(str(error))
        sys.exit(USAGE_ERROR)
    except (SocietyError, OSError) as error:
        _complain(str(error))
        sys.exit(1)


arrange(app)

if __name__ == "__main__":
    main()
