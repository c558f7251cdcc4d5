"""Whom learners meet in an update: lineups by the shares of `training.opponents`.

rollouts/0001/1/<run>   latest: every learner plays its latest version, and all learn
rollouts/0001/2/<run>   past: ann learns, every other learner plays an earlier version
rollouts/0001/3/<run>   scripted: ann learns, a policy plays every other row

Each learner has `episodes` episodes in all. Whom it meets is drawn from the training's seed and the ledger, so a
training that is resumed or replayed meets the same.

Source:
    Heinrich, Lanctot & Silver, Fictitious self-play in extensive-form games, ICML 2015, for past versions; Vinyals et
    al., Nature 575 (2019), for prioritised fictitious self-play: there the chance of an opponent grows with how often
    it wins; payoffs here have no winner, so it grows with how little was earned against it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agents.learning.samples import Version
from agents.proportions import largest_remainders
from simulation.plan import Plan
from simulation.sections.opponents import OpponentsConfig, PastChoice
from simulation.seeds import derive_seed
from simulation.training.company import all_loaded, with_partner
from simulation.training.credit import LearnerAct, Returns, per_step
from simulation.training.league.sampled import LEAGUE, opponents_of
from simulation.training.ledger import Meeting
from simulation.training.lesson import UpdateContext
from simulation.training.rollout import play_runs, play_update, rollouts_of

if TYPE_CHECKING:
    from simulation.tables.run import Run

Played = list[tuple["Run", list[LearnerAct]]]
LATEST, PAST, SCRIPTED = "latest", "past", "scripted"
ANYONE = "*"
_LEAST_WEIGHT = 0.05
"""The weight of an earlier version that a learner beats most, against 1 of the one that it earned least against."""


@dataclass(frozen=True)
class Lineup:
    """Who plays some of an update's episodes.

    Attributes:
        kind: latest, past, scripted or league.
        learners: The rows that learn there.
        episodes: How many episodes it plays.
        versions: The earlier version that each other learner plays; empty but in `past`.
        policy: The policy of every other row in `scripted`, else empty.
    """

    kind: str
    learners: tuple[str, ...]
    episodes: int
    versions: Mapping[str, Version] = field(default_factory=dict)
    policy: str = ""


def episodes_by_kind(config: OpponentsConfig, episodes: int) -> dict[str, int]:
    """Return how many of a learner's episodes each kind gets: its share, by largest remainders."""
    shares = {LATEST: config.latest, PAST: config.past, SCRIPTED: config.scripted}
    return largest_remainders(shares, episodes)


def lineups(context: UpdateContext) -> list[Lineup]:
    """Return the lineups of an update, in the order of their folders."""
    if context.config.samples_league:
        return list(_league_lineups(context))
    config, learners = context.config.opponents, tuple(context.config.learners)
    counts, found = episodes_by_kind(config, context.config.episodes), []
    if counts[LATEST]:
        found.append(Lineup(LATEST, learners, counts[LATEST]))
    for name in learners:
        rng = random.Random(derive_seed(context.plan.scenario.seed, "opponents", context.update, name))
        if counts[PAST]:
            found.append(Lineup(PAST, (name,), counts[PAST], dict(_past(context, name, rng))))
        if counts[SCRIPTED]:
            found.append(Lineup(SCRIPTED, (name,), counts[SCRIPTED], policy=rng.choice(config.policies)))
    return found


def _league_lineups(context: UpdateContext) -> Iterator[Lineup]:
    """Yield a lineup for each learner and policy of the other that its mixture has."""
    for learner in context.config.learners:
        for other, version, episodes in opponents_of(context, learner):
            yield Lineup(LEAGUE, (learner,), episodes, {other: version})


def _past(context: UpdateContext, learner: str, rng: random.Random) -> Iterator[tuple[str, Version]]:
    """Yield every other learner with an earlier version that is drawn for it."""
    prioritised = context.config.opponents.past_by is PastChoice.PRIORITISED
    for other in context.config.learners:
        if other == learner:
            continue
        made = {line.learners[other].version: line.learners[other].digest for line in context.lines}
        latest = context.versions[other].name
        lineage = dict.fromkeys(line.going_on(other) for line in context.lines)  # without what a gate sent back
        names = [name for name in lineage if name != latest] or [latest]
        weights = priorities(names, _earned(context, learner, other)) if prioritised else [1.0] * len(names)
        (drawn,) = rng.choices(names, weights)
        yield other, Version(other, drawn, made[drawn], context.versions_folder / drawn)


