"""When a server is started, said to be ready, and started again."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, Timer

import pytest

from simulation.serving.supervisor import LONGEST_PAUSE, QUIET, Watch, supervise
from simulation.serving.vllm_server import READY_TIMEOUT, ServerFailedError


@dataclass
class FakeServer:
    """A server that is told how it is."""

    url: str = "http://h:1/v1"
    running: bool = False
    exit_code: int | None = None
    well: bool = False
    starts: int = 0
    refusal: str = ""
    stopped: bool = False
    port_taken: bool = field(default=False)

    def start(self) -> None:
        if self.port_taken:
            raise ServerFailedError("another server answers")
        self.running, self.exit_code, self.starts = True, None, self.starts + 1

    def healthy(self) -> bool:
        return self.well

    def failure(self, what: str) -> str:
        return f"{self.url} {what}"

    def stop(self) -> None:
        self.running, self.stopped = False, True

    def crash(self) -> None:
        self.running, self.exit_code = False, -9


class Watched:
    """A watch over a fake server, and what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.server = FakeServer()
        self.watch = Watch(self.server, self.said.append)
        self.watch.start(0.0)

    def ready(self, now: float) -> None:
        self.server.well = True
        self.watch.look(now)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_it_is_said_to_be_ready_once(watched: Watched) -> None:
    watched.watch.look(5.0)
    assert watched.said == []
    watched.ready(22.0)
    watched.watch.look(23.0)
    assert watched.said == ["http://h:1/v1 is ready after 22 s"]


def test_one_that_never_came_up_is_a_mistake_to_mend(watched: Watched) -> None:
    watched.server.crash()
    with pytest.raises(ServerFailedError, match="ended with exit code -9 before it answered"):
        watched.watch.look(1.0)


def test_nor_is_one_waited_for_for_ever(watched: Watched) -> None:
    watched.watch.look(READY_TIMEOUT)
    with pytest.raises(ServerFailedError, match="did not answer within 600 s"):
        watched.watch.look(READY_TIMEOUT + 1)


def test_after_a_crash_it_is_started_again_ever_more_slowly(watched: Watched) -> None:
    watched.ready(20.0)
    now, pauses = 20.0, []
    for _ in range(8):
        watched.server.crash()
        watched.watch.look(now)
        assert watched.watch.start_at is not None
        pauses.append(watched.watch.start_at - now)
        starts = watched.server.starts
        watched.watch.look(watched.watch.start_at - 0.01)
        assert watched.server.starts == starts  # not before its time
        now = watched.watch.start_at
        watched.watch.look(now)
        assert watched.server.starts == starts + 1
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    assert "ended with exit code -9; it is started again in 1 s" in watched.said[1]


def test_after_a_quiet_while_earlier_crashes_no_longer_count(watched: Watched) -> None:
    watched.ready(0.0)
    for now in (1.0, 3.0, 10.0):
        watched.server.crash()
        watched.watch.look(now)
        assert watched.watch.start_at is not None
        watched.watch.look(watched.watch.start_at)
        watched.watch.look(watched.watch.start_at or now + 5)
    assert watched.watch.crashes == 3
    watched.server.crash()
    watched.watch.look(now + 5 + QUIET + 1)
    assert watched.watch.crashes == 1


def test_a_port_still_taken_is_tried_again(watched: Watched) -> None:
    watched.ready(0.0)
    watched.server.crash()
    watched.server.port_taken = True
    watched.watch.look(1.0)
    watched.watch.look(2.0)
    assert "cannot be started: another server answers" in watched.said[-1]
    watched.server.port_taken = False
    watched.watch.look(4.0)
    assert watched.server.running


def test_a_fleet_is_announced_when_all_are_ready_and_ends_with_the_word() -> None:
    servers, said, stop = [FakeServer("http://h:1/v1", well=True), FakeServer("http://h:2/v1", well=True)], [], Event()
    Timer(1.2, stop.set).start()
    supervise(servers, stop, said.append)
    assert said[-1] == "ready; endpoints: [http://h:1/v1, http://h:2/v1]"
    assert said.count(said[-1]) == 1
    assert all(server.stopped for server in servers)


def test_one_that_fails_takes_the_others_down() -> None:
    servers = [FakeServer(well=True), FakeServer(port_taken=True)]
    with pytest.raises(ServerFailedError, match="another server answers"):
        supervise(servers, Event(), lambda _line: None)
    assert all(server.stopped for server in servers)
