"""Groups of commands with a command that is meant where none is named."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


def default_command(name: str) -> type[TyperGroup]:
    """Return a kind of group whose first word may be an argument of its command `name`: `society train SCENARIO`."""

    class DefaultGroup(TyperGroup):
        default = name

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
                args = [name, *args]
            return super().parse_args(ctx, args)

    return DefaultGroup
