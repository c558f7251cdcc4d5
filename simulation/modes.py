"""Who hears whom, and who gets which reward. Pure.

| mode        | a message is heard by           | the reward pool goes                               |
|-------------|---------------------------------|----------------------------------------------------|
| cooperative | everyone the topology connects  | to all, in equal parts                             |
| competitive | no one                          | to each by the share of all payoff that it earned  |
| team_battle | team-mates the topology connects| to teams by mean payoff, in equal parts within     |
| mixed       | as the mode picked this episode | as the mode picked this episode                    |

Rewards always add up to the pool. Where nobody earned anything it is shared equally, in a team battle among teams.
A model without a team is a team of its own. Mixed itself lets nobody hear or earn: asking raises ValueError.

Mixed picks one of the other three per episode:

| policy            | picks                                                                                |
|-------------------|--------------------------------------------------------------------------------------|
| fixed_cycle       | cooperative, competitive, team_battle, and again                                     |
| cooperation_level | cooperative from 0.7 of the task's cooperation level, team_battle from 0.3, else competitive |
| ucb1              | the largest mean + sqrt(2 ln t / n), each once first (Auer et al., Machine Learning 47, 2002) |
| exp3              | by exponential weights (Auer et al., SIAM Journal on Computing 32, 2002, fig. 1)     |

The bandits learn from welfare / optimum (0-1) of past episodes. team_battle is left out where the roster has
fewer than two teams.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from agents.strategy import COMMUNICATION_ABOVE, RESOURCE_SHARING_ABOVE, TrainingMode
from simulation.games.measures import welfare_ratio
from simulation.seats import Seat, named_teams, teams

CYCLE = (TrainingMode.COOPERATIVE, TrainingMode.COMPETITIVE, TrainingMode.TEAM_BATTLE)


class MixingPolicy(str, Enum):
    FIXED_CYCLE = "fixed_cycle"
    COOPERATION_LEVEL = "cooperation_level"
    UCB1 = "ucb1"
    EXP3 = "exp3"


@dataclass(frozen=True)
class ModeChoice:
    """The mode of an episode and the reason; `probability` is EXP3's, 1 if the choice was certain."""

    mode: TrainingMode
    reason: str
    probability: float = 1.0


@dataclass(frozen=True)
class Experience:
    """What a mixed run learned from past episodes: plays, summed welfare ratio and EXP3 log-weight per mode."""

    plays: Mapping[TrainingMode, int] = field(default_factory=dict)
    welfare: Mapping[TrainingMode, float] = field(default_factory=dict)
    log_weights: Mapping[TrainingMode, float] = field(default_factory=dict)

    def learn(self, choice: ModeChoice, welfare_ratio: float, arms: int, gamma: float) -> Experience:
        """Return the experience after one more episode.

        Args:
            choice: The mode that was played.
            welfare_ratio: Welfare / optimum of the episode, 0-1.
            arms: The number of modes to pick from.
            gamma: EXP3's share of exploration, in (0, 1].
        """
        mode = choice.mode
        gain = gamma * welfare_ratio / (choice.probability * arms)
        return replace(
            self,
            plays={**self.plays, mode: self.plays.get(mode, 0) + 1},
            welfare={**self.welfare, mode: self.welfare.get(mode, 0.0) + welfare_ratio},
            log_weights={**self.log_weights, mode: self.log_weights.get(mode, 0.0) + gain},
        )


def after_episode(
    before: Experience, choice: ModeChoice, welfare: float, optimum: float, arms: int, gamma: float
) -> Experience:
    """Return the experience after one more episode of a task.

    Args:
        before: What earlier episodes of the task taught.
        choice: The mode that was played.
        welfare: The sum of all payoffs.
        optimum: The best possible welfare.
        arms: The number of modes to pick from.
        gamma: EXP3's share of exploration, in (0, 1].
    """
    ratio = welfare_ratio(welfare, optimum)
    # where nothing can be won every mode gets the same, so none is preferred
    return before.learn(choice, 0.0 if math.isnan(ratio) else ratio, arms, gamma)


def hears(mode: TrainingMode, sender: Seat, hearer: Seat) -> bool:
    """Tell whether the mode lets `hearer` hear `sender`; a model never hears itself."""
    _refuse_mixed(mode)
    if sender.model_id == hearer.model_id or mode is TrainingMode.COMPETITIVE:
        return False
    if mode is TrainingMode.TEAM_BATTLE:
        return sender.team_id is not None and sender.team_id == hearer.team_id
    return True


def audience(mode: TrainingMode, sender: int, seats: Sequence[Seat], neighbours: Sequence[int]) -> tuple[int, ...]:
    """Return the players who hear `sender`: those of its `neighbours` that the mode lets hear it."""
    return tuple(other for other in neighbours if hears(mode, seats[sender], seats[other]))


