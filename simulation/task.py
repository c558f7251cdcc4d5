"""`TrainingTask`: one game to be played, how long, and what is at stake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, model_validator

from agents.file_model import FileModel, FilledName, Flag, Real, Whole
from agents.findings import Finding, RawMapping, explain, refuse, shown
from agents.problems import nearest
from simulation.games import find_game, task_types
from simulation.games.base import GameParameters, Setting
from simulation.seats import Seat
from simulation.seeds import stream

NETWORK = "social_network"
"""The task type of a social network."""


class Horizon(FileModel):
    """How chance ends an episode: after every round (a step in most games) another one follows with this chance.

    Source:
        Roth & Murnighan, Journal of Mathematical Psychology 17 (1978): a known last step unravels cooperation.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    chance: Real = Field(alias="continue", gt=0, lt=1)
    """The chance that another round follows, above 0 and below 1."""
    at_most: Whole = Field(ge=1)
    """The most steps of an episode."""
    announced: Flag = False
    """Whether prompts tell the chance and show the step; if not, they are the same in every step."""


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
    """Steps an episode may last. With a `horizon` it is `at_most`."""
    horizon: Horizon | None = None
    """How chance ends an episode; without it the number of steps is `max_steps`, and prompts show it."""
    noise: Real = Field(default=0.0, ge=0, le=1)
    """The chance, 0 to 1, that a decision is carried out as another of the options (trembling hands)."""
    required_models: Whole = Field(default=2, ge=1)
    """The least number of players."""
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    """The game's own parameters; the others have the game's defaults."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> TrainingTask:
        refuse(task_findings(self.model_dump()))
        return self

    @model_validator(mode="before")
    @classmethod
    def _lasts_as_the_horizon_says(cls, data: Any) -> Any:
        most = _at_most(data)
        return {"max_steps": most, **data} if most is not None else data

    @classmethod
    def place_of(cls, key: str, data: RawMapping) -> str:
        """Return under which key of a raw task an unknown one belongs: a game's parameter; empty for any other."""
        game = data.get("task_type")
        known = find_game(game).Parameters.model_fields if game in task_types() else {}
        return "parameters" if key in known else ""

    def steps(self, seed: int, episode: int) -> int:
        """Return the number of steps of an episode, unless its game ends earlier.

        Args:
            seed: The run's seed.
            episode: The episode's number, from 0.
        """
        if self.horizon is None:
            return self.max_steps
        unit, rng = find_game(self.task_type).round_steps, stream(seed, "horizon", episode)
        steps = min(unit, self.max_steps)
        while steps + unit <= self.max_steps and rng.random() < self.horizon.chance:
            steps += unit
        return steps

    def setting(self, seats: tuple[Seat, ...], steps: int | None = None) -> Setting:
        """Return what the task's game is made from.

        Args:
            seats: The players.
            steps: The episode's number of steps, as `steps` returns it; the most that there may be unless given.
        """
        at_most = None if self.horizon is None else self.max_steps
        lasts = self.max_steps if steps is None else steps
        return Setting(seats, lasts, self.difficulty, at_most, noise=self.noise)

    def game_parameters(self) -> GameParameters:
        """Return the parameters in the game's own type."""
        return find_game(self.task_type).Parameters.model_validate(self.parameters)


def task_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw task beyond the types of its fields."""
    task_type = data.get("task_type")
    if isinstance(task_type, str) and task_type not in task_types():
        hint = nearest(task_type, task_types())
        yield Finding(("task_type",), f"there is no game {shown(task_type)}", hint)
    most, steps = _at_most(data), data.get("max_steps")
    if most is not None and steps is not None and steps != most:
        hint = "leave max_steps out, or set horizon.at_most instead"
        yield Finding(("max_steps",), f"is {shown(steps)}, but horizon.at_most is {most}", hint)
    if task_type == NETWORK and data.get("noise"):
        yield Finding(("noise",), "nobody decides in a social network, so there is nothing to change", "leave it out")
    yield from _parameter_findings(data)


def raw_setting(data: RawMapping, seats: tuple[Seat, ...]) -> Setting:
    """Return the setting a raw task asks for. Invalid values count as left out: other rules report them."""
    steps, difficulty, most = data.get("max_steps"), data.get("difficulty"), _at_most(data)
    return Setting(
        seats,
        max_steps=most or (steps if isinstance(steps, int) and steps >= 1 else 5),
        difficulty=difficulty if isinstance(difficulty, (int, float)) and 0 <= difficulty <= 1 else 0.5,
        at_most=most,
    )


def _at_most(data: Any) -> int | None:
    """Return the most steps that a raw task's horizon names; None without a sound one."""
    horizon = data.get("horizon") if isinstance(data, Mapping) else None
    most = horizon.get("at_most") if isinstance(horizon, Mapping) else getattr(horizon, "at_most", None)
    return most if isinstance(most, int) and not isinstance(most, bool) and most >= 1 else None


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


def with_talk_of_networks(data: Any) -> Any:
    """Return a raw scenario whose talk_rounds are set where a task is a social network.

    They are 0 where every task is one, as posts are the messages there, and else what a game has.
    """
    tasks = data.get("tasks") if isinstance(data, Mapping) else None
    kinds = [_kind_of(task) for task in tasks] if isinstance(tasks, (list, tuple)) else []
    communication = data.get("communication", {}) if kinds and NETWORK in kinds else None
    if not isinstance(communication, Mapping) or "talk_rounds" in communication:
        return data
    rounds = 0 if set(kinds) == {NETWORK} else 1
    return {**data, "communication": {**communication, "talk_rounds": rounds}}


def _kind_of(task: Any) -> Any:
    return task.get("task_type") if isinstance(task, Mapping) else getattr(task, "task_type", None)
