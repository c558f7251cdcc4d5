"""What `society show` prints of a scenario, a roster and a game."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from agents.problems import nearest
from agents.sanitize import sanitize
from simulation.cli.options import fail_usage

if TYPE_CHECKING:
    from agents.roster import Roster
    from simulation.authoring.game_pages import GamePage
    from simulation.plan import Plan


def show_named(name: str, scenario: str | None, picture: Path | None, as_json: bool) -> None:
    """Print everything that has this name: a scenario, a roster, a game.

    Args:
        name: A file, or a shipped name.
        scenario: The scenario that a roster plays, for who hears whom.
        picture: An SVG file to draw the roster into.
        as_json: Print one JSON object a line.

    Raises:
        UsageError: Nothing has this name.
        InvalidFileError: The file has mistakes.
    """
    from agents.roster import Roster, shipped_rosters
    from simulation.authoring.files import looks_like_roster
    from simulation.authoring.game_pages import game_page
    from simulation.games import task_types
    from simulation.plan import Plan
    from simulation.scenario import shipped_scenarios

    known = {*shipped_scenarios(), *shipped_rosters(), *task_types()}
    is_file = Path(name).is_file()
    if not is_file and name not in known:
        fail_usage(f"there is no run, file, scenario, roster or game {name!r} ({nearest(name, sorted(known))})")
    rosters = looks_like_roster(name, shipped_rosters()) or (not is_file and name in shipped_rosters())
    plan = Plan.load(name) if name in shipped_scenarios() or (is_file and not rosters) else None
    roster = Roster.load(name) if rosters and (plan is None or plan.roster.name != name) else None
    if plan is not None:
        _show_scenario(plan, picture, as_json)
    if roster is not None:
        _show_roster(roster, scenario, picture, as_json)
    if not is_file and name in task_types():
        _show_game(game_page(name), as_json)


def _show_scenario(plan: Plan, picture: Path | None, as_json: bool) -> None:
    if as_json:
        kinds = {"scenario": plan.scenario, "roster": plan.roster}
        plain = {kind: part.model_dump(mode="json", exclude_unset=True) for kind, part in kinds.items()}
        typer.echo(json.dumps(plain, ensure_ascii=False))
        return
    scenario = plan.scenario
    typer.echo(f"{scenario.name}: {scenario.mode.value}, {scenario.episodes} episode(s) of each task")
    if scenario.description:
        typer.echo(sanitize(scenario.description))
    for task in scenario.tasks:
        typer.echo(f"  {task.task_id}: {task.task_type}, {task.max_steps} steps")
    _draw(plan.roster, plan, picture)


def _show_roster(roster: Roster, scenario: str | None, picture: Path | None, as_json: bool) -> None:
    from simulation.plan import Plan

    if as_json:
        typer.echo(json.dumps(roster.model_dump(mode="json", exclude_unset=True), ensure_ascii=False))
        return
    _draw(roster, Plan(Plan.load(scenario).scenario, roster) if scenario else None, picture)


def _draw(roster: Roster, plan: Plan | None, picture: Path | None) -> None:
    """Print who is in which team with which role and, in a plan, who hears whom."""
    from simulation.answer.audiences import audience_maps
    from simulation.authoring.roster_picture import audience_tree, team_tree
    from simulation.authoring.roster_picture import picture as draw

    maps = audience_maps(plan) if plan else ()
    console = Console()
    for tree in (team_tree(roster), *map(audience_tree, maps)):
        console.print(tree)
    if picture is not None:
        picture.write_text(draw(roster, maps[0] if maps else None), encoding="utf-8")
        typer.echo(str(picture))


def _show_game(page: GamePage, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(plain_page(page), ensure_ascii=False))
        return
    typer.echo(f"{page.name}\n\n{page.text}")
    typer.echo("\nFigures (comparable and averaged only with figures of the same kind):")
    for figure, meaning in (("cooperation_score", page.cooperation), ("accuracy", page.accuracy)):
        typer.echo(f"  {figure}: {meaning.text}  (kind: {meaning.kind})")
    typer.echo("\nParameters (a task's `parameters`):")
    for each in page.parameters:
        limits = f"; {each.range}" if each.range else ""
        typer.echo(f"  {each.name} = {json.dumps(each.default, ensure_ascii=False)}  ({each.kind}{limits})")
    if not page.parameters:
        typer.echo("  none")


def plain_page(page: GamePage) -> dict[str, Any]:
    """Return a game's page as plain data."""
    return {
        "name": page.name,
        "title": page.title,
        "synthetic": page.synthetic,
        **{part.value.lower(): text for part, text in page.parts.items()},
        "figures": {
            "cooperation_score": page.cooperation._asdict(),
            "accuracy": page.accuracy._asdict(),
        },
        "parameters": [
            {"name": each.name, "kind": each.kind, "default": each.default, "range": each.range}
            for each in page.parameters
        ],
    }
