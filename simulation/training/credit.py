"""Credit: how much each reply of a learner should become more likely, from what its objective paid after it.

    return-to-go   sum of the objective's payoffs from the reply's step to the end of the episode
                   of a message whose silenced twin was played: less the sum in the twin
    baseline       the mean return of the replies to the same prompt in other episodes (leave one out); for a prompt of
                   one episode, of the other replies in the same step of the task; for the only reply of a step, the
                   mean of that step in the last update
    advantage      (return - baseline) / spread, the spread at least 0.1 of the largest return
    worth          of every choice of a decision after which nothing follows: what it would have paid

Compared are replies to one prompt where it was met again: the same game, role, step and observation. Payoffs count,
never the shared-out pool: it is the same whatever happens. An invalid decision earns what the game pays for it, and is
not learned from.

Sources: Williams, Machine Learning 8 (1992), for REINFORCE; Kool, van Hoof & Welling, Buy 4 REINFORCE samples, ICLR
2019 workshop, for leave one out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from agents.inference.provenance import Purpose
from agents.learning.samples import Prompt, Sample
from agents.prompts import chat
from simulation.metrics.arrays import Matrix, Vector

if TYPE_CHECKING:
    from simulation.tables.run import Run

_LEAST_SPREAD = 0.1
Returns = Mapping[tuple[int, int, str], float]
"""By episode, step and model_id: what a learner's objective is paid from this step on."""
Worths = Mapping[tuple[int, int, str], Mapping[str, float]]
"""By episode, step and model_id: the worth of each choice, by its text."""

Paid = Callable[["LearnerAct"], float]
"""Takes a reply to what was paid for it, before a baseline."""


@dataclass(frozen=True)
class LearnerAct:
    """One reply of a learner; a message may have choices too, where there are only some words."""

    episode: int
    step: int
    prompt: Prompt
    reply: str
    purpose: Purpose = Purpose.DECIDE

    @property
    def where(self) -> tuple[int, int, str]:
        """Its episode, step and learner."""
        return self.episode, self.step, self.prompt.learner

    @property
    def decides(self) -> bool:
        """Whether it is a decision."""
        return self.purpose is Purpose.DECIDE and bool(self.prompt.choices)

    @property
    def valid(self) -> bool:
        """Whether the reply is one that can be learned from."""
        return bool(self.reply) and (not self.prompt.choices or self.reply in self.prompt.choices)


@dataclass(frozen=True)
class Credit:
    """Samples of one update, and what was seen.

    Attributes:
        samples: One per valid reply.
        returns: Mean return of an episode, by learner, in the objective's points.
        invalid: Share of decisions that were not legal, by learner (0-1).
        means: Mean return-to-go by learner, task, step and kind of reply: the next update's last baseline.
        episodes: The episode of each sample.
    """

    samples: tuple[Sample, ...]
    returns: Mapping[str, float]
    invalid: Mapping[str, float]
    means: Mapping[str, float]
    episodes: tuple[int, ...] = ()


def acts_of(run: Run, learners: Iterable[str]) -> list[LearnerAct]:
    """Return what the learners of a finished run replied, from its stored prompts; the last of two asks counts."""
    rows = run.prompts
    rows = rows[rows["model_id"].isin(list(learners)) & (rows["purpose"] != Purpose.ACT.value)]
    found: dict[tuple[object, ...], LearnerAct] = {}
    for row in rows.sort_values("ask", kind="stable").to_dict("records"):
        prompt = Prompt(row["model_id"], chat(row["system"], row["user"]), tuple(row["choices"]))
        purpose = Purpose(row["purpose"])
        act = LearnerAct(int(row["episode"]), int(row["step"]), prompt, str(row["reply"] or ""), purpose)
        found[act.episode, act.step, row["model_id"], row["purpose"], row["talk_round"]] = act
    return list(found.values())


def returns_to_go(run: Run, weights: Callable[[int, str], Vector]) -> dict[tuple[int, int, str], float]:
    """Return what a learner's objective is paid from each step on.

    Args:
        run: A finished run.
        weights: Takes an episode and a model_id to a weight per player, in the order of the roster.

    Returns:
        By episode, step and model_id.
    """
    names = [config.model_id for config in run.roster.expand()]
    keys = ["episode", "step", "model_id"]
    table = run.steps.astype({"model_id": str}).set_index(keys)["payoff"].unstack("model_id")
    played = table[names].groupby(level="episode")
    return to_go_of({int(str(number)): rows.to_numpy(dtype=float) for number, rows in played}, names, weights)


