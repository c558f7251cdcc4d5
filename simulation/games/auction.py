"""The sealed-bid auction with private values, first or second price (`pricing`).

Players: two or more.
Decision: what to bid, from 0..highest, for the one object that is sold in this step.
Payoff: the highest bid wins,

    payoff = value - price for the winner, 0 for the others
    price  = the winner's bid (first), or the highest bid of the others (second, a Vickrey auction)

If k bids are equal and the highest, each gets 1/k of that payoff: the expectation of a fair draw. With the second-price
rule, a single valid bid pays 0. Welfare counts the bidders only: what they pay leaves the game.
Information: each player's value of the object is drawn uniformly from 0..highest, and only that player knows it. All
bid at the same time. After the step each player knows the price and its own payoff.

Nash (named here): with the second-price rule everyone bids its value, which is a best response to any bids of the
others (weakly dominant). With the first-price rule everyone bids (n-1)/n of its value, rounded down: Vickrey's
equilibrium on the grid of whole numbers. Where this is an equilibrium, for example with 2 bidders and an odd `highest`,
`nash` is its exact expected welfare. Elsewhere another bid gains something (at most 0.3 a step with 2-10 bidders and
highest 5-29); no equilibrium is known there, and `nash` is missing.
Optimum: the object is worth `highest` to its winner and costs nothing. This is an upper bound: an episode reaches it
only if such a value is drawn in every step.
Message: can form a ring that bids low, and can pass on values.

accuracy: closeness of the payoff to that of the best response to what the others bid.
efficiency: value of the object to its winners / its highest value to any player, summed over steps (allocative
efficiency; the price only moves wealth to the seller).
cooperation: 1 - bid / highest: how much a player holds back, as a ring of bidders does. A player who bids its value is
in between.
Source: Vickrey, Journal of Finance 16 (1961).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from pydantic import Field

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, State
from simulation.games.measures import BEST_RESPONSE, Meaning, closeness, welfare_ratio


class Pricing(str, Enum):
    FIRST = "first"
    SECOND = "second"


class AuctionParameters(GameParameters):
    pricing: Pricing = Pricing.SECOND
    highest: int = Field(default=10, ge=1, le=29)


@dataclass(frozen=True)
class RivalBids:
    """The highest bid of all others, and how many players bid it; -1 and 0 if nobody else bid."""

    best: int
    count: int


@dataclass(frozen=True)
class Sales:
    """The values of every step, the last price (None: unsold), and two sums so far: winners' values, highest values."""

    values: tuple[tuple[int, ...], ...]
    price: int | None = None
    realised: float = 0.0
    possible: float = 0.0


_RULES = {
    Language.EN: (
        "Sealed-bid auction. Each step one object is sold; it has a private value from 0 to {highest} for each of the "
        "{n} models. All bid at once; the highest bid wins, pays {price} and earns its value minus the price, "
        "shared where bids are equal. The others earn 0."
    ),
    Language.ZH: (
        "密封拍卖。每一步出售一件物品，它对{n}个模型各有一个0到{highest}的私人价值。所有模型同时出价，最高者获得物品，"
        "支付{price}，得分为价值减去价格，出价相同则平分。其余得0分。"
    ),
}
_PRICE = {
    Language.EN: {Pricing.FIRST: "its own bid", Pricing.SECOND: "the second-highest bid"},
    Language.ZH: {Pricing.FIRST: "自己的出价", Pricing.SECOND: "第二高的出价"},
}
_VALUE = {Language.EN: "The object is worth {value} to you.", Language.ZH: "该物品对你的价值是{value}。"}
_LAST = {
    Language.EN: " Last step the price was {price}; you earned {payoff:.1f}.",
    Language.ZH: "上一步成交价为{price}；你得到{payoff:.1f}分。",
}
_UNSOLD = {Language.EN: " Last step nobody gave a valid bid.", Language.ZH: "上一步没有有效的出价。"}


