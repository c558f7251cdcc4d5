"""A table for games played in pairs: sit down, play by named actions or by scripted players."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from agents.language import Language
from agents.players.policies import POLICIES, Observation, Option
from simulation.games import find_game
from simulation.games.base import Game, Move, Setting, State
from simulation.seats import Seat

PAIR_GAMES = ("bargaining", "chicken", "coordination", "stag_hunt", "trust", "ultimatum")
TURN_GAMES = ("bargaining", "trust", "ultimatum")

Chooser = Callable[[int, Observation], str | None]


def sit(task_type: str, players: int = 2, max_steps: int = 2, **parameters: Any) -> Game[Any]:
    """The game of that name with players p0, p1, ..."""
    game = find_game(task_type)
    seats = tuple(Seat(f"p{i}") for i in range(players))
    return game(Setting(seats, max_steps), game.Parameters.model_validate(parameters))


def views(game: Game[Any], state: State[Any]) -> list[Observation]:
    return [game.observe(state, player, Language.EN) for player in range(game.players)]


def step(game: Game[Any], state: State[Any], choose: Chooser) -> State[Any]:
    """One step in which `choose` decides for each player; waiting players wait."""
    moves = [
        Move(choose(player, view) if len(view.options) > 1 else view.options[0].action)
        for player, view in enumerate(views(game, state))
    ]
    return game.resolve(state, moves)


def play(game: Game[Any], choose: Chooser, seed: int = 1) -> State[Any]:
    """An episode to its end."""
    state = game.start(random.Random(seed))
    while not game.is_terminal(state):
        state = step(game, state, choose)
    return state


def script(*actions: str | None) -> Chooser:
    """The decisions of two players in the order in which they fall due."""
    rest = list(actions)
    return lambda _player, _view: rest.pop(0)


def policies(*names: str, seed: int = 0) -> Chooser:
    """Scripted players, one a seat."""
    rng = random.Random(seed)
    return lambda player, view: POLICIES[names[player % len(names)]].decide(view, rng).action


def mover(game: Game[Any], state: State[Any]) -> int:
    """The one player who has something to decide."""
    (found,) = [player for player, view in enumerate(views(game, state)) if len(view.options) > 1]
    return found


def levels(options: Sequence[Option]) -> dict[str, float]:
    return {option.action: option.cooperation for option in options}
