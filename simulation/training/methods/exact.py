"""The method `exact`: values, gradients and best responses of a silent game with few prompts, without an episode.

A learner is a table of probabilities over the prompts it can reach, whatever computes them: an adapter's probabilities
are read in one batch, and d objective / d P(choice) is pushed through the model. There is no variance.

Source: Sutton et al., Policy gradient methods for reinforcement learning with function approximation, NeurIPS 1999.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product

import numpy as np

from agents.learning.samples import Sample, Trainer
from agents.problems import UsageError
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.metrics.arrays import Vector
from simulation.plan import Plan
from simulation.scenario import Scenario
from simulation.seats import Seat
from simulation.task import TrainingTask
from simulation.training.graph import MOST_MOVES, GameGraph, SilentTable, StrategyProfile
from simulation.training.lesson import LearnerSituation, Lesson, UpdateContext
from simulation.training.objectives import learner_weights

_RARE = 0.01


def profile_of(graph: GameGraph, trainer: Trainer) -> StrategyProfile:
    """Return what everyone earns when each learner plays what the trainer has made of it."""
    return graph.evaluate(trainer.probabilities([cell.prompt for cell in graph.cells]))


def exact_samples(
    graph: GameGraph,
    profile: StrategyProfile,
    objectives: Mapping[str, Vector],
    scales: Mapping[str, float] | None = None,
) -> Iterator[Sample]:
    """Return one sample per prompt of each learner: the worth of each choice for its objective, per step.

    A trainer averages a learner's samples; values are scaled so that the average over all of them is the gradient.

    Args:
        graph: The game.
        profile: The values of the probabilities that are trained.
        objectives: A weight per player for each learner, as `payoff_weights` returns them.
        scales: By learner its samples in all games / the number of games; by default those of this game alone.
    """
    for learner, weights in objectives.items():
        slopes, places = profile.gradient(weights / profile.steps), graph.cells_of(learner)
        scale = len(places) if scales is None else scales[learner]
        for place in places:
            yield Sample(graph.cells[place].prompt, values=tuple(scale * slope for slope in slopes[place]))


def nash_conv(profile: StrategyProfile) -> float:
    """Return the sum over learners of what a best response would earn more, per step; 0 in an equilibrium.

    Source:
        Lanctot et al., NeurIPS 2017.
    """
    table = profile.graph.table
    learning = (player for player, config in enumerate(table.configs) if config.model_id in table.learners)
    gains = (profile.best_response(player) - float(profile.payoffs[player]) for player in learning)
    return sum(max(0.0, gain) for gain in gains) / profile.steps


def exact(context: UpdateContext) -> Lesson:
    """Return the exact gradients of one update; values are per step, before the update. No episode is played.

    Raises:
        UsageError: Models talk, or the mode is mixed: prompts then are not few.
        SocietyError: A game is too large or draws, or a partner draws.
    """
    graphs = graphs_of(context.plan)
    prompts = list(dict.fromkeys(cell.prompt for graph in graphs for cell in graph.cells))
    chances = dict(zip(prompts, context.trainer.probabilities(prompts), strict=True))
    samples: list[Sample] = []
    values: dict[str, list[float]] = {}
    scales = {
        name: sum(len(graph.cells_of(name)) for graph in graphs) / len(graphs) for name in context.config.learners
    }
    for graph in graphs:
        profile = graph.evaluate([chances[cell.prompt] for cell in graph.cells])
        weights = learner_weights(context.config, graph.table.game.setting.seats, graph.table.mode)
        samples += exact_samples(graph, profile, weights, scales)
        for learner, each in weights.items():
            values.setdefault(learner, []).append(float(profile.payoffs @ each) / profile.steps)
    cells = {name: [chances[prompt] for prompt in prompts if prompt.learner == name] for name in values}
    return Lesson(samples, {learner: float(np.mean(found)) for learner, found in values.items()}, cells=cells)


def situations_of(plan: Plan) -> list[LearnerSituation]:
    """Return every situation that a learner can reach, in the order of a lesson's `cells`."""
    cells = {cell.prompt: cell for graph in graphs_of(plan) for cell in graph.cells}
    return [LearnerSituation(prompt.learner, cell.situation, prompt.choices) for prompt, cell in cells.items()]


