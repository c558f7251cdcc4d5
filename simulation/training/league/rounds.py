"""The rounds of a league: each learner begins anew and learns an answer to the mixture of its partner's policies.

    policies    the first version, and the last of each round of `oracle_updates` updates
    a round     mixture of the policies so far; answers to it, from the first version; NashConv with the answers

Everything is derived from the ledger: its line at the end of a round has the new policies' probabilities, and the
mixture, value, gain and NashConv over all policies.

Source: Lanctot et al., A unified game-theoretic approach to multiagent reinforcement learning, NeurIPS 2017 (PSRO).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from agents.learning.samples import Prompt, Trainer, Version
from agents.problems import UsageError
from simulation.metrics.arrays import Vector
from simulation.plan import Plan
from simulation.sections.league import LeagueConfig
from simulation.sections.training import TrainingConfig
from simulation.training.graph import GameGraph
from simulation.training.joined import joined_games, payoff_counts
from simulation.training.league.population import Mixture, PolicyPopulation
from simulation.training.league.sampled import first_record, record_of
from simulation.training.league.solvers import mixtures
from simulation.training.learners_game import expected_steps
from simulation.training.ledger import Ledger, UpdateLine, last_round
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.methods.exact import graphs_of
from simulation.training.methods.shaping import samples_of

Rows = Mapping[str, Sequence[Sequence[float]]]
"""By learner one row of probabilities per prompt: a policy."""


class LeagueGame:
    """The game of a league's two learners.

    Args:
        plan: A scenario with a `training.league` section, and its roster.

    Raises:
        UsageError: There are not two learners, or the number of steps depends on what is played.
        SocietyError: A game is too large or draws, or a partner draws.
    """

    def __init__(self, plan: Plan) -> None:
        config = plan.scenario.training
        assert config is not None
        assert config.league is not None
        graphs = graphs_of(plan)
        steps = [_steps(graph) for graph in graphs]
        names = [row.model_id for row in graphs[0].table.configs]
        self.config: LeagueConfig = config.league
        self.players = {name: names.index(name) for name in config.learners}
        if len(self.players) != 2:
            raise UsageError(f"a league is of two learners; training.learners names {len(self.players)}")
        self.moves, self.first = joined_games(graphs, payoff_counts(config, graphs[0]), steps)

    def prompts(self, learner: str) -> list[Prompt]:
        """Return a learner's prompts, in the order of a policy's rows."""
        return [prompt for prompt in self.first if prompt.learner == learner]

    def rows(self, trainer: Trainer) -> Rows:
        """Return what a trainer's learners play now."""
        return {name: trainer.probabilities(self.prompts(name)) for name in self.players}

    def table(self, learner: str, rows: Sequence[Sequence[float]]) -> Vector:
        """Return a policy as one number per place."""
        found = np.zeros(len(self.moves.cells))
        for prompt, row in zip(self.prompts(learner), rows, strict=True):
            found[self.first[prompt] : self.first[prompt] + len(row)] = row
        return found

    def population(self, policies: Sequence[Rows]) -> PolicyPopulation:
        """Return the population of these policies of each learner."""
        tables = {name: [self.table(name, rows[name]) for rows in policies] for name in self.players}
        return PolicyPopulation(self.moves, self.players, tables)

    def mixture(self, population: PolicyPopulation) -> Mixture:
        """Return the mixtures of the league's solver, by learner."""
        one, other = self.players
        found = mixtures(self.config.solver, population.payoffs(one), population.payoffs(other))
        return dict(zip((one, other), found, strict=True))


def _steps(graph: GameGraph) -> float:
    steps = expected_steps(graph)
    if steps is None:
        raise UsageError(f"{graph.table.task.task_id}: a league needs a game whose length does not depend on play")
    return steps


def policies_of(ledger: Ledger) -> list[Rows]:
    """Return the policies of finished rounds, the beginning's first."""
    return [line.league["policy"] for line in ledger.lines if line.league]


