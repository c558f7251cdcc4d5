"""Scenario -> episodes -> run directory; and resuming a run that was cut off.

    runs/<scenario>-<time>-<id>/
      manifest.json   resolved scenario and roster, versions, seed, tier mix, status
      events.jsonl    append-only, the source of truth
      oasis.db        the messages as OASIS keeps them
      tables/*.parquet

A run that stops (Ctrl-C, a required tier that fails, a kill) can be resumed: finished episodes stay, the
unfinished one is played again from the replies already paid for.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from agents.findings import dotted, examine
from agents.inference.provenance import Tier
from agents.inference.recording import Recording
from agents.problems import InvalidFileError, Problem, SocietyError
from agents.roster import Roster
from agents.strategy import TrainingMode
from simulation.blocking import run_blocking
from simulation.environment import MultiModelEnvironment
from simulation.events import (
    CallBegun,
    CallMade,
    EpisodeEnded,
    Event,
    EventLog,
    RunEnded,
    RunResumed,
    StepResolved,
    read_events,
)
from simulation.history import History
from simulation.modes import ModeChoice
from simulation.outcomes import SCHEMA_VERSION, Run, build_tables, load_run, read_manifest, write_tables
from simulation.plan import Plan
from simulation.scenario import Scenario, scenario_findings

logger = logging.getLogger("society.runner")
notices = logging.getLogger("society.notice")  # shown without --verbose
Observer = Callable[[Event], None]
LOCK = ".lock"


class RunStatus(str, Enum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


class RunStoppedError(SocietyError):
    """A run that ended early; `path` can be resumed."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{cause}\nthe run is kept and can be resumed: society resume {path}")
        self.path = path


@dataclass(frozen=True)
class RunOptions:
    """What a caller may set beside the scenario file; None and () keep the scenario's value."""

    tier: Tier | None = None
    require: Tier | None = None
    seed: int | None = None
    episodes: int | None = None
    endpoints: tuple[str, ...] = ()

    def applied(self, scenario: Scenario) -> Scenario:
        """The scenario with these options in place of its own values."""
        data = scenario.model_dump()
        inference = {
            "tiers": (self.tier,) if self.tier else None,
            "require": self.require,
            "endpoints": self.endpoints or None,
        }
        data["inference"].update({name: value for name, value in inference.items() if value is not None})
        top = {"seed": self.seed, "episodes": self.episodes}
        data |= {name: value for name, value in top.items() if value is not None}
        valid, findings = examine(Scenario, data, scenario_findings)
        if valid is None:
            raise InvalidFileError(
                Problem("with the options given", 0, dotted(each.path), each.message, each.suggestion)
                for each in findings
            )
        return valid


def run_scenario(
    scenario: str | Path | Plan,
    *,
    options: RunOptions | None = None,
    overrides: Mapping[str, str] | None = None,
    out: str | Path = "runs",
    on_event: Observer | None = None,
) -> Run:
    """Run a scenario file, a shipped scenario's name or a plan, and return the finished run.

    Works in a notebook too, where an event loop is already running. Raises InvalidFileError for a bad file
    (before anything is written) and RunStoppedError for a run that can be resumed.
    """
    plan = scenario if isinstance(scenario, Plan) else Plan.load(scenario, overrides or {})
    plan = Plan((options or RunOptions()).applied(plan.scenario), plan.roster)
    path = _new_directory(Path(out), plan)
    sitting = _Sitting(path, plan, on_event)
    return _finish(sitting)


def resume_run(path: str | Path, *, on_event: Observer | None = None) -> Run:
    """Finish a run that was cut off. A finished run is returned as it is."""
    folder = Path(path)
    manifest = read_manifest(folder)
    if manifest["status"] == RunStatus.FINISHED.value:
        return load_run(folder)
    plan = Plan(Scenario.model_validate(manifest["scenario"]), Roster.model_validate(manifest["roster"]))
    return _finish(_Sitting(folder, plan, on_event, resumed=True))


def _finish(sitting: _Sitting) -> Run:
    try:
        run_blocking(sitting.run)
    except KeyboardInterrupt as error:
        sitting.stop("interrupted")
        raise RunStoppedError(sitting.path, "interrupted") from error
    except SocietyError as error:
        sitting.stop(str(error))
        raise RunStoppedError(sitting.path, str(error)) from error
    sitting.end(RunStatus.FINISHED)
    return load_run(sitting.path)


def _new_directory(out: Path, plan: Plan) -> Path:
    now = datetime.now(timezone.utc)
    path = out / f"{plan.scenario.name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    path.mkdir(parents=True)
    _write_manifest(
        path,
        {
            "schema_version": SCHEMA_VERSION,
            "status": RunStatus.RUNNING.value,
            "reason": "",
            "started": now.isoformat(timespec="seconds"),
            "seed": plan.scenario.seed,
            "tier_mix": {},
            "versions": versions(),
            "scenario": plan.scenario.model_dump(mode="json"),
            "roster": plan.roster.model_dump(mode="json"),
        },
    )
    return path


