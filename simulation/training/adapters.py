"""The trainer of rows with a model: their adapters on one base."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.embedded.model_sources import MODEL_ID
from agents.learning.samples import Trainer
from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.sections.training import TrainingConfig

logger = logging.getLogger("society.training")


def adapter_trainer(plan: Plan, config: TrainingConfig, seed: int) -> Trainer:
    """Return the trainer of a plan's adapters: new ones, or those that rows with an `adapter` folder begin with.

    Raises:
        SocietyError: The learners have different bases, or the base or an adapter cannot be used.
    """
    from agents.learning.adapters import AdapterStart
    from agents.learning.trainer import LoRATrainer

    wanted, rows = config.adapter, {row.model_id: row for row in plan.roster.expand()}
    starts = {
        name: AdapterStart(wanted.rank, wanted.alpha, wanted.modules, _folder(rows[name])) for name in config.learners
    }
    base = base_of(plan, config)
    return LoRATrainer(base, starts, learning_rate=wanted.learning_rate, seed=seed, dtype=wanted.dtype)


def mixture_trainer(plan: Plan, config: TrainingConfig) -> Trainer:
    """Return what searches for mixtures of the adapters that `training.evolution` names.

    Raises:
        UnusableAdapterError: A name is no shipped adapter, and no folder with one.
        SocietyError: The learners, or the adapters, have different bases.
    """
    from simulation.training.evolution.trainer import MixtureTrainer

    settings = config.evolution
    assert settings is not None, "the method evolution has its section"
    folders = {name: shipped_adapters().get(name) or Path(name) for name in settings.adapters}
    return MixtureTrainer(base_of(plan, config), list(config.learners), folders, settings.spread)


def base_of(plan: Plan, config: TrainingConfig) -> str:
    """Return the base model of all learners.

    Raises:
        SocietyError: They have different ones.
    """
    rows = {row.model_id: row for row in plan.roster.expand()}
    default = plan.roster.base_model or plan.scenario.inference.embedded_model or MODEL_ID
    bases = {config.base_model or rows[name].base_model or default for name in config.learners}
    if len(bases) > 1:
        raise SocietyError(f"the learners have different base models ({', '.join(sorted(bases))}): train them apart")
    return bases.pop()


def with_adapters(plan: Plan, folders: Mapping[str, Path]) -> Plan:
    """Return the plan in which rows begin with the adapters in `folders`, by model_id."""
    rows = tuple(
        row.model_copy(update={"adapter": str(folders[row.model_id])}) if row.model_id in folders else row
        for row in plan.roster.expand()
    )
    return replace(plan, roster=plan.roster.model_copy(update={"models": rows}))


def warn_of_shapes(plan: Plan, config: TrainingConfig) -> None:
    """Warn where the scenario gives a shape of new adapters, and a learner begins with one that has its own."""
    given = sorted(config.adapter.model_fields_set & {"rank", "alpha", "modules"})
    old = [row.model_id for row in plan.roster.expand() if row.model_id in config.learners and row.adapter]
    if given and old:
        keys = ", ".join(f"training.adapter.{key}" for key in given)
        logger.warning("%s: of new adapters only; %s keep what they begin with", keys, ", ".join(old))


def _folder(row: ModelConfig) -> Path | None:
    """The folder of the adapter that a row plays before it learns; None for a new adapter."""
    return Path(row.adapter) if row.adapter else shipped_adapters().get(row.model_name or "")
