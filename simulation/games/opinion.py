"""Opinions: everyone answers a question on a scale, step after step, and may talk with its neighbours before it does.

Players: two or more.
Decision: which number from `low` to `high` to answer the question about the `topic` with.
Payoff: nothing, unless `pays` says what for, with span = high - low:

    agreement: payoff = 1 - |answer - mean of the others' answers| / span
    truth:     payoff = 1 - |answer - truth| / span

Information: the own last answer; the others' opinions are known from what they say only. All answer at the same time.
`initial` gives the players' opinions before step 1, in the order of the roster; without it they come with their own.

Nash: nothing to win without `pays`; with agreement every common answer is an equilibrium, here the middle of the scale;
with truth everyone answers the truth, a dominant action.
Optimum: 1 a player and step with agreement or truth, the same as Nash.
Message: carries the opinion: scripted players say it as a number.

accuracy: closeness of the answer to the truth where it is paid, else to the mean of the others' answers.
cooperation: (answer - low) / span. It does not measure goodwill, but where on the scale the opinion is.
Source: DeGroot, JASA 69 (1974); Hegselmann & Krause, JASSS 5(3) (2002); Clifford & Sudbury, Biometrika 60 (1973).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pydantic import model_validator

from agents.language import Language, text_in
from agents.players.policies import Observation
from simulation.games.base import Game, GameParameters, Move, MovesSeen, Round, Setting, State
from simulation.games.measures import Meaning

MOST_ANSWERS = 1001
"""The most answers of a scale; a model chooses one of all of them."""


class Paid(str, Enum):
    """What a step of the game pays for."""

    NONE = "none"
    AGREEMENT = "agreement"
    TRUTH = "truth"


class OpinionParameters(GameParameters):
    topic: str | Mapping[Language, str] = {
        Language.EN: "Everyone should work at most four days a week.",
        Language.ZH: "每个人每周最多应该工作四天。",
    }
    low: int = 1
    high: int = 7
    initial: tuple[int, ...] = ()
    pays: Paid = Paid.NONE
    truth: int | None = None

    @model_validator(mode="after")
    def _fits_the_scale(self) -> OpinionParameters:
        if not self.low < self.high < self.low + MOST_ANSWERS:
            raise ValueError(f"high must be above low, by at most {MOST_ANSWERS - 1}")
        given = [*self.initial, *([] if self.truth is None else [self.truth])]
        if outside := [value for value in given if not self.low <= value <= self.high]:
            raise ValueError(f"{outside[0]} is not on the scale from {self.low} to {self.high}")
        if (self.pays is Paid.TRUTH) != (self.truth is not None):
            raise ValueError("give truth, a number on the scale, where pays is truth, and nowhere else")
        return self


@dataclass(frozen=True)
class Opinions:
    """Each player's last answer; None before the first, where none is given."""

    answers: tuple[int | None, ...]


_RULES = {
    Language.EN: (
        'Opinions. {n} models discuss the statement: "{topic}" Each step every model answers at once how far it '
        "agrees, from {low} (not at all) to {high} (fully).{paid}"
    ),
    Language.ZH: (
        "观点讨论。{n}个模型讨论这一说法：“{topic}”每一步所有模型同时回答自己的赞同程度，"
        "从{low}（完全不赞同）到{high}（完全赞同）。{paid}"
    ),
}
_PAID = {
    Language.EN: {
        Paid.NONE: "",
        Paid.AGREEMENT: " An answer earns up to 1 point, the more the nearer it is to the mean of the others' answers.",
        Paid.TRUTH: " One answer is right; an answer earns up to 1 point, the more the nearer it is to the right one.",
    },
    Language.ZH: {
        Paid.NONE: "",
        Paid.AGREEMENT: "回答越接近其他模型回答的平均值，得分越高，最多1分。",
        Paid.TRUTH: "有一个回答是正确的；回答越接近正确回答，得分越高，最多1分。",
    },
}
_OWN = {Language.EN: "Your answer so far is {answer}.", Language.ZH: "你目前的回答是{answer}。"}


class Opinion(Game[Opinions]):
    task_type = "opinion"
    sees = MovesSeen.NOBODY
    cooperation_meaning = Meaning("opinion", "place of the answer on the scale: 0 the lowest, 1 the highest")
    accuracy_meaning = Meaning("agreement", "closeness to the truth where it is paid, else to the others' mean")
    repeats = True
    Parameters = OpinionParameters
    parameters: OpinionParameters

    def __init__(self, setting: Setting, parameters: OpinionParameters | None = None) -> None:
        super().__init__(setting, parameters)
        low, self._span = self.parameters.low, self.parameters.high - self.parameters.low
        self._scale = tuple((str(low + place), place / self._span) for place in range(self._span + 1))

    @classmethod
    def refuse(cls, setting: Setting, parameters: OpinionParameters) -> str:
        given, players = len(parameters.initial), len(setting.seats)
        if given not in (0, players):
            return f"initial gives {given} opinions, and there are {players} models: give one each, or none"
        return super().refuse(setting, parameters)

    def _open(self, _rng: random.Random) -> Opinions:
        return Opinions(self.parameters.initial or (None,) * self.players)

    def _options(self, _state: State[Opinions], _player: int) -> tuple[tuple[str, float], ...]:
        return self._scale

    def observe(self, state: State[Opinions], player: int, language: Language) -> Observation:
        """Return what a policy sees: its own opinion, and nothing of the others' but what it hears."""
        seen, answer = super().observe(state, player, language), state.table.answers[player]
        own = None if answer is None else (answer - self.parameters.low) / self._span
        return replace(seen, own_last=own, others_last=None, others_worst=None)

    def _play(self, state: State[Opinions], moves: Sequence[Move]) -> Round[Opinions]:
        answers = [None if move.action is None else int(move.action) for move in moves]
        given = [answer for answer in answers if answer is not None]
        total = sum(given)
        near = tuple(self._nearness(answer, total, len(given)) for answer in answers)
        paid = (0.0,) * self.players if self.parameters.pays is Paid.NONE else near
        after = (old if new is None else new for old, new in zip(state.table.answers, answers, strict=True))
        return Round(paid, near, Opinions(tuple(after)))

    def _nearness(self, answer: int | None, total: int, given: int) -> float:
        """Return how near (0-1) an answer is to the truth or to the others' mean; 0 for an invalid answer.

        Args:
            answer: The answer.
            total: The sum of all answers of the step.
            given: How many there are.
        """
        truth = self.parameters.truth
        if answer is None:
            return 0.0
        if truth is None and given == 1:
            return 1.0
        aim = truth if truth is not None else (total - answer) / (given - 1)
        return 1.0 - abs(answer - aim) / self._span

    def rules(self, language: Language) -> str:
        p = self.parameters
        return _RULES[language].format(
            n=self.players, topic=text_in(p.topic, language), low=p.low, high=p.high, paid=_PAID[language][p.pays]
        )

    def observation_text(self, state: State[Opinions], player: int, language: Language) -> str:
        answer = state.table.answers[player]
        return "" if answer is None else _OWN[language].format(answer=answer)

    def equilibrium_play(self, _state: State[Opinions], _player: int) -> Mapping[str, float] | None:
        p = self.parameters
        if p.pays is Paid.NONE:
            return None
        return {str((p.low + p.high) // 2 if p.truth is None else p.truth): 1.0}

    def optimum(self) -> float:
        return 0.0 if self.parameters.pays is Paid.NONE else float(self.players * self.setting.max_steps)

    def nash(self) -> float:
        return self.optimum()


GAME = Opinion
