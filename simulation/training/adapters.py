"""The trainer of rows with a model: their adapters on one base."""

from __future__ import annotations

from agents.learning.samples import Trainer
from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.training_config import TrainingConfig


def adapter_trainer(plan: Plan, config: TrainingConfig, seed: int) -> Trainer:
    """Return the trainer of a plan's adapters.

    Raises:
        SocietyError: The learners have different bases, or the base cannot be loaded.
    """
    raise SocietyError(f"{plan.scenario.name}: adapters cannot be trained yet ({config.method.value}, seed {seed})")
