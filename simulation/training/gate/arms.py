"""What a version earns in episodes that are played: the same seeds and partners for candidate and incumbent.

Each arm is an ordinary run below `gates/`: the candidate, or the incumbent, with one partner. In the company every
other learner plays its latest version in both arms. A held-out partner plays all other rows. In the mode mixed the
modes take turns, so both arms play the same.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from agents.learning.samples import Version
from agents.strategy import TrainingMode
from simulation.metrics.arrays import Vector
from simulation.modes import MixingPolicy
from simulation.plan import Plan
from simulation.runs.folders import begun_runs, finished_run, play_in
from simulation.scenario import MixedMode, Mixing
from simulation.sections.gate import GateConfig
from simulation.sections.training import TrainingConfig
from simulation.seeds import derive_seed
from simulation.tables.run import Run, read_manifest
from simulation.training.company import loaded, with_partner
from simulation.training.gate.decision import COMPANY, PairedDifferences
from simulation.training.lesson import UpdateContext
from simulation.training.rollout import (
    is_tabular,
    play_captured,
    refuse_simulated,
    table_reply,
    update_plan,
    weights_by_episode,
)
from simulation.training.serving import serve_versions

GATES = "gates"


@dataclass(frozen=True)
class GateArm:
    """One version of a learner with one partner.

    Attributes:
        version: The version.
        partner: A policy, or `COMPANY`.
        place: Where its run is, relative to the training's folder.
    """

    version: Version
    partner: str
    place: str


@dataclass(frozen=True)
class ArmResult:
    """What a learner earned in an arm.

    Attributes:
        totals: Per episode, what counts: the objective in the company, its own payoff elsewhere.
        steps: The mean steps of an episode.
        decisions: How many decisions the learner made.
        invalid: How many of them were not legal.
    """

    totals: Vector
    steps: float
    decisions: int
    invalid: int


def gate_of(config: TrainingConfig) -> GateConfig:
    """Return the gate of a training that has one."""
    assert config.gate is not None, "this training has no gate"
    return config.gate


def play_arm(context: UpdateContext, arm: GateArm) -> ArmResult:
    """Play an arm, or finish it; the trainer has the arm's version loaded.

    Raises:
        SocietyError: A learner's reply was simulated, or a server does not serve a version.
        RunStoppedError: The run ended early; the training can be continued.
    """
    own = _context_of(context, arm)
    learner, learners, place = arm.version.learner, list(own.config.learners), context.folder / arm.place
    if is_tabular(own.plan):
        run, _ = play_captured(own, place, dict.fromkeys(learners, partial(table_reply, own.trainer)))
    else:
        plan = update_plan(own)
        _delete_others(place, plan)
        found = finished_run(place)
        if found is None:
            serve_versions(own)
            found = play_in(place, plan, on_event=own.on_event)
        run = found
        refuse_simulated(run, learners)
    return _result(own, run, learner, arm.partner)


def _delete_others(place: Path, plan: Plan) -> None:
    """Delete runs of other versions: where a GPU made an update again, the new version has other weights."""
    for begun in begun_runs(place):
        if read_manifest(begun)["roster"] != plan.roster.model_dump(mode="json"):
            shutil.rmtree(begun)


def _context_of(context: UpdateContext, arm: GateArm) -> UpdateContext:
    """Return an update whose episodes are those of the arm; its seed does not depend on version and partner."""
    learner = arm.version.learner
    plan = with_partner(context.plan, learner, arm.partner)
    seed = derive_seed(plan.scenario.seed, GATES)
    settings: dict[str, object] = {"seed": seed}
    if plan.scenario.mode is TrainingMode.MIXED:  # a bandit picks by what was earned: each arm would pick other modes
        settings["mode_setting"] = MixedMode(mixed=Mixing(policy=MixingPolicy.FIXED_CYCLE))
    plan = Plan(plan.scenario.model_copy(update=settings), plan.roster)
    config = plan.scenario.training
    assert config is not None, "a training has a `training` section"
    config = config.model_copy(update={"episodes": gate_of(context.config).episodes})
    versions = {**(context.versions if arm.partner == COMPANY else {}), learner: arm.version}
    return replace(context, plan=plan, config=config, versions=versions, experience={})


def _result(context: UpdateContext, run: Run, learner: str, partner: str) -> ArmResult:
    names = [row.model_id for row in run.roster.expand()]
    steps = run.steps.astype({"model_id": str})
    payoffs = steps.pivot_table(index="episode", columns="model_id", values="payoff", aggfunc="sum")[names]
    weights, own = weights_by_episode(context, run), np.eye(len(names))[names.index(learner)]
    totals = [
        float(row @ (weights(int(str(episode)), learner) if partner == COMPANY else own))
        for episode, row in zip(payoffs.index, payoffs.to_numpy(dtype=float), strict=True)
    ]
    decided = run.decisions[run.decisions["model_id"].astype(str) == learner]
    invalid = int((~decided["valid"].astype(bool)).sum())
    return ArmResult(np.array(totals), float(run.episodes["steps"].mean()), len(decided), invalid)


def differences(partner: str, candidate: ArmResult, incumbent: ArmResult) -> PairedDifferences:
    """Return what the candidate earned more in each episode, in points a step."""
    steps = (candidate.steps + incumbent.steps) / 2
    return PairedDifferences(partner, (candidate.totals - incumbent.totals) / steps)


def played_differences(
    context: UpdateContext, candidate: Version, incumbent: Version, partner: str
) -> tuple[PairedDifferences, ArmResult]:
    """Play both arms with one partner; return the differences, and the candidate's arm.

    Args:
        context: The training after the update; its trainer has the candidate loaded.
        candidate: The version that is examined.
        incumbent: The version that it is compared with.
        partner: A policy, or `COMPANY`.

    Raises:
        SocietyError: As `play_arm`.
    """
    results = []
    for name, version in (("candidate", candidate), ("incumbent", incumbent)):
        place = f"{GATES}/{context.update:04}/{candidate.learner}/{partner}/{name}"
        with loaded(context.trainer, version, candidate):
            results.append(play_arm(context, GateArm(version, partner, place)))
    return differences(partner, *results), results[0]


def pilot_values(context: UpdateContext, learner: str, partner: str) -> Vector:
    """Return what a learner's first version earns in each episode with a partner, in points a step."""
    arm = GateArm(context.versions[learner], partner, f"{GATES}/pilot/{learner}/{partner}")
    found = play_arm(context, arm)
    return np.asarray(found.totals / found.steps)
