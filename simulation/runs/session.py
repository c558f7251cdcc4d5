"""One process's work on one run: it plays what has not ended, writes the log, and leaves the directory readable.

A run that stops (Ctrl-C, a required tier that fails, a kill) can be resumed: finished episodes stay, and the unfinished
one is played again from the replies already paid for.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.inference.backend import InferenceSettings
from agents.inference.errors import FloorReachedError, UnknownAdapterError
from agents.inference.loops import run_blocking
from agents.inference.provenance import Tier
from agents.inference.recording import Recording, ReplyCache
from agents.inference.weights import changed_weights
from agents.problems import SocietyError, StopRequestedError
from agents.strategy import TrainingMode
from simulation.engine.batch.settings import BatchSettings
from simulation.engine.environment import MultiModelEnvironment
from simulation.engine.interventions import Live
from simulation.modes import ModeChoice
from simulation.plan import Plan
from simulation.runs.answering import answering_of
from simulation.runs.changes import changes_of
from simulation.runs.engines import ONE_PROCESS, Workers
from simulation.runs.live import LiveEvents
from simulation.runs.probing import probe_servers, without_server
from simulation.scenario import OnOrOff, Scenario
from simulation.store.blocks import EventBlock, one_by_one, takes_blocks, tell
from simulation.store.events import CallBegun, CallMade, EpisodeEnded, Event, RunEnded, RunResumed, StepResolved
from simulation.store.files import refusal, translating_os_errors
from simulation.store.history import History
from simulation.store.log import EventLog, read_log
from simulation.store.migrations import bring_up_to_date
from simulation.store.prompts import PromptLog
from simulation.store.run_directory import IN_COLUMNS, RunStatus, locked, reader_of, write_manifest
from simulation.tables.builder import build_parts
from simulation.tables.columns import OPTIONAL_TABLES, TABLES, TableName
from simulation.tables.parquet import Part, count, write_tables
from simulation.tables.run import Run, load_run, read_manifest

if TYPE_CHECKING:
    from agents.inference.provenance import Request
    from agents.lora_model import Responder
    from simulation.engine.batch.answering import Answering

logger = logging.getLogger("society.runner")
notices = logging.getLogger("society.notice")  # shown without --verbose
phases = logging.getLogger("society.phase")  # shown by the progress bar
_INTERRUPTS = (KeyboardInterrupt, StopRequestedError)
Observer = Callable[[Event], None]


class RunStoppedError(SocietyError):
    """A run that ended early. What was played is kept.

    Args:
        path: The run's directory.
        cause: What stopped it.
        advice: What to do; by default, to resume the run.

    Attributes:
        repeats: True where a resumed run would stop in the same way.
    """

    def __init__(self, path: Path, cause: str, advice: str = "", *, repeats: bool = False) -> None:
        advice = advice or f"the run is kept and can be resumed: society resume {path}"
        super().__init__(f"{cause}\n{advice}")
        self.path, self.cause, self.advice, self.repeats = path, cause, advice, repeats

    @classmethod
    def after(cls, path: Path, error: BaseException) -> RunStoppedError:
        """Return the error of a run that `error` stopped, with the advice that helps."""
        cause = "interrupted" if isinstance(error, _INTERRUPTS) else str(error)
        if isinstance(error, SocietyError) and error.repeats:
            advice = "a resumed run would stop in the same way: change what is named above and start a new run"
            return cls(path, cause, f"{advice}; what was played is in {path}", repeats=True)
        wrong, resume = "", f"society resume {path}"
        if isinstance(error, UnknownAdapterError):
            wrong = f"when the adapter is there, go on with: {resume}; if its name is wrong, correct the roster"
        elif isinstance(error, FloorReachedError) and error.server_lost:
            wrong = f"when the server answers, go on with: {resume}; if its URL is wrong, correct it"
        return cls(path, cause, f"{wrong} and start a new run" if wrong else "")


class ChangedWeightsError(SocietyError):
    """A run began with other weights than those that would answer now."""

    repeats = True


class RunSession:
    """One process's work on one run. It holds the run's lock until `abandon` or `end`.

    Args:
        path: The run's directory.
        plan: What the run plays.
        on_event: Is called with every event as it happens.
        responders: Answer in place of the client, by model_id.
        resumed: True where an earlier session has begun the run.
        cache: Replies that runs share.
        workers: Who computes the answers of a society that is played in columns.

    Raises:
        SocietyError: Another process plays the run, or a file cannot be read or written.
    """

    def __init__(
        self,
        path: Path,
        plan: Plan,
        on_event: Observer | None,
        responders: Mapping[str, Responder] | None = None,
        resumed: bool = False,
        cache: ReplyCache | None = None,
        workers: Workers = ONE_PROCESS,
    ) -> None:
        self.path, self.plan, self.resumed, self.responders = path, plan, resumed, responders
        self._changes = changes_of(read_manifest(path), plan.scenario)
        self._on_event, self._cache, self._workers = on_event, cache, workers
        self._lock = locked(path)
        try:
            with translating_os_errors(path):
                bring_up_to_date(path, EventLog.NAME)
                self.history = History.read(path / EventLog.NAME)
                self.log = EventLog(path / EventLog.NAME)
                self.prompts = PromptLog(path) if plan.scenario.prompts is OnOrOff.ON else None
        except BaseException:
            self._lock.release()
            raise
        self.tier_mix = self.history.tier_mix
        self._in_columns = False

    async def run(self) -> None:
        """Play every episode that has not ended."""
        self._clear()
        with answering_of(self._workers if self._may_be_in_columns() else ONE_PROCESS) as answering:
            await self._play(answering)

    async def _play(self, answering: Answering | None) -> None:
        async with self._environment(answering) as environment:
            await self._detect(environment)
            phases.info("starting OASIS")
            await self._restore(environment)
            for number, task in enumerate(self._schedule()):
                if number not in self.history.finished:
                    await environment.run_task(task, number)

    def _recording(self) -> Recording:
        """Return the replies that earlier sessions paid for."""
        return Recording(self.history.recorded)

    def _live(self) -> Live:
        """Return what gives the events from outside."""
        return LiveEvents(self.path, self.history.live, self.history.reached)

    def _schedule(self) -> Iterable[Any]:
        tasks, last = len(self.plan.scenario.tasks), self.plan.scenario.episodes
        return (self._played_in(number).tasks[number % tasks] for number in range(tasks * last))

    def _played_in(self, episode: int) -> Scenario:
        """Return the scenario that an episode begins with."""
        return [change.scenario for change in self._changes if change[:2] <= (episode, 0)][-1]

    def _environment(self, answering: Answering | None) -> MultiModelEnvironment:
        scenario, roster = self._changes[0].scenario, self.plan.roster
        players = roster.expand()
        environment = MultiModelEnvironment(
            training_mode=scenario.mode,
            max_models=len(players),
            endpoints=self.plan.scenario.inference.servers(),
            base_model=roster.base_model,
            settings=self._settings(),
            sampling=scenario.inference.sampling(),
            communication=scenario.communication,
            mixing=scenario.mixing,
            language=scenario.language,
            seed=scenario.seed,
            folder=self.path,
            on_event=self._note,
            recording=self._recording(),
            cache=self._cache,
            responders=self.responders,
            deliberation=scenario.inference.deliberation(),
            reader=reader_of(read_manifest(self.path)),
            prompt_templates=scenario.prompt_templates,
            surveys=scenario.surveys,
            changes=self._changes[1:],
            events=scenario.events,
            live=self._live(),
            memory=scenario.memory,
            batch=self._batch(answering),
        )
        for config in players:
            environment.add_model(config)
        return environment

    def _batch(self, answering: Answering | None) -> BatchSettings:
        """Return how the run may be played in columns."""
        return BatchSettings(
            allowed=self._may_be_in_columns(),
            prompts=any(scenario.prompts is OnOrOff.ON for scenario in self._scenarios),
            oasis_db=self.plan.scenario.oasis_db,
            answering=answering,
            needed=self._why_in_columns(),
            recorded=bool(self.history.tier_mix),
        )

    @property
    def _scenarios(self) -> list[Scenario]:
        """Return every scenario that the run plays, those before a fork included."""
        return [self.plan.scenario, *(change.scenario for change in self._changes)]

    def _may_be_in_columns(self) -> bool:
        """Return whether no scenario of the run needs OASIS's agents, and it did not begin by requests."""
        return not (any(scenario.needs_tools for scenario in self._scenarios) or self._began_by_requests())

    def _began_by_requests(self) -> bool:
        """Return whether steps of the run that may be blocks of its log are lines of it: it goes on so."""
        return self.history.by_requests

    def _why_in_columns(self) -> str:
        """Return why the run must be played in columns; empty where it need not."""
        off = self.plan.scenario.oasis_db is OnOrOff.OFF
        return "oasis_db: off is for runs that are played in columns" if off else ""

    def _settings(self) -> InferenceSettings:
        return self.plan.scenario.inference.settings()

    async def _detect(self, environment: MultiModelEnvironment) -> None:
        """Log what is available, and refuse before the first call an adapter that no server has."""
        adapters = [config.model_name for config in environment.models if config.model_name]
        if adapters:
            phases.info("asking the tiers")
            detections = await environment.client.detect()
            for found in detections:
                logger.info("%s: %s", found.tier.value, found.detail)
            if self._servers_named and (details := without_server(detections)):
                logger.warning("no server that you named answers: %s", "; ".join(details))
            environment.client.check_adapters(list(dict.fromkeys(adapters)))
            phases.info("probing the servers")
            await probe_servers(self.path, self.plan, environment)
            await self._record_weights(environment)
            await environment.client.prepare(list(dict.fromkeys(adapters)), notices.info)

    @property
    def _servers_named(self) -> bool:
        """Return whether an option, the scenario or the roster names servers."""
        named = "endpoints" in self.plan.scenario.inference.model_fields_set
        return named or any(row.endpoint for row in self.plan.roster.models if row.model_name)

    async def _record_weights(self, environment: MultiModelEnvironment) -> None:
        """Write to the manifest which weights answer, and each server's version.

        Raises:
            ChangedWeightsError: The run began with other weights.
        """
        rows = dict.fromkeys((row.model_name, row.adapter) for row in environment.models if row.model_name)
        found = environment.client.record_weights([(str(name), path) for name, path in rows])
        manifest = read_manifest(self.path)
        before = manifest.get("weights") or {}
        changed = changed_weights(before, found)
        if changed:
            raise ChangedWeightsError(
                f"the weights have changed since the run began: {'; '.join(changed)}. Bring the old weights back to "
                "resume the run, or start a new one"
            )
        servers = {**(manifest.get("servers") or {}), **await environment.client.server_versions()}
        write_manifest(self.path, {**manifest, "weights": {**before, **found}, "servers": servers})

    def _clear(self) -> None:
        """Remove what an earlier session derived, so that nobody reads stale tables meanwhile."""
        # OASIS would keep a file's old tables and sign its users up a second time
        for file in self.path.glob("oasis*.db*"):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.path / "tables", ignore_errors=True)
        write_manifest(self.path, {**read_manifest(self.path), "status": RunStatus.RUNNING.value, "reason": ""})

    async def _restore(self, environment: MultiModelEnvironment) -> None:
        """Restore what finished episodes left: the messages in oasis.db, a mixed run's experience."""
        if not self.resumed:
            return
        tasks = {number: task for number, task in enumerate(self._schedule()) if number in self.history.finished}
        history = self.history
        await environment.store_again(tasks, one_by_one(history.messages), history.acts, history.happened)
        for started, ended in self.history.finished.values():
            choice = ModeChoice(TrainingMode(started.mode), started.mode_reason, started.mode_probability)
            environment.learn(started.task_id, choice, ended)
        self._note(RunResumed(len(self.history.finished)))

    @takes_blocks
    def _note(self, event: Event) -> None:
        if isinstance(event, CallBegun):
            self._note_prompt(event.request)
        else:
            self.log.append(event)
        if isinstance(event, (StepResolved, EpisodeEnded)):
            self.log.sync()
            if self.prompts is not None:
                self.prompts.flush()
        if isinstance(event, CallMade) and event.record.reply is not None:
            self.tier_mix[event.record.tier.value] += 1
        elif isinstance(event, EventBlock) and not self._in_columns:
            self._in_columns = True
            write_manifest(self.path, {**read_manifest(self.path), IN_COLUMNS: True})
        if self._on_event is not None:
            tell(self._on_event, event)

    def _note_prompt(self, request: Request) -> None:
        if self.prompts is not None:
            self.prompts.add(request)

    def abandon(self) -> None:
        """Release the run without writing more; does nothing where it is released already."""
        self.log.abandon()
        if self.prompts is not None:
            self.prompts.abandon()
        self._lock.release()

    def end(self, status: RunStatus, reason: str = "") -> None:
        """Close the logs, derive the tables, and write the final status to the manifest."""
        self._note(RunEnded(status.value, reason))
        if self.prompts is not None:
            self.prompts.close()
        self.log.close()
        roster = self.plan.roster.in_language(self.plan.scenario.language)
        tables = build_parts(read_log(self.path / EventLog.NAME), roster)
        filled = {name: parts for name, parts in tables.items() if len(parts[0]) or name not in OPTIONAL_TABLES}
        write_tables(self.path / "tables", filled, TABLES)
        manifest = read_manifest(self.path)
        mix = dict(self.tier_mix or _simulated_in(tables))
        write_manifest(self.path, {**manifest, "status": status.value, "reason": reason, "tier_mix": mix})
        self._lock.release()


