"""What a version earns in a silent game with few prompts: computed on the game's graph, without an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from agents.learning.samples import Prompt, Trainer, Version
from agents.players.policies import TABULAR
from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.sections.training import TrainingConfig, TrainingMethod
from simulation.training.company import loaded, with_partner
from simulation.training.gate.decision import COMPANY, PairedDifferences
from simulation.training.graph import GameGraph, StrategyProfile
from simulation.training.lesson import UpdateContext
from simulation.training.methods.exact import graphs_of, profile_of
from simulation.training.objectives import objective_of, payoff_weights

UNIFORM = ("random", "level_0")
"""Policies that take every option with the same chance."""
Chances = Mapping[Prompt, Sequence[float]]


def graphs_with(plan: Plan, learner: str, partner: str) -> tuple[GameGraph, ...] | None:
    """Return the games that a learner plays with a partner; None where they are to be played.

    A partner of `UNIFORM` counts as a learner in these games, whose rows are uniform.

    Args:
        plan: The training's plan.
        learner: The learner.
        partner: A policy, or `COMPANY`.

    Returns:
        None where the method plays episodes, or the partner draws in another way.
    """
    config = plan.scenario.training
    if config is None or not config.computes:
        return None
    # the same games, though a method of shaping would refuse a single learner
    exact = config.model_copy(update={"method": TrainingMethod.EXACT})
    plan = replace(plan, scenario=plan.scenario.model_copy(update={"training": exact}))
    if partner == COMPANY:
        return graphs_of(plan)
    if partner in UNIFORM:
        others = tuple(row.model_id for row in plan.roster.expand() if row.model_id != learner)
        return graphs_of(with_partner(plan, learner, TABULAR, others))
    try:
        return graphs_of(with_partner(plan, learner, partner))
    except SocietyError:
        return None


def exact_differences(
    context: UpdateContext, candidate: Version, incumbent: Version, games: Mapping[str, Sequence[GameGraph]]
) -> dict[str, PairedDifferences]:
    """Return what the candidate earns more with each partner, exactly; games with several partners share prompts.

    Args:
        context: The training.
        candidate: The version that may be promoted.
        incumbent: The version that is promoted now.
        games: The games of each partner (`graphs_with`).
    """
    learner, values = candidate.learner, []
    for version in (candidate, incumbent):
        with loaded(context.trainer, version, candidate):
            known = _known(games, context.trainer, learner)
        values.append({partner: _earned(context.config, learner, partner, games[partner], known) for partner in games})
    new, old = values
    return {each: PairedDifferences(each, np.array([new[each] - old[each]]), exact=True) for each in games}


def _known(games: Mapping[str, Sequence[GameGraph]], trainer: Trainer, learner: str) -> Chances:
    """Return the chances of the choices of every prompt that the trainer's versions are asked, each prompt once."""
    cells = ((partner, cell) for partner, graphs in games.items() for graph in graphs for cell in graph.cells)
    asked = list(dict.fromkeys(cell.prompt for partner, cell in cells if _is_asked(cell.prompt, learner, partner)))
    return dict(zip(asked, trainer.probabilities(asked), strict=True))


def _is_asked(prompt: Prompt, learner: str, partner: str) -> bool:
    """Return whether a version answers a prompt; a partner of `UNIFORM` takes every option with the same chance."""
    return partner == COMPANY or prompt.learner == learner


def _earned(config: TrainingConfig, learner: str, partner: str, graphs: Sequence[GameGraph], known: Chances) -> float:
    return float(np.mean([_value(graph, known, config, learner, partner) for graph in graphs]))


def _value(graph: GameGraph, known: Chances, config: TrainingConfig, learner: str, partner: str) -> float:
    """Return what counts, in points a step: the objective in the company, the learner's own payoff elsewhere."""
    prompts = [cell.prompt for cell in graph.cells]
    profile = graph.evaluate(
        [known[each] if _is_asked(each, learner, partner) else _undecided(each) for each in prompts]
    )
    seats = graph.table.game.setting.seats
    player = _player(graph, learner)
    objective = objective_of(config.learners[learner], graph.table.mode)
    weights = payoff_weights(objective, player, seats) if partner == COMPANY else np.eye(len(seats))[player]
    return float(profile.payoffs @ weights) / profile.steps


def _player(graph: GameGraph, learner: str) -> int:
    return [row.model_id for row in graph.table.configs].index(learner)


# -- exploitability ---------------------------------------------------------------------------------------


def exploitability_of(plan: Plan, trainer: Trainer, learner: str) -> float:
    """Return what a best responder in another's place earns above the learner, in points a step; at least 0.

    The learner earns what it does in the training's own company, where all learners play what the trainer has made of
    them. Where both places are alike and play the same, this is the best response to a policy less its self-play. It is
    the most over all places and games. Where places differ, so does what they earn, and the figure contains that.

    Raises:
        UsageError: Models talk, or the mode is mixed.
        SocietyError: The game is too large or draws, or a partner draws.
    """
    found = 0.0
    for graph in graphs_of(plan):
        own = _player(graph, learner)
        company = profile_of(graph, trainer)
        norm = float(company.payoffs[own])
        for place in range(len(graph.table.configs)):
            if place != own:
                profile = _as_learner(company, trainer, place)
                found = max(found, (profile.best_response(place) - norm) / profile.steps)
    return found


def _as_learner(company: StrategyProfile, trainer: Trainer, place: int) -> StrategyProfile:
    """Return what everyone earns in the company's game in which a scripted place has all its choices too."""
    graph = company.graph
    name = graph.table.configs[place].model_id
    if name in graph.table.learners:
        return company
    table = replace(graph.table, learners=graph.table.learners | {name})
    wider = GameGraph(table, discount=graph.discount, stationary=graph.stationary)
    prompts = [cell.prompt for cell in wider.cells]
    known = [prompt for prompt in prompts if prompt.learner != name]
    chances = dict(zip(known, trainer.probabilities(known), strict=True))
    return wider.evaluate([chances[prompt] if prompt in chances else _undecided(prompt) for prompt in prompts])


def _undecided(prompt: Prompt) -> tuple[float, ...]:
    """Return the same chance for each choice."""
    return (1 / len(prompt.choices),) * len(prompt.choices)
