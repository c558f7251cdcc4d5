"""With whom a learner plays: in the company of the roster, or with one policy in every other row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from agents.learning.samples import Trainer, Version
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.training.gate.decision import COMPANY


@contextmanager
def loaded(trainer: Trainer, version: Version, after: Version) -> Iterator[None]:
    """Let a learner be a version; in the end it is `after`."""
    if version.name == after.name:
        yield
        return
    try:
        trainer.load_weights(version.learner, version.folder)
        yield
    finally:
        trainer.load_weights(after.learner, after.folder)


@contextmanager
def all_loaded(trainer: Trainer, versions: Mapping[str, Version], after: Mapping[str, Version]) -> Iterator[None]:
    """Let several learners be versions; in the end each is what `after` has for it."""
    with ExitStack() as stack:
        for name, version in versions.items():
            stack.enter_context(loaded(trainer, version, after[name]))
        yield


def with_partner(plan: Plan, learner: str, partner: str, learners: tuple[str, ...] = ()) -> Plan:
    """Return the plan in which a policy plays every row but the learner's; the company's plan is as it was.

    Args:
        plan: The training's plan.
        learner: The row that stays.
        partner: A policy, or `COMPANY`.
        learners: Rows that count as learners too.
    """
    config = plan.scenario.training
    assert config is not None, "a training has a `training` section"
    settings: dict[str, object] = {"gate": None, "parts": 1}
    rows: tuple[ModelConfig, ...] = tuple(plan.roster.expand())
    if partner != COMPANY:
        stay = {name: config.learners.get(name, config.learners[learner]) for name in (learner, *learners)}
        settings |= {"learners": stay, "partners": {}}
        policy = {"policy": partner, "model_name": None, "adapter": None, "human": False}
        rows = tuple(row if row.model_id == learner else row.model_copy(update=policy) for row in rows)
    scenario = plan.scenario.model_copy(update={"training": config.model_copy(update=settings)})
    return Plan(scenario, plan.roster.model_copy(update={"models": rows}))