def graphs_of(plan: Plan, most_moves: int = MOST_MOVES) -> tuple[GameGraph, ...]:
    """Return the graph of each task of a plan; the same plan is computed once.

    A horizon's chance discounts. Where it is not announced, prompts do not show the step and the graph has no last one:
    `at_most` is left out, which moves a value by at most the part `chance ** at_most` of it.

    Raises:
        UsageError: Models talk, or the mode is mixed.
        SocietyError: As `GameGraph`.
    """
    scenario = plan.scenario
    refuse_talk(scenario)
    return _graphs(scenario.model_dump_json(), plan.roster.model_dump_json(), most_moves)


def refuse_talk(scenario: Scenario) -> None:
    """Raise UsageError where models talk, or the mode is mixed: prompts then are not few."""
    if scenario.communication.talk_rounds or scenario.communication.social_actions:
        raise UsageError(
            f"{_called(scenario)} is for silent games: set communication.talk_rounds to 0, or use reinforce"
        )
    if scenario.mode is TrainingMode.MIXED:
        raise UsageError(f"{_called(scenario)} needs one mode; in the mode mixed use reinforce")


def table_graph(table: SilentTable, most_moves: int = MOST_MOVES) -> GameGraph:
    """Return the graph of a task with these rows; its horizon says how it ends.

    Raises:
        UsageError: The horizon is hidden, and episodes often reach its cap.
        SocietyError: As `GameGraph`.
    """
    task = table.task
    _refuse_early_end(task)
    chance = 1.0 if task.horizon is None else task.horizon.chance
    hidden = task.horizon is not None and not task.horizon.announced and task.max_steps > 1
    return GameGraph(table, discount=chance, stationary=hidden, most_moves=most_moves)


def _called(scenario: Scenario) -> str:
    return f"the method {scenario.training.method.value if scenario.training else 'exact'}"


@lru_cache(maxsize=16)
def _graphs(scenario: str, roster: str, most_moves: int) -> tuple[GameGraph, ...]:
    from agents.roster import Roster

    plan = Plan(Scenario.model_validate_json(scenario), Roster.model_validate_json(roster))
    played = plan.scenario
    learners = frozenset(played.training.learners if played.training else ())
    rows = tuple(plan.roster.expand())
    seats = tuple(Seat(row.model_id, row.team_id) for row in rows)
    graphs = []
    for task in plan.scenario.tasks:
        game = find_game(task.task_type)(task.setting(seats), task.game_parameters())
        for company in _companies(plan, rows):
            table = SilentTable(task, game, company, learners, played.mode, played.language, templates=played.templates)
            graphs.append(table_graph(table, most_moves))
    return tuple(graphs)


def _refuse_early_end(task: TrainingTask) -> None:
    """Refuse a hidden horizon whose cap is reached often: the graph of such a game has no last step."""
    if task.horizon is None or task.horizon.announced or task.max_steps == 1:
        return
    reached = task.horizon.chance**task.max_steps
    if reached > _RARE:
        raise UsageError(
            f"{task.task_id}: {reached:.0%} of episodes reach horizon.at_most ({task.max_steps}), and the method exact "
            f"computes a game without a last step: raise at_most until at most {_RARE:.0%} do, or use reinforce"
        )


def _companies(plan: Plan, rows: tuple[ModelConfig, ...]) -> Iterator[tuple[ModelConfig, ...]]:
    """Yield the rows with every combination of the policies that partners take."""
    partners = plan.scenario.training.partners if plan.scenario.training else {}
    for policies in product(*partners.values()):
        taken = dict(zip(partners, policies, strict=True))
        yield tuple(
            row.model_copy(update={"policy": taken[row.model_id]}) if row.model_id in taken else row for row in rows
        )
