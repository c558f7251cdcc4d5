"""Follows a run of another process in its directory: waits for it, reads on and returns what is new."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agents.problems import SocietyError
from simulation.store.log import EventLog
from simulation.store.run_directory import is_held
from simulation.tables.run import load_run, read_manifest
from simulation.treatment import Treatment
from simulation.watch.state import RunState
from simulation.watch.tail import LogTail
from simulation.watch.view import Calls, Grouping, LiveHonesty, LiveView, Progress, WatchStatus

if TYPE_CHECKING:
    from simulation.answer.words import Block

QUIET = 10.0
"""Seconds without a new event after which the run's process is looked for."""
GONE = "its process is gone"
LIVE_BYTES = 500_000
"""Up to this length of the log, about a second of work, the answer so far is taken after each episode of a live run."""
OVER = (WatchStatus.FINISHED, WatchStatus.STOPPED)


def find_run(path: Path) -> Path | None:
    """The run directory at `path`, or the one in `path` that was written to last; None where none has a manifest."""
    if (path / "manifest.json").exists():
        return path
    return max((manifest.parent for manifest in path.glob("[!.]*/manifest.json")), key=last_written, default=None)


def last_written(run: Path) -> float:
    """Return when a run's log was last written to, in seconds since 1970."""
    log = run / EventLog.NAME
    return (log if log.exists() else run / "manifest.json").stat().st_mtime


def _answer_of(path: Path, progress: Progress) -> Block:
    """Return what a run answers so far; its log says sooner than its manifest that it is over."""
    from simulation.answer.answer import answer_of
    from simulation.answer.words import block_of

    run = load_run(path)
    run.manifest |= {"status": progress.status.value, "reason": progress.reason}
    return block_of(answer_of(run))


class Follower:
    """A run as far as it has been read.

    Attributes:
        answers: Whether views have what the run answers so far.
        path: A run directory, or a folder of runs.
        run: The run directory; None before it is there.
        caught_up: Whether the last look found nothing new.
    """

    answers = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run: Path | None = None
        self._tail: LogTail | None = None
        self._state: RunState | None = None
        self.caught_up = False
        self._broken = ""
        self._answer: Block | None = None
        self._answered_at: tuple[WatchStatus, int, bool] | None = None

    @property
    def status(self) -> WatchStatus:
        if self._broken:
            return WatchStatus.BROKEN
        return self._state.progress.status if self._state else WatchStatus.WAITING

    def poll(self) -> bool:
        """Look once; whether there is something new to show.

        Raises:
            SocietyError: The run cannot be read.
        """
        if self._broken:
            return False
        try:
            return self._begin() if self._tail is None or self._state is None else self._read(self._tail, self._state)
        except (SocietyError, OSError, ValueError, KeyError) as error:  # KeyError: a model that is not in the roster
            self._broken = str(error)
            raise SocietyError(f"{self.run or self.path} cannot be followed: {error}") from error

    def _read(self, tail: LogTail, state: RunState) -> bool:
        before = tail.offset
        for event in tail.read():
            state.add(event)
        self.caught_up = tail.offset == before
        return not self.caught_up or self._answer_anew(tail, state)

    def _answer_anew(self, tail: LogTail, state: RunState) -> bool:
        """Take what the run answers so far: after each episode of a short log, and at the end; whether that is new.

        An answer that is no longer taken anew is not shown: it would look current.
        """
        status = state.progress.status
        at = (status, state.progress.ended, status is WatchStatus.RUNNING and is_held(tail.path.parent))
        due = at[0] in OVER or (at[1] > 0 and tail.offset <= LIVE_BYTES)
        if not (self.answers and (due or self._answer) and at != self._answered_at):
            return False
        self._answered_at, self._answer = at, None
        with suppress(SocietyError, OSError, ValueError, KeyError):  # the figures are shown without it
            self._answer = _answer_of(tail.path.parent, state.progress) if due else None
        return True

    def _find(self) -> Path | None:
        return find_run(self.path)

    def _begin(self) -> bool:
        run = self._find()
        if run is None:
            return False
        self._state = RunState(run.name, read_manifest(run))
        self.run, self._tail = run, LogTail(run / EventLog.NAME)
        return True

    def view(self) -> LiveView:
        """Everything to show."""
        return self._dated(self._state.view()) if self._state else self._waiting()

    def news(self) -> LiveView:
        """What is new since the last call."""
        return self._dated(self._state.news()) if self._state else self._waiting()

    def _dated(self, view: LiveView) -> LiveView:
        if self._tail is None:
            return view
        log = self._tail.path
        written = log.stat().st_mtime if log.exists() else 0.0
        progress = replace(view.progress, written=written, unread=max(0, self._tail.unread()))
        if self._broken:
            progress = replace(progress, status=WatchStatus.BROKEN, reason=self._broken)
        elif progress.status is WatchStatus.RUNNING and time.time() - written >= QUIET and not is_held(log.parent):
            progress = replace(progress, status=WatchStatus.STOPPED, reason=GONE)
        return replace(view, progress=progress, answer=self._answer)

    def _waiting(self) -> LiveView:
        progress = Progress(run=str(self.path), scenario="", status=self.status, reason=self._broken)
        honesty = LiveHonesty({}, 0, {}, 0, 0, Treatment.DELIVERED.value, "")
        return LiveView(True, progress, honesty, Calls(None, ()), Grouping.MODEL, (), 0, (), (), (), (), 0)
