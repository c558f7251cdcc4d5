"""What theory knows of a training: the value per step that each learner's objective earns in the end.

| learners | answer | how it is known |
|---|---|---|
| one, among scripted partners | best response | the best of all policies by what the learner observes |
| several whose objectives count the same | optimum | the most that any joint play earns, by prompts too |
| every player, each for itself | equilibrium | the one that the game's page names, if no learner gains by leaving it |
| two sides with opposite objectives | equilibrium | play that no learner gains by leaving: no other has another value |

Everything is computed on the graph of the silent game (`simulation.training.graph`), in the units of
`LearnerUpdate.value`. An answer that is not proven there is left out. A game may have other equilibria than the named
one. Where a side has several learners, only an equilibrium with the value 0 is given: that of alike sides.

Sources: von Neumann, Mathematische Annalen 100 (1928), for the one value of two opposite objectives; Puterman, Markov
Decision Processes (1994), for the optimum; the sources of `simulation.training.best_response`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Vector
from simulation.plan import Plan
from simulation.sections.training import TrainingObjective
from simulation.training.best_response import NO_CHOICE, JointMoves, Places, best_response
from simulation.training.learners_game import LearnersGame, learners_game

BEST_RESPONSE, OPTIMUM, EQUILIBRIUM = "best response", "optimum", "equilibrium"
MOST_TABLES = 10_000
_CLOSE, _ROUNDS = 1e-7, 20


class KnownAnswer(NamedTuple):
    """What a learner's objective earns per step, in the game's points; `answer` says what it is."""

    learner: str
    value: float
    answer: str
    source: str


def known_answers(plan: Plan) -> tuple[KnownAnswer, ...]:
    """Return what is known of a plan's learners, in the order of the scenario; nothing where nothing is proven."""
    try:
        game = learners_game(plan)
        return tuple(_answers(game)) if game else ()
    except SocietyError:  # the graph is too large, or a best response is not known exactly
        return ()


def common_lines(answers: Sequence[KnownAnswer]) -> Sequence[KnownAnswer]:
    """Return the answers to draw: one without a learner's name where all are the same."""
    same = {(round(each.value, 9), each.answer) for each in answers}
    return [answers[0]._replace(learner="")] if len(same) == 1 else answers


def _answers(game: LearnersGame) -> Iterator[KnownAnswer]:
    players = list(game.players.values())
    columns = [game.moves.payoffs[:, player] for player in players]
    if len(players) == 1:
        (learner,) = game.players
        value = best_table(game.moves, players[0])
        yield KnownAnswer(learner, value, BEST_RESPONSE, "the best of all policies by what the learner observes")
    elif all(np.allclose(each, columns[0]) for each in columns):
        most = joint_optimum(game.moves, players[0])
        if most is not None:
            yield from (KnownAnswer(name, most, OPTIMUM, "the most that any joint play earns") for name in game.players)
    else:
        yield from _equilibrium(game)


def best_table(moves: JointMoves, player: int) -> float:
    """Return the most that the only learner earns by a policy of its prompts.

    Where prompts do not tell apart what it did before (imperfect recall), every table without chance is tried: a payoff
    is linear in each row, as a prompt with a step is met at most once in an episode.

    Raises:
        SocietyError: The tables are too many, or the game has no last step and states of a prompt disagree.
    """
    try:
        return best_response(moves, np.ones(len(moves.parents)), player).value
    except SocietyError:
        rows = [np.flatnonzero(moves.cells == cell) for cell in range(int(moves.cells.max()) + 1)]
        if moves.steps is None or math.prod(map(len, rows)) > MOST_TABLES:
            raise
    best = -math.inf
    for table in product(*rows):
        chances = np.zeros(len(moves.cells))
        chances[[NO_CHOICE, *map(int, table)]] = 1.0
        best = max(best, _expected(moves, chances[moves.places].prod(axis=1), player))
    return best


def joint_optimum(moves: JointMoves, player: int) -> float | None:
    """Return the most that `player` earns if all learners play for it.

    Returns:
        None where no policy by prompts is found that earns as much as players who know every state.
    """
    values, change = np.zeros(len(moves.starts)), np.inf
    while change > 1e-12 * max(1.0, float(np.abs(values).max())):
        worth, new = _worths(moves, player, values), np.full(len(values), -np.inf)
        np.maximum.at(new, moves.parents, worth)
        change, values = float(np.abs(new - values).max()), new
    best = np.flatnonzero(worth >= new[moves.parents] - _CLOSE)
    nodes, place = np.unique(moves.parents[best], return_index=True)
    chosen = np.zeros(len(values), dtype=np.int64)
    chosen[nodes] = best[place]
    return float(moves.starts @ values) if _by_prompts(moves, chosen) else None


