"""Public goods with punishment: steps of giving and steps of punishing alternate.

Players: 2 to 30; each may punish any other.
Decision: in steps 1, 3, ... how much to give; in steps 2, 4, ... whom of the others to punish, or to spare all.
Payoff: giving is the linear public goods game; punishing costs both sides,

    giving:    payoff = endowment - own + multiplier * total / n
    punishing: payoff = - cost * (1 if punishing) - fine * (number of players who punish this one)

If `max_steps` is odd, no step follows in which the last gifts could be punished. A player whose decision in a punishing
step is invalid earns 0 in that step.
Information: what each player gave; nobody learns who punished.

Nash (subgame perfect): punishing only costs, so nobody punishes and, with multiplier < n, nobody gives.
Optimum: everybody gives everything, nobody punishes.
Message: can threaten, or name whom to punish. The threat is not credible to players who look at payoffs only, but in
the laboratory it raised contributions.

accuracy: closeness of the payoff to that of the best response (myopic, within the step) to what the others do.
cooperation: giving: gift / largest gift. Punishing a player: 1 - its gift / the largest gift. Sparing all: the least
gift among the others / the largest gift. So it is cooperative to punish a player who gave nothing and to spare players
who gave everything. To leave punishment to others (second-order free riding) and to punish givers (antisocial
punishment) are not cooperative.
Sources: Fehr & Gächter, American Economic Review 90 (2000), the design; Fehr & Gächter, Nature 415 (2002), the price of
1 for a fine of 3. In this version a player punishes one other, by a fixed amount.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from agents.language import Language
from simulation.games.base import Game, Move, Round, Setting, State
from simulation.games.measures import BEST_RESPONSE, Meaning, closeness
from simulation.games.public_goods import PublicGoods, PublicGoodsParameters

SPARE, PUNISH = "spare", "punish "
MOST_PLAYERS = 30


class PunishmentParameters(PublicGoodsParameters):
    cost: float = Field(default=2.0, ge=0)
    fine: float = Field(default=6.0, ge=0)


@dataclass(frozen=True)
class Stage:
    """What each player gave last (None: invalid), and how many players punished it last."""

    given: tuple[float | None, ...]
    punished_by: tuple[int, ...]


_RULES = {
    Language.EN: (
        "Public goods with punishment. In odd steps every model has {endowment:g} points and gives some to a common "
        "account, which is multiplied by {multiplier:g} and shared equally among all {n} models. In even steps every "
        "model may punish one other: that costs it {cost:g} and takes {fine:g} from the other. Nobody learns who "
        "punished."
    ),
    Language.ZH: (
        "带惩罚的公共物品博弈。奇数步：每个模型有{endowment:g}分，可向公共账户投入一部分，账户乘以{multiplier:g}后由全部{n}个模型平分。"
        "偶数步：每个模型可惩罚另一个模型，自己花费{cost:g}分，对方损失{fine:g}分。惩罚者匿名。"
    ),
}
_GIVE = {Language.EN: "Now give.", Language.ZH: "现在投入。"}
_FINED = {
    Language.EN: " In the last round models gave {gifts}. You were punished by {count}.",
    Language.ZH: "上一轮各模型投入：{gifts}。你被{count}个模型惩罚。",
}
_GIFTS = {
    Language.EN: "Now punish one model or spare all. This round models gave {gifts}.",
    Language.ZH: "现在惩罚一个模型或不惩罚。本轮各模型投入：{gifts}。",
}
_OWN = {Language.EN: "{name} (you) {given}", Language.ZH: "{name}（你）{given}"}
_SPARE = {Language.EN: "spare", Language.ZH: "不惩罚"}
_PUNISH = {Language.EN: "punish {name}", Language.ZH: "惩罚{name}"}
_NOTHING = {Language.EN: "nothing valid", Language.ZH: "无效"}
_BETWEEN = {Language.EN: ", ", Language.ZH: "，"}


class PublicGoodsPunishment(Game[Stage]):
    task_type = "public_goods_punishment"
    cooperation_meaning = Meaning("giving and punishing", "gift / largest gift; punishing who gave little")
    accuracy_meaning = Meaning(BEST_RESPONSE, "closeness to the best response to the others' actions")
    foreseeable = True
    Parameters = PunishmentParameters
    parameters: PunishmentParameters

    def __init__(self, setting: Setting, parameters: Any = None) -> None:
        super().__init__(setting, parameters)
        rounds = Setting(setting.seats, (setting.max_steps + 1) // 2, setting.difficulty)
        self._goods = PublicGoods(rounds, self.parameters)

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if len(setting.seats) > MOST_PLAYERS:
            return f"each model may punish any other: at most {MOST_PLAYERS} models; there are {len(setting.seats)}"
        return super().refuse(setting, parameters) or PublicGoods.refuse(setting, parameters)

    def _open(self, _rng: random.Random) -> Stage:
        return Stage((None,) * self.players, (0,) * self.players)

    def _options(self, state: State[Stage], player: int) -> tuple[tuple[str, float], ...]:
        top = max(self.parameters.contributions)
        if not punishing(state):
            return tuple((str(given), given / top) for given in self.parameters.contributions)
        gifts = {i: (given or 0.0) / top for i, given in enumerate(state.table.given) if i != player}
        punish = ((PUNISH + self.setting.seats[i].model_id, 1.0 - gift) for i, gift in gifts.items())
        return ((SPARE, min(gifts.values())), *punish)

    def _play(self, state: State[Stage], moves: Sequence[Move]) -> Round[Stage]:
        return self._punish(state, moves) if punishing(state) else self._give(moves)

    def _give(self, moves: Sequence[Move]) -> Round[Stage]:
        step = self._goods.resolve(self._goods.start(random.Random(0)), moves)  # the plain game draws no number
        tally = step.tally
        return Round(tally.payoff, tally.accuracy, Stage(step.table, (0,) * self.players))

    def _punish(self, state: State[Stage], moves: Sequence[Move]) -> Round[Stage]:
        p = self.parameters
        actions = [move.action for move in moves]
        counts = tuple(actions.count(PUNISH + seat.model_id) for seat in self.setting.seats)
        payoffs, accuracies = [], []
        for move, count in zip(moves, counts, strict=True):
            if move.action is None:
                payoffs.append(0.0)
                accuracies.append(0.0)
                continue
            paid = 0.0 if move.action == SPARE else p.cost
            payoffs.append(-paid - p.fine * count)
            accuracies.append(closeness(-paid, (0.0, -p.cost)))
        return Round(tuple(payoffs), tuple(accuracies), Stage(state.table.given, counts))

    def rules(self, language: Language) -> str:
        p = self.parameters
        return _RULES[language].format(**p.model_dump(), n=self.players)

    def observation_text(self, state: State[Stage], player: int, language: Language) -> str:
        gifts = self._gifts(state, player, language)
        if punishing(state):
            return _GIFTS[language].format(gifts=gifts)
        if state.tally.step == 0:
            return _GIVE[language]
        return _GIVE[language] + _FINED[language].format(gifts=gifts, count=state.table.punished_by[player])

    def _gifts(self, state: State[Stage], player: int, language: Language) -> str:
        parts = []
        for i, given in enumerate(state.table.given):
            name, shown = self.setting.seats[i].model_id, _NOTHING[language] if given is None else f"{given:g}"
            parts.append(_OWN[language].format(name=name, given=shown) if i == player else f"{name} {shown}")
        return _BETWEEN[language].join(parts)

    def label(self, action: str, language: Language) -> str:
        if action == SPARE:
            return _SPARE[language]
        if action.startswith(PUNISH):
            return _PUNISH[language].format(name=action.removeprefix(PUNISH))
        return action

    def equilibrium_play(self, state: State[Stage], player: int) -> Mapping[str, float]:
        return (
            {SPARE: 1.0}
            if punishing(state)
            else self._goods.equilibrium_play(self._goods.start(random.Random(0)), player)
        )

    def optimum(self) -> float:
        return self._goods.optimum()

    def nash(self) -> float:
        return self._goods.nash()

    def min_payoff(self) -> float:
        fined = -(self.parameters.cost + self.parameters.fine * (self.players - 1))
        return fined * (self.setting.max_steps // 2)


def punishing(state: State[Stage]) -> bool:
    """Return whether the next step is a punishing step."""
    return state.tally.step % 2 == 1


GAME = PublicGoodsPunishment