def share_rewards(mode: TrainingMode, pool: float, earned: Sequence[float], seats: Sequence[Seat]) -> tuple[float, ...]:
    """Return each player's part of the reward pool; the parts add up to `pool`.

    Args:
        mode: Any mode but mixed.
        pool: The reward to share out, from 0.
        earned: Each player's payoff, from 0.
        seats: Who plays, and in which team.

    Raises:
        ValueError: The mode is mixed.
    """
    _refuse_mixed(mode)
    if mode is TrainingMode.COOPERATIVE:
        return tuple(pool / len(seats) for _ in seats)
    if mode is TrainingMode.COMPETITIVE:
        return _in_proportion(pool, earned)
    return _by_team(pool, earned, seats)


def _refuse_mixed(mode: TrainingMode) -> None:
    if mode is TrainingMode.MIXED:
        raise ValueError("mixed is resolved to one of the other modes before an episode starts (pick_mode)")


def _in_proportion(pool: float, weights: Sequence[float]) -> tuple[float, ...]:
    total = sum(weights)
    if total <= 0:
        return tuple(pool / len(weights) for _ in weights)
    return tuple(pool * (weight / total) for weight in weights)


def _by_team(pool: float, earned: Sequence[float], seats: Sequence[Seat]) -> tuple[float, ...]:
    members = list(teams(seats).values())
    means = [sum(earned[player] for player in team) / len(team) for team in members]
    rewards = [0.0] * len(seats)
    for team, part in zip(members, _in_proportion(pool, means), strict=True):
        for player in team:
            rewards[player] = part / len(team)
    return tuple(rewards)


def playable_modes(seats: Sequence[Seat]) -> tuple[TrainingMode, ...]:
    """Return the modes that a mixed run may pick for these players."""
    return CYCLE if named_teams(seats) >= 2 else CYCLE[:2]


def pick_mode(
    policy: MixingPolicy,
    episode: int,
    cooperation_level: float,
    experience: Experience,
    modes: Sequence[TrainingMode],
    rng: random.Random,
    gamma: float = 0.2,
) -> ModeChoice:
    """Return the mode of a task's next episode in a mixed run, with the reason in words.

    Args:
        policy: How the mode is picked (see the table above).
        episode: The episode's number within its task, from 0.
        cooperation_level: The task's, 0-1.
        experience: What earlier episodes of the task taught.
        modes: The modes to pick from.
        rng: The source of every draw.
        gamma: EXP3's share of exploration, in (0, 1].
    """
    if policy is MixingPolicy.FIXED_CYCLE:
        return ModeChoice(modes[episode % len(modes)], f"fixed_cycle: episode {episode} of its task")
    if policy is MixingPolicy.COOPERATION_LEVEL:
        return _by_cooperation_level(cooperation_level, modes)
    if policy is MixingPolicy.UCB1:
        return _ucb1(experience, modes)
    return _exp3(experience, modes, rng, gamma)


def _by_cooperation_level(level: float, modes: Sequence[TrainingMode]) -> ModeChoice:
    if level >= RESOURCE_SHARING_ABOVE:
        mode = TrainingMode.COOPERATIVE
    elif level >= COMMUNICATION_ABOVE and TrainingMode.TEAM_BATTLE in modes:
        mode = TrainingMode.TEAM_BATTLE
    else:
        mode = TrainingMode.COMPETITIVE
    without = "" if TrainingMode.TEAM_BATTLE in modes else ", team_battle left out"
    return ModeChoice(mode, f"cooperation_level: {level:.2f}{without}")


def _ucb1(experience: Experience, modes: Sequence[TrainingMode]) -> ModeChoice:
    for mode in modes:
        if not experience.plays.get(mode):
            return ModeChoice(mode, "ucb1: not played yet")
    t = sum(experience.plays[mode] for mode in modes)

    def bound(mode: TrainingMode) -> float:
        n = experience.plays[mode]
        return experience.welfare[mode] / n + math.sqrt(2 * math.log(t) / n)

    best = max(modes, key=bound)
    mean = experience.welfare[best] / experience.plays[best]
    return ModeChoice(best, f"ucb1: mean welfare ratio {mean:.3f}, bound {bound(best):.3f}")


def _exp3(experience: Experience, modes: Sequence[TrainingMode], rng: random.Random, gamma: float) -> ModeChoice:
    logs = [experience.log_weights.get(mode, 0.0) for mode in modes]
    weights = [math.exp(value - max(logs)) for value in logs]
    probabilities = [(1 - gamma) * w / sum(weights) + gamma / len(modes) for w in weights]
    index = rng.choices(range(len(modes)), probabilities)[0]
    chosen = probabilities[index]
    return ModeChoice(modes[index], f"exp3: drawn with probability {chosen:.3f}", chosen)
