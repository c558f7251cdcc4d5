"""The beauty contest: guess a number. The guess nearest to `factor` (2/3) of the mean of all guesses wins.

Players: two or more.
Decision: which of the numbers in `guesses` to name.
Payoff: the players nearest to factor * mean share the prize,

    payoff = prize / number of winners for the nearest, 0 for the others

Information: the last step's mean, target and winning guesses; all guess at the same time.

Nash: everyone guesses the lowest number. It is the only guess left after repeated elimination of guesses that cannot
win. (On a coarse grid, a large group can also have an equilibrium just above it.)
Optimum: the prize is always paid, so welfare is constant: optimum = nash = one prize a step.
Message: can announce a guess and so move the target.

Level-k (Nagel): level 0 guesses the middle, level k responds to a group of level k-1: middle * factor ** k.

accuracy: closeness of the guess to the target: 1 - |guess - target| / the largest possible error.
cooperation: guess / the largest guess. It does not measure goodwill, but how far a player has *not* reasoned towards
the equilibrium. Level k aims at factor ** k / 2, and a player that imitates guesses what the others guessed.
Source: Nagel, American Economic Review 85 (1995).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose

from pydantic import Field, field_validator

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, State
from simulation.games.measures import Meaning


class BeautyContestParameters(GameParameters):
    guesses: tuple[int, ...] = Field(default=tuple(range(0, 101, 5)), min_length=2, max_length=30)
    factor: float = Field(default=2 / 3, gt=0, lt=1)
    prize: float = Field(default=20.0, gt=0)

    @field_validator("guesses")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0:
            raise ValueError("guesses must be distinct and not negative")
        return tuple(sorted(value))


@dataclass(frozen=True)
class Contest:
    """The last step's mean guess, target and winning guesses (lowest first); no winning guess if nobody guessed."""

    mean: float = 0.0
    target: float = 0.0
    winning: tuple[int, ...] = ()


_RULES = {
    Language.EN: (
        "Guessing contest. Each step all {n} models guess a number at once. The target is {factor:.2f} times the mean "
        "of all guesses; the nearest guess wins {prize:g} points, shared where several are nearest."
    ),
    Language.ZH: (
        "猜数博弈。每一步全部{n}个模型同时猜一个数。目标是所有猜测平均值的{factor:.2f}倍；"
        "最接近者得{prize:g}分，并列者平分。"
    ),
}
_LAST_STEP = {
    Language.EN: "Last step the mean was {mean:.1f} and the target {target:.1f}; {won} won. You earned {payoff:.1f}.",
    Language.ZH: "上一步平均值为{mean:.1f}，目标为{target:.1f}；{won}获胜。你得到{payoff:.1f}分。",
}
_FIRST = {Language.EN: "This is the first step.", Language.ZH: "这是第一步。"}
_NOBODY = {Language.EN: "Last step nobody gave a valid guess.", Language.ZH: "上一步没有有效的猜测。"}


def level_k(depth: int, guesses: Sequence[int], factor: float) -> int:
    """Return the guess of level `depth` (from 0): the middle of the range * factor ** depth, to the nearest guess."""
    middle = (min(guesses) + max(guesses)) / 2
    return min(guesses, key=lambda guess: abs(guess - middle * factor**depth))


class BeautyContest(Game[Contest]):
    task_type = "beauty_contest"
    cooperation_meaning = Meaning("guess", "guess / largest guess")
    accuracy_meaning = Meaning("target", "closeness of the guess to the target")
    foreseeable = True
    Parameters = BeautyContestParameters
    parameters: BeautyContestParameters

    def _open(self, _rng: random.Random) -> Contest:
        return Contest()

    def _options(self, _state: State[Contest], _player: int) -> tuple[tuple[str, float], ...]:
        top = max(self.parameters.guesses)
        return tuple((str(guess), guess / top) for guess in self.parameters.guesses)

    def _play(self, _state: State[Contest], moves: Sequence[Move]) -> Round[Contest]:
        guesses = [None if move.action is None else int(move.action) for move in moves]
        contest = self._judge([guess for guess in guesses if guess is not None])
        winners = sum(guess in contest.winning for guess in guesses)
        share = self.parameters.prize / max(1, winners)
        payoffs = tuple(share if guess in contest.winning else 0.0 for guess in guesses)
        accuracies = tuple(self._accuracy(guess, contest.target) for guess in guesses)
        return Round(payoffs, accuracies, contest)

    def _judge(self, guesses: Sequence[int]) -> Contest:
        if not guesses:
            return Contest()
        mean = sum(guesses) / len(guesses)
        target = self.parameters.factor * mean
        nearest = min(abs(guess - target) for guess in guesses)
        winning = {guess for guess in guesses if isclose(abs(guess - target), nearest, abs_tol=1e-9)}
        return Contest(mean, target, tuple(sorted(winning)))

    def _accuracy(self, guess: int | None, target: float) -> float:
        if guess is None:
            return 0.0
        return 1.0 - abs(guess - target) / max(abs(other - target) for other in self.parameters.guesses)

    def rules(self, language: Language) -> str:
        p = self.parameters
        return _RULES[language].format(n=self.players, factor=p.factor, prize=p.prize)

    def observation_text(self, state: State[Contest], player: int, language: Language) -> str:
        contest = state.table
        if state.tally.step == 0:
            return _FIRST[language]
        if not contest.winning:
            return _NOBODY[language]
        won, payoff = ", ".join(map(str, contest.winning)), state.tally.last_payoff[player]
        return _LAST_STEP[language].format(mean=contest.mean, target=contest.target, won=won, payoff=payoff)

    def equilibrium_play(self, _state: State[Contest], _player: int) -> Mapping[str, float]:
        return {str(min(self.parameters.guesses)): 1.0}

    def optimum(self) -> float:
        return self.parameters.prize * self.setting.max_steps

    def nash(self) -> float:
        return self.optimum()


GAME = BeautyContest
