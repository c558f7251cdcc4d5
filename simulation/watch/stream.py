"""A followed run as a numbered stream of views; a reader can go on where it stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass

import orjson

from agents.problems import SocietyError
from simulation.watch.follower import Follower
from simulation.watch.view import LiveView

PAUSE = 0.25
RECENT_BYTES = 4_000_000


@dataclass(frozen=True)
class Sent:
    """One published view, as JSON; `number` counts the views up to it."""

    number: int
    data: bytes


class Stream:
    """Publishes what a follower finds. A reader that is too far behind gets a whole view; nobody waits for it."""

    def __init__(self, follower: Follower, pause: float = PAUSE) -> None:
        self.follower = follower
        self._pause = pause
        self._number = 0
        self._recent: deque[Sent] = deque()
        self._recent_bytes = 0
        self._news = asyncio.Condition()
        self.closed = False

    async def follow(self) -> None:
        """Follow the run until `close`."""
        while not self.closed:
            try:
                found = self.follower.poll()
            except SocietyError:
                found = True  # the view has the error
            if found:
                self._publish(self.follower.news())
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(0 if found else self._pause)

    def _publish(self, view: LiveView) -> None:
        self._number += 1
        sent = Sent(self._number, orjson.dumps(view))
        self._recent.append(sent)
        self._recent_bytes += len(sent.data)
        while self._recent_bytes > RECENT_BYTES and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popleft().data)

    def since(self, number: int | None) -> list[Sent]:
        """What to send to a reader: the views it has not read, or one whole view.

        Args:
            number: The last view it has read; None for none.
        """
        if number == self._number:
            return []
        oldest = self._recent[0].number if self._recent else self._number + 1
        if number is not None and oldest - 1 <= number < self._number:
            return [sent for sent in self._recent if sent.number > number]
        return [Sent(self._number, orjson.dumps(self.follower.view()))]

    async def wait(self, number: int, seconds: float) -> None:
        """Wait for a view after `number`, for the stream's end, or for so many seconds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._more_than(number), seconds)

    async def _more_than(self, number: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self.closed or self._number != number)

    async def close(self) -> None:
        """End the stream."""
        self.closed = True
        async with self._news:
            self._news.notify_all()
