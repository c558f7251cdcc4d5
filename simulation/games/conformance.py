"""The conformance kit: checks of the rules that every game must follow. It works for your own games too.

from simulation.games.conformance import broken_rules
print(broken_rules(MyGame) or "follows every rule")
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from agents.language import Language
from simulation.games.base import Game, GameError, Move, MovesSeen, Setting, State
from simulation.games.score import EpisodeScore
from simulation.seats import Seat

STEPS = 6


def make_game(kind: type[Game[Any]], steps: int = STEPS) -> Game[Any]:
    """Return the game with its default parameters, for two teams and the first number of players it accepts.

    Raises:
        GameError: The game accepts none of 2 to 6 players.
    """
    for count in (4, 5, 3, 2, 6):
        seats = tuple(Seat(f"m{i}", ("red", "blue")[i % 2]) for i in range(count))
        setting = Setting(seats, steps)
        if not kind.refuse(setting, kind.Parameters()):
            return kind(setting)
    raise GameError(f"{kind.task_type} accepts none of 2 to 6 players")


def legal_actions(game: Game[Any], state: State[Any], player: int) -> list[str]:
    """Return the legal actions of a player."""
    return [option.action for option in game.observe(state, player, Language.EN).options]


def random_moves(game: Game[Any], state: State[Any], rng: random.Random, invalid: float = 0.0) -> list[Move]:
    """Return a random move of every player; each is an invalid decision with probability `invalid`."""
    return [
        Move(
            None if rng.random() < invalid else rng.choice(legal_actions(game, state, player)),
            rng.choice(("", "we cooperate", "I compete")),
            0.5,
        )
        for player in range(game.players)
    ]


def play(game: Game[Any], seed: int, invalid: float = 0.0) -> list[State[Any]]:
    """Return every state of one episode of random play."""
    rng = random.Random(seed)
    states = [game.start(random.Random(seed))]
    while not game.is_terminal(states[-1]):
        states.append(game.resolve(states[-1], random_moves(game, states[-1], rng, invalid)))
    return states


def transcript(game: Game[Any], seed: int = 11) -> str:
    """Return one seeded episode of random play as text for a reader."""
    rng = random.Random(seed)
    state = game.start(random.Random(seed))
    lines = [f"{game.task_type}, {game.players} players, {game.setting.max_steps} steps", ""]
    for language in Language:
        lines += [game.rules(language), ""]
    while not game.is_terminal(state):
        moves = random_moves(game, state, rng)
        lines.append(f"step {state.tally.step + 1}")
        for player, move in enumerate(moves):
            offered = " ".join(
                f"{option.action}({option.cooperation:.2f})"
                for option in game.observe(state, player, Language.EN).options
            )
            news = " | ".join(game.observation_text(state, player, language) for language in Language)
            lines.append(f"  {game.setting.seats[player].model_id} {news} [{offered}] -> {move.action}")
        state = game.resolve(state, moves)
        lines.append(f"  payoffs {_figures(state.tally.last_payoff)}")
    score = game.score(state)
    lines += [
        "",
        f"welfare {score.welfare:.4f} optimum {score.optimum:.4f} nash {score.nash:.4f} gini {score.gini:.4f}",
    ]
    for seat, each in zip(game.setting.seats, score.players, strict=True):
        lines.append(
            f"{seat.model_id} payoff {each.payoff:.4f} accuracy {each.accuracy:.4f} "
            f"efficiency {each.efficiency:.4f} cooperation {each.cooperation_score}"
        )
    return "\n".join(lines) + "\n"


def broken_rules(kind: type[Game[Any]], episodes: int = 20) -> tuple[str, ...]:
    """Return a sentence for each rule that a game breaks; nothing if it follows every rule.

    Random players play the game with its default parameters. Some of their decisions are invalid.

    Args:
        kind: The class of the game.
        episodes: How many episodes to play, each with its own seed.
    """
    game = make_game(kind)
    found: list[str] = []
    for seed in range(episodes):
        states = play(game, seed, invalid=0.3 if seed % 2 else 0.0)
        found += (f"{broken} (seed {seed})" for broken in _broken_bounds(game, states))
    others = (_broken_meanings, _broken_purity, _broken_refusals, _broken_texts, _broken_sight)
    return tuple(dict.fromkeys([*found, *(broken for check in others for broken in check(game))]))


def _broken_meanings(game: Game[Any]) -> Iterator[str]:
    for name, meaning in (("cooperation", game.cooperation_meaning), ("accuracy", game.accuracy_meaning)):
        if not meaning.kind or not meaning.text:
            yield f"{name}_meaning does not say what {name} measures: Meaning(kind, text)"


def _broken_bounds(game: Game[Any], states: Sequence[State[Any]]) -> Iterator[str]:
    score = game.score(states[-1])
    if len(states) > game.setting.max_steps + 1:
        yield f"an episode of {game.setting.max_steps} steps took {len(states) - 1}"
    if not math.isclose(score.welfare, sum(each.payoff for each in score.players), abs_tol=1e-6):
        yield "welfare is not the sum of payoffs"
    if score.welfare > score.optimum + 1e-6:
        yield f"welfare {score.welfare:g} is above the optimum {score.optimum:g}"
    if score.nash > score.optimum + 1e-6:
        yield f"the equilibrium's welfare {score.nash:g} is above the optimum {score.optimum:g}"
    if min(game.earned(states[-1])) < -1e-9:
        yield "a player earned less than the game's min_payoff"
    yield from _broken_shares(score)


def _broken_shares(score: EpisodeScore) -> Iterator[str]:
    for each in score.players:
        shares = {"accuracy": each.accuracy, "efficiency": each.efficiency, "cooperation": each.cooperation_score}
        for name, value in shares.items():
            if value is not None and not math.isnan(value) and not -1e-9 <= value <= 1 + 1e-9:
                yield f"{name} {value:g} is outside 0-1"


def _broken_purity(game: Game[Any]) -> Iterator[str]:
    if play(game, 5) != play(game, 5):
        yield "the same seed gives different episodes"
    state = game.start(random.Random(1))
    before = copy.deepcopy(state)
    game.resolve(state, random_moves(game, state, random.Random(1)))
    if state != before:
        yield "a step changes the state before it"


def _broken_refusals(game: Game[Any]) -> Iterator[str]:
    state = game.start(random.Random(1))
    moves = random_moves(game, state, random.Random(1))
    wrong = {"a step with a move too few": moves[:-1], "an illegal action": [Move("no such action"), *moves[1:]]}
    for what, given in wrong.items():
        try:
            game.resolve(state, given)
        except GameError:
            continue
        yield f"{what} is not refused"


def _broken_texts(game: Game[Any]) -> Iterator[str]:
    for language in Language:
        if not game.rules(language):
            yield f"there are no rules in {language.value}"
        for state in play(game, 2)[:-1]:
            for player in range(game.players):
                options = game.observe(state, player, language).options
                if not options or len({option.label for option in options}) < len(options):
                    yield f"two options have the same label in {language.value}, or there is no option"
                if not all(0 <= option.cooperation <= 1 for option in options):
                    yield "an option's cooperation level is outside 0-1"


def _broken_sight(game: Game[Any]) -> Iterator[str]:
    """Yield where moves that a player does not see (`Game.sees`) change what it sees."""
    if game.sees is MovesSeen.EVERYONE:
        return
    for seed in range(4 * game.players):
        player, start = seed % game.players, game.start(random.Random(seed))
        seen = (
            {player}
            if game.sees is MovesSeen.NOBODY
            else {player, *(game.opponents(start, player) or range(game.players))}
        )
        states, rng = (start, start), random.Random(seed)
        while not any(game.is_terminal(state) for state in states):
            moves, others = (random_moves(game, state, rng, invalid=0.2) for state in states)
            mixed = [move if i in seen else other for i, (move, other) in enumerate(zip(moves, others, strict=True))]
            states = game.resolve(states[0], moves), game.resolve(states[1], mixed)
            if _sight(game, states[0], player) != _sight(game, states[1], player):
                yield f"sees is {game.sees.value}, and a move of somebody else changes what a player sees"
                break


def _sight(game: Game[Any], state: State[Any], player: int) -> tuple[object, ...]:
    """Return all that a player sees and may do before a step; nothing where the game is over."""
    if game.is_terminal(state):
        return ()
    observation, opponents = game.observe(state, player, Language.EN), game.opponents(state, player)
    model = observation.payoff_model
    return (
        replace(observation, payoff_model=None),
        [model(level) for level in (0.0, 0.5, 1.0)] if model else None,
        [game.observation_text(state, player, language) for language in Language],
        game.may_speak(state, player),
        None if opponents is None else tuple(opponents),
    )


def _figures(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