def _earned(context: UpdateContext, learner: str, other: str) -> dict[str, list[float]]:
    """Return what a learner earned per step in each past lineup, by the version that another learner played."""
    found: dict[str, list[float]] = {}
    for line in context.lines:
        for met in line.meetings.get(learner, ()):
            if met.kind == PAST:
                found.setdefault(met.opponents[other], []).append(met.value)
    return found


def priorities(names: Sequence[str], earned: Mapping[str, Sequence[float]]) -> list[float]:
    """Return the weight of each earlier version: the square of how little was earned against it.

    Args:
        names: The versions.
        earned: What was earned against those that were met, per step.

    Returns:
        For each name 1 where least was earned, or where it was not met yet, down to `_LEAST_WEIGHT` where most was.
    """
    means = {name: sum(earned[name]) / len(earned[name]) for name in names if earned.get(name)}
    least, most = min(means.values(), default=0.0), max(means.values(), default=0.0)
    if most == least:
        return [1.0] * len(names)
    return [max(_LEAST_WEIGHT, ((most - means.get(name, least)) / (most - least)) ** 2) for name in names]


def play_lineups(context: UpdateContext, place: Path | None = None) -> Played:
    """Play an update's episodes, or finish them, one run for each lineup or part; only its learners' replies count.

    Args:
        context: The update.
        place: The folder of the runs; by default `rollouts_of`.

    Raises:
        SocietyError, RunStoppedError: As `play_runs`.
    """
    if not context.config.divides_by_opponents:
        return play_runs(context, place)
    place, found = place or rollouts_of(context), []
    for number, lineup in enumerate(lineups(context), start=1):
        with all_loaded(context.trainer, lineup.versions, context.versions):
            run, acts = play_update(_context_of(context, lineup, number), place / str(number))
        found.append((run, [act for act in acts if act.prompt.learner in lineup.learners]))
    return found


def learners_by_run(context: UpdateContext) -> list[tuple[str, ...]]:
    """Return the learners whose replies count in each run of an update, in the order of `play_lineups`."""
    if context.config.divides_by_opponents:
        return [lineup.learners for lineup in lineups(context)]
    return [tuple(context.config.learners)] * context.config.parts


def _context_of(context: UpdateContext, lineup: Lineup, number: int) -> UpdateContext:
    plan = context.plan
    if lineup.policy:
        plan = with_partner(plan, lineup.learners[0], lineup.policy)
    seed = derive_seed(plan.scenario.seed, "lineup", number)
    plan = Plan(plan.scenario.model_copy(update={"seed": seed}), plan.roster)
    learners = context.config.learners
    if lineup.policy:
        learners = {name: learners[name] for name in lineup.learners}
    config = context.config.model_copy(update={"episodes": lineup.episodes, "learners": learners})
    versions = {**context.versions, **lineup.versions}
    return replace(context, plan=plan, config=config, versions={name: versions[name] for name in learners})


def meetings(
    context: UpdateContext, to_go: Sequence[Returns], steps: Sequence[Sequence[int]]
) -> dict[str, list[Meeting]]:
    """Return whom each learner met in an update, and what it earned.

    Args:
        context: The update.
        to_go: The returns-to-go of each lineup's run.
        steps: The number of steps of each of its episodes.
    """
    found: dict[str, list[Meeting]] = {name: [] for name in context.config.learners}
    if not context.config.divides_by_opponents:
        return {}
    for lineup, returns, lengths in zip(lineups(context), to_go, steps, strict=True):
        for name in lineup.learners:
            earned = per_step(returns, lengths, name)
            met = _opponents(context, lineup, name)
            found[name].append(Meeting(lineup.kind, met, len(earned), sum(earned) / len(earned)))
    return found


def _opponents(context: UpdateContext, lineup: Lineup, learner: str) -> dict[str, str]:
    if lineup.policy:
        return {ANYONE: lineup.policy}
    versions = {**context.versions, **lineup.versions}
    return {name: version.name for name, version in versions.items() if name != learner}