def _by_prompts(moves: JointMoves, chosen: Places) -> bool:
    """Return whether a joint move per node takes the same action wherever it meets the same prompt."""
    waiting, met, played = np.flatnonzero(moves.starts > 0).tolist(), set[int](), dict[int, int]()
    while waiting:
        node = waiting.pop()
        if node in met or node < 0:
            continue
        met.add(node)
        waiting.append(int(moves.children[chosen[node]]))
        for place in moves.places[chosen[node]].tolist():
            if place != NO_CHOICE and played.setdefault(int(moves.cells[place]), place) != place:
                return False
    return True


def _worths(moves: JointMoves, player: int, values: Vector) -> Vector:
    """Return what each joint move brings `player`: its payoff, and the value of what follows."""
    return np.asarray(moves.payoffs[:, player] + moves.discount * np.append(values, 0.0)[moves.children])


def _equilibrium(game: LearnersGame) -> Iterator[KnownAnswer]:
    """Yield the value of the first candidate that no learner gains by leaving."""
    named = _named(game)
    what = "opposite objectives" if named is None else "the equilibrium that the game's page names"
    candidates = [named] if named is not None else _answering(game) if game.opposite() else ()
    for chances in candidates:
        values = _values_if_stable(game, chances)
        if values and (named is not None or len(values) == 2 or max(map(abs, values.values())) < _CLOSE):
            for learner, value in values.items():
                yield KnownAnswer(learner, value, EQUILIBRIUM, f"{what}: no learner gains by leaving it")
            return


def _named(game: LearnersGame) -> Vector | None:
    """Return the probability of each place in the equilibria that the games name; None where they are for others."""
    if not game.everyone or set(game.objectives.values()) != {TrainingObjective.OWN}:
        return None
    chances = np.zeros(len(game.moves.cells))
    chances[NO_CHOICE] = 1.0
    for graph in game.graphs:
        rules = graph.table.game
        if math.isnan(rules.nash()):
            return None
        for cell in graph.cells:
            play = rules.equilibrium_play(cell.state, cell.player)
            if play is None:
                return None
            for number, action in enumerate(cell.actions):
                chances[game.first[cell.prompt] + number] = play.get(action, 0.0)
    return chances


def _answering(game: LearnersGame) -> Iterator[Vector]:
    """Yield undecided play, then best responses of all learners to what was yielded last."""
    moves = game.moves
    chances = 1 / np.bincount(moves.cells[1:])[moves.cells]
    chances[NO_CHOICE] = 1.0
    for _ in range(_ROUNDS):
        yield chances
        answered = chances.copy()
        for player in game.players.values():
            best = list(best_response(moves, _others(moves, chances, player), player).actions)
            answered[np.isin(moves.cells, moves.cells[best])] = 0.0
            answered[best] = 1.0
        chances = answered


def _values_if_stable(game: LearnersGame, chances: Vector) -> dict[str, float] | None:
    """Return what each learner's objective earns by these probabilities; None if one gains by leaving them."""
    moves, values = game.moves, {}
    likely = chances[moves.places].prod(axis=1)
    for learner, player in game.players.items():
        values[learner] = _expected(moves, likely, player)
        most = best_response(moves, _others(moves, chances, player), player).value
        if most > values[learner] + _CLOSE * max(1.0, abs(most)):
            return None
    return values


def _others(moves: JointMoves, chances: Vector, player: int) -> Vector:
    return np.asarray(np.delete(chances[moves.places], player, axis=1).prod(axis=1))


def _expected(moves: JointMoves, likely: Vector, player: int) -> float:
    """Return what `player` earns, where each joint move of a node is so likely."""
    values, change = np.zeros(len(moves.starts)), np.inf
    while change > 1e-12 * max(1.0, float(np.abs(values).max())):
        new = np.zeros(len(values))
        np.add.at(new, moves.parents, likely * _worths(moves, player, values))
        change, values = float(np.abs(new - values).max()), new
    return float(moves.starts @ values)
