"""A league whose games are too large to compute: answers are learned by `reinforce`, payoffs are estimated by matches.

rollouts/0001/1/<run>            answers: a learner plays a policy of the other, as often as the mixture has it
league/0020/0-1/2/<run>          the second match of policy 0 of the first learner with policy 1 of the second

Matches go to the pairs whose payoffs are known least (`simulation.training.league.allocation`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from agents.learning.samples import Version
from simulation.metrics.arrays import Matrix
from simulation.plan import Plan
from simulation.sections.league import LeagueConfig
from simulation.seeds import derive_seed
from simulation.training.company import all_loaded
from simulation.training.league.allocation import MATCH, Pair, PayoffEstimate, estimate, next_pair, spread_of
from simulation.training.league.solvers import mixtures
from simulation.training.ledger import UpdateLine, last_round
from simulation.training.lesson import UpdateContext
from simulation.training.rollout import earned_per_step, play_update

LEAGUE = "league"
Policies = Sequence[Mapping[str, Version]]
"""Of each round, the version of each learner."""
Matches = dict[Pair, dict[str, PayoffEstimate]]
"""By pair of policies what each learner earns."""


def first_record(learners: Sequence[str]) -> dict[str, Any]:
    """Return the record of the first policies, which are all there is to meet."""
    return {"mixture": {name: [1.0] for name in learners}, "value": {}, "gain": {}, "nash_conv": None, "matches": []}


def policies(context: UpdateContext) -> Policies:
    """Return the policies of finished rounds, the beginning's first."""
    place = context.versions_folder
    return [
        {name: Version(name, made.version, made.digest, place / made.version) for name, made in line.learners.items()}
        for line in context.lines
        if line.league
    ]


def opponents_of(context: UpdateContext, learner: str) -> Iterator[tuple[str, Version, int]]:
    """Yield the policies that a learner meets in an update: whose, which, and in how many episodes.

    The numbers follow the mixture. Which policy gets the episodes that cannot be divided is drawn anew in each update.
    """
    (other,) = (name for name in context.config.learners if name != learner)
    rng = random.Random(derive_seed(context.plan.scenario.seed, LEAGUE, context.update, learner))
    counts = divided(last_round(context.lines)["mixture"][other], context.config.episodes, rng.random())
    for policy, episodes in zip(policies(context), counts, strict=True):
        if episodes:
            yield other, policy[other], episodes


def divided(chances: Sequence[float], episodes: int, offset: float) -> list[int]:
    """Return how many episodes each chance gets: systematic sampling, right on average over offsets.

    Args:
        chances: They sum to 1.
        episodes: All episodes.
        offset: At least 0, below 1.
    """
    ends = np.floor(np.cumsum(chances) * episodes + offset)
    ends[-1] = episodes  # the sum of chances may be a little off 1
    return [int(each) for each in np.diff(np.minimum(ends, episodes), prepend=0.0)]


def record_of(context: UpdateContext, made: Mapping[str, Version]) -> dict[str, Any]:
    """Return what the new policy of each learner makes of the league, by matches of all pairs with a new policy.

    Args:
        context: The update that ended the round.
        made: The new versions, which the trainer has loaded.
    """
    known = [*policies(context), made]
    new = _played(context, known, made)
    found, learners = matches_of(context.lines) | new, list(context.config.learners)
    tables = {name: payoffs(found, len(known), name) for name in learners}
    one, other = tables.values()
    mine, theirs = mixtures(_league(context).solver, one, other.T)
    gains = {name: _gain(context, found, name) for name in learners}
    return {
        "mixture": {learners[0]: mine.tolist(), learners[1]: theirs.tolist()},
        "value": {name: float(mine @ table @ theirs) for name, table in tables.items()},
        "gain": {name: gain for name, (gain, _) in gains.items()},
        "gain_reach": {name: reach for name, (_, reach) in gains.items()},
        "nash_conv": None,
        "matches": [
            {"pair": list(pair), "payoffs": {name: asdict(payoff) for name, payoff in each.items()}}
            for pair, each in new.items()
        ],
    }


def matches_of(lines: Sequence[UpdateLine]) -> Matches:
    """Return what each learner earns with each pair of policies, as finished rounds have it."""
    return {
        (match["pair"][0], match["pair"][1]): {name: PayoffEstimate(**each) for name, each in match["payoffs"].items()}
        for line in lines
        if line.league
        for match in line.league["matches"]
    }


def payoffs(found: Matches, count: int, learner: str) -> Matrix:
    """Return what a learner earns with each policy of the first learner (rows) and of the second (columns)."""
    return np.array([[found[row, column][learner].value for column in range(count)] for row in range(count)])


def _gain(context: UpdateContext, found: Matches, learner: str) -> tuple[float, float]:
    """Return what a new policy earns against the mixture that it answered, less what the mixture earned; and its reach.

    The reach is half of the 95 % interval's width: pairs are independent, so squares of their widths add up.
    """
    mixture = last_round(context.lines)["mixture"]
    (other,) = (name for name in context.config.learners if name != learner)
    mine, theirs = np.array(mixture[learner]), np.array(mixture[other])
    weights = np.vstack([-np.outer(mine, theirs), theirs])  # of each pair in the gain: the new policy is the last row
    is_first = learner == next(iter(context.config.learners))
    gain = square = 0.0
    for (row, column), weight in np.ndenumerate(weights):
        payoff = found[(row, column) if is_first else (column, row)][learner]
        gain += float(weight) * payoff.value
        square += (float(weight) * payoff.width / 2) ** 2
    return gain, math.sqrt(square)


def _played(context: UpdateContext, known: Policies, made: Mapping[str, Version]) -> Matches:
    """Play the pairs that no round has played yet, until their payoffs are known."""
    league, before = _league(context), matches_of(context.lines)
    every = ((row, column) for row in range(len(known)) for column in range(len(known)))
    pairs = [pair for pair in every if pair not in before]
    values: dict[Pair, list[list[float]]] = {pair: [] for pair in pairs}
    while (pair := next_pair(values, pairs, width=league.width, most=league.matches)) is not None:
        values[pair].extend(_match(context, pair, known, made, len(values[pair]) // MATCH + 1))
    spread = spread_of(values)
    return {
        pair: {
            name: estimate([row[player] for row in values[pair]], spread)
            for player, name in enumerate(context.config.learners)
        }
        for pair in pairs
    }


def _match(
    context: UpdateContext, pair: Pair, known: Policies, made: Mapping[str, Version], number: int
) -> list[list[float]]:
    """Return what the learners earned per step in each episode of a match."""
    one, other = context.config.learners
    versions = {one: known[pair[0]][one], other: known[pair[1]][other]}
    seed = derive_seed(context.plan.scenario.seed, LEAGUE, *pair, number)
    plan = Plan(context.plan.scenario.model_copy(update={"seed": seed}), context.plan.roster)
    config = context.config.model_copy(update={"episodes": math.ceil(MATCH / len(plan.scenario.tasks))})
    place = context.folder / LEAGUE / f"{context.update:04}" / f"{pair[0]}-{pair[1]}" / str(number)
    with all_loaded(context.trainer, versions, made):
        run, _ = play_update(replace(context, plan=plan, config=config, versions=versions), place)
    earned = earned_per_step(context, run)
    return [list(each) for each in zip(*(earned[name] for name in versions), strict=True)]


def _league(context: UpdateContext) -> LeagueConfig:
    assert context.config.league is not None
    return context.config.league