def per_step(to_go: Returns, steps: Sequence[int], learner: str) -> list[float]:
    """Return what a learner's objective was paid per step in each episode; `steps` has the length of each."""
    return [to_go[episode, 0, learner] / count for episode, count in enumerate(steps)]


def to_go_of(
    payoffs: Mapping[int, Matrix], names: Sequence[str], weights: Callable[[int, str], Vector]
) -> dict[tuple[int, int, str], float]:
    """Return what a learner's objective is paid from each step on.

    Args:
        payoffs: By episode one row per step and one column per player.
        names: The players' model_ids, in the order of the columns.
        weights: As in `returns_to_go`.

    Returns:
        By episode, step and model_id.
    """
    found: dict[tuple[int, int, str], float] = {}
    for episode, rows in payoffs.items():
        to_go = rows[::-1].cumsum(axis=0)[::-1]
        for name in names:
            worth = to_go @ weights(episode, name)
            found.update({(episode, step, name): float(value) for step, value in enumerate(worth)})
    return found


def credited(
    acts: Sequence[LearnerAct],
    to_go: Returns,
    task_of: Mapping[int, str],
    means: Mapping[str, float],
    worths: Worths | None = None,
    twins: Returns | None = None,
) -> Credit:
    """Return the samples of one update.

    Args:
        acts: What learners replied.
        to_go: Returns-to-go, as `returns_to_go` gives them.
        task_of: The task of each episode.
        means: Those of the last update.
        worths: The worth of every choice, where it is known; the others are weighed by what followed.
        twins: Returns-to-go without the learner's own messages, where they are known.
    """
    paid = _paid_for(to_go, twins or {})
    weighed = list(_weighed(acts, paid, task_of, means, worths))
    return credit_of(acts, to_go, task_of, means, weighed, paid)


def credit_of(
    acts: Sequence[LearnerAct],
    to_go: Returns,
    task_of: Mapping[int, str],
    means: Mapping[str, float],
    weighed: Sequence[tuple[LearnerAct, Sample]],
    paid: Paid | None = None,
) -> Credit:
    """Return the credit of an update whose samples are weighed, with each learner's weights divided by their spread.

    Args:
        acts: As in `credited`, like the next three.
        to_go: Returns-to-go.
        task_of: The task of each episode.
        means: Those of the last update.
        weighed: The samples, each with its reply.
        paid: What was paid for a reply; by default the return-to-go.
    """
    steps = _returns_by_step(acts, paid or _paid_for(to_go, {}), task_of)
    return Credit(
        tuple(_scaled([sample for _, sample in weighed])),
        _episode_returns(acts, to_go),
        _invalid_shares(acts),
        {**means, **{place: float(np.mean(values)) for place, values in sorted(steps.items())}},
        tuple(act.episode for act, _ in weighed),
    )


def advantages(
    acts: Sequence[LearnerAct],
    to_go: Returns,
    task_of: Mapping[int, str],
    means: Mapping[str, float],
    worths: Worths | None = None,
) -> list[Sample]:
    """Return a sample per valid reply, its weight the return less the baseline; arguments as in `credited`.

    A decision whose choices have a known worth is a sample with values instead: their worth less its mean. The mean
    gradient of many such samples is the policy gradient.
    """
    return [sample for _, sample in _weighed(acts, _paid_for(to_go, {}), task_of, means, worths)]


def _paid_for(to_go: Returns, twins: Returns) -> Paid:
    """Return what takes a reply to what was paid for it; a message's twin that ended earlier was paid nothing more."""
    talkers = {name for _, _, name in twins}

    def paid(act: LearnerAct) -> float:
        without = act.purpose is Purpose.TALK and act.prompt.learner in talkers
        return to_go[act.where] - (twins.get(act.where, 0.0) if without else 0.0)

    return paid


def _weighed(
    acts: Sequence[LearnerAct],
    paid: Paid,
    task_of: Mapping[int, str],
    means: Mapping[str, float],
    worths: Worths | None,
) -> Iterator[tuple[LearnerAct, Sample]]:
    known = worths or {}
    for act, gain in _gains(acts, paid, task_of, means):
        if act.decides and (worth := known.get(act.where)):
            yield act, _of_worth(act, worth)
        elif act.valid:
            yield act, Sample(act.prompt, picked=act.reply, weight=gain)


