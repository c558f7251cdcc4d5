"""`society play`: a person plays one row of a roster. Heavy imports are inside the command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.language import Language
from agents.strategy import TrainingMode
from simulation.cli.console import show
from simulation.cli.options import run_options

if TYPE_CHECKING:
    from simulation.cli.human_player import HumanPlayer


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society play public_goods --roster first_contact --as ada --tier simulated`")(play)


def play(
    game: Annotated[str, typer.Argument(help="The game: see `society games`.")],
    roster: Annotated[str, typer.Option(help="A roster file, or the name of a shipped one.")] = "first_contact",
    as_: Annotated[
        str | None, typer.Option("--as", help="The model that you play; default: the first of the roster.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="The only tier to use; or auto: all of them.")] = None,
    require: Annotated[str | None, typer.Option(help="Stop rather than use a tier below this one.")] = None,
    mode: Annotated[
        TrainingMode, typer.Option(help="Who hears whom, and who shares the reward.")
    ] = TrainingMode.COOPERATIVE,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the game.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the game and of the other players.")] = 0,
    language: Annotated[Language, typer.Option(help="en or zh.")] = Language.EN,
    endpoint: Annotated[list[str] | None, typer.Option(help="vLLM server URL; may be given more than once.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for run directories.")] = Path("runs"),
) -> None:
    """Play a game yourself, in place of one model of a roster. Type messages and choices, or pipe them in.

    You see the prompts of that model. The last line printed is the run directory. Your rows in its tables have the tier
    `human`, and no statistic counts them as a model's. In the competitive mode there are no messages.
    """
    from agents.roster import Roster
    from simulation.cli.human_player import plan_with_human
    from simulation.runs.runner import run_scenario

    scenario = _scenario(game, roster, mode, steps, seed, language)
    plan = plan_with_human(scenario, Roster.load(roster), as_)
    options = run_options(tier=tier, require=require, endpoints=tuple(endpoint or ()))
    player = human_player_in(plan.roster.model_dump())
    assert player is not None  # plan_with_human makes one
    finished = run_scenario(plan, options=options, out=out, on_event=player.watch, responders=player.responders)
    show(finished, False)


def human_player_in(roster: Mapping[str, Any]) -> HumanPlayer | None:
    """Return the player at this terminal for the human row of a raw roster, or None if there is no such row."""
    people = [row["model_id"] for row in roster["models"] if row.get("human")]
    if not people:
        return None
    from rich.console import Console

    from simulation.cli.human_player import HumanPlayer, Lines

    return HumanPlayer(people[0], Console(), Lines(sys.stdin.fileno()))


def _scenario(
    game: str, roster: str, mode: TrainingMode, steps: int, seed: int, language: Language
) -> Mapping[str, Any]:
    return {
        "name": f"play-{game}",
        "mode": mode.value,
        "roster": roster,
        "seed": seed,
        "language": language.value,
        "tasks": [{"task_id": game, "task_type": game, "max_steps": steps}],
        "communication": {"talk_rounds": 0 if mode is TrainingMode.COMPETITIVE else 1},
    }
