"""Forks: a run's history is repeated up to a step from the replies it recorded, and a twin goes on from there.

The twin has the run's seeds and, from the step on, its own scenario; its replies come from the run's tiers, or from
another. A prompt before the step that is not the recorded one ends the fork. So prompts are equal up to the change, and
a fork without a change repeats the run, where the tier is deterministic and nobody spoke into the run from that step
on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.file_model import plain_value
from agents.inference.backend import InferenceSettings
from agents.inference.provenance import FALLBACK_ORDER, CallKey, Reply, Request, Tier
from agents.problems import UsageError
from agents.yaml_file import read_value
from simulation.engine.batch.settings import asked_players
from simulation.engine.interventions import Live
from simulation.interviews.moments import moment_asked
from simulation.plan import Plan, Settings, make_plan
from simulation.runs.changes import CHANGED, EARLIER, FORK_AT, FORK_OF, GIVEN, given_parameters
from simulation.runs.live import LiveEvents
from simulation.runs.replay import ReplaySession, WatchedRecording, unbroken
from simulation.runs.session import Observer, RunSession, finish
from simulation.store.blocks import one_by_one, takes_blocks
from simulation.store.events import CallMade, EpisodeEnded, EpisodeStarted, Event, RunEnded, StepResolved
from simulation.store.history import live_events, said
from simulation.store.intervention_events import EventHappened
from simulation.store.log import EventLog
from simulation.store.run_directory import IN_COLUMNS, new_directory, reader_of, write_manifest
from simulation.tables.run import Run, read_manifest

if TYPE_CHECKING:
    from agents.inference.recording import Recording
    from simulation.engine.environment import MultiModelEnvironment
    from simulation.scenario import Scenario

Place = tuple[float, float]
"""Episode and step, from 0; the end of an episode has the step infinity."""
_NEVER = ("seed", "language", "sweep")
_AT_A_START = ("mode", "memory", "communication.topology", "communication.degree", "communication.rewire")
_TASK_MAY_CHANGE = ("parameters", "max_steps")


def fork_run(
    path: str | Path,
    *,
    at: str | tuple[int, int],
    set: Mapping[str, object] | None = None,
    event: Mapping[str, object] | None = None,
    tier: Tier | str | None = None,
    out: str | Path = "runs",
    on_event: Observer | None = None,
) -> Run:
    """Repeat a run up to a step, and go on from there as a twin; return the twin's run.

        twin = fork_run("runs/...", at=(2, 3), set={"communication.treatment": "silenced"})

    Args:
        path: The run's directory.
        at: The first step that is the twin's own: episode and step, both counted from 1, or a text: "2.3".
        set: Values by dotted key in place of the scenario's, from that step on; a text is read as YAML.
        event: What happens before that step in the twin: an entry of a scenario's `events` without `at`.
        tier: The only tier that may answer from that step on; by default those of the run, and none lower than its
            replies came from.
        out: The folder for the twin's run directory.
        on_event: Is called with every event as it happens.

    Raises:
        UsageError: The run has no such step, or a change cannot be made there.
        InvalidFileError: Holds every mistake in the changed scenario.
        RunStoppedError: The history does not come out as it was recorded, or no tier answers; the twin is kept.
    """
    original, wanted = Path(path), dict(set or {})
    manifest = read_manifest(original)
    before, events = Plan.of(manifest), unbroken(original / EventLog.NAME)
    start = _start(at, events, original)
    if event is not None:
        wanted["events"] = [*_events_of(before, wanted), {**event, "at": f"{start[0] + 1}.{start[1] + 1}"}]
    after = _changed_plan(before, Settings(tier=tier, set=wanted))
    _refuse_changes(before.scenario, after.scenario, start, manifest)
    if start > (0, 0) and manifest.get(IN_COLUMNS) and not any(isinstance(each, CallMade) for each in events):
        _refuse_language_models(before, after, original)
    entries = {
        FORK_OF: str(original),
        FORK_AT: list(start),
        CHANGED: plain_value({**wanted, **({} if tier is None else {"tier": tier})}),
        EARLIER: [*(manifest.get(EARLIER) or ()), _earlier(manifest, start, given_parameters(wanted, after.scenario))],
        **({"weights": manifest["weights"]} if tier is None and "weights" in manifest else {}),
    }
    twin = new_directory(Path(out), after, None, reader_of(manifest), entries)
    floor = None if tier is not None else _lowest_tier(manifest)
    return finish(ForkSession(twin, after, on_event, original, start, floor))


def _earlier(manifest: Mapping[str, Any], start: tuple[int, int], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what a twin's manifest keeps of the run's scenario, and which parameters change in its place."""
    return {"until": start, "scenario": manifest["scenario"], **({GIVEN: given} if given else {})}


def _events_of(before: Plan, wanted: Mapping[str, object]) -> list[object]:
    """Return the events of the twin in plain data: those of the run, or those that were asked for in their place."""
    asked = wanted.get("events", before.scenario.model_dump(mode="json", exclude_none=True)["events"])
    found = read_value(asked, "--set events", "events") if isinstance(asked, str) else plain_value(asked)
    return list(found) if isinstance(found, list) else []


def _changed_plan(before: Plan, settings: Settings) -> Plan:
    if "roster" in settings.set:
        raise UsageError("roster cannot change in a fork: a twin has the seeds and the players of its run")
    after = make_plan(before, settings)
    return replace(after, scenario=after.scenario.model_copy(update={"roster": before.scenario.roster}))


