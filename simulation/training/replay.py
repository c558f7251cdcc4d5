"""Replaying a training: every version is made again from what the ledger and the runs recorded, and compared.

An update is a pure function of its samples. Methods without episodes compute them, `reinforce` reads the replies of
adapters from the recorded runs, `evolution` what mixtures were paid in them; tables and teachers answer again from
their seeds. No model server is asked. What each line of the ledger says must come out again, durations aside: values,
means, probabilities, and every version's digest.
What a gate decided is followed as it was recorded; it is not decided again.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from agents.learning.samples import Trainer, Version
from agents.problems import SocietyError, UsageError
from simulation.plan import Plan
from simulation.runs.folders import finished_run
from simulation.runs.replay import ReplayError
from simulation.sections.training import TrainingMethod
from simulation.tables.run import Run
from simulation.training.credit import acts_of
from simulation.training.ledger import LearnerUpdate, Ledger, UpdateLine
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.methods import METHODS
from simulation.training.methods.evolution import graded, trials
from simulation.training.methods.reinforce import learned_from
from simulation.training.opponents import learners_by_run
from simulation.training.rollout import ROLLOUTS, is_tabular, refuse_simulated, rollouts_of
from simulation.training.run import VERSIONS, check_digest, config_of, from_its_own, learn, trainer_of
from simulation.training.tables import load_training
from simulation.training.twins import talkers, twin_place

OnReplayed = Callable[[UpdateLine], None]
_APART = ("seconds", "run", "learners", "gates")


@dataclass(frozen=True)
class TrainingReplay:
    """A finished replay: how many updates and versions came out as they were recorded, and which were skipped."""

    updates: int
    versions: int
    skipped: tuple[int, ...]


def replay_training(path: str | Path, *, on_update: OnReplayed | None = None) -> TrainingReplay:
    """Make every version of a training again, in a folder that is deleted afterwards, and compare.

    Args:
        path: The training's folder; nothing in it is changed.
        on_update: Is called with every line that came out as it was recorded.

    Raises:
        ReplayError: A line differs; the text names the update and what differs first.
        UsageError: The training is a league.
        SocietyError: There is no line yet, a run is missing, or a partner is a model whose replies are not recorded.
    """
    training = load_training(path)
    if not training.ledger.lines:
        raise SocietyError(f"{training.path}: no update is made yet")
    refuse_league(training.plan)
    with tempfile.TemporaryDirectory(prefix="society-replay-") as scratch:
        replayed = _Replay(training.plan, training.path, Path(scratch), training.ledger)
        for line in replayed.lines():
            if on_update is not None:
                on_update(line)
    recorded = training.ledger.lines
    return TrainingReplay(len(recorded) - 1, len(training.ledger.versions), replayed.skipped)


def refuse_league(plan: Plan) -> None:
    """Raise UsageError for a league: its rounds are not replayed and not forked."""
    if config_of(plan).league is not None:
        raise UsageError(f"{plan.scenario.name} is a league: replay and fork know trainings without `training.league`")


class _Replay:
    """A replay in progress."""

    def __init__(self, plan: Plan, folder: Path, scratch: Path, ledger: Ledger) -> None:
        self._plan, self._config, self._folder, self._scratch = plan, config_of(plan), folder, scratch
        self._ledger, self._recorded = ledger, ledger.lines
        self._skipped: list[int] = []

    @property
    def skipped(self) -> tuple[int, ...]:
        """The updates that changed nothing: a fork leaves them out."""
        return tuple(self._skipped)

    def lines(self) -> Iterator[UpdateLine]:
        """Yield every line, made again and compared."""
        trainer = trainer_of(from_its_own(self._plan, self._folder, self._ledger))
        versions = {name: trainer.save_weights(name, self._scratch / VERSIONS) for name in self._config.learners}
        first = {name: LearnerUpdate(each.name, each.digest) for name, each in versions.items()}
        yield _compared(self._recorded[0], UpdateLine(0, first))
        for before, recorded in zip(self._recorded, self._recorded[1:], strict=False):
            if is_skipped(recorded, before):
                self._skipped.append(recorded.update)
                yield recorded
                continue
            line, versions = self._again(recorded, before, trainer, versions)
            yield _compared(recorded, line)
            self._forget(versions)
            versions = self._after_gate(recorded, trainer, versions)

    def _again(
        self, recorded: UpdateLine, before: UpdateLine, trainer: Trainer, versions: Mapping[str, Version]
    ) -> tuple[UpdateLine, dict[str, Version]]:
        context = UpdateContext(
            self._plan,
            self._config,
            self._scratch,
            recorded.update,
            trainer,
            versions,
            before.means,
            experience=before.experience,
            lines=self._recorded[: recorded.update],
            made_in=self._folder / VERSIONS,
        )
        return learn(context, self._lesson(context), time.monotonic())

    def _lesson(self, context: UpdateContext) -> Lesson:
        """Return what was learned: computed, played again by who answers in this process, or read from the run."""
        method = METHODS[self._config.method]
        if self._config.computes or self._config.method is TrainingMethod.FILTERED_IMITATION:
            return method(context)
        if self._config.method is TrainingMethod.IMITATION or is_tabular(self._plan):
            self._refuse_models()
            return method(context)
        there = replace(context, folder=self._folder)
        if self._config.method is TrainingMethod.EVOLUTION:
            return graded(there, self._recorded_runs(there.update, rollouts_of(there), trials(there)))
        learners = learners_by_run(there)
        runs = self._recorded_runs(there.update, rollouts_of(there), len(learners))
        played = []
        for run, names in zip(runs, learners, strict=True):
            refuse_simulated(run, list(names))
            played.append((run, acts_of(run, names)))
        silenced = talkers(there, [act for _, acts in played for act in acts])
        twins = {name: self._recorded_runs(there.update, twin_place(there, name), len(runs)) for name in silenced}
        return learned_from(there, played, twins)

    def _recorded_runs(self, update: int, place: Path, count: int) -> list[Run]:
        several = self._config.plays_several_runs
        places = [place / str(number) for number in range(1, count + 1)] if several else [place]
        found = [finished_run(each) for each in places]
        runs = [run for run in found if run is not None]
        if len(runs) < count:
            raise SocietyError(f"update {update}: {place} has no finished run to read the replies from")
        return runs

    def _refuse_models(self) -> None:
        rows = (row for row in self._plan.roster.expand() if row.model_id not in self._config.learners)
        models = [row.model_id for row in rows if not row.policy]
        if models:
            raise SocietyError(
                f"{models[0]} is a model, and its replies to tables and teachers are not recorded: this training can "
                "only be played again"
            )

    def _after_gate(
        self, recorded: UpdateLine, trainer: Trainer, versions: Mapping[str, Version]
    ) -> dict[str, Version]:
        """Return the versions that the next update changes: where a gate sent a learner back, the one it names."""
        following = dict(versions)
        for name, each in versions.items():
            goes_on = recorded.going_on(name)
            if goes_on != each.name:
                place = self._folder / VERSIONS / goes_on
                made = self._ledger.made(name, goes_on)
                check_digest(place, made)
                trainer.load_weights(name, place)
                following[name] = Version(name, goes_on, made.digest, place)
        return following

    def _forget(self, versions: Mapping[str, Version]) -> None:
        """Delete what a later update does not need."""
        needed = {each.name for each in versions.values()}
        for place in (self._scratch / VERSIONS).iterdir():
            if place.name not in needed:
                shutil.rmtree(place)
        shutil.rmtree(self._scratch / ROLLOUTS, ignore_errors=True)


def is_skipped(line: UpdateLine, before: UpdateLine) -> bool:
    """Return whether an update changed nothing and learned from nothing, as the one that a fork leaves out."""
    kept = all(made.version == before.going_on(name) for name, made in line.learners.items())
    return kept and all(made.samples == 0 and made.gradient is None for made in line.learners.values())


def _compared(recorded: UpdateLine, line: UpdateLine) -> UpdateLine:
    """Return the line. Raises ReplayError with the first difference from the recorded one."""
    for field in fields(UpdateLine):
        if field.name not in _APART and getattr(recorded, field.name) != _plain(getattr(line, field.name)):
            was, now = getattr(recorded, field.name), getattr(line, field.name)
            raise ReplayError(f"update {recorded.update}: {field.name} was {_short(was)}, and is now {_short(now)}")
    if recorded.learners.keys() != line.learners.keys():
        raise ReplayError(f"update {recorded.update}: its learners were {', '.join(recorded.learners)}")
    for name, made in line.learners.items():
        for field in fields(LearnerUpdate):
            was, now = getattr(recorded.learners[name], field.name), getattr(made, field.name)
            if was != now:
                what = f"update {recorded.update}: {name}: {field.name}"
                raise ReplayError(f"{what} was {_short(was)}, and is now {_short(now)}")
    return recorded


def _plain(value: object) -> object:
    """Return a value as the ledger's JSON gives it back: lists in place of tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
