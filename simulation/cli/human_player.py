"""A person's seat at the table: the plan with one row played by hand, and the voice that asks at a terminal.

The person is told what a model in that seat would be told, word for word, and answers in its place. Replies are
marked with the tier `human` and no call is counted for them.
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
"""What stands in place of an adapter's name beside a person's replies."""


def table_plan(scenario: Mapping[str, Any], roster: Roster, model_id: str | None = None) -> Plan:
    """The plan of a raw scenario in which a person has the seat `model_id`.

    Without `model_id` it is the roster's own `human` row, else the first. Raises SocietyError for an unknown seat and
    where the roster keeps another for a person, and InvalidFileError for a game that cannot be played so.
    """
    rows = roster.expand()
    kept = [row.model_id for row in rows if row.human]
    seat = model_id or (kept or [rows[0].model_id])[0]
    if seat not in [row.model_id for row in rows]:
        raise SocietyError(f"--as {seat}: no such seat ({nearest(seat, [row.model_id for row in rows])})")
    others = [name for name in kept if name != seat]
    if others:
        raise SocietyError(f"the roster keeps {others[0]} for a person, and there is one terminal: --as {others[0]}")
    seated = tuple(_by_hand(row) if row.model_id == seat else row for row in rows)
    return Plan(checked_scenario(scenario, "the game"), roster.model_copy(update={"models": seated}))


def _by_hand(row: ModelConfig) -> ModelConfig:
    nothing = {"model_name": None, "policy": None, "adapter": None, "lora_rank": None, "lora_alpha": None}
    return row.model_copy(update={**nothing, "human": True})


class Lines:
    """Lines that are typed or piped in, read without holding up the event loop."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._rest = b""

    async def next(self) -> str:
        """The next line, stripped. Raises SocietyError at the input's end."""
        while b"\n" not in self._rest:
            await self._readable()
            chunk = os.read(self._file, 4096)
            if not chunk and not self._rest:
                raise SocietyError("the input ended before the game did")
            self._rest += chunk or b"\n"
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").strip()

    async def _readable(self) -> None:
        """Wait for something to read; a plain file always has it."""
        loop = asyncio.get_running_loop()
        something = asyncio.Event()
        try:
            loop.add_reader(self._file, something.set)
        except (NotImplementedError, PermissionError):  # Windows' loop, where reading blocks; a plain file
            return
        try:
            await something.wait()
        finally:
            loop.remove_reader(self._file)


class HumanPlayer:
    """Answers for one seat with what a person types, and shows that person the game."""

    def __init__(self, model_id: str, console: Console, lines: Lines) -> None:
        self.model_id = model_id
        self._console, self._lines = console, lines
        self._told = ""

    @property
    def responders(self) -> Mapping[str, Responder]:
        """Who answers, by seat, as a run wants it."""
        return {self.model_id: self.answer}

    async def answer(self, request: Request) -> Reply:
        """The voice of the seat: the prompt, then a line; an illegal choice is asked again until it is legal."""
        started = time.perf_counter()
        self._tell(request)
        if request.key.purpose is Purpose.TALK:
            text = await self._ask("your message (Enter: say nothing)")
        else:
            text = await self._choose(request.choices or ())
        source = Provenance(Tier.HUMAN, PLAYER, latency=time.perf_counter() - started)
        return Reply(text, source)

    def _tell(self, request: Request) -> None:
        *shared, own = (message.content for message in request.messages)
        if shared and shared[0] != self._told:
            self._told = shared[0]
            self._console.rule(f"you are {self.model_id}")
            self._plain(self._told)
        self._console.rule(style="dim")
        self._plain(own)

    async def _choose(self, choices: tuple[str, ...]) -> str:
        from agents.lora_model import parse_choice

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
        """Tell the person what a step brought; what others earned is told when the game is over."""
        if isinstance(event, EpisodeStarted):
            self._told = ""
        if isinstance(event, StepResolved):
            own = next(row for row in event.rows if row.model_id == self.model_id)
            text = f"step {event.step + 1}: you earned {own.payoff:g}, {own.total_payoff:g} in all"
            self._plain(text, style="bold green")

    def _plain(self, text: str, style: str = "") -> None:
        self._console.print(sanitize_lines(text), markup=False, highlight=False, soft_wrap=True, style=style)
