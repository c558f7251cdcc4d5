"""Scripted players: pure functions from what a player sees to what it does, and the words they say.

Every game scores each legal action on one scale, `cooperation` in 0-1, so one rule plays every game:
tit-for-tat answers with the legal action closest to what the others did last. They are baselines, background
population and the simulated tier's minds; under one seed each does the same.

Sources: Axelrod, The Evolution of Cooperation (1984), for tit-for-tat and grim; Nowak & Sigmund, Nature 364
(1993), for win-stay-lose-shift; Fischbacher, Gächter & Fehr, Economics Letters 71 (2001), for the conditional
cooperator and the free rider; Fehr & Gächter, Nature 415 (2002), for the punisher; Piatti et al., Cooperate or
Collapse (GovSim), NeurIPS 2024, for the harvesters. Those that reckon with payoffs are in `agents/players/level_k.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from agents.language import Language
from agents.players import level_k
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
    "Situation",
    "SpeakingStyle",
    "announced_option",
    "closest",
]

GENEROSITY = 1 / 3  # Nowak & Sigmund, Nature 355 (1992): forgive min(1-(T-R)/(R-S), (R-P)/(T-P)) at 5,3,1,0
PUNISH = "punish "  # how an action that only takes from another begins, as in public_goods_punishment

Rule = Callable[[Observation, random.Random], Aim]


@dataclass(frozen=True)
class Policy:
    """A named rule (the cooperation level or option it aims for) and its manner of speaking."""

    name: str
    rule: Rule
    manner: SpeakingStyle

    def decide(self, view: Observation, rng: random.Random) -> Option:
        """The legal option closest to the level the rule aims for."""
        aim = self.rule(view, rng)
        return aim if isinstance(aim, Option) else closest(view.options, aim)

    def speak(self, view: Observation, rng: random.Random, language: Language) -> str:
        """One sentence that says what the policy is about to do."""
        option = self.decide(view, rng)
        return rng.choice(SENTENCES[language][self.manner]).format(plan=option.label)


def _always_cooperate(_view: Observation, _rng: random.Random) -> float:
    return 1.0


def _always_defect(_view: Observation, _rng: random.Random) -> float:
    return 0.0


def _coin(chance: float, _view: Observation, rng: random.Random) -> float:
    """The most cooperative option with probability `chance`, else the least; Axelrod's Random at 0.5."""
    return float(rng.random() < chance)


def _tit_for_tat(view: Observation, _rng: random.Random) -> float:
    return 1.0 if view.others_last is None else view.others_last


def _suspicious_tit_for_tat(view: Observation, _rng: random.Random) -> float:
    return 0.0 if view.others_last is None else view.others_last


def _generous_tit_for_tat(view: Observation, rng: random.Random) -> float:
    forgive = rng.random() < GENEROSITY
    return 1.0 if view.others_last is None or forgive else view.others_last


def _grim(view: Observation, _rng: random.Random) -> float:
    return 1.0 if view.others_worst is None or view.others_worst >= 0.5 else 0.0


def _win_stay_lose_shift(view: Observation, _rng: random.Random) -> float:
    if view.own_last is None:
        return 1.0
    won = view.others_last is None or view.others_last >= 0.5
    return view.own_last if won else 1.0 - view.own_last


def _conditional_cooperator(view: Observation, _rng: random.Random) -> float:
    return 0.8 if view.others_last is None else 0.9 * view.others_last


def _message_follower(view: Observation, _rng: random.Random) -> float:
    """The mean level of the plans it heard; 0 where it heard none. It shows that messages can matter."""
    announced = [option.cooperation for text in view.heard if (option := announced_option(text, view.options))]
    return sum(announced) / len(announced) if announced else 0.0


def _free_rider(view: Observation, _rng: random.Random) -> float:
    """Gives the least and leaves punishing to others, too: it costs."""
    return min(option.cooperation for option in view.options if not option.action.startswith(PUNISH))


def _punisher(view: Observation, _rng: random.Random) -> float:
    """Does its part and punishes who gave least; where it cannot, it does nothing for others who did less than half.

    A game makes punishing cooperative where the punished gave little, so it spares who gave.
    """
    if view.others_last is None or any(option.action.startswith(PUNISH) for option in view.options):
        return 1.0
    return 1.0 if view.others_last >= 0.5 else 0.0


def _greedy_harvester(_view: Observation, _rng: random.Random) -> float:
    """The largest harvest, whatever is left: in deeds it is always_defect."""
    return 0.0


def _sustainable_harvester(_view: Observation, _rng: random.Random) -> float:
    """The largest harvest that grows back if all take it: the commons counts that, and less, as 1."""
    return 1.0


def _policy(rule: Rule, manner: SpeakingStyle) -> Policy:
    return Policy(rule.__name__.lstrip("_"), rule, manner)


_CHANCES = (10, 25, 50, 75, 90)  # per cent

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
        Policy("level_0", level_k.level_0, SpeakingStyle.WANDER),
        *(Policy(f"level_{depth}", partial(level_k.level_k, depth), SpeakingStyle.RECKON) for depth in (1, 2, 3)),
        _policy(level_k.best_response, SpeakingStyle.RECKON),
        _policy(level_k.nash_mixer, SpeakingStyle.MIX),
    )
}

ROLE_POLICIES: Mapping[ModelRole, Policy] = {
    ModelRole.LEADER: POLICIES["always_cooperate"],
    ModelRole.FOLLOWER: POLICIES["conditional_cooperator"],
    ModelRole.COMPETITOR: POLICIES["always_defect"],
    ModelRole.TEAMMATE: POLICIES["tit_for_tat"],
    ModelRole.NEUTRAL: POLICIES["random"],
}
"""The simulated tier's mind for each role."""
