"""Shared by the tests of pair games: make a game, play it by named actions or by policies."""

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


def pair_game(task_type: str, players: int = 2, max_steps: int = 2, **parameters: Any) -> Game[Any]:
    """Return the game of that name with players p0, p1, ..."""
    game = find_game(task_type)
    seats = tuple(Seat(f"p{i}") for i in range(players))
    return game(Setting(seats, max_steps), game.Parameters.model_validate(parameters))


def observations(game: Game[Any], state: State[Any]) -> list[Observation]:
    return [game.observe(state, player, Language.EN) for player in range(game.players)]


def step(game: Game[Any], state: State[Any], choose: Chooser) -> State[Any]:
    """Return the state after one step in which `choose` decides for each player that does not wait."""
    moves = [
        Move(choose(player, observation) if len(observation.options) > 1 else observation.options[0].action)
        for player, observation in enumerate(observations(game, state))
    ]
    return game.resolve(state, moves)


def play(game: Game[Any], choose: Chooser, seed: int = 1) -> State[Any]:
    """Return the state at the end of an episode."""
    state = game.start(random.Random(seed))
    while not game.is_terminal(state):
        state = step(game, state, choose)
    return state


def script(*actions: str | None) -> Chooser:
    """Return a chooser that gives these decisions, in the order in which they are due."""
    rest = list(actions)
    return lambda _player, _observation: rest.pop(0)


def policies(*names: str, seed: int = 0) -> Chooser:
    """Return a chooser that plays these policies, one per seat."""
    rng = random.Random(seed)
    return lambda player, observation: POLICIES[names[player % len(names)]].decide(observation, rng).action


def mover(game: Game[Any], state: State[Any]) -> int:
    """Return the only player who has something to decide."""
    (found,) = [player for player, observation in enumerate(observations(game, state)) if len(observation.options) > 1]
    return found


def levels(options: Sequence[Option]) -> dict[str, float]:
    return {option.action: option.cooperation for option in options}
