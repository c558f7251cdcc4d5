"""`society play`: a person plays one row of a roster. Heavy imports are inside the command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.language import Language
from agents.strategy import TrainingMode
from simulation.cli.console import show
from simulation.cli.options import (
    RUNS,
    AsOption,
    EndpointsOption,
    LanguageOption,
    ModeOption,
    OutOption,
    RequireOption,
    SeedOption,
    StepsOption,
    TierOption,
    settings_of,
)
from simulation.cli.renamed import ONLY_NOW

if TYPE_CHECKING:
    from simulation.cli.human_player import HumanPlayer


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(hidden=True)(play)


def play(
    game: Annotated[str, typer.Argument(help="The game: see `society ls games`.")],
    roster: Annotated[str, typer.Option(help="A roster file, or the name of a shipped one.")] = "first_contact",
    as_: AsOption = None,
    tier: TierOption = None,
    require: RequireOption = None,
    mode: ModeOption = TrainingMode.COOPERATIVE,
    steps: StepsOption = 5,
    seed: SeedOption = 0,
    language: LanguageOption = Language.EN,
    endpoint: EndpointsOption = None,
    out: OutOption = RUNS,
) -> None:
    """Play a game yourself, in place of one model.

    Type messages and choices, or pipe them in. You see the prompts of that model. The last line printed is the run
    directory. Your rows in its tables have the tier `human`, and no statistic counts them as a model's. In the
    competitive mode there are no messages.
    """
    typer.echo(f"`society play` is now `society run SCENARIO --as MODEL`; {ONLY_NOW}", err=True)
    from agents.roster import Roster
    from simulation.cli.human_player import plan_with_human
    from simulation.plan import make_plan
    from simulation.runs.runner import play_plan

    scenario = _scenario(game, roster, mode, steps, seed, language)
    plan = plan_with_human(scenario, Roster.load(roster), as_)
    settings = settings_of(tier=tier, require=require, endpoints=endpoint)
    player = human_player_in(plan.roster.model_dump())
    assert player is not None  # the plan has one
    finished = play_plan(make_plan(plan, settings), out=out, on_event=player.watch, responders=player.responders)
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
