"""The best response of one player of a silent game by what it observes, and how far its own play leads to a prompt.

A prompt is an information set: the states in which a player sees the same. Where each has one state, the best action is
found state by state. Where some have several, as with private cards, an action is best on average over the prompt's
states, weighted by how likely chance and the others lead there. This takes a game with a last step, and a player whose
prompts tell apart what it did itself (perfect recall). Without these, the best action is known only where it is the
same in all states of a prompt, as where a partner does not use what it remembers.

Sources: Kuhn, in Contributions to the Theory of Games II (1953), for information sets and perfect recall; Puterman,
Markov Decision Processes (1994), for value iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector

Places = NDArray[np.int64]
NO_CHOICE = 0
"""The place of a certain action: a partner's, or the only one."""


@dataclass(frozen=True)
class JointMoves:
    """Every joint move of a game's graph, one row each, and its nodes.

    Args:
        parents: The node where the move is made.
        children: The node that follows; -1 is the end.
        payoffs: What each player earns.
        places: For each player, the place of its action in the vector of probabilities.
        cells: For each place the prompt that it belongs to; -1 for `NO_CHOICE`.
        steps: The step of each node; None where the game has no last step.
        starts: The probability that an episode begins in each node.
        discount: The chance that another step follows.
    """

    parents: Places
    children: Places
    payoffs: Matrix
    places: Places
    cells: Places
    steps: Places | None
    starts: Vector
    discount: float


@dataclass(frozen=True)
class BestResponse:
    """What a player earns at most against the others, and the place of its best action in each prompt that counts."""

    value: float
    actions: tuple[int, ...]


def best_response(moves: JointMoves, others: Vector, player: int) -> BestResponse:
    """Return the best that `player` can do by what it observes.

    Args:
        moves: The game.
        others: For each move, how likely the others make their part of it.
        player: The player's number.

    Raises:
        SocietyError: States of one prompt have different best actions, in a game without a last step or without
            perfect recall.
    """
    cells = _cells_of_nodes(moves, player)
    if moves.steps is not None and _recalls(moves, player, cells):
        return _by_observation(moves, others, player, cells)
    return _by_iteration(moves, others, player, cells)


def own_reach(moves: JointMoves, chances: Vector, player: int) -> dict[int, float]:
    """Return for each prompt of `player` how likely its own actions lead there, if chance and the others allow it.

    Averages of behaviour over time are weighted by it: the average profile is then the average of what was played.

    Args:
        moves: The game, with a last step.
        chances: For each move, the probability of the player's own part.
        player: The player's number.
    """
    assert moves.steps is not None
    reach, cells = np.where(moves.starts > 0, 1.0, 0.0), _cells_of_nodes(moves, player)
    for step in range(int(moves.steps.max()) + 1):
        goes = (moves.steps[moves.parents] == step) & (moves.children >= 0)
        np.maximum.at(reach, moves.children[goes], reach[moves.parents[goes]] * chances[goes])
    return {int(cell): float(reach[node]) for node, cell in enumerate(cells) if cell >= 0}


def _cells_of_nodes(moves: JointMoves, player: int) -> Places:
    """Return each node's prompt of `player`; -1 where it has no choice."""
    found = np.full(len(moves.starts), -1, dtype=np.int64)
    found[moves.parents] = moves.cells[moves.places[:, player]]
    return found


def _shared_prompts(cells: Places) -> frozenset[int]:
    """Return the prompts that belong to several nodes."""
    numbers, counts = np.unique(cells[cells >= 0], return_counts=True)
    return frozenset(numbers[counts > 1].tolist())


def _recalls(moves: JointMoves, player: int, cells: Places) -> bool:
    """Return whether in every prompt of several nodes the last own action is the same in all, and so is the step."""
    assert moves.steps is not None
    several, none = -2, -1
    last = np.full(len(cells), none, dtype=np.int64)  # the place of the last own action on the way to a node
    known = moves.starts > 0
    for step in range(int(moves.steps.max()) + 1):
        for row in np.flatnonzero((moves.steps[moves.parents] == step) & (moves.children >= 0)):
            parent, child, place = moves.parents[row], moves.children[row], moves.places[row, player]
            new = last[parent] if place == NO_CHOICE else place
            last[child] = new if not known[child] else last[child] if last[child] == new else several
            known[child] = True
    for cell in _shared_prompts(cells):
        nodes = np.flatnonzero(cells == cell)
        if len(set(last[nodes].tolist())) > 1 or several in last[nodes] or len(set(moves.steps[nodes].tolist())) > 1:
            return False
    return True


