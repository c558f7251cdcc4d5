"""The method `evolution`: try mixtures of given adapters around the present one, and move to what is paid more.

It needs payoffs only: no gradient, no probabilities and no base model in this process, so the models may be at servers
that do nothing but answer.

rollouts/0001/1/<run>    the present mixture of the first learner, with the first policy of the company
rollouts/0001/2/<run>    its first candidate ... then the other policies, then the next learner

All mixtures of an update play the same episodes, with the same seeds: what differs is the mixture.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agents.learning.samples import Version
from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix
from simulation.runs.folders import finished_run
from simulation.sections.evolution import EvolutionConfig
from simulation.seeds import derive_seed
from simulation.training.company import with_partner
from simulation.training.evolution.search import offsets
from simulation.training.gate.decision import COMPANY
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.rollout import ROLLOUTS, earned_per_step, play_update, refuse_simulated, rollouts_of

if TYPE_CHECKING:
    from simulation.tables.run import Run
    from simulation.training.evolution.trainer import MixtureTrainer

CANDIDATES = "candidates"


@dataclass(frozen=True)
class _Trial:
    """One mixture of one learner with one company: the number of its folder, and its place among the mixtures."""

    number: int
    learner: str
    mixture: int
    partner: str


def evolution(context: UpdateContext) -> Lesson:
    """Play an update's mixtures, or finish them, and grade them; values are of the present mixtures, per step.

    Raises:
        SocietyError: A reply of a learner was simulated.
        RunStoppedError: A run ended early; the training can be continued.
    """
    place, runs = rollouts_of(context), []
    for trial in _trials(context):
        run = finished_run(place / str(trial.number))
        runs.append(run if run is not None else _play(context, trial, place / str(trial.number)))
    shutil.rmtree(_candidates(context), ignore_errors=True)
    return graded(context, runs)


def trials(context: UpdateContext) -> int:
    """Return how many runs an update has."""
    return len(list(_trials(context)))


def graded(context: UpdateContext, runs: Sequence[Run]) -> Lesson:
    """Tell the trainer what each candidate was paid, in the order of an update's runs; return what was seen."""
    paid: dict[tuple[str, int], list[float]] = {}
    invalid: dict[str, list[float]] = {}
    for trial, run in zip(_trials(context), runs, strict=True):
        refuse_simulated(run, [trial.learner])
        paid.setdefault((trial.learner, trial.mixture), []).append(_earned(context, trial.learner, run))
        mine = run.decisions[run.decisions["model_id"].astype(str) == trial.learner]
        if len(mine):
            invalid.setdefault(trial.learner, []).append(float((~mine["valid"]).mean()))
    for learner in context.config.learners:
        tried = _offsets(context, learner)
        payoffs = [float(np.mean(paid[learner, number])) for number in range(1, len(tried) + 1)]
        _trainer(context).grade(learner, tried, payoffs)
    values = {learner: float(np.mean(paid[learner, 0])) for learner in context.config.learners}
    shares = {learner: float(np.mean(found)) for learner, found in invalid.items()}
    return Lesson((), values, shares, run=f"{ROLLOUTS}/{context.update:04}")


def _trials(context: UpdateContext) -> Iterator[_Trial]:
    settings, number = _settings(context), 0
    for learner in context.config.learners:
        for partner in settings.company or (COMPANY,):
            for mixture in range(settings.candidates + 1):
                number += 1
                yield _Trial(number, learner, mixture, partner)


def _offsets(context: UpdateContext, learner: str) -> Matrix:
    settings = _settings(context)
    seed = derive_seed(context.plan.scenario.seed, "evolution", context.update, learner)
    return offsets(len(settings.adapters), settings.candidates, seed)


def _settings(context: UpdateContext) -> EvolutionConfig:
    assert context.config.evolution is not None, "the method evolution has its section"
    return context.config.evolution


def _trainer(context: UpdateContext) -> MixtureTrainer:
    from simulation.training.evolution.trainer import MixtureTrainer

    assert isinstance(context.trainer, MixtureTrainer), "evolution has a trainer of its own"
    return context.trainer


def _candidates(context: UpdateContext) -> Path:
    return context.folder / CANDIDATES / f"{context.update:04}"


def _play(context: UpdateContext, trial: _Trial, place: Path) -> Run:
    plan, learners = context.plan, dict(context.config.learners)
    if trial.partner != COMPANY:
        plan, learners = with_partner(plan, trial.learner, trial.partner), {trial.learner: learners[trial.learner]}
    versions = {**context.versions, trial.learner: _version(context, trial)}
    config = context.config.model_copy(update={"learners": learners})
    played = replace(context, plan=plan, config=config, versions={name: versions[name] for name in learners})
    return play_update(played, place)[0]


def _version(context: UpdateContext, trial: _Trial) -> Version:
    """Return a mixture as a version on disk: the present one, or a candidate, which is deleted after the update."""
    if trial.mixture == 0:
        return context.versions[trial.learner]
    trainer = _trainer(context)
    weights = trainer.state(trial.learner).candidate(_offsets(context, trial.learner)[trial.mixture - 1])
    return trainer.save_candidate(trial.learner, weights, _candidates(context))


def _earned(context: UpdateContext, learner: str, run: Run) -> float:
    """Return what a learner's objective earned per step, the mean over a run's episodes.

    Raises:
        SocietyError: The run has no episode.
    """
    earned = earned_per_step(context, run)[learner]
    if not earned:
        raise SocietyError(f"{run.path} has no episode")
    return float(np.mean(earned))
