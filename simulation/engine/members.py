"""Who is in an environment, and that it plays one task at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from agents.problems import SocietyError, UsageError, nearest
from agents.roster import ModelConfig
from simulation.seats import Seat


class Members:
    """The models of an environment.

    Args:
        max_models: How many `add_model` accepts.
    """

    def __init__(self, max_models: int) -> None:
        self.max_models = max_models
        self._models: dict[str, ModelConfig] = {}
        self._playing: str | None = None

    @property
    def models(self) -> tuple[ModelConfig, ...]:
        """Return the models in the order they were added: player 0 first."""
        return tuple(self._models.values())

    def add_model(self, config: ModelConfig) -> None:
        """Add one model.

        Raises:
            SocietyError: The id is taken, the row makes several models, or the environment is full.
            UsageError: A task is being played.
        """
        self._refuse_while_playing("a model cannot be added")
        if config.count != 1:
            raise SocietyError(f"{config.model_id}: count is {config.count}; add one model at a time")
        if config.model_id in self._models:
            raise SocietyError(f"model_id {config.model_id!r} is taken")
        if len(self._models) >= self.max_models:
            raise SocietyError(f"the environment is full: max_models is {self.max_models}")
        self._seat(config)

    def _seat(self, config: ModelConfig) -> None:
        self._models[config.model_id] = config

    def remove_model(self, model_id: str) -> None:
        """Remove one model. Raises SocietyError for an unknown id, UsageError while a task is played."""
        self._refuse_while_playing("a model cannot be removed")
        if model_id not in self._models:
            raise SocietyError(f"no model {model_id!r} ({nearest(model_id, list(self._models) or ['none'])})")
        del self._models[model_id]

    def _refuse_while_playing(self, what: str) -> None:
        if self._playing is not None:
            raise UsageError(f"{what} while task {self._playing!r} is played; wait for its end")

    @contextlib.contextmanager
    def _one_task(self, task_id: str) -> Iterator[None]:
        """Refuse a second task meanwhile: its messages would reach the prompts of the first."""
        if self._playing is not None:
            raise UsageError(
                f"task {task_id!r} cannot start: this environment is playing {self._playing!r}. Await one task after "
                "the other, or give each its own MultiModelEnvironment; those may play at the same time"
            )
        self._playing = task_id
        try:
            yield
        finally:
            self._playing = None

    def _seats(self) -> tuple[Seat, ...]:
        return tuple(Seat(config.model_id, config.team_id) for config in self.models)
