"""Known answers of opponent shaping in the repeated dilemma: two learners that each learn for themselves cooperate.

They are not exploited: who defects against them gains nothing, other than against two that learned to share. Payoffs
are 5, 3, 1, 0; another step follows with a chance of 0.96; a table goes by the last step.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from agents.learning.samples import LossWeights
from simulation.studies.verify import learning
from simulation.studies.verify.figures import LearnedFigure
from simulation.training.graph import GameGraph, StrategyProfile
from simulation.training.joined import joined_games
from simulation.training.methods.advantage_alignment import aligned_slopes
from simulation.training.methods.exact import profile_of
from simulation.training.methods.lola import lola_slopes
from simulation.training.methods.shaping import ShapedGame, Slopes, samples_of
from simulation.training.tabular import TabularTrainer

FOERSTER = "Foerster et al., LOLA, AAMAS 2018"
DUQUE = "Duque et al., Advantage alignment (2024), arXiv 2406.14662"
LOLA_RATE, ALIGNED_RATE, LOOK_AHEAD, ALIGNMENT, UPDATES, SPREAD = 20.0, 3.0, 10.0, 10.0, 100, 0.5


class RepeatedPlay(NamedTuple):
    """What two tables became: payoff a step, the best response a step, and P(cooperate) after what happened.

    The cells are first, after both cooperated, after only the other defected, and after both defected; of two tables
    the least of the first two and the most of the others.
    """

    payoff: float
    best_response: float
    against_defector: float
    cells: tuple[float, float, float, float]


def train_shaped(graph: GameGraph, slopes: Slopes, trainer: TabularTrainer, updates: int) -> StrategyProfile:
    """Train every player of a graph without a last step to follow its slopes; return the last profile."""
    names = [config.model_id for config in graph.table.configs]
    players = {name: player for player, name in enumerate(names)}
    moves, first = joined_games([graph], np.eye(len(names)), [1 / (1 - graph.discount)])
    for _ in range(updates):
        game = ShapedGame(moves, np.concatenate([[1.0], *trainer.probabilities(list(first))]), players)
        samples = [sample for name in names for sample in samples_of(first, name, slopes(game, name))]
        trainer.forward_backward(samples, LossWeights())
        for name in names:
            trainer.optim_step(name)
    return profile_of(graph, trainer)


def shaping_figures() -> Iterator[LearnedFigure]:
    """Yield the figures of both methods, over `learning.SEEDS` seeds each."""
    for name, slopes, rate, source in (
        ("lola", partial(lola_slopes, look_ahead=LOOK_AHEAD), LOLA_RATE, FOERSTER),
        ("advantage alignment", partial(aligned_slopes, alignment=ALIGNMENT), ALIGNED_RATE, DUQUE),
    ):
        yield from _figures(f"two learners with {name}", slopes, rate, source)


def _figures(name: str, slopes: Slopes, rate: float, source: str) -> Iterator[LearnedFigure]:
    played = [play_shaped(slopes, rate, seed) for seed in range(learning.SEEDS)]
    most = learning.SEEDS
    reached = [each for each in played if each.payoff > 2.9 and each.cells[3] < 0.05 and each.best_response < 3.6]
    figure = partial(LearnedFigure, name)
    yield figure("seeds of all that reciprocate: at most one does not", most - 1, most, len(reached), source)
    best = reached or played
    first, both, exploited, defected = (np.array([each.cells[place] for each in best]) for place in range(4))
    yield figure("least P(cooperate) first, and after both did", 0.95, 1.0, float(min(*first, *both)), source)
    yield figure("most P(cooperate) after the other alone defected", 0.0, 0.05, float(max(exploited)), source)
    yield figure("most P(cooperate) after both defected", 0.0, 0.05, float(max(defected)), source)
    yield figure("most a best response earns a step", 2.9, 3.6, max(each.best_response for each in best), source)
    alone = [each.against_defector for each in best]
    yield figure("least a step against always_defect (0.96: it cooperates first)", 0.9, 1.0, min(alone), source)


def play_shaped(slopes: Slopes, rate: float, seed: int) -> RepeatedPlay:
    """Return what two tables became that began at random."""
    graph, trainer = learning.repeated(None, None), TabularTrainer(rate, spread=SPREAD, seed=seed)
    profile = train_shaped(graph, slopes, trainer, UPDATES)
    alone = profile_of(learning.repeated(None, "always_defect"), trainer)
    responses = [profile.best_response(player) / profile.steps for player in range(2)]
    return RepeatedPlay(
        float(profile.payoffs.mean() / profile.steps),
        max(responses),
        float(alone.payoffs[0] / alone.steps),
        _cells(graph, trainer),
    )


def _cells(graph: GameGraph, trainer: TabularTrainer) -> tuple[float, float, float, float]:
    rows = trainer.probabilities([cell.prompt for cell in graph.cells])
    found: dict[str, list[float]] = {}
    for cell, row in zip(graph.cells, rows, strict=True):
        found.setdefault(_happened(cell.situation), []).append(row[cell.actions.index("cooperate")])
    return (min(found["first"]), min(found["CC"]), max(found["CD"]), max(found["DD"]))


def _happened(situation: str) -> str:
    """Return first, or what the player and then the other did: CC, CD, DC or DD."""
    if "first step" in situation:
        return "first"
    own, other = situation.split(";")[:2]
    return "".join("C" if "chose cooperate" in each else "D" for each in (own, other))
