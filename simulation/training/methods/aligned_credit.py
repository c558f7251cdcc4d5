"""Advantage alignment from played episodes: the credit of decisions.

    weight_t = A_t + alignment * d * e_t * B_t          e_t = d (e_(t-1) + a_(t-1)),  e_0 = 0

    A_t   what the objective was paid from t on, less the baseline of the prompt: `simulation.training.credit`
    B_t   the sum of the other learners' A_t
    a_t   r_t + d v_(t+1) - v_t: the advantage of a past step, v the baselines. It does not see what came after, so its
          product with B_t is right in the mean
    d     the chance that another step follows

All payoffs are per step of the mean episode, as in the computed method. A baseline is a mean over other episodes, so
the mean gradient is the computed one where a prompt tells the state of the game, as in a repeated game that shows the
last moves. Messages are credited as by `reinforce`.

Source: Duque et al., Advantage alignment algorithms (2024), arXiv 2406.14662.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from agents.learning.samples import Sample
from simulation.training.credit import LearnerAct, Returns, baselines

Place = tuple[int, int, str]


def aligned(
    acts: Sequence[LearnerAct],
    to_go: Returns,
    task_of: Mapping[int, str],
    means: Mapping[str, float],
    *,
    chances: Mapping[str, float],
    alignment: float,
    steps: float,
) -> Iterator[tuple[LearnerAct, Sample]]:
    """Yield each valid reply with its sample, before samples are scaled.

    Args:
        acts: What learners replied.
        to_go: Returns-to-go, as `returns_to_go` gives them.
        task_of: The task of each episode.
        means: The running means of the last update.
        chances: By task, the chance that another step follows a step.
        alignment: The weight of products of advantages; 0 is `reinforce`.
        steps: The mean number of steps of an episode.
    """
    found = list(baselines(acts, lambda act: to_go[act.where], task_of, means))
    values = {act.where: baseline / steps for act, baseline in found if act.decides}
    others = _others({place: to_go[place] / steps - value for place, value in values.items()})
    carried = _carried(values, to_go, task_of, chances, steps)
    for act, baseline in found:
        weight = (to_go[act.where] - baseline) / steps
        if act.decides:
            weight += alignment * chances[task_of[act.episode]] * carried[act.where] * others[act.where]
        if act.valid:
            yield act, Sample(act.prompt, picked=act.reply, weight=weight)


def _others(gains: Mapping[Place, float]) -> dict[Place, float]:
    """Return for each decision the sum of the other learners' gains in its step."""
    sums: dict[tuple[int, int], float] = defaultdict(float)
    for (episode, step, _), gain in gains.items():
        sums[episode, step] += gain
    return {place: sums[place[:2]] - gain for place, gain in gains.items()}


def _carried(
    values: Mapping[Place, float],
    to_go: Returns,
    task_of: Mapping[int, str],
    chances: Mapping[str, float],
    steps: float,
) -> dict[Place, float]:
    """Return for each decision the discounted sum of the learner's past advantages, e_t."""
    found: dict[Place, float] = {}
    for episode, step, name in sorted(values):
        before, chance = (episode, step - 1, name), chances[task_of[episode]]
        if before not in found:
            found[episode, step, name] = 0.0
            continue
        reward = (to_go[before] - to_go[episode, step, name]) / steps
        past = reward + chance * values[episode, step, name] - values[before]
        found[episode, step, name] = chance * (found[before] + past)
    return found
