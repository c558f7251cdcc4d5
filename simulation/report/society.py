"""The rules of what was played and the players of a run, as the page shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.language import text_in
from agents.problems import SocietyError
from simulation.answer.audiences import audience_maps
from simulation.games.measures import known
from simulation.plan import Plan
from simulation.tables.players import player_names
from simulation.tables.reconstruct import game_of, rules_of
from simulation.task import TrainingTask

if TYPE_CHECKING:
    from simulation.tables.run import Run

MOST_PLAYERS = 200
"""More rows than a page shows: the roster's file has them all."""


@dataclass(frozen=True)
class TaskRules:
    """A task's game in words and in numbers.

    Attributes:
        task: The task.
        game: Its game.
        rules: What models are told.
        parameters: The game's payoffs and other numbers.
        steps: The most steps of an episode.
        optimum: The best possible welfare of the longest episode.
        nash: The welfare of the equilibrium that the game names; None where it names none.
    """

    task: str
    game: str
    rules: str
    parameters: dict[str, str]
    steps: int
    optimum: float | None
    nash: float | None


@dataclass(frozen=True)
class PlayerCard:
    """A row of the roster.

    Attributes:
        model: The model.
        player: Who played it in all: an adapter, a policy, a person or a stand-in.
        adapter: What the roster names: an adapter, a policy or a person.
        role: Its role.
        team: Its team; empty without one.
        specialization: Its specialization.
        base_model: The model that its adapter was trained on; empty for others.
        heard_by: Those who hear it, by mode.
    """

    model: str
    player: str
    adapter: str
    role: str
    team: str
    specialization: str
    base_model: str
    heard_by: dict[str, list[str]]


def task_rules_of(run: Run) -> list[TaskRules]:
    """Return the rules of each task; none where the game is not there any more."""
    try:
        return list(_task_rules(run))
    except SocietyError:
        return []


def _task_rules(run: Run) -> Iterator[TaskRules]:
    words = rules_of(run)
    for data in run.manifest["scenario"]["tasks"]:
        task = TrainingTask.model_validate(data)
        game, rules = game_of(run, task), words[task.task_id]
        parameters = game.parameters.model_dump(mode="json", exclude_none=True)
        yield TaskRules(
            task.task_id,
            task.task_type,
            rules.text,
            {key: str(value) for key, value in parameters.items()},
            rules.max_steps,
            game.optimum(),
            known(game.nash()),
        )


def players_of(run: Run) -> list[PlayerCard]:
    """Return the first rows of the roster, with who played them and who hears them."""
    played = _played_by(run)
    maps = audience_maps(Plan.of(run.manifest))
    configs = run.roster.expand()[:MOST_PLAYERS]
    return [
        PlayerCard(
            row.model_id,
            played.get(row.model_id, row.played_by),
            row.played_by,
            row.role.value,
            row.team_id or "",
            text_in(row.specialization),
            (row.base_model or run.roster.base_model or "") if row.model_name else "",
            {each.mode.value: list(each.heard_by[row.model_id]) for each in maps},
        )
        for row in configs
    ]


def _played_by(run: Run) -> dict[str, str]:
    """Return who played each model, over all of its games, modes and tiers."""
    rows = run.outcomes.astype(dict.fromkeys(("model_id", "model_name", "role"), str))
    counts = rows.groupby("model_id")[["simulated", "texts"]].transform("sum")
    return dict(zip(rows["model_id"], player_names(rows, counts), strict=True))
