"""When the supervisor starts a server, reports it as ready, and restarts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, Timer

import pytest

from simulation.serving.supervisor import LONGEST_PAUSE, STABLE, Watch, supervise
from simulation.serving.vllm_server import READY_TIMEOUT, ServerFailedError


@dataclass
class FakeServer:
    """A server whose state the test sets."""

    url: str = "http://h:1/v1"
    running: bool = False
    exit_code: int | None = None
    up: bool = False
    starts: int = 0
    refusal: str = ""
    stopped: bool = False
    port_taken: bool = field(default=False)

    def start(self) -> None:
        if self.port_taken:
            raise ServerFailedError("another server answers")
        self.running, self.exit_code, self.starts = True, None, self.starts + 1

    def healthy(self) -> bool:
        return self.up

    def failure(self, what: str) -> str:
        return f"{self.url} {what}"

    def stop(self) -> None:
        self.running, self.stopped = False, True

    def crash(self) -> None:
        self.running, self.exit_code = False, -9


class Watched:
    """The watch of a fake server, and its messages."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.server = FakeServer()
        self.watch = Watch(self.server, self.said.append)
        self.watch.start(0.0)

    def ready(self, now: float) -> None:
        self.server.up = True
        self.watch.check(now)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_ready_is_reported_once(watched: Watched) -> None:
    watched.watch.check(5.0)
    assert watched.said == []
    watched.ready(22.0)
    watched.watch.check(23.0)
    assert watched.said == ["http://h:1/v1 is ready after 22 s"]


def test_server_that_ends_before_it_answered_is_an_error(watched: Watched) -> None:
    watched.server.crash()
    with pytest.raises(ServerFailedError, match="ended with exit code -9 before it answered"):
        watched.watch.check(1.0)


def test_server_that_never_answers_is_an_error(watched: Watched) -> None:
    watched.watch.check(READY_TIMEOUT)
    with pytest.raises(ServerFailedError, match="did not answer within 600 s"):
        watched.watch.check(READY_TIMEOUT + 1)


def test_crashed_server_restarts_after_growing_pauses(watched: Watched) -> None:
    watched.ready(20.0)
    now, pauses = 20.0, []
    for _ in range(8):
        watched.server.crash()
        watched.watch.check(now)
        assert watched.watch.start_at is not None
        pauses.append(watched.watch.start_at - now)
        starts = watched.server.starts
        watched.watch.check(watched.watch.start_at - 0.01)
        assert watched.server.starts == starts  # not yet
        now = watched.watch.start_at
        watched.watch.check(now)
        assert watched.server.starts == starts + 1
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    assert "ended with exit code -9; it restarts in 1 s" in watched.said[1]


def test_crashes_are_forgotten_after_a_stable_time(watched: Watched) -> None:
    watched.ready(0.0)
    for now in (1.0, 3.0, 10.0):
        watched.server.crash()
        watched.watch.check(now)
        assert watched.watch.start_at is not None
        watched.watch.check(watched.watch.start_at)
        watched.watch.check(watched.watch.start_at or now + 5)
    assert watched.watch.crashes == 3
    watched.server.crash()
    watched.watch.check(now + 5 + STABLE + 1)
    assert watched.watch.crashes == 1


def test_restart_is_retried_while_the_port_is_in_use(watched: Watched) -> None:
    watched.ready(0.0)
    watched.server.crash()
    watched.server.port_taken = True
    watched.watch.check(1.0)
    watched.watch.check(2.0)
    assert "cannot be started: another server answers" in watched.said[-1]
    watched.server.port_taken = False
    watched.watch.check(4.0)
    assert watched.server.running


def test_supervise_reports_ready_once_and_stops_on_the_event() -> None:
    servers, said, stop = [FakeServer("http://h:1/v1", up=True), FakeServer("http://h:2/v1", up=True)], [], Event()
    Timer(1.2, stop.set).start()
    supervise(servers, stop, said.append)
    assert said[-1] == "ready; endpoints: [http://h:1/v1, http://h:2/v1]"
    assert said.count(said[-1]) == 1
    assert all(server.stopped for server in servers)


def test_supervise_stops_all_servers_if_one_fails() -> None:
    servers = [FakeServer(up=True), FakeServer(port_taken=True)]
    with pytest.raises(ServerFailedError, match="another server answers"):
        supervise(servers, Event(), lambda _line: None)
    assert all(server.stopped for server in servers)
