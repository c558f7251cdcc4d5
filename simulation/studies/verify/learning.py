"""Known answers of learning: what independent, sharing and team learners must become, by tables without a model.

A table is trained by the calls that train an adapter (`simulation.training`), so a wrong sign in credit, objective or
gradient is seen here in seconds. Payoffs of the dilemma are 5, 3, 1, 0; another step follows with a chance of 0.96.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.learning.samples import LossWeights
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.games.base import Setting
from simulation.seats import Seat
from simulation.sections.training import TrainingObjective
from simulation.task import TrainingTask
from simulation.training.graph import GameGraph, SilentTable, StrategyProfile
from simulation.training.methods.exact import exact_samples, profile_of
from simulation.training.objectives import payoff_weights
from simulation.training.tabular import TabularTrainer

DILEMMA, GAMMA = "prisoners_dilemma", 0.96
SEEDS = 6
LOQA = "naive and summed rewards: Foerster et al., LOLA, AAMAS 2018"


@dataclass(frozen=True)
class LearnedFigure:
    """A figure of a training and the range that it must be in, ends included."""

    case: str
    figure: str
    low: float
    high: float
    got: float
    source: str

    @property
    def passed(self) -> bool:
        """Whether the figure is in its range."""
        return self.low <= self.got <= self.high


def silent_table(
    game: str,
    players: Sequence[str | None],
    *,
    steps: int = 5,
    parameters: Mapping[str, Any] | None = None,
    teams: Sequence[str | None] = (),
) -> SilentTable:
    """Return a silent game in which a player is a policy's name, or None for a learner.

    Args:
        game: The task type.
        players: A policy's name for each scripted player, None for a learner.
        steps: Steps of an episode.
        parameters: The game's own.
        teams: The team of each player.
    """
    rows = tuple(
        ModelConfig(model_id=f"p{i}", policy=policy or "random", team_id=team)
        for i, (policy, team) in enumerate(zip(players, teams or (None,) * len(players), strict=True))
    )
    task = TrainingTask(task_id="known", task_type=game, max_steps=steps, parameters=parameters or {})
    seats = tuple(Seat(row.model_id, row.team_id) for row in rows)
    rules = find_game(game)(Setting(seats, steps, task.difficulty), task.game_parameters())
    learners = frozenset(row.model_id for row, policy in zip(rows, players, strict=True) if policy is None)
    return SilentTable(task, rules, rows, learners, TrainingMode.COMPETITIVE)


def train(graph: GameGraph, objective: TrainingObjective, trainer: TabularTrainer, updates: int) -> StrategyProfile:
    """Train every learner of a graph for an objective; return the last profile."""
    seats = graph.table.game.setting.seats
    weights = {
        seat.model_id: payoff_weights(objective, player, seats)
        for player, seat in enumerate(seats)
        if seat.model_id in graph.table.learners
    }
    for _ in range(updates):
        trainer.forward_backward(list(exact_samples(graph, profile_of(graph, trainer), weights)), LossWeights())
        for learner in weights:
            trainer.optim_step(learner)
    return profile_of(graph, trainer)


def repeated(*players: str | None) -> GameGraph:
    """Return the dilemma without a last step."""
    return GameGraph(silent_table(DILEMMA, players), discount=GAMMA, stationary=True)


def _per_step(profile: StrategyProfile) -> float:
    return float(profile.payoffs.mean() / profile.steps)


def _dilemmas() -> Iterator[LearnedFigure]:
    graph, name = repeated(None, None), "two independent learners defect"
    selfish = [
        train(graph, TrainingObjective.OWN, TabularTrainer(20, spread=0.5, seed=seed), 300) for seed in range(SEEDS)
    ]
    yield LearnedFigure(name, "largest mean payoff a step of any seed", 1.0, 1.1, max(map(_per_step, selfish)), LOQA)
    name, trainers = "two sharing learners cooperate", [TabularTrainer(20, spread=0.5, seed=s) for s in range(SEEDS)]
    sharing = [train(graph, TrainingObjective.SHARED, trainer, 300) for trainer in trainers]
    yield LearnedFigure(name, "least mean payoff a step of any seed", 2.9, 3.0, min(map(_per_step, sharing)), LOQA)
    name = "who learned to share can be exploited"
    best = min(profile.best_response(1) / profile.steps for profile in sharing)
    yield LearnedFigure(name, "least best response a step", 4.0, 5.0, best, LOQA)
    alone = repeated(None, "always_defect")
    earned = [profile_of(alone, trainer) for trainer in trainers]
    worst = max(float(profile.payoffs[0] / profile.steps) for profile in earned)
    yield LearnedFigure(name, "most a step against always_defect", 0.0, 0.9, worst, LOQA)


def _best_responses() -> Iterator[LearnedFigure]:
    for partner, known in (("always_cooperate", 5.0), ("always_defect", 1.0), ("tit_for_tat", 3.0)):
        graph = repeated(None, partner)
        profile = profile_of(graph, TabularTrainer())
        got = profile.best_response(0) / profile.steps
        yield LearnedFigure(
            f"best response to {partner}", "payoff a step", known - 1e-6, known + 1e-6, got, "closed form"
        )


def _public_goods() -> Iterator[LearnedFigure]:
    source = "Isaac & Walker, QJE 103 (1988): giving pays the giver m / n - 1 a point"
    for multiplier, objective, low, high in (
        (1.6, TrainingObjective.OWN, 0.0, 0.02),
        (1.6, TrainingObjective.SHARED, 0.98, 1.0),
        (4.0, TrainingObjective.OWN, 0.98, 1.0),
        (4.0, TrainingObjective.SHARED, 0.98, 1.0),
    ):
        parameters = {"multiplier": multiplier}
        graph = GameGraph(silent_table("public_goods", (None,) * 3, steps=1, parameters=parameters))
        trainer = TabularTrainer(1.0, spread=0.1, seed=1)
        train(graph, objective, trainer, 200)
        rows = trainer.probabilities([cell.prompt for cell in graph.cells])
        levels = [_level(graph, place, row) for place, row in enumerate(rows)]
        extreme = max(levels) if high < 0.5 else min(levels)
        yield LearnedFigure(
            f"public goods, three players, multiplier {multiplier:g}, objective {objective.value}",
            "gift / largest gift, of the player furthest away",
            low,
            high,
            extreme,
            source,
        )


def _level(graph: GameGraph, place: int, row: Sequence[float]) -> float:
    """The mean cooperation level of a prompt's choices."""
    options = len(row) - 1
    return sum(number / options * chance for number, chance in enumerate(row))


