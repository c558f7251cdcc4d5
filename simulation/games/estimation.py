"""Estimation: each player has a noisy private signal of a value and names the value. Truth is known afterwards.

Players: two or more.
Decision: which number of 0..highest to name as the value.
Payoff: the nearer the better; it depends on the own guess and the value only, so nothing conflicts,

    payoff = accuracy = 1 - |guess - value| / highest

Information: the own signal. Each step a value is drawn uniformly from 0..highest, and each player's signal is the
value plus noise, uniform on -noise..noise and cut off at the ends of the range. The last value, the mean guess and
the own payoff are known afterwards; others' signals only from what they say.

Nash (named here): nobody learns from messages, everyone makes the guess with the least expected miss given its
own signal (babbling, an equilibrium of every cheap-talk game); `nash` is its expected welfare, exact.
Optimum: every guess is the value, 1 a player and step.
Message: can pass the signal on: many signals beat one.

Baseline: `crowd` gives the accuracy of the rounded mean of all private signals (Galton's crowd), which nobody
sees alone; guesses that beat it used more than an average.

accuracy: closeness to the truth, as above; it is the payoff.
cooperation: 1 - |guess - own signal| / highest: how far a player stands by its own evidence, so that
always_cooperate reports and guesses its signal.
Sources: Galton, Nature 75 (1907), for the crowd; Crawford & Sobel, Econometrica 50 (1982), for cheap talk.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from pydantic import Field

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, State


class EstimationParameters(GameParameters):
    highest: int = Field(default=20, ge=1, le=29)
    noise: int = Field(default=4, ge=0)


@dataclass(frozen=True)
class SignalDeal:
    """One step's value and each player's signal of it."""

    value: int
    signals: tuple[int, ...]


@dataclass(frozen=True)
class Estimates:
    """The deals of every step, last step's mean guess, and the summed accuracy of the crowd of signals."""

    deals: tuple[SignalDeal, ...]
    mean_guess: float | None = None
    crowd: float = 0.0


_RULES = {
    Language.EN: (
        "Estimation. Each step there is a new hidden value from 0 to {highest}. Every model gets its own private "
        "signal, off by at most {noise}, and names the value. You earn 1 minus your miss divided by {highest}."
    ),
    Language.ZH: (
        "估计任务。每一步都有一个新的隐藏数值，范围0到{highest}。每个模型得到自己的私人信号，误差不超过{noise}，然后说出该数值。"
        "得分为1减去误差除以{highest}。"
    ),
}
_SIGNAL = {Language.EN: "Your private signal is {signal}.", Language.ZH: "你的私人信号是{signal}。"}
_LAST = {
    Language.EN: " Last step the value was {value}; you earned {payoff:.2f}.",
    Language.ZH: "上一步的数值是{value}；你得到{payoff:.2f}分。",
}
_MEAN = {Language.EN: " The mean guess was {mean:.1f}.", Language.ZH: "平均猜测为{mean:.1f}。"}


def accuracy(guess: int, value: int, highest: int) -> float:
    """1 - |guess - value| / highest."""
    return 1.0 - abs(guess - value) / highest


def crowd_guess(signals: Sequence[int]) -> int:
    """The mean of the signals to the nearest whole number, halves up."""
    return (2 * sum(signals) + len(signals)) // (2 * len(signals))


class Estimation(Game[Estimates]):
    task_type = "estimation"
    Parameters = EstimationParameters
    parameters: EstimationParameters

    def _open(self, rng: random.Random) -> Estimates:
        return Estimates(tuple(self._deal(rng) for _ in range(self.setting.max_steps)))

    def _deal(self, rng: random.Random) -> SignalDeal:
        p = self.parameters
        value = rng.randint(0, p.highest)
        return SignalDeal(
            value, tuple(_cut(value + rng.randint(-p.noise, p.noise), p.highest) for _ in range(self.players))
        )

    def _options(self, state: State[Estimates], player: int) -> tuple[tuple[str, float], ...]:
        step = min(state.tally.step, self.setting.max_steps - 1)
        signal, highest = state.table.deals[step].signals[player], self.parameters.highest
        return tuple((str(guess), accuracy(guess, signal, highest)) for guess in range(highest + 1))

    def _play(self, state: State[Estimates], moves: Sequence[Move]) -> Round[Estimates]:
        deal, highest = state.table.deals[state.tally.step], self.parameters.highest
        guesses = [None if move.action is None else int(move.action) for move in moves]
        scores = tuple(0.0 if guess is None else accuracy(guess, deal.value, highest) for guess in guesses)
        valid = [guess for guess in guesses if guess is not None]
        mean = sum(valid) / len(valid) if valid else None
        crowd = state.table.crowd + accuracy(crowd_guess(deal.signals), deal.value, highest)
        return Round(scores, scores, replace(state.table, mean_guess=mean, crowd=crowd))

    def crowd(self, state: State[Estimates]) -> float:
        """The baseline: mean accuracy over the steps so far of the rounded mean of all signals; 0-1."""
        return state.table.crowd / max(1, state.tally.step)

    def rules(self, language: Language) -> str:
        return _RULES[language].format(highest=self.parameters.highest, noise=self.parameters.noise)

    def observation_text(self, state: State[Estimates], player: int, language: Language) -> str:
        table, step = state.table, state.tally.step
        text = ""
        if step < self.setting.max_steps:
            text = _SIGNAL[language].format(signal=table.deals[step].signals[player])
        if step:
            payoff = state.tally.last_payoff[player]
            text += _LAST[language].format(value=table.deals[step - 1].value, payoff=payoff)
        return (text + (_MEAN[language].format(mean=table.mean_guess) if table.mean_guess is not None else "")).strip()

    def optimum(self) -> float:
        return float(self.players * self.setting.max_steps)

    def nash(self) -> float:
        return alone(self.parameters.highest, self.parameters.noise) * self.players * self.setting.max_steps


def _cut(signal: int, highest: int) -> int:
    return min(highest, max(0, signal))


@cache
def alone(highest: int, noise: int) -> float:
    """Expected accuracy of the best guess from one signal, before the signal is known; exact, by enumeration."""
    values: dict[int, list[int]] = {}  # signal -> the equally likely values behind it
    for value in range(highest + 1):
        for error in range(-noise, noise + 1):
            values.setdefault(_cut(value + error, highest), []).append(value)
    best = sum(
        max(sum(accuracy(guess, value, highest) for value in behind) for guess in range(highest + 1))
        for behind in values.values()
    )
    return best / ((highest + 1) * (2 * noise + 1))


GAME = Estimation