def _gains(
    acts: Sequence[LearnerAct],
    paid: Paid,
    task_of: Mapping[int, str],
    means: Mapping[str, float],
) -> Iterator[tuple[LearnerAct, float]]:
    """Yield each reply with what was paid for it less the baseline, by prompt."""
    for act, baseline in baselines(acts, paid, task_of, means):
        yield act, paid(act) - baseline


def baselines(
    acts: Sequence[LearnerAct], paid: Paid, task_of: Mapping[int, str], means: Mapping[str, float]
) -> Iterator[tuple[LearnerAct, float]]:
    """Yield each reply with the mean of what was paid for others to its prompt, in other episodes.

    For a prompt of one episode it is the mean of the other replies in the step; for the only one there, that of the
    last update. Replies of the same episode do not count: what was paid for a later one depends on this one.
    """
    groups: dict[Prompt, list[LearnerAct]] = defaultdict(list)
    for act in acts:
        groups[act.prompt].append(act)
    steps = _returns_by_step(acts, paid, task_of)
    for members in groups.values():
        returns = np.array([paid(act) for act in members])
        others = _leave_episode_out(returns, np.array([act.episode for act in members]))
        if others is None:
            others = np.array([_of_step(act, paid(act), steps, task_of, means) for act in members])
        yield from zip(members, others.tolist(), strict=True)


def _of_step(
    act: LearnerAct,
    paid: float,
    steps: Mapping[str, Sequence[float]],
    task_of: Mapping[int, str],
    means: Mapping[str, float],
) -> float:
    place = _place(act, task_of)
    alike = steps[place]
    return (sum(alike) - paid) / (len(alike) - 1) if len(alike) > 1 else means.get(place, paid)


def _of_worth(act: LearnerAct, worth: Mapping[str, float]) -> Sample:
    values = np.array([worth[choice] for choice in act.prompt.choices])
    return Sample(act.prompt, values=tuple((values - values.mean()).tolist()))


def _returns_by_step(acts: Sequence[LearnerAct], paid: Paid, task_of: Mapping[int, str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for act in acts:
        found[_place(act, task_of)].append(paid(act))
    return found


def _leave_episode_out(returns: Vector, episodes: np.ndarray) -> Vector | None:
    """For each return the mean of those of other episodes; None where there is one episode."""
    _, of = np.unique(episodes, return_inverse=True)
    sums, counts = np.bincount(of, returns), np.bincount(of)
    if len(sums) == 1:
        return None
    return np.asarray((returns.sum() - sums[of]) / (len(returns) - counts[of]))


def _place(act: LearnerAct, task_of: Mapping[int, str]) -> str:
    """Where a reply is one of many: the learner's decisions, or messages, in one step of a task."""
    kind = "decide" if act.decides else "talk"
    return f"{act.prompt.learner}/{task_of[act.episode]}/{act.step}/{kind}"


def _scaled(samples: Sequence[Sample]) -> list[Sample]:
    """Divide each learner's advantages by their spread, which is at least a tenth of the largest."""
    by_learner: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        by_learner[sample.prompt.learner] += sample.values or (sample.weight,)
    spreads = {
        learner: max(float(np.std(gains)), _LEAST_SPREAD * float(np.abs(gains).max())) or 1.0
        for learner, gains in by_learner.items()
    }
    return [_divided(each, spreads[each.prompt.learner]) for each in samples]


def _divided(sample: Sample, by: float) -> Sample:
    if sample.values:
        return replace(sample, values=tuple(value / by for value in sample.values))
    return replace(sample, weight=sample.weight / by)


def _episode_returns(acts: Sequence[LearnerAct], to_go: Returns) -> dict[str, float]:
    learners = {act.prompt.learner for act in acts}
    first = {(episode, name): value for (episode, step, name), value in to_go.items() if step == 0 and name in learners}
    return {name: float(np.mean([v for (_, who), v in first.items() if who == name])) for name in sorted(learners)}


def _invalid_shares(acts: Sequence[LearnerAct]) -> dict[str, float]:
    decided: dict[str, list[bool]] = defaultdict(list)
    for act in acts:
        if act.decides:
            decided[act.prompt.learner].append(not act.valid)
    return {name: float(np.mean(flags)) for name, flags in sorted(decided.items())}
