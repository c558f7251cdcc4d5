"""`society show`: a run, a scenario, a roster or a game. Heavy imports are inside the command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.inference.provenance import Tier
from agents.problems import SocietyError, nearest
from agents.sanitize import sanitize, sanitize_lines
from agents.yaml_file import display
from simulation.cli.options import RUNS, JsonOption, refuse_missing_runs

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society show runs/team_battle-* --messages --model red_lead --step 3`")(show)


def show(
    what: Annotated[
        str,
        typer.Argument(
            help="A run directory or a folder of them (its newest run); a scenario, a roster or a game: file or name."
        ),
    ] = str(RUNS),
    messages: Annotated[bool, typer.Option("--messages", help="Of a run: who said what to whom.")] = False,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Of a run: exactly what models were asked, and what they replied.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Only this model, by its id.")] = None,
    episode: Annotated[int | None, typer.Option(min=1, help="Only this episode, counted from 1.")] = None,
    step: Annotated[int | None, typer.Option(min=1, help="Only this step, counted from 1.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many messages or prompts to print at most.")] = 20,
    scenario: Annotated[str | None, typer.Option(help="Of a roster: who hears whom if it plays this scenario.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Of a roster or a scenario: an SVG file to draw it into.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show a run, a scenario, a roster or a game.

    A run: the answer, or with --messages and --prompts every text, as JSON one object a line with indices from 0.
    Where several things have the name, each is shown.
    """
    refuse_missing_runs(Path(what))
    run = _run_at(Path(what))
    if run is None:
        from simulation.cli.show_named import show_named

        show_named(what, scenario, picture, json_)
        return
    where = {"episode": None if episode is None else episode - 1, "step": None if step is None else step - 1}
    if messages:
        _print(matching(run.messages, "message", {"sender": model, **where}), limit, json_, _message_text)
    elif prompts or model or episode or step:
        _print(matching_prompts(run, {"model_id": model, **where}), limit, json_, _prompt_text)
    else:
        _show_answer(run, json_)


def _show_answer(run: Run, as_json: bool) -> None:
    from simulation.cli.console import show as show_outcomes
    from simulation.cli.console import show_answer, wide_console

    if as_json:
        show_outcomes(run, as_json)
        return
    show_answer(run, wide_console())
    typer.echo(display(run.path))


def _run_at(path: Path) -> Run | None:
    """Return the run in a directory, or the newest one below it; None where the path is no folder."""
    from simulation.tables.listing import newest_run
    from simulation.tables.run import load_run

    return load_run(newest_run(path)) if path.is_dir() else None


def matching_prompts(run: Run, wanted: Mapping[str, object]) -> pd.DataFrame:
    """Return the rows of `run.prompts` that match every wanted value; None matches all.

    Raises:
        SocietyError: The run stores no prompts, or none matches.
    """
    if run.prompts.empty:
        raise SocietyError(f"{run.path} stores no prompts: {run.why_no_prompts}")
    return matching(run.prompts, "prompt", wanted)


def matching(rows: pd.DataFrame, what: str, wanted: Mapping[str, object]) -> pd.DataFrame:
    """Return the rows of a table that match every wanted value; None matches all.

    Raises:
        SocietyError: None matches; it names the values that there are, steps and episodes counted from 1.
    """
    for key, value in wanted.items():
        if value is None:
            continue
        counted = key in ("episode", "step")
        known = [str(each + 1 if counted else each) for each in dict.fromkeys(rows[key])]
        rows = rows[rows[key] == value]
        if rows.empty:
            asked = str(int(str(value)) + 1 if counted else value)
            raise SocietyError(f"no {what} has {key} {asked} ({nearest(asked, known)})")
    return rows


def _print(rows: pd.DataFrame, limit: int, as_json: bool, text_of: Any) -> None:
    for row in rows.head(limit).to_dict("records"):
        typer.echo(json.dumps(row, ensure_ascii=False, default=str) if as_json else sanitize_lines(text_of(row)))
    if len(rows) > limit:
        typer.echo(f"{len(rows) - limit} more: name a model, an episode or a step, or raise --limit", err=True)


def _where(row: Mapping[Any, Any]) -> str:
    return f"episode {row['episode'] + 1}, step {row['step'] + 1}"


def _source(row: Mapping[Any, Any]) -> str:
    """Return where a text is from; no adapter wrote a simulated one."""
    between = " in place of " if row["tier"] == Tier.SIMULATED.value else ", "
    return f"{row['tier']}{between}{row['adapter']}"


def _message_text(row: Mapping[Any, Any]) -> str:
    heard = ", ".join(row["audience"]) or "no one"
    return f"{_where(row)}, {row['sender']} to {heard} [{_source(row)}]:\n  {sanitize(row['text'])}"


def _prompt_text(row: Mapping[Any, Any]) -> str:
    return "\n".join(_prompt_lines(row))


def _prompt_lines(row: Mapping[Any, Any]) -> Iterator[str]:
    again = " (asked again)" if row["ask"] else ""
    yield f"=== {_where(row)}, {row['model_id']}, {row['purpose']}{again} ==="
    yield f"[system]\n{row['system']}"
    yield f"[user]\n{row['user']}"
    if row["choices"]:
        yield f"[choices] {' | '.join(row['choices'])}"
    if row["tools"]:
        yield f"[tools] {row['tools']}"
    yield f"[reply: {_source(row) if row['tier'] else 'no reply'}]\n{row['reply']}\n"
