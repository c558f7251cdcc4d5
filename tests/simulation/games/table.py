"""Shared by the games' tests: make a game and play it by named actions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from simulation.games.base import Game, Move, Setting, State
from simulation.seats import Seat

Table = TypeVar("Table")
AnyGame = TypeVar("AnyGame", bound=Game[Any])


def game_of(kind: type[AnyGame], players: int, steps: int = 1, teams: Sequence[str] = (), **parameters: Any) -> AnyGame:
    """Return the game for `players` models m0, m1, ..., assigned to `teams` in turn if there are any."""
    seats = tuple(Seat(f"m{i}", teams[i % len(teams)] if teams else None) for i in range(players))
    return kind(Setting(seats, steps), kind.Parameters(**parameters))


def opened(game: Game[Table], seed: int = 0) -> State[Table]:
    return game.start(random.Random(seed))


def with_table(state: State[Table], table: Table) -> State[Table]:
    """Return the same state with another table."""
    return replace(state, table=table)


def played(game: Game[Table], state: State[Table], *actions: str | int | None) -> State[Table]:
    """Return the state after one step of these actions; None is an invalid decision."""
    return game.resolve(state, [Move(None if action is None else str(action)) for action in actions])


def accuracies(game: Game[Any], state: State[Any]) -> list[float]:
    return [player.accuracy for player in game.score(state).players]
