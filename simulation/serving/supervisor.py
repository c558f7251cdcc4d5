"""Keep a fleet of servers running: start all, report when each is ready, restart each after a crash.

If a server ends before it ever answered, its command is wrong, and supervision ends. A server that answered and then
crashed is restarted after a pause. The pause doubles with each crash and is reset after a time without a crash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from agents.problems import SocietyError
from simulation.serving.vllm_server import READY_TIMEOUT, ServerFailedError

INTERVAL = 0.5  # seconds between two checks
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STABLE = 60.0  # seconds of service after which earlier crashes no longer count

Say = Callable[[str], None]


class SupervisedServer(Protocol):
    """What a supervised server must provide; `simulation.serving.vllm_server.VLLMServer` does."""

    @property
    def url(self) -> str: ...

    @property
    def running(self) -> bool: ...

    @property
    def exit_code(self) -> int | None: ...

    def start(self) -> None: ...

    def healthy(self) -> bool: ...

    def failure(self, what: str) -> str: ...

    def stop(self) -> None: ...


def supervise(servers: Sequence[SupervisedServer], stop: Event, say: Say) -> None:
    """Run `servers` until `stop` is set, then stop them all.

    Args:
        servers: The servers.
        stop: Ends the supervision when it is set.
        say: Takes each message for the user.

    Raises:
        ServerFailedError: A server never became ready.
    """
    watches = [Watch(server, say) for server in servers]
    try:
        for watch in watches:
            watch.start(time.monotonic())
        announced = False
        while not stop.wait(INTERVAL):
            for watch in watches:
                watch.check(time.monotonic())
            if not announced and all(watch.was_ready for watch in watches):
                say(f"ready; endpoints: [{', '.join(server.url for server in servers)}]")
                announced = True
    finally:
        stop_all(servers)


def stop_all(servers: Sequence[SupervisedServer]) -> None:
    """Stop all servers at the same time."""
    with ThreadPoolExecutor(max(1, len(servers))) as pool:
        list(pool.map(lambda server: server.stop(), servers))


@dataclass
class Watch:
    """The state of one server. Times are of the monotonic clock, in seconds.

    Attributes:
        was_ready: True once it has answered.
        ready: True while it answers.
        since: When it was started or became ready.
        crashes: Crashes without a stable time between them.
        start_at: When to restart it; None unless it is down.
    """

    server: SupervisedServer
    say: Say
    was_ready: bool = False
    ready: bool = False
    since: float = 0.0
    crashes: int = 0
    start_at: float | None = None

    def start(self, now: float) -> None:
        """Start the server."""
        self.ready, self.since, self.start_at = False, now, None
        self.server.start()

    def check(self, now: float) -> None:
        """Look at the server's state; restart it if it is time.

        Raises:
            ServerFailedError: It ended before it ever answered, or did not answer in time.
        """
        if self.start_at is not None:
            if now >= self.start_at:
                self._restart(now)
        elif not self.server.running:
            self._crashed(now)
        elif not self.ready:
            self._await(now)

    def _await(self, now: float) -> None:
        if self.server.healthy():
            self.say(f"{self.server.url} is ready after {now - self.since:.0f} s")
            self.ready = self.was_ready = True
            self.since = now
        elif not self.was_ready and now - self.since > READY_TIMEOUT:
            raise ServerFailedError(self.server.failure(f"did not answer within {READY_TIMEOUT:g} s"))

    def _crashed(self, now: float) -> None:
        ended = f"ended with exit code {self.server.exit_code}"
        if not self.was_ready:
            raise ServerFailedError(self.server.failure(f"{ended} before it answered"))
        self._pause(now, ended)

    def _pause(self, now: float, why: str) -> None:
        if self.ready and now - self.since > STABLE:
            self.crashes = 0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self.crashes)
        self.crashes, self.ready, self.start_at = self.crashes + 1, False, now + pause
        self.say(f"{self.server.url} {why}; it restarts in {pause:g} s")

    def _restart(self, now: float) -> None:
        try:
            self.start(now)
        except SocietyError as error:
            self._pause(now, f"cannot be started: {error}")
