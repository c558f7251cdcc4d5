"""Scripted players: pure functions from what a player sees to what it does, and the words they say.

Every game scores each legal action on one scale, `cooperation` in 0-1, so one rule plays every game:
tit-for-tat answers with the legal action closest to what the others did last.

Sources: Axelrod, The Evolution of Cooperation (1984), for tit-for-tat and grim; Nowak & Sigmund, Nature 364
(1993), for win-stay-lose-shift; Fischbacher, Gächter & Fehr, Economics Letters 71 (2001), for the
conditional cooperator.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from agents.language import Language
from agents.roster import ModelRole

GENEROSITY = 1 / 3  # Nowak & Sigmund, Nature 355 (1992): forgive min(1-(T-R)/(R-S), (R-P)/(T-P)) at 5,3,1,0


@dataclass(frozen=True)
class Option:
    """A legal action: its canonical name, how it reads in the prompt's language, and 0-1 how cooperative it is."""

    action: str
    label: str
    cooperation: float


@dataclass(frozen=True)
class View:
    """What a player sees of the game before it acts; constant in size however long the episode.

    `own_last`, `others_last` (mean) and `others_worst` (least ever) are cooperation levels in 0-1 of the
    players this one faces; None before the first step, or where their decision was invalid. `heard` holds the
    texts heard in this step's talk; while talking, those of the last one.
    """

    step: int
    max_steps: int
    options: tuple[Option, ...]
    own_last: float | None = None
    others_last: float | None = None
    others_worst: float | None = None
    heard: tuple[str, ...] = ()


@dataclass(frozen=True)
class Situation:
    """What a mind needs to play and speak without a language model."""

    role: ModelRole
    language: Language
    view: View


class Manner(str, Enum):
    """How a scripted player talks of its plan."""

    COOPERATE = "cooperate"
    DEFECT = "defect"
    RECIPROCATE = "reciprocate"
    WANDER = "wander"


Rule = Callable[[View, random.Random], float]


@dataclass(frozen=True)
class Policy:
    """A named rule (the cooperation level it aims for) and its manner of speaking."""

    name: str
    rule: Rule
    manner: Manner

    def decide(self, view: View, rng: random.Random) -> Option:
        """The legal option closest to the level the rule aims for."""
        return closest(view.options, self.rule(view, rng))

    def speak(self, view: View, rng: random.Random, language: Language) -> str:
        """One sentence that says what the policy is about to do."""
        option = self.decide(view, rng)
        return rng.choice(_SENTENCES[language][self.manner]).format(plan=option.label)


def closest(options: Sequence[Option], level: float) -> Option:
    """The first of `options` whose cooperation is nearest to `level`."""
    return min(options, key=lambda option: abs(option.cooperation - level))


def _always_cooperate(_view: View, _rng: random.Random) -> float:
    return 1.0


def _always_defect(_view: View, _rng: random.Random) -> float:
    return 0.0


def _random(view: View, rng: random.Random) -> float:
    return rng.choice(view.options).cooperation


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


def announced_option(text: str, options: Sequence[Option]) -> Option | None:
    """The option whose label `text` names first, the longest of several there; None where it names none."""
    found = [(place, -len(option.label), option) for option in options if (place := _place(option.label, text)) >= 0]
    return min(found, key=lambda each: each[:2])[2] if found else None


def _place(label: str, text: str) -> int:
    """Where `label` stands in `text`, case aside: as a whole word or number, Chinese anywhere; -1 where nowhere."""
    before = r"(?<![a-z0-9.])" if label[:1].isascii() else ""
    after = r"(?!\.?[a-z0-9])" if label[-1:].isascii() else ""
    match = re.search(before + re.escape(label) + after, text, re.IGNORECASE)
    return match.start() if match else -1


def _policy(rule: Rule, manner: Manner) -> Policy:
    return Policy(rule.__name__.lstrip("_"), rule, manner)


POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        _policy(_always_cooperate, Manner.COOPERATE),
        _policy(_always_defect, Manner.DEFECT),
        _policy(_random, Manner.WANDER),
        _policy(_tit_for_tat, Manner.RECIPROCATE),
        _policy(_suspicious_tit_for_tat, Manner.RECIPROCATE),
        _policy(_generous_tit_for_tat, Manner.RECIPROCATE),
        _policy(_grim, Manner.RECIPROCATE),
        _policy(_win_stay_lose_shift, Manner.RECIPROCATE),
        _policy(_conditional_cooperator, Manner.RECIPROCATE),
        _policy(_message_follower, Manner.RECIPROCATE),
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

_SENTENCES: Mapping[Language, Mapping[Manner, tuple[str, ...]]] = {
    Language.EN: {
        Manner.COOPERATE: (
            "I will cooperate and play {plan}; if we all do the same, everyone gains.",
            "My plan is {plan}. Let us work together so that the group earns the most.",
            "You can count on me for {plan}; cooperation pays us all best.",
        ),
        Manner.DEFECT: (
            "I play to win: my plan is {plan}, and I put my own payoff first.",
            "I will choose {plan}. This is a competition and I look after myself.",
            "Expect {plan} from me; I take what I can get.",
        ),
        Manner.RECIPROCATE: (
            "I answer like with like: now I play {plan}, and next I match what you do.",
            "My plan is {plan}. Cooperate and so will I; take advantage and I will stop.",
            "I go with {plan} and watch you; I return whatever you give.",
        ),
        Manner.WANDER: (
            "I keep my options open; this time I lean to {plan}.",
            "No fixed plan from me: I try {plan} now.",
        ),
    },
    Language.ZH: {
        Manner.COOPERATE: (
            "我会合作，选择{plan}；如果大家都这样做，人人受益。",
            "我的计划是{plan}。让我们协同行动，使整体收益最大。",
        ),
        Manner.DEFECT: (
            "我要取胜：我的计划是{plan}，先顾自己的收益。",
            "我会选择{plan}。这是竞争，我只为自己打算。",
        ),
        Manner.RECIPROCATE: (
            "我以同样的方式回应：这次选择{plan}，下次看你们怎么做。",
            "我的计划是{plan}。你们合作，我就合作；你们占便宜，我就停止。",
        ),
        Manner.WANDER: (
            "我没有固定计划，这次倾向于{plan}。",
            "我先试试{plan}。",
        ),
    },
}