def _write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    part = path / ".manifest.json.part"
    part.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
    os.replace(part, path / "manifest.json")


def versions() -> dict[str, str]:
    """Versions of what decides a run's results."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("lora-society", "camel-oasis", "camel-ai", "torch", "transformers", "peft"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


class _Sitting:
    """One process's work on one run."""

    def __init__(self, path: Path, plan: Plan, on_event: Observer | None, resumed: bool = False) -> None:
        self.path, self.plan, self.resumed = path, plan, resumed
        self._on_event = on_event
        self._lock = _locked(path)
        self.history = History.read(path / EventLog.NAME)
        self.log = EventLog(path / EventLog.NAME)
        self.tier_mix = self.history.tier_mix

    async def run(self) -> None:
        """Play every episode that has not ended."""
        self._clear()
        async with self._environment() as environment:
            await self._detect(environment)
            await self._restore(environment)
            for number, task in enumerate(self._schedule()):
                if number not in self.history.finished:
                    await environment.run_task(task, number)

    def _schedule(self) -> Iterable[Any]:
        scenario = self.plan.scenario
        return (task for _ in range(scenario.episodes) for task in scenario.tasks)

    def _environment(self) -> MultiModelEnvironment:
        scenario, roster = self.plan.scenario, self.plan.roster
        players = roster.expand()
        environment = MultiModelEnvironment(
            training_mode=scenario.mode,
            max_models=len(players),
            endpoints=scenario.inference.servers(),
            base_model=roster.base_model,
            settings=scenario.inference.settings(),
            sampling=scenario.inference.sampling(),
            communication=scenario.communication,
            mixing=scenario.mixing,
            language=scenario.language,
            seed=scenario.seed,
            folder=self.path,
            on_event=self._note,
            recording=Recording(self.history.records),
        )
        for config in players:
            environment.add_model(config)
        return environment

    async def _detect(self, environment: MultiModelEnvironment) -> None:
        """Say what is there, and refuse before the first call what no server has."""
        adapters = [config.model_name for config in environment.models if config.model_name]
        if adapters:
            for found in await environment.client.detect():
                logger.info("%s: %s", found.tier.value, found.detail)
            environment.client.check_adapters(list(dict.fromkeys(adapters)))
            await environment.client.prepare(list(dict.fromkeys(adapters)), notices.info)

    def _clear(self) -> None:
        """Take away what an earlier sitting derived, so that nothing stale can be read meanwhile."""
        # OASIS would keep a file's old tables and sign its users up a second time
        for name in ("oasis.db", "oasis.db-journal"):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / "tables", ignore_errors=True)
        _write_manifest(self.path, {**read_manifest(self.path), "status": RunStatus.RUNNING.value, "reason": ""})

    async def _restore(self, environment: MultiModelEnvironment) -> None:
        """Bring back what finished episodes left: the messages in oasis.db, a mixed run's experience."""
        if not self.resumed:
            return
        await environment.retell(self.history.messages)
        for started, ended in self.history.finished.values():
            choice = ModeChoice(TrainingMode(started.mode), started.mode_reason, started.mode_probability)
            environment.learn(started.task_id, choice, ended)
        self._note(RunResumed(len(self.history.finished)))

    def _note(self, event: Event) -> None:
        if not isinstance(event, CallBegun):
            self.log.append(event)
        if isinstance(event, (StepResolved, EpisodeEnded)):
            self.log.sync()
        if isinstance(event, CallMade) and event.record.reply is not None:
            self.tier_mix[event.record.tier.value] += 1
        if self._on_event is not None:
            self._on_event(event)

    def stop(self, reason: str) -> None:
        self.end(RunStatus.STOPPED, reason)

    def end(self, status: RunStatus, reason: str = "") -> None:
        """Close the log, derive the tables, and write the manifest's last word."""
        self._note(RunEnded(status.value, reason))
        self.log.close()
        tables = build_tables(read_events(self.path / EventLog.NAME), self.plan.roster)
        write_tables(self.path / "tables", tables)
        manifest = read_manifest(self.path)
        last = {"status": status.value, "reason": reason, "tier_mix": dict(self.tier_mix)}
        _write_manifest(self.path, {**manifest, **last})
        self._lock.release()


def _locked(path: Path) -> FileLock:
    """The run's lock, held. Raises SocietyError where another process holds it; a killed one holds nothing."""
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise SocietyError(f"{path} is being run by another process") from error
    return lock