def _stag_hunt() -> Iterator[LearnedFigure]:
    for start, low, high in ((0.74, 0.0, 0.05), (0.76, 0.95, 1.0)):
        graph = GameGraph(silent_table("stag_hunt", (None, None), steps=1))
        trainer = TabularTrainer(1.0)
        for cell in graph.cells:
            trainer.start_at(cell.prompt, [start if action == "stag" else 1 - start for action in cell.actions])
        train(graph, TrainingObjective.OWN, trainer, 400)
        chances = [
            row[cell.actions.index("stag")]
            for cell, row in zip(graph.cells, trainer.probabilities([c.prompt for c in graph.cells]), strict=True)
        ]
        name = f"stag hunt 4, 3, 0 from P(stag) = {start}"
        got = max(chances) if high < 0.5 else min(chances)
        yield LearnedFigure(name, "P(stag) of the player furthest away", low, high, got, "basin at 3/4: closed form")


def _gradients() -> Iterator[LearnedFigure]:
    graph, rng = GameGraph(silent_table(DILEMMA, (None, None), steps=3)), np.random.default_rng(7)
    rows = [rng.dirichlet(np.ones(len(cell.actions))) for cell in graph.cells]
    weights = np.array([1.0, 0.0])
    slopes = graph.evaluate([tuple(row) for row in rows]).gradient(weights)
    worst = max(
        abs(_difference(graph, rows, place, action, weights) - slopes[place][action])
        for place, row in enumerate(rows)
        for action in range(len(row))
    )
    name = "the exact gradient against finite differences"
    yield LearnedFigure(name, "largest difference, points", 0.0, 1e-3, worst, "central differences")


def _difference(graph: GameGraph, rows: Sequence[np.ndarray], place: int, action: int, weights: np.ndarray) -> float:
    found = []
    for shift in (1e-5, -1e-5):
        moved = [row.copy() for row in rows]
        moved[place][action] += shift
        found.append(float(graph.evaluate([tuple(row) for row in moved]).payoffs @ weights))
    return (found[0] - found[1]) / 2e-5


LEARNING_CASES: tuple[Callable[[], Iterator[LearnedFigure]], ...] = (
    _dilemmas,
    _best_responses,
    _public_goods,
    _stag_hunt,
    _gradients,
)
"""Each trains from nothing and yields its figures."""