def _simulated_in(tables: Mapping[TableName, Sequence[Part]]) -> dict[str, int]:
    """Return how many texts the simulated tier gave in a run without calls, by its name; empty for none."""
    name = Tier.SIMULATED.value
    parts = (part for table in (TableName.MESSAGES, TableName.DECISIONS) for part in tables[table])
    texts = sum(count(part, "tier", name) for part in parts)
    return {name: texts} if texts else {}


def finish(session: RunSession) -> Run:
    """Play a session to its end and return the run.

    Raises:
        RunStoppedError: The session ended early: interrupted, refused by a required tier, or by the disk.
    """
    try:
        stopped = _play(session)
        if stopped is None:
            session.end(RunStatus.FINISHED)
            return load_run(session.path)
        error = RunStoppedError.after(session.path, stopped)
        session.end(RunStatus.STOPPED, error.cause)
        raise error from stopped
    except _INTERRUPTS as error:  # while tables are derived: they can be derived again
        raise RunStoppedError(session.path, "interrupted") from error
    except OSError as error:
        raise RunStoppedError(session.path, f"the run could not be written: {refusal(error)}") from error
    finally:
        session.abandon()


def _play(session: RunSession) -> BaseException | None:
    """Play what is left; return what stopped it, None where nothing did."""
    try:
        run_blocking(session.run)
    except (*_INTERRUPTS, SocietyError) as error:
        return error
    return None