def beginning(plan: Plan, trainer: Trainer) -> dict[str, Any]:
    """Return the record of a league's first policies; nothing where the training has no league."""
    config = plan.scenario.training
    if config is None or config.league is None:
        return {}
    if config.samples_league:
        return first_record(list(config.learners))
    game = LeagueGame(plan)
    return _record(game, [], game.rows(trainer), {})


def is_over(config: TrainingConfig, ledger: Ledger) -> bool:
    """Return whether a league's NashConv is below epsilon; where it is not known, the gain of the last answers."""
    league = config.league
    record = last_round(ledger.lines)
    if league is None or not record or not ledger.lines[-1].league:
        return False
    measured = record["nash_conv"] if record["nash_conv"] is not None else _sum_of_gains(record)
    return measured is not None and measured < league.epsilon


def _sum_of_gains(record: Mapping[str, Any]) -> float | None:
    """Return the sum of gains; of estimated ones the upper ends: that few episodes saw no gain is no end."""
    reach = record.get("gain_reach", {})
    gains = [max(0.0, gain + reach.get(name, 0.0)) for name, gain in record["gain"].items()]
    return sum(gains) if gains else None


def at_start(context: UpdateContext, ledger: Ledger) -> UpdateContext:
    """Return the context in which learners are their first versions again, where a round begins."""
    league = context.config.league
    if league is None or (context.update - 1) % league.oracle_updates:
        return context
    versions = {}
    for name, made in ledger.lines[0].learners.items():
        place = context.versions[name].folder.parent / made.version
        context.trainer.load_weights(name, place)
        versions[name] = Version(name, made.version, made.digest, place)
    return replace(context, versions=versions)


def answer(context: UpdateContext, ledger: Ledger) -> Lesson:
    """Return the exact gradients of answers to the mixture; values are what they earn against it per step."""
    game = LeagueGame(context.plan)
    population, rows = game.population(policies_of(ledger)), game.rows(context.trainer)
    mixture = mixture_of(ledger)
    samples, values = [], {}
    for name in game.players:
        table = game.table(name, rows[name])
        samples += samples_of(game.first, name, population.slopes(name, table, mixture))
        values[name] = population.against(name, table, mixture)
    return Lesson(samples, values, cells=rows)


def mixture_of(ledger: Ledger) -> Mixture:
    """Return the mixture of the last finished round."""
    return {name: np.array(chances) for name, chances in last_round(ledger.lines)["mixture"].items()}


def with_record(context: UpdateContext, ledger: Ledger, line: UpdateLine, made: Mapping[str, Version]) -> UpdateLine:
    """Return the line with the record of its round, where the round ends with it.

    Args:
        context: The training before the update.
        ledger: Its ledger.
        line: The update's line.
        made: The update's versions, which the trainer has loaded.

    Raises:
        SocietyError, RunStoppedError: Of a match, as `play_update`.
    """
    league = context.config.league
    if league is None or context.update % league.oracle_updates:
        return line
    if context.config.samples_league:
        return replace(line, league=record_of(context, made))
    game = LeagueGame(context.plan)
    found = _record(game, policies_of(ledger), game.rows(context.trainer), mixture_of(ledger))
    return replace(line, league=found)


def _record(game: LeagueGame, before: Sequence[Rows], policy: Rows, met: Mixture) -> dict[str, Any]:
    """Return what a new policy of each learner makes of the league.

    Args:
        game: The game.
        before: The policies before it.
        policy: The new one.
        met: The mixture that it was trained against; empty for the first.
    """
    population = game.population([*before, policy])
    mixture = game.mixture(population)
    earlier = game.population(before)
    gain = {
        name: earlier.against(name, game.table(name, policy[name]), met) - earlier.value(name, met)
        for name in game.players
        if met
    }
    return {
        "policy": {name: [list(row) for row in rows] for name, rows in policy.items()},
        "mixture": {name: chances.tolist() for name, chances in mixture.items()},
        "value": {name: population.value(name, mixture) for name in game.players},
        "gain": gain,
        "nash_conv": population.nash_conv(mixture),
    }
