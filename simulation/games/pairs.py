"""What pair games share: the draw of partners, and the two-by-two game with a payoff table.

The seed decides the pairs, for the whole episode. Partners are of different teams as far as the sizes of the teams
allow. `optimum()` and `nash()` are the figure of one pair times the number of pairs, and efficiency is the pair's
payoff / the best a pair can earn.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import JsonValue

from agents.language import Language
from simulation.games.base import Game, Move, Round, Setting, State, Table
from simulation.games.measures import closeness, welfare_ratio
from simulation.seats import Seat

Pairs = tuple[int, ...]
"""`partner[i]` is the player that player i meets."""

ABOVE_0: dict[str, JsonValue] = {"exclusiveMinimum": 0}
"""In a JSON Schema: the rule that `refuse_not_positive` checks."""

_LAST_STEP = {
    Language.EN: "Your partner is {partner}. Last step you chose {own}; {partner} chose {other}.",
    Language.ZH: "你的搭档是{partner}。上一步你选择了{own}，{partner}选择了{other}。",
}
_FIRST = {
    Language.EN: "Your partner is {partner}. This is the first step.",
    Language.ZH: "你的搭档是{partner}。这是第一步。",
}
_NOTHING = {Language.EN: "nothing valid", Language.ZH: "无效的回答"}


def uneven(task_type: str, count: int) -> str:
    """Return why `count` players cannot be paired, or an empty string if they can."""
    if count and count % 2 == 0:
        return ""
    return f"{task_type} pairs its players and needs an even number of models; there are {count}"


def partners(order: Sequence[int]) -> Pairs:
    """Return the pairs in which the players at 0 and 1, 2 and 3, ... of `order` meet."""
    partner = [0] * len(order)
    for a, b in zip(order[::2], order[1::2], strict=True):
        partner[a], partner[b] = b, a
    return tuple(partner)


def across_teams(seats: Sequence[Seat], rng: random.Random) -> list[int]:
    """Return the players in an order that `partners` can use, with different teams in a pair as far as sizes allow."""
    shuffled = list(range(len(seats)))
    rng.shuffle(shuffled)
    teams: dict[str | None, list[int]] = {}
    for player in shuffled:
        teams.setdefault(seats[player].team_id, []).append(player)
    # sorted by team, player i meets player i + n/2: never a team-mate unless a team has more than half of the players
    by_team = [player for team in sorted(teams.values(), key=len, reverse=True) for player in team]
    half = len(by_team) // 2
    return [player for pair in zip(by_team[:half], by_team[half:], strict=True) for player in pair]


class PairGame(Game[Table]):
    """A game in fixed pairs. A subclass gives the optimum and the equilibrium of one pair."""

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        return uneven(cls.task_type, len(setting.seats))

    def _draw(self, rng: random.Random) -> Pairs:
        return partners(across_teams(self.setting.seats, rng))

    @abstractmethod
    def partner(self, state: State[Table], player: int) -> int:
        """Return whom `player` meets."""

    @abstractmethod
    def best_pair(self) -> float:
        """Return the most that one pair can earn in an episode."""

    @abstractmethod
    def nash_pair(self) -> float:
        """Return what one pair earns in an episode in the equilibrium that the game's docstring names."""

    def opponents(self, state: State[Table], player: int) -> Sequence[int]:
        return (self.partner(state, player),)

    def optimum(self) -> float:
        return self.best_pair() * self.players / 2

    def nash(self) -> float:
        return self.nash_pair() * self.players / 2

    def efficiencies(self, state: State[Table]) -> tuple[float, ...]:
        best, payoff = self.best_pair(), state.tally.payoff
        return tuple(welfare_ratio(payoff[i] + payoff[self.partner(state, i)], best) for i in range(self.players))


class MatrixGame(PairGame[Pairs]):
    """A symmetric two-by-two game, iterated in fixed pairs. The first of `actions` is the cooperative one.

    If one of a pair makes an invalid decision, the step is void for the pair: neither earns anything.
    accuracy: the share of steps in which the action was a best response to what the partner did in that step. If the
    partner's decision was invalid, any action counts as a best response.
    """

    foreseeable = True
    actions: ClassVar[tuple[str, str]]
    labels: ClassVar[Mapping[Language, Mapping[str, str]]]
    rule_texts: ClassVar[Mapping[Language, str]]

    @abstractmethod
    def payoff_table(self) -> Mapping[tuple[str, str], float]:
        """Return what a player earns for each (own action, partner's action)."""

    @abstractmethod
    def nash_step(self) -> float:
        """Return what one player earns in a step in the equilibrium that the game's docstring names."""

    def _open(self, rng: random.Random) -> Pairs:
        return self._draw(rng)

    def partner(self, state: State[Pairs], player: int) -> int:
        return state.table[player]

    def _options(self, _state: State[Pairs], _player: int) -> tuple[tuple[str, float], ...]:
        return ((self.actions[0], 1.0), (self.actions[1], 0.0))

    def _play(self, state: State[Pairs], moves: Sequence[Move]) -> Round[Pairs]:
        scored = [self._meet(move.action, moves[state.table[i]].action) for i, move in enumerate(moves)]
        return Round(tuple(pay for pay, _ in scored), tuple(right for _, right in scored), state.table)

    def _meet(self, own: str | None, other: str | None) -> tuple[float, float]:
        """Return payoff and accuracy of the action `own` against the action `other`."""
        if own is None or other is None:
            return 0.0, 0.0 if own is None else 1.0
        table = self.payoff_table()
        return table[own, other], closeness(table[own, other], [table[action, other] for action in self.actions])

    def rules(self, language: Language) -> str:
        return self.rule_texts[language].format(**self.parameters.model_dump())

    def observation_text(self, state: State[Pairs], player: int, language: Language) -> str:
        partner = state.table[player]
        name = self.setting.seats[partner].model_id
        if state.tally.step == 0:
            return _FIRST[language].format(partner=name)
        own, other = (self._last(state, who, language) for who in (player, partner))
        return _LAST_STEP[language].format(partner=name, own=own, other=other)

    def _last(self, state: State[Pairs], player: int, language: Language) -> str:
        level = state.tally.last_cooperation[player]
        return _NOTHING[language] if level is None else self.label(self.actions[level < 1.0], language)

    def label(self, action: str, language: Language) -> str:
        return self.labels[language][action]

    def best_pair(self) -> float:
        table = self.payoff_table()
        return max(table[a, b] + table[b, a] for a, b in table) * self.setting.max_steps

    def nash_pair(self) -> float:
        return 2 * self.nash_step() * self.setting.max_steps

    def min_payoff(self) -> float:
        return min(0.0, *self.payoff_table().values()) * self.setting.max_steps
