"""`society demo`: a recorded run, told as it went. Heavy imports are inside the command."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import show, wide_console
from simulation.cli.options import OutOption

if TYPE_CHECKING:
    from simulation.tables.run import Run

_PACE = 0.4
_TOLD = 1
"""How many episodes are told step by step; the others are a line each."""


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society demo first_contact_embedded --pace 0`")(demo)


def demo(
    name: Annotated[str, typer.Argument(help="The recorded run.")] = "first_contact_embedded",
    pace: Annotated[float | None, typer.Option(min=0, help="Seconds between two messages; 0.4 in a terminal.")] = None,
    out: OutOption = Path("recorded"),
) -> None:
    """Tell a recorded run of real LoRA adapters.

    No model, no server and no download is needed.

    The last line printed is the run directory. `society study replay` on it plays it again and compares every event.
    """
    from simulation.runs.recorded import recorded_run

    run = recorded_run(name, out=out)
    console = wide_console(100)
    pause = pace if pace is not None else _PACE if console.is_terminal else 0.0
    for line in story(run):
        console.print(line, highlight=False, markup=False)
        time.sleep(pause)
    show(run, as_json=False)


def story(run: Run) -> Iterator[str]:
    """Return the lines that tell a run: what was said, what was decided, what it was worth."""
    scenario, started = run.manifest["scenario"], str(run.manifest["started"])[:10]
    yield f"{scenario['name']}: {scenario['description']}. Recorded on {started}; every word is from a model."
    for number, welfare, optimum in zip(*(run.episodes[key] for key in ("episode", "welfare", "optimum")), strict=True):
        if number < _TOLD:
            yield from _steps(run, int(number))
        yield f"episode {number + 1}: welfare {welfare:g} of {optimum:g}"


def _steps(run: Run, episode: int) -> Iterator[str]:
    names = dict(zip(run.agents["model_id"], run.agents["model_name"], strict=True))
    payoffs = run.steps.set_index(["episode", "step", "model_id"])["payoff"]
    for step, said in run.messages[run.messages["episode"] == episode].groupby("step"):
        yield f"\nepisode {episode + 1}, step {int(str(step)) + 1}"
        for sender, text in zip(said["sender"], said["text"], strict=True):
            yield f"  {sender} ({names[sender]}): {' '.join(text.split())}"
        taken = run.decisions[(run.decisions["episode"] == episode) & (run.decisions["step"] == step)]
        decided = zip(taken["model_id"], taken["action"], strict=True)
        yield "  -> " + ", ".join(f"{name} {action} {payoffs[episode, step, name]:+g}" for name, action in decided)