def _worths(moves: JointMoves, others: Vector, player: int, values: Vector) -> Vector:
    following = np.append(values, 0.0)[moves.children]  # child -1 is the end
    return np.asarray(others * (moves.payoffs[:, player] + moves.discount * following))


def _by_iteration(moves: JointMoves, others: Vector, player: int, cells: Places) -> BestResponse:
    """Find the best action state by state, by value iteration; refuse states of one prompt that do not agree."""
    rows = np.stack([moves.parents, moves.places[:, player]], axis=1)
    actions, choice = np.unique(rows, axis=0, return_inverse=True)
    values, change = np.zeros(len(moves.starts)), np.inf
    while change > 1e-12 * max(1.0, float(np.abs(values).max())):
        worth, new = np.zeros(len(actions)), np.full(len(values), -np.inf)
        np.add.at(worth, choice.ravel(), _worths(moves, others, player, values))
        np.maximum.at(new, actions[:, 0], worth)
        change, values = float(np.abs(new - values).max()), new
    agreed: dict[int, set[int]] = {}
    best = worth >= values[actions[:, 0]] - 1e-9 * max(1.0, float(np.abs(values).max()))
    reached = _reached(moves, others)
    for node in np.flatnonzero(reached & (cells >= 0)):
        places = set(actions[best & (actions[:, 0] == node), 1].tolist())
        agreed[int(cells[node])] = agreed.get(int(cells[node]), places) & places
    if not all(agreed.values()):
        raise SocietyError(
            "a prompt belongs to several states that have different best actions: the best response is not known "
            "exactly; measure it with an exploiter that is trained by reinforce"
        )
    return BestResponse(float(moves.starts @ values), tuple(sorted(min(places) for places in agreed.values())))


def _reached(moves: JointMoves, others: Vector) -> NDArray[np.bool_]:
    """Return the nodes to which chance and the others can lead."""
    found, count = moves.starts > 0, -1
    goes = (moves.children >= 0) & (others > 0)
    while count != (count := int(found.sum())):
        found[moves.children[goes & found[moves.parents]]] = True
    return found


def _by_observation(moves: JointMoves, others: Vector, player: int, cells: Places) -> BestResponse:
    """Find the best action prompt by prompt, from the last step back."""
    assert moves.steps is not None
    steps, places, size = moves.steps, moves.places[:, player], len(moves.cells)
    reach = _reach_of_others(moves, others)
    values, chosen = np.zeros(len(cells)), np.zeros(size, dtype=bool)
    chosen[NO_CHOICE] = True
    for step in reversed(range(int(steps.max()) + 1)):
        here = steps[moves.parents] == step
        worth = _worths(moves, others, player, values)
        total = np.zeros(size)
        np.add.at(total, places[here], (reach[moves.parents] * worth)[here])
        for cell in np.unique(cells[steps == step]):
            if cell >= 0:
                menu = np.flatnonzero(moves.cells == cell)
                chosen[menu[total[menu].argmax()]] = True
        taken = here & chosen[places]
        np.add.at(values, moves.parents[taken], worth[taken])
    return BestResponse(float(moves.starts @ values), tuple(np.flatnonzero(chosen)[1:].tolist()))


def _reach_of_others(moves: JointMoves, others: Vector) -> Vector:
    """Return how likely chance and the others lead to each node, if the player does its part."""
    assert moves.steps is not None
    reach = moves.starts.copy()
    for step in range(int(moves.steps.max()) + 1):
        goes = (moves.steps[moves.parents] == step) & (moves.children >= 0)
        np.add.at(reach, moves.children[goes], reach[moves.parents[goes]] * others[goes])
    return np.asarray(reach)
