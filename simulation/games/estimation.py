"""Estimation: each player has a noisy private signal of a hidden value and guesses the value.

Players: two or more.
Decision: which number of 0..highest to name as the value.
Payoff: a nearer guess pays more. It depends on the player's own guess and the value only, so players have no conflict,

    payoff = accuracy = 1 - |guess - value| / highest

Information: the player's own signal. In each step a value is drawn uniformly from 0..highest. A player's signal is the
value plus noise, uniform on -noise..noise, limited to 0..highest. After the step each player knows the value, the mean
guess and its own payoff. It knows others' signals only from their messages.

Nash (named here): nobody learns from messages, and everyone makes the guess with the least expected error given its own
signal (babbling, an equilibrium of every cheap-talk game). `nash` is its exact expected welfare.
Optimum: every guess is the value: 1 per player and step.
Message: can pass on the signal; many signals give a better guess than one.

Baseline: `crowd` is the accuracy of the rounded mean of all private signals (Galton's crowd), which no player sees.
Guesses that are better than it used more than an average.

accuracy: closeness to the value, as above; it equals the payoff.
cooperation: 1 - |guess - own signal| / highest: how much a player trusts its own evidence. The policy always_cooperate
therefore guesses its signal.
Sources: Galton, Nature 75 (1907), for the crowd; Crawford & Sobel, Econometrica 50 (1982), for cheap talk.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from pydantic import Field

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, State
from simulation.games.measures import Meaning


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
    """The deals of every step, the last step's mean guess, and the summed accuracy of the mean signal."""

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
    """Return 1 - |guess - value| / highest."""
    return 1.0 - abs(guess - value) / highest


def crowd_guess(signals: Sequence[int]) -> int:
    """Return the mean of the signals, rounded to the nearest whole number, halves up."""
    return (2 * sum(signals) + len(signals)) // (2 * len(signals))


class Estimation(Game[Estimates]):
    task_type = "estimation"
    cooperation_meaning = Meaning("own signal", "closeness of the guess to the own signal")
    accuracy_meaning = Meaning("right answer", "closeness of the guess to the value")
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
        """Return the baseline: the mean accuracy so far (0-1) of the rounded mean of all signals."""
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

    def equilibrium_play(self, state: State[Estimates], player: int) -> Mapping[str, float]:
        p, signal = self.parameters, state.table.deals[state.tally.step].signals[player]
        return {str(best_guess(p.highest, p.noise, signal)): 1.0}

    def optimum(self) -> float:
        return float(self.players * self.setting.max_steps)

    def nash(self) -> float:
        return alone(self.parameters.highest, self.parameters.noise) * self.players * self.setting.max_steps


def _cut(signal: int, highest: int) -> int:
    return min(highest, max(0, signal))


@cache
def alone(highest: int, noise: int) -> float:
    """Return the expected accuracy of the best guess from one signal, computed exactly by enumeration."""
    values = _behind(highest, noise)
    best = sum(
        sum(accuracy(best_guess(highest, noise, signal), value, highest) for value in behind)
        for signal, behind in values.items()
    )
    return best / ((highest + 1) * (2 * noise + 1))


@cache
def best_guess(highest: int, noise: int, signal: int) -> int:
    """Return the guess with the least expected error given one signal, the lowest of equally good ones."""
    behind = _behind(highest, noise)[signal]
    return max(range(highest + 1), key=lambda guess: sum(accuracy(guess, value, highest) for value in behind))


@cache
def _behind(highest: int, noise: int) -> dict[int, list[int]]:
    """Return for each signal the equally likely values behind it."""
    values: dict[int, list[int]] = {}
    for value in range(highest + 1):
        for error in range(-noise, noise + 1):
            values.setdefault(_cut(value + error, highest), []).append(value)
    return values


GAME = Estimation
