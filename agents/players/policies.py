"""Scripted players: pure functions from what a player sees to what it does, and the sentences they say.

Every game scores each legal action on one scale, `cooperation` from 0 to 1, so one rule plays every game: tit-for-tat
takes the legal action closest to what the others did last. Policies are baselines, background population and the
simulated tier's players; with the same seed a policy always does the same.

Sources: Axelrod, The Evolution of Cooperation (1984), for tit-for-tat and grim; Nowak & Sigmund, Nature 364
(1993), for win-stay-lose-shift; Fischbacher, Gächter & Fehr, Economics Letters 71 (2001), for the conditional
cooperator and the free rider; Fehr & Gächter, Nature 415 (2002), for the punisher; Piatti et al., Cooperate or
Collapse (GovSim), NeurIPS 2024, for the harvesters. Policies that compute payoffs are in `agents/players/level_k.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from agents.language import Language
from agents.players import crowds, level_k, opinions
from agents.players.observation import (
    Aim,
    ExpectedOutcome,
    Observation,
    Option,
    PayoffModel,
    Situation,
    announced_option,
    closest,
)
from agents.players.phrases import SENTENCES, SpeakingStyle
from agents.role import ModelRole

__all__ = [
    "POLICIES",
    "ROLE_POLICIES",
    "ExpectedOutcome",
    "Observation",
    "Option",
    "PayoffModel",
    "Policy",
    "RolePolicies",
    "Situation",
    "SpeakingStyle",
    "announced_option",
    "closest",
]

GENEROSITY = 1 / 3
"""How often generous tit-for-tat forgives where a game gives no payoff model: as with the payoffs 5, 3, 1, 0."""
FIRST_GIFT, SELF_SERVING = 0.8, 0.9
"""The conditional cooperator's first level, and its level for each unit of the others' mean. Both numbers are chosen
here. Fischbacher, Gächter & Fehr found that conditional cooperators give somewhat less than the others (a self-serving
bias), and gave no number for it."""
TABULAR = "tabular"
"""The policy of a row that learns a table in a training; elsewhere it is undecided."""
PUNISH = "punish "  # the beginning of an action that only takes from another, as in public_goods_punishment

Rule = Callable[[Observation, random.Random], Aim]


@dataclass(frozen=True)
class Policy:
    """A named rule, which gives the cooperation level or option to aim for, and a style of speaking."""

    name: str
    rule: Rule
    style: SpeakingStyle

    def decide(self, observation: Observation, rng: random.Random) -> Option:
        """Return the legal option closest to the level that the rule aims for."""
        aim = self.rule(observation, rng)
        return aim if isinstance(aim, Option) else closest(observation.options, aim)

    def speak(self, observation: Observation, rng: random.Random, language: Language) -> str:
        """Return one sentence that says what the policy is about to do."""
        option = self.decide(observation, rng)
        return rng.choice(SENTENCES[language][self.style]).format(plan=option.label)

    def message(
        self, observation: Observation, rng: random.Random, language: Language, words: Sequence[str] = ()
    ) -> str:
        """Return a sentence; where there are only `words`, the one that is what it plans, else a drawn one."""
        if not words:
            return self.speak(observation, rng, language)
        plan = self.decide(observation, rng).label
        return plan if plan in words else rng.choice(words)


@dataclass(frozen=True)
class OpinionPolicy(Policy):
    """A rule of `agents.players.opinions`: in a game without numbered answers it keeps the level that it has."""

    def speak(self, observation: Observation, rng: random.Random, language: Language) -> str:
        """Return one sentence with the opinion that the player has now, before it hears the others."""
        own = opinions.own_opinion(observation, rng)
        return rng.choice(SENTENCES[language][self.style]).format(plan=own.label)


def _opinion_policy(name: str, rule: opinions.Rule, *, exact: bool = False) -> OpinionPolicy:
    def aim(observation: Observation, rng: random.Random) -> float:
        own = opinions.own_opinion(observation, rng).cooperation
        level = rule(own, opinions.heard_opinions(observation), rng)
        return level if exact else opinions.between(observation, level, rng)

    return OpinionPolicy(name, aim, SpeakingStyle.OPINE)


def _always_cooperate(_observation: Observation, _rng: random.Random) -> float:
    return 1.0


def _always_defect(_observation: Observation, _rng: random.Random) -> float:
    return 0.0


def _coin(chance: float, _observation: Observation, rng: random.Random) -> float:
    """The most cooperative option with probability `chance`, else the least; Axelrod's Random at 0.5."""
    return float(rng.random() < chance)


