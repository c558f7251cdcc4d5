"""The layout of `society --help`: the panels and their commands, in this order."""

from __future__ import annotations

from collections.abc import Mapping

import typer

PANELS: Mapping[str, tuple[str, ...]] = {
    "Start": ("demo", "doctor", "new", "validate"),
    "Run": ("run", "say", "resume", "fork", "train"),
    "Look": ("ls", "show", "view", "ask", "report", "export"),
    "Study": ("study",),
    "Serve": ("serve",),
}
MOST_COMMANDS = 17
"""More do not fit a screen."""


def arrange(app: typer.Typer) -> None:
    """Put the commands of `app` into their panels.

    Raises:
        KeyError: A command has no panel.
    """
    panel_of = {name: panel for panel, names in PANELS.items() for name in names}
    order = list(panel_of)
    for command in app.registered_commands:
        command.rich_help_panel = None if command.hidden else panel_of[command_name(command)]
    for group in app.registered_groups:
        group.rich_help_panel = panel_of[str(group.name)]
    app.registered_commands.sort(key=lambda command: command.hidden or order.index(command_name(command)))
    app.registered_groups.sort(key=lambda group: order.index(str(group.name)))


def command_name(command: typer.models.CommandInfo) -> str:
    """Return the name of a registered command."""
    function = command.callback
    return command.name or (function.__name__ if function is not None else "")
