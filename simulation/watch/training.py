"""Follows a training of another process: its ledger, and the episodes of the update that is being made."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from agents.problems import SocietyError
from simulation.store.run_directory import is_held
from simulation.tables.run import TRAINING
from simulation.training.ledger import LEDGER, Ledger, UpdateLine
from simulation.training.rollout import ROLLOUTS
from simulation.training.run import all_updates_made, config_of, read_plan
from simulation.watch.follower import GONE, QUIET, Follower, find_run, last_written
from simulation.watch.view import LearnerRow, LiveView, TrainingProgress, WatchStatus

LATEST = 5
"""The latest updates whose seconds are averaged."""


def follower_of(path: Path) -> Follower:
    """Return what follows `path`: a training's folder, a run directory, or the newest of either in a folder of them."""
    if (path / TRAINING).is_file():
        return TrainingFollower(path)
    newest = max((each.parent for each in path.glob(f"[!.]*/{TRAINING}")), key=_written, default=None)
    run = find_run(path)
    if newest is not None and (run is None or (run != path and _written(newest) > last_written(run))):
        return TrainingFollower(newest)
    return Follower(path)


def _written(folder: Path) -> float:
    """Return when the latest update of a training was written, in seconds since 1970; 0 before the ledger is there."""
    ledger = folder / LEDGER
    return ledger.stat().st_mtime if ledger.exists() else 0.0


class TrainingFollower(Follower):
    """A training as far as it has been read; its run is the one of the latest update that plays episodes.

    Raises:
        SocietyError: The folder holds no training.
    """

    answers = False  # a rollout of an update is over at once

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        plan = read_plan(path)
        self._scenario, self._config = plan.scenario.name, config_of(plan)
        self._learners, self._updates = tuple(self._config.learners), self._config.last_update
        self._lines: list[UpdateLine] = []
        self._size, self._shown = -1, WatchStatus.WAITING
        self._other_run = self._made = False

    @property
    def status(self) -> WatchStatus:
        if self._broken:
            return WatchStatus.BROKEN
        if self._made and not is_held(self.path):
            return WatchStatus.FINISHED
        quiet = time.time() - self._latest_change() >= QUIET
        return WatchStatus.STOPPED if quiet and not is_held(self.path) else WatchStatus.RUNNING

    def poll(self) -> bool:
        found = self._read_ledger()
        played = self._poll_run()
        self.caught_up = not found and not played
        before, self._shown = self._shown, self.status
        return found or played or before is not self._shown

    def _read_ledger(self) -> bool:
        """Read the ledger again where it has changed. A line that is being written, or was cut off, does not count."""
        ledger = self.path / LEDGER
        size = ledger.stat().st_size if ledger.exists() else 0
        if size == self._size or self._broken:
            return False
        self._size, before = size, len(self._lines)
        try:
            read = Ledger(self.path)
            self._lines, self._made = read.lines, all_updates_made(self._config, read)
        except SocietyError as error:
            self._broken = str(error)
            raise SocietyError(f"{self.path} cannot be followed: {error}") from error
        return len(self._lines) != before

    def _poll_run(self) -> bool:
        """Follow the latest run; one that goes away, as a training that was cut off plays it again, is forgotten."""
        newest, broken = self._find(), self._broken
        if newest != self.run:
            self.run, self._tail, self._state = None, None, None
            self._other_run = True
        try:
            return super().poll()
        except SocietyError:
            self.run, self._tail, self._state, self._broken = None, None, None, broken
            return False

    def _find(self) -> Path | None:
        rollouts = sorted((self.path / ROLLOUTS).glob("*"))
        return find_run(rollouts[-1]) if rollouts else None

    def _latest_change(self) -> float:
        tails = [self._tail.path] if self._tail else []
        return max((each.stat().st_mtime for each in (self.path / LEDGER, *tails) if each.exists()), default=0.0)

    def news(self) -> LiveView:
        """What is new since the last call; a whole view where another run began."""
        news = super().news()
        if self._other_run:
            self._other_run = False
            return self.view()
        return news

    def _dated(self, view: LiveView) -> LiveView:
        status = self.status
        progress = replace(
            view.progress,
            run=self.path.resolve().name,
            scenario=self._scenario,
            status=status,
            reason=self._broken or (GONE if status is WatchStatus.STOPPED else ""),
            written=self._latest_change(),
            unread=max(0, self._tail.unread()) if self._tail else 0,
        )
        return replace(view, progress=progress, training=self._progress())

    def _waiting(self) -> LiveView:
        return self._dated(super()._waiting())

    def _progress(self) -> TrainingProgress:
        made = max(0, len(self._lines) - 1)
        taken = [line.seconds for line in self._lines[1:][-LATEST:]]
        seconds = sum(taken) / len(taken) if taken else None
        left = None if seconds is None else seconds * max(0, self._updates - made)
        last = self._lines[-1].learners if self._lines else {}
        rows = (LearnerRow(name, last[name].value, last[name].entropy, last[name].invalid) for name in self._learners)
        return TrainingProgress(made, self._updates, seconds, left, tuple(rows) if last else ())