class Auction(Game[Sales]):
    task_type = "auction"
    cooperation_meaning = Meaning("holding back", "1 - bid / highest bid")
    accuracy_meaning = Meaning(BEST_RESPONSE, "closeness to the best response to the others' bids")
    foreseeable = True
    Parameters = AuctionParameters
    parameters: AuctionParameters

    def _open(self, rng: random.Random) -> Sales:
        top = self.parameters.highest
        return Sales(
            tuple(tuple(rng.randint(0, top) for _ in range(self.players)) for _ in range(self.setting.max_steps))
        )

    def _options(self, _state: State[Sales], _player: int) -> tuple[tuple[str, float], ...]:
        top = self.parameters.highest
        return tuple((str(bid), 1 - bid / top) for bid in range(top + 1))

    def _pay(self, value: int, bid: int, rivals: RivalBids) -> float:
        if bid < rivals.best:
            return 0.0
        winners = 1 + (rivals.count if bid == rivals.best else 0)
        price = bid if self.parameters.pricing is Pricing.FIRST else max(0, rivals.best)
        return (value - price) / winners

    def _play(self, state: State[Sales], moves: Sequence[Move]) -> Round[Sales]:
        values = state.table.values[state.tally.step]
        bids = [None if move.action is None else int(move.action) for move in moves]
        ranked = sorted((bid for bid in bids if bid is not None), reverse=True)
        rivals = {bid: _rivals(ranked, bid) for bid in set(ranked)}
        payoffs, accuracies = [], []
        for value, bid in zip(values, bids, strict=True):
            if bid is None:
                payoffs.append(0.0)
                accuracies.append(0.0)
                continue
            payoffs.append(self._pay(value, bid, rivals[bid]))
            alternatives = [self._pay(value, other, rivals[bid]) for other in range(self.parameters.highest + 1)]
            accuracies.append(closeness(payoffs[-1], alternatives))
        return Round(tuple(payoffs), tuple(accuracies), self._after(state.table, values, bids, ranked))

    def _after(self, sales: Sales, values: Sequence[int], bids: Sequence[int | None], ranked: Sequence[int]) -> Sales:
        possible = sales.possible + max(values)
        if not ranked:
            return replace(sales, price=None, possible=possible)
        won = [value for value, bid in zip(values, bids, strict=True) if bid == ranked[0]]
        price = ranked[0] if self.parameters.pricing is Pricing.FIRST else (*ranked, 0)[1]
        return replace(sales, price=price, realised=sales.realised + sum(won) / len(won), possible=possible)

    def rules(self, language: Language) -> str:
        p = self.parameters
        return _RULES[language].format(highest=p.highest, n=self.players, price=_PRICE[language][p.pricing])

    def observation_text(self, state: State[Sales], player: int, language: Language) -> str:
        sales, step = state.table, state.tally.step
        text = _VALUE[language].format(value=sales.values[step][player]) if step < self.setting.max_steps else ""
        if step:
            last = _UNSOLD if sales.price is None else _LAST
            text += last[language].format(price=sales.price, payoff=state.tally.last_payoff[player])
        return text.strip()

    def equilibrium_play(self, state: State[Sales], player: int) -> Mapping[str, float] | None:
        p, value = self.parameters, state.table.values[state.tally.step][player]
        if p.pricing is Pricing.SECOND:
            return {str(value): 1.0}
        return {str(shaded_bid(value, self.players)): 1.0} if shading_holds(self.players, p.highest) else None

    def optimum(self) -> float:
        return float(self.parameters.highest * self.setting.max_steps)

    def nash(self) -> float:
        p = self.parameters
        if p.pricing is Pricing.SECOND:
            return truthful_welfare(self.players, p.highest) * self.setting.max_steps
        if not shading_holds(self.players, p.highest):
            return math.nan
        return shaded_welfare(self.players, p.highest) * self.setting.max_steps

    def min_payoff(self) -> float:
        return float(-self.parameters.highest * self.setting.max_steps)

    def efficiencies(self, state: State[Sales]) -> tuple[float, ...]:
        return (welfare_ratio(state.table.realised, state.table.possible),) * self.players


def _rivals(ranked: Sequence[int], own: int) -> RivalBids:
    """Return the bids against the bid `own`; `ranked` has all bids, including `own`, highest first."""
    if len(ranked) == 1:
        return RivalBids(-1, 0)
    best = ranked[1] if own == ranked[0] else ranked[0]
    return RivalBids(best, ranked.count(best) - (own == best))


def shaded_bid(value: int, players: int) -> int:
    """Return (n-1)/n of the value, rounded down."""
    return value * (players - 1) // players


@cache
def truthful_welfare(players: int, highest: int) -> float:
    """Return one step's expected welfare if all bid their value at second price.

    It is E[highest value - second-highest value] of `players` values that are uniform on 0..highest.
    """
    below = [x / (highest + 1) for x in range(1, highest + 1)]  # P(value < x)
    return sum(players * share ** (players - 1) * (1 - share) for share in below)


@cache
def shaded_welfare(players: int, highest: int) -> float:
    """Return one step's expected welfare if all bid `shaded_bid` at first price."""
    bids = [shaded_bid(value, players) for value in range(highest + 1)]
    earned = sum((value - bid) * _wins(bid, tuple(bids), players) for value, bid in enumerate(bids))
    return players * earned / len(bids)


@cache
def shading_holds(players: int, highest: int) -> bool:
    """Return whether no bid earns more than `shaded_bid` at first price if all others bid it."""
    bids = tuple(shaded_bid(value, players) for value in range(highest + 1))
    chances = [_wins(bid, bids, players) for bid in range(highest + 1)]
    return all(
        (value - other) * chances[other] <= (value - bid) * chances[bid] + 1e-9
        for value, bid in enumerate(bids)
        for other in range(highest + 1)
    )


def _wins(bid: int, bids: tuple[int, ...], players: int) -> float:
    """Return a bid's expected part of the object if each of the others bids any of `bids`, each as likely."""
    lower, same = (sum(test) / len(bids) for test in ([b < bid for b in bids], [b == bid for b in bids]))
    if not same:
        return lower ** (players - 1)
    return ((lower + same) ** players - lower**players) / (players * same)  # ties shared


GAME = Auction
