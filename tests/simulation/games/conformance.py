"""What every game must keep, as functions over a game class. A new game is held to them by being found."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from agents.language import Language
from simulation.games.base import Game, Move, Seat, Setting, State

STEPS = 6


def make_game(kind: type[Game[Any]], steps: int = STEPS) -> Game[Any]:
    """The game with its default parameters and the first number of players it takes, two teams."""
    for count in (4, 5, 3, 2, 6):
        seats = tuple(Seat(f"m{i}", ("red", "blue")[i % 2]) for i in range(count))
        setting = Setting(seats, steps)
        if not kind.refuse(setting, kind.Parameters()):
            return kind(setting)
    raise AssertionError(f"{kind.task_type} takes none of 2 to 6 players")


def legal_actions(game: Game[Any], state: State[Any], player: int) -> list[str]:
    return [option.action for option in game.look(state, player, Language.EN).options]


def random_moves(game: Game[Any], state: State[Any], rng: random.Random, invalid: float = 0.0) -> list[Move]:
    return [
        Move(
            None if rng.random() < invalid else rng.choice(legal_actions(game, state, player)),
            rng.choice(("", "we cooperate", "I compete")),
            0.5,
        )
        for player in range(game.players)
    ]


def play(game: Game[Any], seed: int, invalid: float = 0.0) -> list[State[Any]]:
    """Every state of one episode of random play."""
    rng = random.Random(seed)
    states = [game.start(random.Random(seed))]
    while not game.over(states[-1]):
        states.append(game.resolve(states[-1], random_moves(game, states[-1], rng, invalid)))
    return states


def transcript(game: Game[Any], seed: int = 11) -> str:
    """One seeded episode as a person would read it."""
    rng = random.Random(seed)
    state = game.start(random.Random(seed))
    lines = [f"{game.task_type}, {game.players} players, {game.setting.max_steps} steps", ""]
    for language in Language:
        lines += [game.rules(language), ""]
    while not game.over(state):
        moves = random_moves(game, state, rng)
        lines.append(f"step {state.tally.step + 1}")
        for player, move in enumerate(moves):
            offered = " ".join(
                f"{option.action}({option.cooperation:.2f})" for option in game.look(state, player, Language.EN).options
            )
            news = " | ".join(game.news(state, player, language) for language in Language)
            lines.append(f"  {game.setting.seats[player].model_id} {news} [{offered}] -> {move.action}")
        state = game.resolve(state, moves)
        lines.append(f"  payoffs {_figures(state.tally.last_payoff)}")
    score = game.score(state)
    lines += [
        "",
        f"welfare {score.welfare:.4f} optimum {score.optimum:.4f} nash {score.nash:.4f} gini {score.gini:.4f}",
    ]
    for seat, player in zip(game.setting.seats, score.players, strict=True):
        lines.append(
            f"{seat.model_id} payoff {player.payoff:.4f} accuracy {player.accuracy:.4f} "
            f"efficiency {player.efficiency:.4f} cooperation {player.cooperation_score}"
        )
    return "\n".join(lines) + "\n"


def _figures(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
