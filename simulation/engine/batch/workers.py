"""Answers that several workers compute, each for a part of the players; a part whose worker died is computed again.

What a player answers depends on the episode's cast, the state and what it heard alone, so parts need nothing of each
other and any worker can compute any part: the results are the same for any number of workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing.reduction import ForkingPickler
from threading import Lock
from typing import Any, Protocol

from agents.problems import SocietyError
from simulation.engine.batch.answering import Answers, StepQuestion, answers
from simulation.engine.batch.answers import Cast
from simulation.games import fault_in_own_game

notices = logging.getLogger("society.notice")
LEAST = 2_500
"""Players of a part; fewer are not worth a message to a worker."""
NO_STATE: Any = None
"""Stands in a question for the state that a worker has already."""
DEATHS = 5
"""How many workers in a row may die before a part is answered."""


class LostWorkerError(Exception):
    """A worker died or cannot be reached."""


class AnswerWorker(Protocol):
    """One worker. Any call raises LostWorkerError where it has died."""

    def submit(self, order: bytes) -> None:
        """Send an order to the worker's `Desk`; orders are carried out one after the other."""
        ...

    def result(self) -> object:
        """Return what the last question brought: Answers, or an error."""
        ...

    def end(self) -> None:
        """End the worker."""
        ...


class SplitAnswering:
    """Computes answers with several workers.

    Args:
        make: Makes a worker.
        count: How many workers there are.
    """

    def __init__(self, make: Callable[[], AnswerWorker], count: int) -> None:
        self._make, self._count = make, count
        self._workers: list[AnswerWorker] = []
        self._cast: Cast | None = None
        self._equipment: list[bytes] = []
        self._state: object = None
        self._closed = False
        self._lock = Lock()
        """Held while workers are started or ended: one thread ends what another one starts."""

    async def answer(self, cast: Cast, question: StepQuestion) -> Answers:
        """Return what the players answer, as `Answering.answer`."""
        parts = _parts(question, self._count)
        if len(parts) == 1:
            return answers(cast, question)
        return await asyncio.to_thread(self._answer, cast, question, parts)

    def close(self) -> None:
        """End the workers; a part that is being answered meanwhile is given up."""
        with self._lock:
            left, self._closed = () if self._closed else self._workers, True
            for worker in left:
                worker.end()

    def _answer(self, cast: Cast, question: StepQuestion, parts: Sequence[StepQuestion]) -> Answers:
        self._equip(cast, question.state)
        orders = [packed(replace(part, state=NO_STATE)) for part in parts]
        for number, order in enumerate(orders):
            self._submit(number, order)
        return Answers.joined([self._result(number, order) for number, order in enumerate(orders)])

    def _equip(self, cast: Cast, state: object) -> None:
        """Give the workers the cast and the state that they do not have yet."""
        if not self._workers:
            with self._open():
                self._workers = [self._make() for _ in range(self._count)]
            self._cast = self._state = None
        news = []
        if cast is not self._cast:
            news.append(packed(cast))
            self._equipment, self._state = [*news, b""], None
        if state is not self._state:
            news.append(packed(state))
            self._equipment[1] = news[-1]
        self._cast, self._state = cast, state
        for number in range(self._count):
            self._submit(number, *news)

    @contextlib.contextmanager
    def _open(self, cause: Exception | None = None) -> Iterator[None]:
        """Let nobody end the workers meanwhile. Raises SocietyError, with its cause, where they were ended."""
        with self._lock:
            if self._closed:
                raise SocietyError("the workers were ended") from cause
            yield

    def _submit(self, number: int, *orders: bytes) -> None:
        """Send orders to a worker; where it has died, its result is missed later and it is replaced then."""
        with contextlib.suppress(LostWorkerError):
            for order in orders:
                self._workers[number].submit(order)

    def _result(self, number: int, order: bytes) -> Answers:
        for _ in range(DEATHS):
            try:
                found = self._workers[number].result()
            except LostWorkerError as error:
                self._replace(number, order, error)
                continue
            if isinstance(found, SocietyError):
                raise found
            assert isinstance(found, Answers), found
            return found
        raise SocietyError(f"{DEATHS} worker processes died in a row and a part of the step was not finished")

    def _replace(self, number: int, order: bytes, error: LostWorkerError) -> None:
        """Put another worker in the place of one that died of `error`, and give it the same order."""
        with self._open(error):
            notices.warning("a worker process died; its part of the step is being computed again")
            self._workers[number] = self._make()
        self._submit(number, *self._equipment, order)


def packed(what: object) -> bytes:
    """Return an object as the bytes that multiprocessing sends to another process of this program."""
    return bytes(ForkingPickler.dumps(what))


def unpacked(what: bytes) -> Any:
    """Return the object that `packed` got. Only for bytes from a process of this program."""
    return ForkingPickler.loads(what)


@dataclass
class Desk:
    """What a worker has been given: the cast of an episode, and the state of a step."""

    cast: Cast | None = None
    state: Any = None

    def carry_out(self, order: bytes) -> Answers | SocietyError | None:
        """Take a cast or a state and return None, or return the answers to a question, or the error."""
        given = unpacked(order)
        if isinstance(given, Cast):
            self.cast = given
        elif not isinstance(given, StepQuestion):
            self.state = given
        elif self.cast is not None:
            try:
                return answers(self.cast, replace(given, state=self.state))
            except SocietyError as error:
                return error
            except Exception as error:
                fault = fault_in_own_game(error)
                if not fault:
                    raise
                return SocietyError(fault)  # another worker would fail in the same way
        return None


def _parts(question: StepQuestion, count: int) -> list[StepQuestion]:
    """Return the question to consecutive players, in about `count` equal parts."""
    players = question.players
    count = max(1, min(count, len(players) // LEAST))
    if count == 1:
        return [question]
    ends = [len(players) * part // count for part in range(count + 1)]
    return [question.of(players[first:end]) for first, end in pairwise(ends)]
