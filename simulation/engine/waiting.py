"""What players wait for where they do not all wait for each other, and what they see meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from simulation.games.base import Game, Move, State

if TYPE_CHECKING:
    from agents.inference.provenance import Reply
    from agents.lora_model import Decision

REST = 9
"""How many times as long as it took to make a state none is made: at most a tenth of a processor goes into them."""
_UNKNOWN = Move(None)


class Waits:
    """The waits of some tasks: the first error of one ends those of all others, but no call that is under way."""

    def __init__(self) -> None:
        self._stopped = False
        self._futures: set[asyncio.Future[None]] = set()

    async def gather(self, tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Run all; raise the first error, in their order, after all have ended."""
        found = await asyncio.gather(*map(self._guarded, tasks), return_exceptions=True)
        errors = [each for each in found if isinstance(each, BaseException)]
        for error in sorted(errors, key=lambda each: isinstance(each, asyncio.CancelledError)):
            raise error

    async def _guarded(self, task: Coroutine[Any, Any, None]) -> None:
        try:
            await task
        except BaseException:
            self._stopped = True
            for future in self._futures:
                future.cancel()
            raise

    def check(self) -> None:
        """Raise CancelledError once a task has failed."""
        if self._stopped:
            raise asyncio.CancelledError

    def open(self) -> asyncio.Future[None]:
        """Return a future to wait for; a failure cancels it."""
        self.check()
        future = asyncio.get_running_loop().create_future()
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future


class Marks:
    """The players that are done with something, for which others wait."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._done: set[int] = set()
        self._awaited: dict[int, asyncio.Future[None]] = {}

    def add(self, player: int) -> None:
        """Mark a player as done."""
        self._done.add(player)
        awaited = self._awaited.pop(player, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(None)

    async def wait_for(self, players: Iterable[int]) -> None:
        """Wait until all these players are done. Raises CancelledError once a task has failed."""
        self._waits.check()
        for player in players:
            if player not in self._done:
                if player not in self._awaited:
                    self._awaited[player] = self._waits.open()
                await self._awaited[player]
                self._waits.check()


@dataclass
class StepInWork:
    """What players have done so far in one step; `said` and `spoken` have an entry for each talk round."""

    said: list[dict[int, Reply]]
    spoken: list[Marks]
    moved: Marks
    summaries: dict[int, Reply] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)
    moves: dict[int, Move] = field(default_factory=dict)

    @classmethod
    def of(cls, talk_rounds: int, waits: Waits) -> StepInWork:
        """Return a step in which nobody has done anything."""
        return cls([{} for _ in range(talk_rounds)], [Marks(waits) for _ in range(talk_rounds)], Marks(waits))


class _Seen(NamedTuple):
    state: State[Any]
    moved: Collection[int]


class SeenStates:
    """The states that players see before a step while others still decide in the step before.

    A move that is not known yet counts as invalid. By `Game.sees` that changes nothing for a player whose own sources
    have all moved; so nobody else may look at such a state. One state is made for all who may look, as its cost grows
    with the number of players.

    Args:
        game: The game.
        state: The state of the first step, which is known.
    """

    def __init__(self, game: Game[Any], state: State[Any]) -> None:
        self._game = game
        self._states = {state.tally.step: _Seen(state, range(game.players))}
        self._rest_until = 0.0

    async def before(self, step: int, moves: Mapping[int, Move], sources: Collection[int]) -> State[Any]:
        """Return the state before a step, good for a player with these sources.

        Args:
            step: The step's number, whose step before somebody has seen too.
            moves: The moves of the step before, as far as they are known.
            sources: The players whose moves the player sees; all of them have moved.
        """
        await asyncio.sleep(0)  # others may move at the same moment
        while not self._shows(step, sources):
            rest = self._rest_until - time.perf_counter()
            if rest > 0:
                await asyncio.sleep(rest)
            else:
                self._make(step, moves)
        return self._states[step].state

    def _shows(self, step: int, sources: Collection[int]) -> bool:
        seen = self._states.get(step)
        return seen is not None and all(source in seen.moved for source in sources)

    def _make(self, step: int, moves: Mapping[int, Move]) -> None:
        started = time.perf_counter()
        known = [moves.get(player, _UNKNOWN) for player in range(self._game.players)]
        self._states[step] = _Seen(self._game.resolve(self._states[step - 1].state, known), frozenset(moves))
        ended = time.perf_counter()
        self._rest_until = ended + REST * (ended - started)

    def know(self, state: State[Any]) -> None:
        """Take the state of a step as known to all; those of earlier steps are not needed any more."""
        step = state.tally.step
        self._states = {later: seen for later, seen in self._states.items() if later > step}
        self._states[step] = _Seen(state, range(self._game.players))
