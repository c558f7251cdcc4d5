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
from agents.players import level_k as reasoners
from agents.players.phrases import SENTENCES, Manner
from agents.players.view import Aim, Option, Outlook, Prospect, Situation, View, announced_option, closest
from agents.role import ModelRole

__all__ = [
    "MINDS",
    "POLICIES",
    "Manner",
    "Option",
    "Outlook",
    "Policy",
    "Prospect",
    "Situation",
    "View",
    "announced_option",
    "closest",
]

GENEROSITY = 1 / 3  # Nowak & Sigmund, Nature 355 (1992): forgive min(1-(T-R)/(R-S), (R-P)/(T-P)) at 5,3,1,0
PUNISH = "punish "  # how an action that only takes from another begins, as in public_goods_punishment

Rule = Callable[[View, random.Random], Aim]


@dataclass(frozen=True)
class Policy:
    """A named rule (the cooperation level or option it aims for) and its manner of speaking."""

    name: str
    rule: Rule
    manner: Manner

    def decide(self, view: View, rng: random.Random) -> Option:
        """The legal option closest to the level the rule aims for."""
        aim = self.rule(view, rng)
        return aim if isinstance(aim, Option) else closest(view.options, aim)

    def speak(self, view: View, rng: random.Random, language: Language) -> str:
        """One sentence that says what the policy is about to do."""
        option = self.decide(view, rng)
        return rng.choice(SENTENCES[language][self.manner]).format(plan=option.label)


def _always_cooperate(_view: View, _rng: random.Random) -> float:
    return 1.0


def _always_defect(_view: View, _rng: random.Random) -> float:
    return 0.0


def _coin(chance: float, _view: View, rng: random.Random) -> float:
    """The most cooperative option with probability `chance`, else the least; Axelrod's Random at 0.5."""
    return float(rng.random() < chance)


def _tit_for_tat(view: View, _rng: random.Random) -> float:
    return 1.0 if view.others_last is None else view.others_last


def _suspicious_tit_for_tat(view: View, _rng: random.Random) -> float:
    return 0.0 if view.others_last is None else view.others_last


def _generous_tit_for_tat(view: View, rng: random.Random) -> float:
    forgive = rng.random() < GENEROSITY
    return 1.0 if view.others_last is None or forgive else view.others_last


def _grim(view: View, _rng: random.Random) -> float:
    return 1.0 if view.others_worst is None or view.others_worst >= 0.5 else 0.0


def _win_stay_lose_shift(view: View, _rng: random.Random) -> float:
    if view.own_last is None:
        return 1.0
    won = view.others_last is None or view.others_last >= 0.5
    return view.own_last if won else 1.0 - view.own_last


def _conditional_cooperator(view: View, _rng: random.Random) -> float:
    return 0.8 if view.others_last is None else 0.9 * view.others_last


def _message_follower(view: View, _rng: random.Random) -> float:
    """The mean level of the plans it heard; 0 where it heard none. It shows that messages can matter."""
    announced = [option.cooperation for text in view.heard if (option := announced_option(text, view.options))]
    return sum(announced) / len(announced) if announced else 0.0


def _free_rider(view: View, _rng: random.Random) -> float:
    """Gives the least and leaves punishing to others, too: it costs."""
    return min(option.cooperation for option in view.options if not option.action.startswith(PUNISH))


def _punisher(view: View, _rng: random.Random) -> float:
    """Does its part and punishes who gave least; where it cannot, it does nothing for others who did less than half.

    A game makes punishing cooperative where the punished gave little, so it spares who gave.
    """
    if view.others_last is None or any(option.action.startswith(PUNISH) for option in view.options):
        return 1.0
    return 1.0 if view.others_last >= 0.5 else 0.0


def _greedy_harvester(_view: View, _rng: random.Random) -> float:
    """The largest harvest, whatever is left: in deeds it is always_defect."""
    return 0.0


def _sustainable_harvester(_view: View, _rng: random.Random) -> float:
    """The largest harvest that grows back if all take it: the commons counts that, and less, as 1."""
    return 1.0


def _policy(rule: Rule, manner: Manner) -> Policy:
    return Policy(rule.__name__.lstrip("_"), rule, manner)


_CHANCES = (10, 25, 50, 75, 90)  # per cent

POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        _policy(_always_cooperate, Manner.COOPERATE),
        _policy(_always_defect, Manner.DEFECT),
        Policy("random", reasoners.level_0, Manner.WANDER),
        _policy(_tit_for_tat, Manner.RECIPROCATE),
        _policy(_suspicious_tit_for_tat, Manner.RECIPROCATE),
        _policy(_generous_tit_for_tat, Manner.RECIPROCATE),
        _policy(_grim, Manner.RECIPROCATE),
        _policy(_win_stay_lose_shift, Manner.RECIPROCATE),
        _policy(_conditional_cooperator, Manner.RECIPROCATE),
        _policy(_message_follower, Manner.RECIPROCATE),
        *(Policy(f"random_{chance}", partial(_coin, chance / 100), Manner.WANDER) for chance in _CHANCES),
        _policy(_free_rider, Manner.FREE_RIDE),
        _policy(_punisher, Manner.PUNISH),
        _policy(_greedy_harvester, Manner.TAKE),
        _policy(_sustainable_harvester, Manner.SUSTAIN),
        Policy("level_0", reasoners.level_0, Manner.WANDER),
        *(Policy(f"level_{depth}", partial(reasoners.level_k, depth), Manner.RECKON) for depth in (1, 2, 3)),
        _policy(reasoners.best_response, Manner.RECKON),
        _policy(reasoners.nash_mixer, Manner.MIX),
    )
}

MINDS: Mapping[ModelRole, Policy] = {
    ModelRole.LEADER: POLICIES["always_cooperate"],
    ModelRole.FOLLOWER: POLICIES["conditional_cooperator"],
    ModelRole.COMPETITOR: POLICIES["always_defect"],
    ModelRole.TEAMMATE: POLICIES["tit_for_tat"],
    ModelRole.NEUTRAL: POLICIES["random"],
}
"""The simulated tier's mind for each role."""
