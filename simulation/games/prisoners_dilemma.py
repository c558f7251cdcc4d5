"""The iterated prisoner's dilemma, played in fixed pairs.

| row, column | cooperate            | defect               |
|-------------|----------------------|----------------------|
| cooperate   | reward, reward (3,3) | sucker, temptation (0,5) |
| defect      | temptation, sucker (5,0) | punishment, punishment (1,1) |

Pairs are drawn by the seed and stay together for the episode; where there are two or more teams they are
drawn across teams as far as the sizes allow. Players see their partner's last action. Nash: everyone
defects, every step. Optimum: max(2 * reward, temptation + sucker) a pair and step. A message can promise,
threaten, or agree on taking turns.

accuracy: the share of steps in which the action was a best response to what the partner did in that step;
under the dilemma's order of payoffs that is always defection. It measures rationality, not virtue. An invalid
decision makes the step void for the pair, and its partner right whatever it did: all would have earned 0.
efficiency: the pair's payoff / the best a pair can earn.
Source: Axelrod, The Evolution of Cooperation (1984).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, Seat, Setting, State, closeness, ratio

COOPERATE, DEFECT = "cooperate", "defect"
Pairs = tuple[int, ...]
"""partner[i] is the player that i meets."""


class DilemmaParameters(GameParameters):
    temptation: float = 5.0
    reward: float = Field(default=3.0, gt=0)  # an invalid decision earns 0: what is best must be above
    punishment: float = 1.0
    sucker: float = 0.0

    @model_validator(mode="after")
    def _is_a_dilemma(self) -> DilemmaParameters:
        if not self.temptation > self.reward > self.punishment > self.sucker:
            raise ValueError("a dilemma needs temptation > reward > punishment > sucker")
        return self


_LABELS = {
    Language.EN: {COOPERATE: "cooperate", DEFECT: "defect"},
    Language.ZH: {COOPERATE: "合作", DEFECT: "背叛"},
}
_RULES = {
    Language.EN: (
        "Prisoner's dilemma in fixed pairs. Each step you and your partner choose at once: both cooperate, "
        "{reward:g} points each; both defect, {punishment:g} each; if one defects alone, it gets "
        "{temptation:g} and the other {sucker:g}."
    ),
    Language.ZH: (
        "固定两人一组的囚徒困境。每一步双方同时选择：都合作，各得{reward:g}分；都背叛，各得{punishment:g}分；"
        "若只有一方背叛，背叛者得{temptation:g}分，另一方得{sucker:g}分。"
    ),
}
_NEWS = {
    Language.EN: "Your partner is {partner}. Last step you chose {own}; {partner} chose {other}.",
    Language.ZH: "你的搭档是{partner}。上一步你选择了{own}，{partner}选择了{other}。",
}
_FIRST = {
    Language.EN: "Your partner is {partner}. This is the first step.",
    Language.ZH: "你的搭档是{partner}。这是第一步。",
}
_NOTHING = {Language.EN: "nothing valid", Language.ZH: "无效的回答"}


class PrisonersDilemma(Game[Pairs]):
    task_type = "prisoners_dilemma"
    foreseeable = True
    Parameters = DilemmaParameters
    parameters: DilemmaParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        count = len(setting.seats)
        if count % 2 or not count:
            return f"prisoners_dilemma pairs its players and needs an even number of models; there are {count}"
        return ""

    def _open(self, rng: random.Random) -> Pairs:
        order = _across_teams(self.setting.seats, rng)
        partner = [0] * self.players
        for a, b in zip(order[::2], order[1::2], strict=True):
            partner[a], partner[b] = b, a
        return tuple(partner)

    def faces(self, state: State[Pairs], player: int) -> Sequence[int]:
        return (state.table[player],)

    def _options(self, _state: State[Pairs], _player: int) -> tuple[tuple[str, float], ...]:
        return ((COOPERATE, 1.0), (DEFECT, 0.0))

    def _pay(self, own: str, other: str) -> float:
        p = self.parameters
        table = {
            (COOPERATE, COOPERATE): p.reward,
            (COOPERATE, DEFECT): p.sucker,
            (DEFECT, COOPERATE): p.temptation,
            (DEFECT, DEFECT): p.punishment,
        }
        return table[own, other]

    def _play(self, state: State[Pairs], moves: Sequence[Move]) -> Round[Pairs]:
        payoffs, accuracies = [], []
        for player, move in enumerate(moves):
            other = moves[state.table[player]].action
            if move.action is None or other is None:  # the pair's step is void
                payoffs.append(0.0)
                accuracies.append(0.0 if move.action is None else 1.0)
                continue
            payoff = self._pay(move.action, other)
            payoffs.append(payoff)
            accuracies.append(closeness(payoff, [self._pay(own, other) for own in (COOPERATE, DEFECT)]))
        return Round(tuple(payoffs), tuple(accuracies), state.table)

    def rules(self, language: Language) -> str:
        return _RULES[language].format(**self.parameters.model_dump())

    def news(self, state: State[Pairs], player: int, language: Language) -> str:
        partner = state.table[player]
        name = self.setting.seats[partner].model_id
        if state.tally.step == 0:
            return _FIRST[language].format(partner=name)
        own, other = (self._last(state, who, language) for who in (player, partner))
        return _NEWS[language].format(partner=name, own=own, other=other)

    def _last(self, state: State[Pairs], player: int, language: Language) -> str:
        level = state.tally.last_cooperation[player]
        if level is None:
            return _NOTHING[language]
        return self.label(COOPERATE if level == 1.0 else DEFECT, language)

    def label(self, action: str, language: Language) -> str:
        return _LABELS[language][action]

    def optimum(self) -> float:
        return self._best_pair() * self.players / 2 * self.setting.max_steps

    def _best_pair(self) -> float:
        p = self.parameters
        return max(2 * p.reward, p.temptation + p.sucker)

    def nash(self) -> float:
        return self.parameters.punishment * self.players * self.setting.max_steps

    def floor(self) -> float:
        return min(0.0, self.parameters.sucker) * self.setting.max_steps

    def efficiencies(self, state: State[Pairs]) -> tuple[float, ...]:
        best = self._best_pair() * self.setting.max_steps
        payoff = state.tally.payoff
        return tuple(ratio(payoff[i] + payoff[state.table[i]], best) for i in range(self.players))


def _across_teams(seats: Sequence[Seat], rng: random.Random) -> list[int]:
    """Players in an order whose neighbours (0-1, 2-3, ...) are of different teams as far as sizes allow."""
    shuffled = list(range(len(seats)))
    rng.shuffle(shuffled)
    teams: dict[str | None, list[int]] = {}
    for player in shuffled:
        teams.setdefault(seats[player].team_id, []).append(player)
    # sorted by team, player i meets player i + n/2: never a team-mate unless a team holds more than half
    by_team = [player for team in sorted(teams.values(), key=len, reverse=True) for player in team]
    half = len(by_team) // 2
    return [player for pair in zip(by_team[:half], by_team[half:], strict=True) for player in pair]


GAME = PrisonersDilemma
