"""`TrainingTask`: one game to be played, and what is at stake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError, model_validator

from agents.file_model import FileModel, FilledName, Real, Whole
from agents.findings import Finding, RawMapping, explain, refuse, shown
from agents.problems import nearest
from simulation.games import find_game, task_types
from simulation.games.base import GameParameters


class TrainingTask(FileModel):
    """One task of a scenario, played once an episode.

    Raises:
        ValidationError: No game has this task_type, or its game does not take these parameters.
    """

    task_id: FilledName
    """The task's name, unique in a scenario."""
    task_type: str
    """The game that is played."""
    difficulty: Real = Field(default=0.5, ge=0, le=1)
    """How hard the task is, 0 to 1."""
    reward_pool: Real = Field(default=100.0, ge=0)
    """The reward that is shared out after an episode, as the mode prescribes."""
    cooperation_level: Real = Field(default=0.5, ge=0, le=1)
    """How much the task asks for cooperation, 0 to 1; the strategy follows from it."""
    max_steps: Whole = Field(default=5, ge=1)
    """Steps an episode may last."""
    required_models: Whole = Field(default=2, ge=1)
    """The least number of players."""
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    """The game's own parameters; the others have the game's defaults."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> TrainingTask:
        refuse(task_findings(self.model_dump()))
        return self

    def game_parameters(self) -> GameParameters:
        """Return the parameters in the game's own type."""
        return find_game(self.task_type).Parameters.model_validate(self.parameters)


def task_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw task beyond the types of its fields."""
    task_type = data.get("task_type")
    if isinstance(task_type, str) and task_type not in task_types():
        hint = nearest(task_type, task_types())
        yield Finding(("task_type",), f"there is no game {shown(task_type)}", hint)
    yield from _parameter_findings(data)


def _parameter_findings(data: RawMapping) -> Iterator[Finding]:
    parameters = data.get("parameters", {})
    if data.get("task_type") not in task_types() or not isinstance(parameters, Mapping):
        return
    model = find_game(data["task_type"]).Parameters
    try:
        model.model_validate(parameters)
    except ValidationError as error:
        yield from (finding.under("parameters") for finding in explain(error, model, parameters))


def raw_parameters(data: RawMapping) -> GameParameters | None:
    """Return the game's parameters in a raw task; None if they or the game are not valid."""
    sound = data.get("task_type") in task_types() and not any(_parameter_findings(data))
    parameters = data.get("parameters", {})
    if not sound or not isinstance(parameters, Mapping):
        return None
    return find_game(data["task_type"]).Parameters.model_validate(parameters)