def _tit_for_tat(observation: Observation, _rng: random.Random) -> float:
    return 1.0 if observation.others_last is None else observation.others_last


def _suspicious_tit_for_tat(observation: Observation, _rng: random.Random) -> float:
    return 0.0 if observation.others_last is None else observation.others_last


def _generous_tit_for_tat(observation: Observation, rng: random.Random) -> float:
    forgive = rng.random() < generosity(observation)
    return 1.0 if observation.others_last is None or forgive else observation.others_last


def generosity(observation: Observation) -> float:
    """Return the probability (0-1) with which generous tit-for-tat cooperates after a defection.

    It is min(1 - (T - R) / (R - S), (R - P) / (T - P)) of this step's payoffs, where all others do the same: the most
    that cannot be exploited. It is 0 where the payoffs are no dilemma (T > R > P > S), as there is nothing to forgive.

    Source:
        Molander, Journal of Conflict Resolution 29 (1985); Nowak & Sigmund, Nature 355 (1992).
    """
    if observation.payoff_model is None:
        return GENEROSITY
    levels = [option.cooperation for option in observation.options]
    most, least = levels.index(max(levels)), levels.index(min(levels))
    together, alone = observation.payoff_model(max(levels)), observation.payoff_model(min(levels))
    r, t, s, p = together[most].payoff, together[least].payoff, alone[most].payoff, alone[least].payoff
    if not t > r > p > s:
        return 0.0
    return max(0.0, min(1 - (t - r) / (r - s), (r - p) / (t - p)))


def _grim(observation: Observation, _rng: random.Random) -> float:
    return 1.0 if observation.others_worst is None or observation.others_worst >= 0.5 else 0.0


def _win_stay_lose_shift(observation: Observation, _rng: random.Random) -> float:
    """Cooperate if both cooperated or both defected in the last step, else defect.

    On a scale of levels, at least the middle counts as cooperation. A partner's invalid move gave nothing, as a
    defection does. After an own invalid move it begins again.
    """
    if observation.own_last is None:
        return 1.0
    return float((observation.own_last >= 0.5) == ((observation.others_last or 0.0) >= 0.5))


def _conditional_cooperator(observation: Observation, _rng: random.Random) -> float:
    return FIRST_GIFT if observation.others_last is None else SELF_SERVING * observation.others_last


def _message_follower(observation: Observation, _rng: random.Random) -> float:
    """The mean level of the plans it heard; 0 if it heard none. It shows that messages can matter."""
    announced = [
        option.cooperation for text in observation.heard if (option := announced_option(text, observation.options))
    ]
    return sum(announced) / len(announced) if announced else 0.0


def _free_rider(observation: Observation, _rng: random.Random) -> float:
    """The least it can give. It leaves punishing, which costs, to others too."""
    return min(option.cooperation for option in observation.options if not option.action.startswith(PUNISH))


def _punisher(observation: Observation, _rng: random.Random) -> float:
    """Full cooperation, which in a game with punishing means to punish whoever gave least.

    A game scores punishing as cooperative where the punished player gave little, so those who gave are spared. In a
    game without punishing it defects against others who cooperated less than half.
    """
    if observation.others_last is None or any(option.action.startswith(PUNISH) for option in observation.options):
        return 1.0
    return 1.0 if observation.others_last >= 0.5 else 0.0


def _greedy_harvester(_observation: Observation, _rng: random.Random) -> float:
    """The largest harvest, whatever is left: it plays as always_defect and speaks otherwise."""
    return 0.0


def _sustainable_harvester(_observation: Observation, _rng: random.Random) -> float:
    """The largest harvest that grows back if all take it: the commons scores it, and any smaller one, as 1."""
    return 1.0


def _policy(rule: Rule, style: SpeakingStyle) -> Policy:
    return Policy(rule.__name__.lstrip("_"), rule, style)


_CHANCES = (10, 25, 50, 75, 90)  # per cent
_REACHES = (5, 10, 20, 30)  # per cent of the scale

POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        _policy(_always_cooperate, SpeakingStyle.COOPERATE),
        _policy(_always_defect, SpeakingStyle.DEFECT),
        Policy("random", level_k.level_0, SpeakingStyle.WANDER),
        _policy(_tit_for_tat, SpeakingStyle.RECIPROCATE),
        _policy(_suspicious_tit_for_tat, SpeakingStyle.RECIPROCATE),
        _policy(_generous_tit_for_tat, SpeakingStyle.RECIPROCATE),
        _policy(_grim, SpeakingStyle.RECIPROCATE),
        _policy(_win_stay_lose_shift, SpeakingStyle.RECIPROCATE),
        _policy(_conditional_cooperator, SpeakingStyle.RECIPROCATE),
        _policy(_message_follower, SpeakingStyle.RECIPROCATE),
        *(Policy(f"random_{chance}", partial(_coin, chance / 100), SpeakingStyle.WANDER) for chance in _CHANCES),
        _policy(_free_rider, SpeakingStyle.FREE_RIDE),
        _policy(_punisher, SpeakingStyle.PUNISH),
        _policy(_greedy_harvester, SpeakingStyle.TAKE),
        _policy(_sustainable_harvester, SpeakingStyle.SUSTAIN),
        Policy(TABULAR, level_k.level_0, SpeakingStyle.WANDER),
        Policy("level_0", level_k.level_0, SpeakingStyle.WANDER),
        *(Policy(f"level_{depth}", partial(level_k.level_k, depth), SpeakingStyle.RECKON) for depth in (1, 2, 3)),
        _policy(level_k.best_response, SpeakingStyle.RECKON),
        _policy(level_k.nash_mixer, SpeakingStyle.MIX),
        _opinion_policy("stubborn", opinions.stubborn),
        _opinion_policy("degroot", opinions.degroot),
        *(
            _opinion_policy(
                f"bounded_confidence_{reach}", partial(opinions.bounded_confidence, reach / 100), exact=True
            )
            for reach in _REACHES
        ),
        _opinion_policy("voter", opinions.voter),
        *(Policy(f"sharer_{chance}", level_k.level_0, SpeakingStyle.WANDER) for chance in crowds.SHARE_CHANCES),
        Policy("polya", level_k.level_0, SpeakingStyle.WANDER),
    )
}


class RolePolicies(NamedTuple):
    """What a role plays among its own, and what it plays among rivals (`Situation.among_rivals`)."""

    own: Policy
    rivals: Policy

    def of(self, situation: Situation) -> Policy:
        """Return the policy for a situation."""
        return self.rivals if situation.among_rivals else self.own


ROLE_POLICIES: Mapping[ModelRole, RolePolicies] = {
    ModelRole.LEADER: RolePolicies(POLICIES["always_cooperate"], POLICIES["grim"]),
    ModelRole.FOLLOWER: RolePolicies(POLICIES["conditional_cooperator"], POLICIES["suspicious_tit_for_tat"]),
    ModelRole.COMPETITOR: RolePolicies(POLICIES["always_defect"], POLICIES["always_defect"]),
    ModelRole.TEAMMATE: RolePolicies(POLICIES["tit_for_tat"], POLICIES["tit_for_tat"]),
    ModelRole.NEUTRAL: RolePolicies(POLICIES["random"], POLICIES["random"]),
}
"""The simulated tier's policies for each role. An adapter's name never matters.

| role | among its own | among rivals | why |
|---|---|---|---|
| leader | always_cooperate | grim | leads by example (Güth et al. 2007); holds rivals by a threat (Friedman 1971) |
| follower | conditional_cooperator | suspicious_tit_for_tat | gives as others give (Fischbacher et al. 2001); begins |
| | | | with distrust of another group (Wildschut et al. 2003) |
| teammate | tit_for_tat | tit_for_tat | returns what it gets (Axelrod 1984) |
| competitor | always_defect | always_defect | takes what it can get: the dominant action of a dilemma |
| neutral | random | random | has no stake |

To cooperate within a group and to be hard on others is parochial altruism (Choi & Bowles, Science 318, 2007).

Source:
    Güth, Levati, Sutter & van der Heijden, Journal of Public Economics 91 (2007); Friedman, Review of Economic Studies
    38 (1971); Wildschut, Pinter, Vevea, Insko & Schopler, Psychological Bulletin 129 (2003).
"""
