"""Running a scenario, and resuming a run that was cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.inference.provenance import Tier
from agents.inference.recording import ReplyCache
from agents.problems import UsageError
from simulation.plan import Plan
from simulation.runs.session import Observer, RunSession, RunStoppedError, finish
from simulation.scenario import Scenario, checked_scenario
from simulation.store.run_directory import RunStatus, new_directory
from simulation.tables.run import Run, load_run, read_manifest

if TYPE_CHECKING:
    from agents.lora_model import Responder

__all__ = ["Observer", "RunOptions", "RunStatus", "RunStoppedError", "resume_run", "run_scenario"]


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
        return checked_scenario(data, "with the options given")


def run_scenario(
    scenario: str | Path | Plan,
    *,
    options: RunOptions | None = None,
    overrides: Mapping[str, str] | None = None,
    out: str | Path = "runs",
    on_event: Observer | None = None,
    responders: Mapping[str, Responder] | None = None,
    cache: str | Path | None = None,
) -> Run:
    """Run a scenario file, a shipped scenario's name or a plan, and return the finished run.

    Works in a notebook too, where an event loop is already running. `responders` answer for the seats (by model_id)
    they are given, a person's among them. `cache` is a folder of replies that runs share: a reply that one of them
    paid for is used by the others. Raises InvalidFileError for a bad file (before anything is written) and
    RunStoppedError for a run that can be resumed.
    """
    plan = scenario if isinstance(scenario, Plan) else Plan.load(scenario, overrides or {})
    refuse_sweep(plan)
    plan = Plan((options or RunOptions()).applied(plan.scenario), plan.roster)
    with reply_cache(cache) as replies:
        return finish(RunSession(new_directory(Path(out), plan), plan, on_event, responders, cache=replies))


def refuse_sweep(plan: Plan) -> None:
    """Raises UsageError for a plan that is not one run but a sweep of them."""
    if plan.scenario.sweep:
        name = plan.path or plan.scenario.name
        raise UsageError(f"{name} sweeps {', '.join(plan.scenario.sweep)}: play all of it with: society sweep {name}")


def resume_run(
    path: str | Path,
    *,
    on_event: Observer | None = None,
    responders: Mapping[str, Responder] | None = None,
    cache: str | Path | None = None,
) -> Run:
    """Finish a run that was cut off; keywords as for `run_scenario`. A finished run is returned as it is."""
    folder = Path(path)
    manifest = read_manifest(folder)
    if manifest["status"] == RunStatus.FINISHED.value:
        return load_run(folder)
    if manifest.get("replay_of"):
        raise UsageError(f"a replay is not resumed; replay it again: society replay {manifest['replay_of']}")
    with reply_cache(cache) as replies:
        session = RunSession(folder, Plan.of(manifest), on_event, responders, resumed=True, cache=replies)
        if read_manifest(folder)["status"] == RunStatus.FINISHED.value:  # by who held the lock until now
            session.abandon()
            return load_run(folder)
        return finish(session)


@contextmanager
def reply_cache(folder: str | Path | None) -> Iterator[ReplyCache | None]:
    """The reply cache in `folder`, open; None without one."""
    if folder is None:
        yield None
        return
    with closing(ReplyCache(Path(folder))) as cache:
        yield cache
