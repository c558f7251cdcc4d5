"""`society show`: what models of a run were asked. Heavy imports are inside the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.problems import SocietyError, nearest
from simulation.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society show runs/team_battle-* --model red_lead --episode 0 --step 3`")(show)


def show(
    run: RunArgument,
    model: Annotated[str | None, typer.Option(help="The model's id; all models unless named.")] = None,
    episode: Annotated[int | None, typer.Option(min=0, help="The episode, from 0 as in the tables.")] = None,
    step: Annotated[int | None, typer.Option(min=0, help="The step, from 0 as in the tables.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many prompts to print at most.")] = 20,
    json_: JsonOption = False,
) -> None:
    """Print exactly what models were asked, and what they replied; with --json one object a line."""
    from simulation.tables.run import load_run

    found = matching_prompts(load_run(run), {"model_id": model, "episode": episode, "step": step})
    for row in found.head(limit).to_dict("records"):
        typer.echo(json.dumps(row, ensure_ascii=False) if json_ else _as_text(row))
    if len(found) > limit:
        typer.echo(f"{len(found) - limit} more: name a model, an episode or a step, or raise --limit", err=True)


def matching_prompts(run: Run, wanted: Mapping[str, object]) -> pd.DataFrame:
    """Return the rows of `run.prompts` that match every wanted value; None matches all.

    Raises:
        SocietyError: The run stores no prompts, or none matches.
    """
    prompts = run.prompts
    if prompts.empty:
        raise SocietyError(f"{run.path} stores no prompts: {run.why_no_prompts}")
    for key, value in wanted.items():
        if value is None:
            continue
        known = [str(each) for each in dict.fromkeys(prompts[key])]
        prompts = prompts[prompts[key] == value]
        if prompts.empty:
            raise SocietyError(f"no prompt has {key} {value} ({nearest(str(value), known)})")
    return prompts


def _as_text(row: Mapping[Any, Any]) -> str:
    again = " (asked again)" if row["ask"] else ""
    where = f"episode {row['episode']}, step {row['step']}, {row['model_id']}, {row['purpose']}{again}"
    parts = [f"=== {where} ===", f"[system]\n{row['system']}", f"[user]\n{row['user']}"]
    parts += [f"[choices] {' | '.join(row['choices'])}"] if row["choices"] else []
    parts += [f"[tools] {row['tools']}"] if row["tools"] else []
    source = f"{row['tier']}, {row['adapter']}" if row["tier"] else "no reply"
    return "\n".join([*parts, f"[reply: {source}]\n{row['reply']}", ""])
