"""What an environment asks of its learners: `simulation.Learners`, in a room that imports this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from agents.inference.backend import EndpointSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import Sampling
from agents.language import Language
from agents.prompt_templates import Templates
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.scenario import Mixing
from simulation.store.events import Event
from simulation.task import TrainingTask
from simulation.topology.communication import Communication

if TYPE_CHECKING:
    from agents.lora_model import Responder


class LearningEnvironment(Protocol):
    """What learners may know of their `MultiModelEnvironment`."""

    training_mode: TrainingMode
    mixing: Mixing
    language: Language
    seed: int
    communication: Communication
    base_model: str | None
    sampling: Sampling
    templates: Templates
    endpoints: tuple[str | EndpointSettings, ...]
    client: VLLMClient

    @property
    def models(self) -> tuple[ModelConfig, ...]:
        """The rows, player 0 first."""


class CycleLearners(Protocol):
    """Rows of an environment that learn from what they play in a training cycle."""

    @property
    def names(self) -> tuple[str, ...]:
        """The model_id of each row that learns."""

    def responder(self, otherwise: Responder) -> Responder:
        """Return what answers for a row that learns; `otherwise` asks its model."""

    def begin_cycle(self, environment: LearningEnvironment, tasks: Sequence[TrainingTask]) -> tuple[ModelConfig, ...]:
        """Return the environment's rows as they play the next cycle."""

    def note(self, event: Event) -> None:
        """Note what happens in a cycle."""

    def end_cycle(self) -> tuple[ModelConfig, ...]:
        """Learn from a cycle; return the environment's rows as they play afterwards."""
