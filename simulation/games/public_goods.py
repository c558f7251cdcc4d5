"""The linear public goods game.

Players: two or more.
Decision: how much of the endowment to give to a common account, from `contributions`.
Payoff: in each step every player has `endowment` points. The gifts are multiplied by `multiplier` and shared equally
among all n players, also among those who gave nothing,

    payoff = endowment - own + multiplier * total / n

Information: the last step's total and mean, and the player's own gift and payoff; all give at the same time.

Nash: nobody gives (endowment each): with 1 < multiplier < n, giving nothing is dominant.
Optimum: everybody gives everything (multiplier * endowment each).
Message: can set a target.

accuracy: closeness of the payoff to that of the best response (myopic) to what the others gave.
cooperation: gift / the largest gift.
Source: Isaac & Walker, Quarterly Journal of Economics 103 (1988).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field, field_validator

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, Setting, State
from simulation.games.measures import BEST_RESPONSE, Meaning, closeness


class PublicGoodsParameters(GameParameters):
    endowment: float = Field(default=20.0, gt=0)
    multiplier: float = Field(default=1.6, gt=0)
    contributions: tuple[int, ...] = Field(default=(0, 5, 10, 15, 20), min_length=2)

    @field_validator("contributions")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0:
            raise ValueError("contributions must be distinct and not negative")
        return tuple(sorted(value))


_RULES = {
    Language.EN: (
        "Public goods. Each step every model has {endowment:g} points and gives some to a common account. "
        "The account is multiplied by {multiplier:g} and shared equally among all {n} models. "
        "What you do not give you keep."
    ),
    Language.ZH: (
        "公共物品博弈。每一步每个模型有{endowment:g}分，可向公共账户投入一部分。公共账户乘以{multiplier:g}后由全部{n}个模型平分。"
        "没有投入的归自己。"
    ),
}
_LAST_STEP = {
    Language.EN: "Last step the group gave {total:g} in all, {mean:g} each on average.",
    Language.ZH: "上一步大家共投入{total:g}，平均每个{mean:g}。",
}
_OWN = {
    Language.EN: " You gave {own:g} and earned {payoff:.1f}.",
    Language.ZH: "你投入了{own:g}，得到{payoff:.1f}分。",
}
_FIRST = {Language.EN: "This is the first step.", Language.ZH: "这是第一步。"}

Given = tuple[float | None, ...]
"""What each player gave in the last step; None for an invalid decision."""


class PublicGoods(Game[Given]):
    task_type = "public_goods"
    cooperation_meaning = Meaning("cooperation", "gift / largest gift")
    accuracy_meaning = Meaning(BEST_RESPONSE, "closeness to the best response to the others' gifts")
    foreseeable = True
    repeats = True
    Parameters = PublicGoodsParameters
    parameters: PublicGoodsParameters
    _added: tuple[Given, float] | None = None

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if max(parameters.contributions) > parameters.endowment:
            return (
                f"contributions go up to {max(parameters.contributions)}, above the endowment {parameters.endowment:g}"
            )
        return super().refuse(setting, parameters)

    def _open(self, _rng: random.Random) -> Given:
        return ()

    def _options(self, _state: State[Given], _player: int) -> tuple[tuple[str, float], ...]:
        return self._levels

    @cached_property
    def _levels(self) -> tuple[tuple[str, float], ...]:
        top = max(self.parameters.contributions)
        return tuple((str(given), given / top) for given in self.parameters.contributions)

    def _pay(self, own: float, others: float) -> float:
        p = self.parameters
        return p.endowment - own + p.multiplier * (own + others) / self.players

    def _play(self, _state: State[Given], moves: Sequence[Move]) -> Round[Given]:
        given = tuple(None if move.action is None else float(move.action) for move in moves)
        total = sum(own for own in given if own is not None)
        earned = {own: self._earned(own, total) for own in set(given)}  # who gave the same earned the same
        return Round(tuple(earned[own][0] for own in given), tuple(earned[own][1] for own in given), given)

    def _earned(self, own: float | None, total: float) -> tuple[float, float]:
        """Return the payoff and the accuracy of a gift; a decision that was invalid has none."""
        if own is None:
            return 0.0, 0.0
        payoff = self._pay(own, total - own)
        alternatives = [self._pay(other, total - own) for other in self.parameters.contributions]
        return payoff, closeness(payoff, alternatives)

    def rules(self, language: Language) -> str:
        p = self.parameters
        return _RULES[language].format(endowment=p.endowment, multiplier=p.multiplier, n=self.players)

    def observation_text(self, state: State[Given], player: int, language: Language) -> str:
        if state.tally.step == 0:
            return _FIRST[language]
        total = self._total(state.table)
        text = _LAST_STEP[language].format(total=total, mean=total / self.players)
        own = state.table[player]
        if own is None:
            return text
        return text + _OWN[language].format(own=own, payoff=state.tally.last_payoff[player])

    def _total(self, table: Given) -> float:
        """Return the sum of all gifts. It is computed once per table, not once per player who observes it."""
        if self._added is None or self._added[0] is not table:
            self._added = (table, sum(own for own in table if own is not None))
        return self._added[1]

    def _least_or_most(self) -> int:
        """Return the dominant gift."""
        p = self.parameters
        return min(p.contributions) if p.multiplier < self.players else max(p.contributions)

    def equilibrium_play(self, _state: State[Given], _player: int) -> Mapping[str, float]:
        return {str(self._least_or_most()): 1.0}

    def optimum(self) -> float:
        p = self.parameters
        best = max(p.contributions) if p.multiplier > 1 else min(p.contributions)
        return self.players * self._pay(best, best * (self.players - 1)) * self.setting.max_steps

    def nash(self) -> float:
        given = self._least_or_most()
        return self.players * self._pay(given, given * (self.players - 1)) * self.setting.max_steps


GAME = PublicGoods
