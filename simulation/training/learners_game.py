"""The game that a training's learners play: every task and company in one graph, paid by the learners' objectives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agents.learning.samples import Prompt
from simulation.games import find_game
from simulation.plan import Plan
from simulation.seats import Seat
from simulation.sections.training import TrainingMethod, TrainingObjective
from simulation.training.best_response import JointMoves
from simulation.training.graph import GameGraph
from simulation.training.joined import joined_games, payoff_counts
from simulation.training.methods.exact import graphs_of
from simulation.training.objectives import objective_of

MOST = 20_000
"""The most joint moves of a game whose answers are computed: some seconds."""


@dataclass(frozen=True)
class LearnersGame:
    """The games of a training as one, which begins in each with the same chance; payoffs are those of the objectives.

    Attributes:
        moves: The joint moves; a column of payoffs is what the player's objective earns per step.
        graphs: The games.
        first: The place of the first action of each prompt.
        players: Each learner's number.
        objectives: Each learner's objective.
    """

    moves: JointMoves
    graphs: Sequence[GameGraph]
    first: Mapping[Prompt, int]
    players: Mapping[str, int]
    objectives: Mapping[str, TrainingObjective]

    @property
    def everyone(self) -> bool:
        """Whether every player learns."""
        return len(self.players) == int(self.moves.payoffs.shape[1])

    def opposite(self) -> bool:
        """Whether the learners are two sides with opposite objectives."""
        columns = [self.moves.payoffs[:, player] for player in self.players.values()]
        return all(bool(np.allclose(each, columns[0]) or np.allclose(each, -columns[0])) for each in columns)


def learners_game(plan: Plan) -> LearnersGame | None:
    """Return the game that a plan's learners play; None where its values per step are not those of a graph.

    Raises:
        SocietyError: As `graphs_of`; more than `MOST` joint moves are too many.
    """
    config, silent = plan.scenario.training, _simplest(plan)
    if config is None or silent is None or config.method not in (TrainingMethod.EXACT, TrainingMethod.REINFORCE):
        return None
    graphs = graphs_of(silent, MOST)
    steps = [expected_steps(graph) for graph in graphs]
    exact = config.method is TrainingMethod.EXACT
    alike = {(graph.discount, graph.stationary) for graph in graphs}
    if None in steps or len(alike) > 1 or (graphs[0].stationary and not exact):
        return None  # episodes that are played end at `at_most`, which a graph without a last step leaves out
    names = [row.model_id for row in graphs[0].table.configs]
    players = {name: names.index(name) for name in config.learners}
    objectives = {name: objective_of(config.learners[name], plan.scenario.mode) for name in players}
    known = np.array(steps, dtype=np.float64)
    scales = known if exact else np.full(len(graphs), known.mean())  # what is played is all payoffs / all steps
    moves, first = joined_games(graphs, payoff_counts(config, graphs[0]), scales)
    return LearnersGame(moves, graphs, first, players, objectives)


def _simplest(plan: Plan) -> Plan | None:
    """Return the plan without talk, and with one step for all where steps are alike; None where talk may count.

    Neither changes an answer where every player learns. An optimum needs no talk, and no equilibrium is left for words
    that nobody listens to. A scripted partner may listen, and remembers.
    """
    scenario, config = plan.scenario, plan.scenario.training
    if config is None or {row.model_id for row in plan.roster.expand()} != set(config.learners):
        silent = not scenario.communication.talk_rounds and not scenario.communication.social_actions
        return plan if silent else None
    keys: dict[str, object] = {"communication": type(scenario.communication)(talk_rounds=0)}
    if len(scenario.tasks) == 1 and _steps_alike(plan):
        keys["tasks"] = (scenario.tasks[0].model_copy(update={"max_steps": 1, "horizon": None}),)
    return Plan(scenario.model_copy(update=keys), plan.roster)


def _steps_alike(plan: Plan) -> bool:
    """Return whether the task's steps are alike: what is best in one step is so in each, however many there are."""
    task, seats = plan.scenario.tasks[0], tuple(Seat(row.model_id, row.team_id) for row in plan.roster.expand())
    rules = find_game(task.task_type)
    if not rules.repeats or rules.round_steps > 1:
        return False
    whole, step = (rules(task.setting(seats, count), task.game_parameters()) for count in (task.max_steps, 1))
    figures = ((whole.optimum(), step.optimum()), (whole.nash(), step.nash()))
    return all(math.isclose(total, task.max_steps * one) or math.isnan(total) for total, one in figures)


def expected_steps(graph: GameGraph) -> float | None:
    """Return the expected steps of an episode, discounted; None where they depend on what is played."""
    moves, ends = graph.moves, graph.moves.children < 0
    if graph.table.game.round_steps > 1 and graph.discount < 1:
        return None  # chance ends whole rounds, and the graph counts it in every step
    if moves.steps is None:
        return None if ends.any() else 1 / (1 - graph.discount)
    last = int(moves.steps.max())
    early = (moves.steps[moves.parents[ends]] < last).any()
    return None if early else float(sum(graph.discount**step for step in range(last + 1)))
