"""A person who plays one row of a roster at the terminal.

The person sees exactly the prompts that a model in this row would get, and answers them. The replies are marked with
the tier `human`, and no call is counted for them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import Provenance, Purpose, Reply, Request, Tier
from agents.problems import SocietyError, nearest
from agents.roster import ModelConfig, Roster
from agents.sanitize import sanitize_lines
from simulation.plan import Plan
from simulation.scenario import checked_scenario
from simulation.store.events import EpisodeStarted, Event, StepResolved

if TYPE_CHECKING:
    from rich.console import Console

    from agents.lora_model import Responder

PLAYER = "person"
"""The adapter name of a person's replies in the tables."""


def plan_with_human(scenario: Mapping[str, Any], roster: Roster, model_id: str | None = None) -> Plan:
    """Return the plan of a raw scenario in which a person plays one row.

    Args:
        scenario: The contents of a scenario file.
        roster: The roster.
        model_id: The row to play; None for the roster's `human` row, or else the first.

    Raises:
        SocietyError: There is no such row, or the roster has another row for a person.
        InvalidFileError: This roster cannot play the game.
    """
    return Plan(checked_scenario(scenario, "the game"), with_human(roster, model_id))


def with_human(roster: Roster, model_id: str | None = None) -> Roster:
    """Return the roster in which a person plays one row; arguments and errors are those of `plan_with_human`."""
    rows = roster.expand()
    human = [row.model_id for row in rows if row.human]
    played = model_id or (human or [rows[0].model_id])[0]
    if played not in [row.model_id for row in rows]:
        raise SocietyError(f"--as {played}: no such model ({nearest(played, [row.model_id for row in rows])})")
    others = [name for name in human if name != played]
    if others:
        raise SocietyError(f"the roster has {others[0]} for a person, and there is one terminal: use --as {others[0]}")
    models = tuple(_as_human(row) if row.model_id == played else row for row in rows)
    return roster.model_copy(update={"models": models})


def _as_human(row: ModelConfig) -> ModelConfig:
    nothing = {"model_name": None, "policy": None, "adapter": None, "lora_rank": None, "lora_alpha": None}
    return row.model_copy(update={**nothing, "human": True})


class Lines:
    """Reads lines that are typed or piped in, without blocking the event loop. `file` is a file descriptor."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._rest = b""

    async def next(self) -> str:
        """Return the next line, stripped.

        Raises:
            SocietyError: The input has ended.
        """
        while b"\n" not in self._rest:
            await self._readable()
            chunk = os.read(self._file, 4096)
            if not chunk and not self._rest:
                raise SocietyError("the input ended before the game did")
            self._rest += chunk or b"\n"
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").strip()

    async def _readable(self) -> None:
        """Wait until there is something to read. A plain file is always ready."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._file, ready.set)
        except (NotImplementedError, PermissionError):  # Windows' loop, where reading blocks; or a plain file
            return
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._file)


class HumanPlayer:
    """Answers for one row with what a person types, and shows that person the game.

    Args:
        model_id: The row that the person plays.
        console: Where to print.
        lines: What the person types.
    """

    def __init__(self, model_id: str, console: Console, lines: Lines) -> None:
        self.model_id = model_id
        self._console, self._lines = console, lines
        self._shown = ""

    @property
    def responders(self) -> Mapping[str, Responder]:
        """The responder by model id, as `run_scenario` takes it."""
        return {self.model_id: self.answer}

    async def answer(self, request: Request) -> Reply:
        """Show the prompt and return what the person types; ask again until a choice is legal."""
        started = time.perf_counter()
        self._show(request)
        if request.key.purpose is Purpose.TALK and not request.choices:
            text = await self._ask("your message (Enter: no message)")
        else:
            text = await self._choose(request.choices or ())
        source = Provenance(Tier.HUMAN, PLAYER, latency=time.perf_counter() - started)
        return Reply(text, source)

    def _show(self, request: Request) -> None:
        *shared, own = (message.content for message in request.messages)
        if shared and shared[0] != self._shown:
            self._shown = shared[0]
            self._console.rule(f"you are {self.model_id}")
            self._plain(self._shown)
        self._console.rule(style="dim")
        self._plain(own)

    async def _choose(self, choices: tuple[str, ...]) -> str:
        from agents.answers import parse_choice

        legal = ", ".join(choices)
        while True:
            text = await self._ask(f"your choice ({legal})")
            label = parse_choice(text, choices)
            if label is not None:
                return label
            self._plain(f"{text!r} is not one of: {legal}", style="bold red")

    async def _ask(self, question: str) -> str:
        self._console.print(f"{question}: ", end="", markup=False, highlight=False, soft_wrap=True, style="bold")
        return await self._lines.next()

    def watch(self, event: Event) -> None:
        """Show the person what it earned in a step. What the others earned is shown at the end of the game."""
        if isinstance(event, EpisodeStarted):
            self._shown = ""
        if isinstance(event, StepResolved):
            own = next(row for row in event.rows if row.model_id == self.model_id)
            text = f"step {event.step + 1}: you earned {own.payoff:g}, {own.total_payoff:g} in all"
            self._plain(text, style="bold green")

    def _plain(self, text: str, style: str = "") -> None:
        self._console.print(sanitize_lines(text), markup=False, highlight=False, soft_wrap=True, style=style)
