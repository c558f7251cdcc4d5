"""Starting points for a user's own files: `society roster new|show`, `society scenario new`, and `validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.problems import SocietyError, UsageError, nearest

roster_app = typer.Typer(help="Rosters: who takes part.", no_args_is_help=True)
scenario_app = typer.Typer(help="Scenarios: what is played.", no_args_is_help=True)

_ROSTER_HEAD = """\
# Who takes part: one row per LoRA model.
#   model_name  the adapter's name at the server (or of a shipped adapter: cooperator, defector, reciprocator)
#   role        leader, follower, competitor, teammate or neutral
#   count: 3    makes three players of a row; policy: tit_for_tat puts a scripted player in place of a model
"""
_SCENARIO_HEAD = """\
# What is played. Check this file with: society validate {path}
# Every key and its meaning: society schema scenario
"""


@roster_app.command(
    "new",
    epilog="Example: `society roster new mine.yaml --base qwen2-7b --adapter negotiator --adapter skeptic --teams 2`",
)
def roster_new(
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    base: Annotated[str, typer.Option(help="The base model the adapters belong to.")] = "SmolLM2-135M-Instruct",
    adapter: Annotated[list[str] | None, typer.Option(help="A served adapter name; one row each.")] = None,
    teams: Annotated[int, typer.Option(min=0, max=26, help="Number of teams to deal the rows to.")] = 0,
) -> None:
    """Write a commented roster with one row per adapter."""
    from agents.role import ModelRole
    from agents.roster import ModelConfig, Roster

    _refuse_existing(path)
    names = adapter or ["cooperator", "defector", "reciprocator", base]
    if not all((base, *names)):
        raise UsageError("--base and --adapter cannot be empty")
    rows = tuple(
        ModelConfig(
            model_id=f"model_{number}",
            model_name=name,
            role=ModelRole.LEADER if number == 1 else ModelRole.TEAMMATE,
            team_id=f"team_{chr(ord('a') + (number - 1) % teams)}" if teams else None,
        )
        for number, name in enumerate(names, start=1)
    )
    Roster(name=path.stem, base_model=base, models=rows).save(path)
    path.write_text(_ROSTER_HEAD + path.read_text(encoding="utf-8"), encoding="utf-8")
    typer.echo(str(path))


@roster_app.command("show", epilog="Example: `society roster show two_teams`")
def roster_show(
    name: Annotated[str, typer.Argument(help="A roster file, or a shipped roster's name.")],
) -> None:
    """Print a roster as a table, one line per player."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from agents.roster import Roster

    roster = Roster.load(name)
    table = Table(
        title=f"{escape(roster.name)} on {escape(roster.base_model or 'no base model')}", title_justify="left"
    )
    for head in ("model", "adapter or policy", "role", "team", "specialization", "persona"):
        table.add_column(head)
    for row in roster.expand():
        cells = (row.model_id, row.played_by, row.role.value, row.team_id or "", row.specialization, row.persona)
        table.add_row(*(escape(cell) for cell in cells))
    Console().print(table)


@scenario_app.command(
    "new",
    epilog="Example: `society scenario new mine.yaml --mode team_battle --game commons --roster two_teams`",
)
def scenario_new(
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    mode: Annotated[str, typer.Option(help="cooperative, competitive, team_battle or mixed.")] = "cooperative",
    game: Annotated[str, typer.Option(help="The game: see `society list`.")] = "public_goods",
    roster: Annotated[str, typer.Option(help="A shipped roster's name, or a file beside this one.")] = "first_contact",
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Write a commented scenario that validates and runs."""
    from agents.language import Language
    from agents.strategy import TrainingMode
    from simulation.games import task_types

    _refuse_existing(path)
    _one_of("--mode", mode, [each.value for each in TrainingMode])
    _one_of("--game", game, list(task_types()))
    _one_of("--language", language, [each.value for each in Language])
    path.write_text(_SCENARIO_HEAD.format(path=path) + _scenario_text(path.stem, mode, game, roster, language))
    try:
        check_file(str(path))
    except SocietyError:
        path.unlink()  # nothing is left behind that would not run
        raise
    typer.echo(str(path))


def _scenario_text(name: str, mode: str, game: str, roster: str, language: str) -> str:
    return f"""\
name: {name}
mode: {mode}
roster: {roster}
seed: 1
episodes: 2        # each task is played this often
language: {language}

tasks:
  - task_id: {game}
    task_type: {game}
    difficulty: 0.5
    reward_pool: 100
    cooperation_level: 0.5
    max_steps: 5

communication:
  topology: complete   # or ring, star, small_world, scale_free, or pairs of model ids
  talk_rounds: 1

inference:
  endpoints: [http://localhost:8001/v1]
  max_tokens: 48
  temperature: 0.7
"""


def check_file(name: str) -> str:
    """What a valid file is: "scenario" or "roster". Raises InvalidFileError with every mistake."""
    from agents.roster import Roster, shipped_rosters
    from simulation.plan import Plan

    if looks_like_roster(name, shipped_rosters()):
        Roster.load(name)
        return "roster"
    if Plan.load(name).scenario.sweep:
        from simulation.sweep import sweep_arms

        return f"scenario, a sweep of {len(sweep_arms(name))} runs"
    return "scenario"


def looks_like_roster(name: str, shipped: tuple[str, ...]) -> bool:
    """A roster has `models`; a bare name is a roster where no scenario goes by it."""
    from agents.yaml_file import read_yaml
    from simulation.scenario import shipped_scenarios

    path = Path(name)
    if not path.exists():
        return name in shipped and name not in shipped_scenarios()
    return "models" in read_yaml(path).data


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise SocietyError(f"{path} exists; choose another name")


def _one_of(option: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise UsageError(f"{option} {value}: {nearest(value, known)}")
