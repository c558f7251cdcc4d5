"""`society games`: every game's documentation. Heavy imports are inside the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulation.cli.console import text_table, wide_console
from simulation.cli.options import JsonOption

if TYPE_CHECKING:
    from simulation.authoring.game_pages import GamePage


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society games prisoners_dilemma`")(games)


def games(
    name: Annotated[str | None, typer.Argument(help="A game; all of them, in a line each, without it.")] = None,
    json_: JsonOption = False,
) -> None:
    """Explain the games: players, decision, payoffs, equilibria, what a message can change, parameters."""
    from simulation.authoring.game_pages import game_page, game_pages

    pages = [game_page(name)] if name else list(game_pages())
    if json_:
        plain = [_plain(page) for page in pages]
        typer.echo(json.dumps(plain[0] if name else plain, ensure_ascii=False))
    elif name:
        _show_page(pages[0])
    else:
        _show_list(pages)


def _show_list(pages: list[GamePage]) -> None:
    from simulation.authoring.game_pages import PageSection

    parts = (PageSection.PLAYERS, PageSection.DECISION, PageSection.MESSAGE)
    rows = ((page.name, *(page.line(part) for part in parts)) for page in pages)
    heads = ("game", "players", "decision", "a message")
    wide_console(260).print(text_table("games; for the page of one: society games NAME", heads, rows))


def _show_page(page: GamePage) -> None:
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


def _plain(page: GamePage) -> dict[str, Any]:
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
