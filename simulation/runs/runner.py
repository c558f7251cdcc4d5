"""Running a scenario, and resuming a run that was cut off."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import Tier
from agents.inference.recording import ReplyCache
from agents.problems import UsageError, member_of
from simulation.plan import Plan, Settings, make_plan
from simulation.plan_warnings import warn
from simulation.runs.changes import FORK_AT, FORK_OF
from simulation.runs.engines import ONE_PROCESS, Engine, Workers
from simulation.runs.session import Observer, RunSession, RunStoppedError, finish
from simulation.scenario import ScenarioSource
from simulation.store.events import StepResolved
from simulation.store.log import EventLog, read_log
from simulation.store.run_directory import RunStatus, new_directory
from simulation.tables.run import Run, load_run, read_manifest

if TYPE_CHECKING:
    from agents.lora_model import Responder
    from agents.roster import Roster

logger = logging.getLogger("society.runner")

__all__ = ["Observer", "RunStatus", "RunStoppedError", "play_plan", "resume_run", "run_scenario"]


def run_scenario(
    scenario: ScenarioSource | Plan,
    *,
    roster: Roster | str | Path | None = None,
    tier: Tier | str | None = None,
    require: Tier | str | None = None,
    seed: int | None = None,
    episodes: int | None = None,
    endpoints: str | Sequence[str] = (),
    set: Mapping[str, object] | None = None,
    out: str | Path = "runs",
    on_event: Observer | None = None,
    responders: Mapping[str, Responder] | None = None,
    cache: str | Path | None = None,
    jobs: int = 1,
    engine: Engine | str = Engine.LOCAL,
) -> Run:
    """Run a scenario and return the finished run. Works in a notebook too.

        run = run_scenario("team_battle", tier="simulated", seed=7, set={"tasks.0.max_steps": 3})

    Args:
        scenario: A file, a shipped scenario's name, a `Scenario`, a mapping with its keys, or a `Plan`.
        roster: Who plays in place of the scenario's roster: a `Roster`, a file or a shipped name.
        tier: The only tier that may answer: camel, http, embedded or simulated; "auto" allows all of them.
        require: The run stops rather than fall back below this tier.
        seed: The seed in place of the scenario's, from 0.
        episodes: How often each task is played in place of the scenario's number, from 1.
        endpoints: Server URLs in place of the scenario's.
        set: Values by dotted key in place of the scenario's; a text is read as YAML.
        out: The folder for run directories.
        on_event: Is called with every event as it happens.
        responders: Answer in place of the client, by model_id; a person is one.
        cache: A folder of replies that runs share: a reply that one run paid for is used by the others.
        jobs: Processes for one society that is played in columns (`prompts: off`, no language model).
        engine: Where these are: "local" or "ray".

    Returns:
        The run, with its tables.

    Raises:
        InvalidFileError: Holds every mistake in the scenario and its roster; nothing was written.
        UsageError: An argument cannot be used.
        RunStoppedError: The run ended early; its directory is kept.
    """
    plan = make_plan(scenario, Settings(tier, require, seed, episodes, endpoints, set or {}), roster)
    warn(plan)
    workers = Workers(jobs, member_of(Engine, engine, "engine"))
    return play_plan(plan, out=out, on_event=on_event, responders=responders, cache=cache, workers=workers)


def play_plan(
    plan: Plan,
    *,
    out: str | Path = "runs",
    on_event: Observer | None = None,
    responders: Mapping[str, Responder] | None = None,
    cache: str | Path | None = None,
    workers: Workers = ONE_PROCESS,
) -> Run:
    """Play a plan in a new run directory; arguments and errors are those of `run_scenario`, `workers` its last two."""
    refuse_sweep(plan)
    with reply_cache(cache) as replies:
        path = new_directory(Path(out), plan)
        return finish(RunSession(path, plan, on_event, responders, cache=replies, workers=workers))


def refuse_sweep(plan: Plan) -> None:
    """Raise UsageError for a plan that is a sweep of runs instead of one run."""
    if plan.scenario.sweep:
        name = plan.path or plan.scenario.name
        raise UsageError(f"{name} sweeps {', '.join(plan.scenario.sweep)}: play all of it with: society run {name}")


def resume_run(
    path: str | Path,
    *,
    on_event: Observer | None = None,
    responders: Mapping[str, Responder] | None = None,
    cache: str | Path | None = None,
    jobs: int = 1,
    engine: Engine | str = Engine.LOCAL,
) -> Run:
    """Finish a run that was cut off. No finished call is made again.

    Args:
        path: The run's directory.
        on_event: As in `run_scenario`.
        responders: As in `run_scenario`.
        cache: As in `run_scenario`.
        jobs: As in `run_scenario`.
        engine: As in `run_scenario`.

    Returns:
        The run; one that is finished already is returned as it is.

    Raises:
        UsageError: The run is a replay.
        SocietyError: The directory holds no run, or another process plays it.
        RunStoppedError: The run ended early again.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    if manifest["status"] == RunStatus.FINISHED.value:
        return load_run(folder)
    if manifest.get("replay_of"):
        raise UsageError(f"a replay is not resumed; replay it again: society study replay {manifest['replay_of']}")
    _refuse_half_history(folder, manifest)
    with reply_cache(cache) as replies:
        workers, plan = Workers(jobs, member_of(Engine, engine, "engine")), Plan.of(manifest)
        session = RunSession(folder, plan, on_event, responders, resumed=True, cache=replies, workers=workers)
        if read_manifest(folder)["status"] == RunStatus.FINISHED.value:  # by the process that held the lock until now
            session.abandon()
            return load_run(folder)
        return finish(session)


def _refuse_half_history(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise UsageError for a fork that was cut off before its own first step had ended."""
    if FORK_OF not in manifest:
        return
    episode, step = manifest[FORK_AT]
    places = ((each.episode, each.step) for each in read_log(folder / EventLog.NAME) if isinstance(each, StepResolved))
    if (episode, step) > (0, 0) and not any(place >= (episode, step) for place in places):
        at = f"{episode + 1}.{step + 1}"
        raise UsageError(
            f"{folder} was cut off at or before its step {at}; fork it again: society fork "
            f"{manifest[FORK_OF]} --at {at}"
        )


@contextmanager
def reply_cache(folder: str | Path | None) -> Iterator[ReplyCache | None]:
    """Give the reply cache in `folder`, open; None without a folder."""
    if folder is None:
        yield None
        return
    with closing(ReplyCache(Path(folder))) as cache:
        yield cache
