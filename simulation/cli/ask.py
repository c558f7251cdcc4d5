"""`society ask`: a question to models of a run that was played. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from agents.sanitize import sanitize
from simulation.cli.options import JsonOption, RunArgument, TierOption, WhoOption, refuse_missing_runs, settings_of


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog='Example: `society ask runs --who ada --at 1.last "Do you trust the others?" --scale 1..7`')(ask)


def ask(
    run: RunArgument,
    question: Annotated[str, typer.Argument(help="The question.")],
    at: Annotated[
        str, typer.Option(help="After which step: EPISODE.STEP, both counted from 1; * is every one, last the last.")
    ] = "*.last",
    who: WhoOption = None,
    scale: Annotated[
        str | None, typer.Option(help="The least and the greatest answer: 1..7. Each point's probability is measured.")
    ] = None,
    tier: TierOption = None,
    json_: JsonOption = False,
) -> None:
    """Ask models of a run a question after any step; none of it is played.

    A model sees what it was last asked in the step, with the question in place of the instruction. The answers are kept
    beside the run, in its table `interviews`.
    """
    from simulation.tables.listing import newest_run
    from simulation.tables.run import load_run

    refuse_missing_runs(run)
    settings_of(tier=tier)
    rows = load_run(newest_run(run)).ask(who or None, at=at, question=question, scale=scale, tier=tier)
    if json_:
        typer.echo(rows.to_json(orient="records", lines=True, force_ascii=False).strip())
        return
    for row in rows.to_dict(orient="records"):
        typer.echo(_line(row))


def _line(row: Mapping[Any, Any]) -> str:
    where = f"episode {row['episode'] + 1}, step {row['step'] + 1}, {row['model_id']} [{row['tier']}]"
    if not len(row["shares"]):
        return f"{where}: {sanitize(row['answer'])}"
    low, high = map(int, row["scale"].split(".."))
    shares = "  ".join(
        f"{point}: {share:.0%}" for point, share in zip(range(low, high + 1), row["shares"], strict=True)
    )
    between = f" ({row['low']:.2f} to {row['high']:.2f}, {row['draws']} draws)" if row["measured"] == "drawn" else ""
    return f"{where}: mean {row['mean']:.2f}{between}, variance {row['variance']:.2f}, {row['measured']}\n  {shares}"
