"""The `society` command. Heavy imports stand inside the commands: `--help` must be quick."""

from __future__ import annotations

import json
import logging
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from agents.inference.provenance import FALLING_ORDER, Tier
from agents.problems import InvalidFileError, Problem, SocietyError, UsageError
from simulation.authoring import roster_app, scenario_app
from simulation.cli_fingerprint import add_to as add_fingerprint
from simulation.cli_populations import add_to as add_populations
from simulation.cli_science import add_to as add_science
from simulation.cli_verify import add_to as add_verify

if TYPE_CHECKING:
    from rich.console import Console

    from simulation.outcomes import Run
    from simulation.plan import Plan

USAGE_ERROR = 2

app = typer.Typer(
    name="society",
    help="Run societies of LoRA models: scenario files in, pandas tables out.",
    epilog="Start with: society run first_contact",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
model_app = typer.Typer(help="The embedded tier's small model.", no_args_is_help=True)
app.add_typer(roster_app, name="roster")
app.add_typer(scenario_app, name="scenario")
app.add_typer(model_app, name="model")
add_science(app)
add_populations(app)
add_fingerprint(app)
add_verify(app)


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="One line per call on stderr.")] = False,
) -> None:
    from rich.logging import RichHandler

    handler = RichHandler(console=_stderr(), show_path=False, show_time=False, markup=False)
    logger = logging.getLogger("society")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.propagate = False
    logging.getLogger("society.notice").setLevel(logging.INFO)


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
    json_: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Run a scenario and print its outcomes; the last line printed is the run directory."""
    from simulation.runner import run_scenario

    plan = planned(
        scenario, set_, tier=tier, require=require, seed=seed, episodes=episodes, endpoints=tuple(endpoint or ())
    )
    with _progress(plan.scenario.episodes * len(plan.scenario.tasks)) as progress:
        finished = run_scenario(plan, out=out, on_event=progress)
    _show(finished, json_)


@app.command(epilog="Example: `society resume runs/first_contact-20260101-120000-abc123`")
def resume(
    path: Annotated[Path, typer.Argument(help="The directory of a run that was cut off.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Finish a run that was cut off; no finished call is made again."""
    from simulation.outcomes import read_manifest
    from simulation.runner import resume_run

    scenario = read_manifest(path)["scenario"]
    with _progress(scenario["episodes"] * len(scenario["tasks"])) as progress:
        finished = resume_run(path, on_event=progress)
    _show(finished, json_)


@app.command("list")
def list_() -> None:
    """Shipped scenarios, rosters, games and scripted policies."""
    from agents.policies import POLICIES
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
    from simulation.authoring import check_file

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
    from agents.inference.model_store import pull

    typer.echo(str(pull(lambda line: typer.echo(line, err=True), force=force)))


@model_app.command("path")
def model_path_() -> None:
    """Print where the embedded model lies."""
    from agents.inference.model_store import model_path

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
    from simulation.runner import RunOptions

    overrides = _overrides(pairs or [])
    if tier == "auto":
        overrides["inference.tiers"] = f"[{', '.join(each.value for each in FALLING_ORDER)}]"
    only = None if tier == "auto" else _tier(tier, "--tier")
    options = RunOptions(only, _tier(require, "--require"), seed, episodes, endpoints)
    loaded = Plan.load(scenario, overrides)
    return Plan(options.applied(loaded.scenario), loaded.roster)


def _tier(value: str | None, option: str) -> Tier | None:
    if value is None:
        return None
    names = [tier.value for tier in FALLING_ORDER]
    if value not in names:
        _usage(f"{option} {value}: not one of {', '.join(names)}")
    return Tier(value)


def _overrides(pairs: list[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        _usage(f"--set {wrong[0]}: write key=value, for example --set inference.temperature=0")
    return dict(pair.split("=", 1) for pair in pairs)


def _progress(episodes: int) -> Any:
    from simulation.progress import LiveProgress

    return LiveProgress(_stderr(), episodes)


def _show(finished: Run, as_json: bool) -> None:
    if as_json:
        outcomes = json.loads(finished.outcomes.to_json(orient="records"))
        typer.echo(
            json.dumps({"run": str(finished.path), "tier_mix": finished.manifest["tier_mix"], "outcomes": outcomes})
        )
        return
    from rich.console import Console

    from simulation.progress import outcome_table

    console = Console()
    wide = console if console.is_terminal else Console(width=200)
    wide.print(outcome_table(finished, wide.width))
    typer.echo(str(finished.path))


@cache
def _stderr() -> Console:
    """One console for the progress bar and the log, which would otherwise write over each other."""
    from rich.console import Console

    return Console(stderr=True)


def _usage(message: str) -> NoReturn:
    raise UsageError(message)


def main() -> None:
    """The entry point: a user's mistake is a message and an exit code, never a traceback."""
    try:
        app()
    except InvalidFileError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        sys.exit(USAGE_ERROR)
    except UsageError as error:
        typer.echo(f"society: {error}", err=True)
        sys.exit(USAGE_ERROR)
    except (SocietyError, OSError) as error:
        typer.echo(f"society: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
