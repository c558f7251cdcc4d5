"""The minority game: an odd number of players choose one of two sides. The players on the smaller side win.

Players: an odd number, three or more.
Decision: which side to take, left or right.
Payoff: if all choose the same side, nobody wins,

    payoff = 1 on the smaller side, 0 on the larger one

Information: how many players chose each side in the last step, and which sides won lately (the last `memory`).

Nash (named here): everyone chooses each side with probability 1/2. With K of n on the left this pays
E[min(K, n - K)], K binomial. Every split into (n-1)/2 and (n+1)/2 is also an equilibrium.
Optimum: such a split: (n-1)/2 winners.
Message: can agree on who goes where, or on taking turns.

accuracy: 1 if the other side would not have paid more, given what all others chose, else 0 (best response).
cooperation: neither side is kinder. The level only distinguishes them (left 1, right 0): cooperation_score is the share
of left, and a player that imitates follows the majority.
Source: Challet & Zhang, Physica A 246 (1997).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Any

from pydantic import Field

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, Setting, State
from simulation.games.measures import BEST_RESPONSE, Meaning, closeness

LEFT, RIGHT = "left", "right"
OTHER = {LEFT: RIGHT, RIGHT: LEFT}


class MinorityParameters(GameParameters):
    memory: int = Field(default=3, ge=1, le=12)
    """How many past winning sides a player sees."""


@dataclass(frozen=True)
class Crowd:
    """The number of players on each side in the last step, and the last winning sides, oldest first."""

    on_left: int = 0
    on_right: int = 0
    won: tuple[str, ...] = ()


_LABELS = {
    Language.EN: {LEFT: "left", RIGHT: "right"},
    Language.ZH: {LEFT: "左", RIGHT: "右"},
}
_RULES = {
    Language.EN: (
        "Minority game. Each step all {n} models choose left or right at once. Every model on the side with "
        "fewer models gets 1 point, the others 0."
    ),
    Language.ZH: "少数者博弈。每一步全部{n}个模型同时选择左或右。人数较少一边的每个模型得1分，其余得0分。",
}
_LAST_STEP = {
    Language.EN: "Last step {left} chose left and {right} chose right; you earned {payoff:g}.",
    Language.ZH: "上一步{left}个选左，{right}个选右；你得到{payoff:g}分。",
}
_WON = {Language.EN: " Winning sides, oldest first: {won}.", Language.ZH: "获胜的一边（从早到晚）：{won}。"}
_FIRST = {Language.EN: "This is the first step.", Language.ZH: "这是第一步。"}


class Minority(Game[Crowd]):
    task_type = "minority"
    cooperation_meaning = Meaning("left side", "share of decisions for the left side")
    accuracy_meaning = Meaning(BEST_RESPONSE, "share of best responses to the others' sides")
    foreseeable = True
    Parameters = MinorityParameters
    parameters: MinorityParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        count = len(setting.seats)
        if count < 3 or count % 2 == 0:
            return f"minority needs an odd number of models, at least 3; there are {count}"
        return ""

    def _open(self, _rng: random.Random) -> Crowd:
        return Crowd()

    def _options(self, _state: State[Crowd], _player: int) -> tuple[tuple[str, float], ...]:
        return ((LEFT, 1.0), (RIGHT, 0.0))

    def _play(self, state: State[Crowd], moves: Sequence[Move]) -> Round[Crowd]:
        count = {side: sum(move.action == side for move in moves) for side in OTHER}
        payoffs, accuracies = [], []
        for move in moves:
            if move.action is None:
                payoffs.append(0.0)
                accuracies.append(0.0)
                continue
            here, there = count[move.action], count[OTHER[move.action]]
            payoff, elsewhere = float(here < there), float(there + 1 < here - 1)
            payoffs.append(payoff)
            accuracies.append(closeness(payoff, (payoff, elsewhere)))
        return Round(tuple(payoffs), tuple(accuracies), self._after(state.table, count[LEFT], count[RIGHT]))

    def _after(self, crowd: Crowd, on_left: int, on_right: int) -> Crowd:
        winner = () if on_left == on_right else (LEFT if on_left < on_right else RIGHT,)
        return Crowd(on_left, on_right, (*crowd.won, *winner)[-self.parameters.memory :])

    def rules(self, language: Language) -> str:
        return _RULES[language].format(n=self.players)

    def observation_text(self, state: State[Crowd], player: int, language: Language) -> str:
        if state.tally.step == 0:
            return _FIRST[language]
        crowd = state.table
        text = _LAST_STEP[language].format(
            left=crowd.on_left, right=crowd.on_right, payoff=state.tally.last_payoff[player]
        )
        won = ", ".join(self.label(side, language) for side in crowd.won)
        return text + (_WON[language].format(won=won) if won else "")

    def label(self, action: str, language: Language) -> str:
        return _LABELS[language][action]

    def equilibrium_play(self, _state: State[Crowd], _player: int) -> Mapping[str, float]:
        return {LEFT: 0.5, RIGHT: 0.5}

    def optimum(self) -> float:
        return (self.players - 1) / 2 * self.setting.max_steps

    def nash(self) -> float:
        n = self.players
        winners: int = sum(comb(n, k) * min(k, n - k) for k in range(n + 1))
        return float(Fraction(winners, 2**n)) * self.setting.max_steps


GAME = Minority
