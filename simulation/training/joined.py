"""Several games as one whose start is drawn: a learner cannot tell in which game it is asked the same prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from agents.learning.samples import Prompt
from simulation.metrics.arrays import Matrix, Vector
from simulation.sections.training import TrainingConfig
from simulation.training.best_response import NO_CHOICE, JointMoves, Places
from simulation.training.graph import GameGraph
from simulation.training.objectives import learner_weights


def joined_games(
    graphs: Sequence[GameGraph], counts: Matrix, scales: Sequence[float] | Vector
) -> tuple[JointMoves, Mapping[Prompt, int]]:
    """Return graphs as one whose start is drawn; a prompt of several is one prompt.

    Args:
        graphs: The games.
        counts: One row per player: how much each player's payoff counts for it.
        scales: What payoffs of each game are divided by.

    Returns:
        The joint moves, and the place of the first action of each prompt.
    """
    first: dict[Prompt, int] = {}
    cells = [-1]
    for cell in (cell for graph in graphs for cell in graph.cells):
        if cell.prompt not in first:
            first[cell.prompt] = len(cells)
            cells += [len(first) - 1] * len(cell.actions)
    parts, nodes = [], 0
    for graph, scale in zip(graphs, scales, strict=True):
        moves = graph.moves
        own = [first[cell.prompt] + number for cell in graph.cells for number in range(len(cell.actions))]
        parts.append(
            replace(
                moves,
                parents=moves.parents + nodes,
                children=np.where(moves.children < 0, -1, moves.children + nodes),
                payoffs=moves.payoffs @ counts.T / scale,
                places=np.array([NO_CHOICE, *own])[moves.places],
                starts=moves.starts / len(graphs),
            )
        )
        nodes += graph.nodes
    return _concatenated(parts, np.array(cells)), first


def _concatenated(parts: Sequence[JointMoves], cells: Places) -> JointMoves:
    steps = [part.steps for part in parts if part.steps is not None]
    return JointMoves(
        parents=np.concatenate([part.parents for part in parts]),
        children=np.concatenate([part.children for part in parts]),
        payoffs=np.concatenate([part.payoffs for part in parts]),
        places=np.concatenate([part.places for part in parts]),
        cells=cells,
        steps=np.concatenate(steps) if steps else None,
        starts=np.concatenate([part.starts for part in parts]),
        discount=parts[0].discount,
    )


def payoff_counts(config: TrainingConfig, graph: GameGraph) -> Matrix:
    """Return how much each player's payoff (column) counts for each learner (row); 0 for others."""
    seats = graph.table.game.setting.seats
    found, weights = np.zeros((len(seats), len(seats))), learner_weights(config, seats, graph.table.mode)
    for player, seat in enumerate(seats):
        if seat.model_id in weights:
            found[player] = weights[seat.model_id]
    return found