def _start(at: str | tuple[int, int], events: list[Event], path: Path) -> tuple[int, int]:
    """Return the episode and step, from 0, of the first step that is the twin's own."""
    text, moment = moment_asked(at)
    if moment.episode is None or moment.step is None:
        raise UsageError(f"at {text}: a fork begins at one step; write EPISODE.STEP, for example 1.2")
    start, steps = (moment.episode, moment.step), {place_of(each) for each in events if isinstance(each, StepResolved)}
    if start not in steps:
        last = max(steps, default=None)
        had = "none yet" if last is None else f"the last is {int(last[0]) + 1}.{int(last[1]) + 1}"
        raise UsageError(f"{path} has no step {text} that was played to its end; {had}")
    return start


def _lowest_tier(manifest: Mapping[str, Any]) -> Tier | None:
    """Return the lowest tier that answered in a run; None where no tier was asked."""
    used = [tier for tier in FALLBACK_ORDER if manifest.get("tier_mix", {}).get(tier.value)]
    return used[-1] if used else None


def _refuse_changes(before: Scenario, after: Scenario, start: tuple[int, int], manifest: Mapping[str, Any]) -> None:
    """Raise UsageError where the scenario changes in what a twin cannot change, or not at this step."""
    earlier = manifest.get(EARLIER) or ()
    if earlier and tuple(earlier[-1]["until"]) > start:
        episode, step = earlier[-1]["until"]
        raise UsageError(
            f"the run is itself a fork at {episode + 1}.{step + 1}; fork it there or later, or its original"
        )
    for key in _changed_keys(before.model_dump(mode="json"), after.model_dump(mode="json")):
        name, *rest = key.split(".")
        if name in _NEVER:
            raise UsageError(f"{name} cannot change in a fork: a twin has the seeds and the players of its run")
        late = key in _AT_A_START or (name == "tasks" and (len(rest) < 2 or rest[1] not in _TASK_MAY_CHANGE))
        if late and start[1] > 0:
            raise UsageError(f"{key} can change at the start of an episode only, for example --at {start[0] + 2}.1")


def _refuse_language_models(before: Plan, after: Plan, path: Path) -> None:
    """Raise UsageError where language models would answer in a twin, and in the run nobody was asked."""
    own, others = (
        asked_players(plan.roster.expand(), plan.scenario.inference.settings().allowed, recorded=False)
        for plan in (after, before)
    )
    if own and not others:
        raise UsageError(
            f"{path} was played in columns, without a record of replies, and in its fork a language model may answer: "
            "say --tier simulated, fork it at 1.1, or play it again with language models"
        )


def _changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys of what differs: the section's key, and of tasks the task's."""
    found = []
    for name in after:
        old, new = before.get(name), after[name]
        if name == "tasks" and len(old or ()) == len(new):
            pairs = enumerate(zip(old or (), new, strict=True))
            found += [f"tasks.{i}.{key}" for i, (a, b) in pairs for key in b if a.get(key) != b[key]]
        elif name == "communication":
            found += [f"{name}.{key}" for key in new if (old or {}).get(key) != new[key]]
        elif old != new:
            found.append(name)
    return found


def place_of(event: Event) -> Place:
    """Return where in a run an event belongs; the end of the run comes last."""
    match event:
        case CallMade(record):
            return record.key.episode, record.key.step
        case EpisodeStarted(episode=episode):
            return episode, 0
        case EpisodeEnded(episode=episode):
            return episode, math.inf
    return getattr(event, "episode", math.inf), getattr(event, "step", math.inf)


@dataclass(frozen=True)
class _History(WatchedRecording):
    """The replies before `start`; a call from there on is made."""

    start: Place = field(kw_only=True)

    def find(self, request: Request) -> Reply | None:
        return super().find(request) if _is_before(request.key, self.start) else None


def _is_before(key: CallKey, start: Place) -> bool:
    return (key.episode, key.step) < start


class ForkSession(ReplaySession):
    """Repeats a run's history, whose events it expects, and plays on from `start`.

    Args:
        path: The twin's directory.
        plan: What the twin plays from `start` on.
        on_event: Is called with every event as it happens.
        original: The run's directory.
        start: Episode and step, from 0, of the twin's own first step.
        floor: The lowest tier that may answer; None for the scenario's.
    """

    def __init__(
        self,
        path: Path,
        plan: Plan,
        on_event: Observer | None,
        original: Path,
        start: tuple[int, int],
        floor: Tier | None = None,
    ) -> None:
        super().__init__(path, plan, on_event, original)
        self._start, self._floor = start, floor
        self._recorded = [event for event in self._recorded if place_of(event) < start]
        self._script = one_by_one(self._recorded)

    def _live(self) -> Live:
        happened = (event for event in self._recorded if isinstance(event, EventHappened))
        return LiveEvents(self.path, live_events(happened), (self._start[0], self._start[1] - 1))

    def _recording(self) -> Recording:
        replies = {key: reply for event in self._recorded for key, reply in said(event).items()}
        return _History(replies, strict=True, tell=self._compare_prompt, start=self._start)

    def _settings(self) -> InferenceSettings:
        settings = self.plan.scenario.inference.settings()
        return settings if self._floor is None or settings.require else replace(settings, require=self._floor)

    async def _detect(self, environment: MultiModelEnvironment) -> None:
        await RunSession._detect(self, environment)
        probes = read_manifest(self._original).get("probes") or {}
        manifest = read_manifest(self.path)
        write_manifest(self.path, {**manifest, "probes": {**probes, **(manifest.get("probes") or {})}})

    @takes_blocks
    def _note(self, event: Event) -> None:
        if isinstance(event, RunEnded) or (self._is_own(event)):
            RunSession._note(self, event)
        else:
            super()._note(event)

    def _is_own(self, event: Event) -> bool:
        key = getattr(getattr(event, "request", None), "key", None)
        return not _is_before(key, self._start) if key is not None else not place_of(event) < self._start
