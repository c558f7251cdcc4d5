"""The page of the commands, made from the help of the `society` command, panel by panel."""

from __future__ import annotations

import typer
from typer.cli import get_docs_for_click

from simulation.cli.app import app
from simulation.cli.panels import PANELS


def page() -> str:
    """Return the page: every command of every panel, with usage, options and example."""
    society = typer.main.get_command(app)
    context = society.make_context("society", [], resilient_parsing=True)
    text = "The help of every command (`society COMMAND --help`) on one page."
    lines = ["# Commands", "", text, "", *_options(society, context)]
    for panel, names in PANELS.items():
        lines += ["", f"## {panel}"]
        for name in names:
            command = society.commands[name]
            own = command.make_context(name, [], parent=context, resilient_parsing=True)
            text = get_docs_for_click(obj=command, ctx=own, indent=2, name=name, call_prefix="society")
            lines += ["", text.replace("```console", "```text")]
    return "\n".join(lines)


def _options(society: typer.core.TyperGroup, context: typer.Context) -> list[str]:
    """Return the options of `society` itself, which come before the command."""
    records = [each.get_help_record(context) for each in society.params]
    rows = [f"| `{record[0]}` | {record[1]} |" for record in records if record]
    return ["| before the command | |", "|---|---|", *rows]
