"""Colonel Blotto: armies divide a small force over battlefields. Each field goes to the strongest army there.

Players: two armies or more; an army is a team, and a model without a team is an army alone.
Decision: how to divide `force` units over `fields`; an action names the units on each field, as in "3-2-1".
Payoff: an army's strength on a field is the mean of its players' units there, so a large team has no advantage. An
invalid decision places no units,

    payoff = sum over the fields where the player's army is among the k strongest of 1 / (k * players of the army)

Information: who won each field in the last step; all divide at the same time.

Nash (named here): between two armies of equal force, each has a value of half of the fields. With the default force
and fields, every pure plan loses to another one, two fields to one, so equilibria are mixed.
Optimum: every field is always paid out, so welfare is constant: optimum = nash = the number of fields a step.
Message: can agree within a team on who goes where.

accuracy: closeness of the payoff to that of the best response to what all others did.
cooperation: how evenly the force is spread: 1 as evenly as possible, 0 all on one field. It distinguishes plans and
does not measure goodwill: between armies the game is pure conflict.
Sources: Borel, Comptes rendus 173 (1921); Roberson, Economic Theory 29 (2006); Hart, International Journal of Game
Theory 36 (2008), for whole units.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache, cached_property
from itertools import product
from math import ceil, comb
from typing import Any, NamedTuple

from pydantic import Field, model_validator

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, Setting, State
from simulation.games.measures import BEST_RESPONSE, Meaning, closeness
from simulation.seats import teams

MOST_ACTIONS = 30
Units = tuple[int, ...]
"""The units on each field."""
Winners = tuple[tuple[str, ...], ...]
"""For each field, the names of the armies that won it in the last step."""


class BlottoParameters(GameParameters):
    force: int = Field(default=6, ge=1)
    fields: int = Field(default=3, ge=2, le=10)

    @model_validator(mode="after")
    def _few_enough(self) -> BlottoParameters:
        count = comb(self.force + self.fields - 1, self.fields - 1)
        if count > MOST_ACTIONS:
            ways = f"{self.force} units on {self.fields} fields can be divided in {count} ways"
            raise ValueError(f"{ways}; at most {MOST_ACTIONS} are allowed")
        return self


class Army(NamedTuple):
    """An army: its name, its players, and the sum of the units they placed on each field."""

    name: str
    players: tuple[int, ...]
    units: Units


class RivalForces(NamedTuple):
    """On one field, the greatest strength of the other armies and how many have it; -1 and 0 if there is none."""

    best: float
    equals: int


_RULES = {
    Language.EN: (
        "Colonel Blotto. Each step every model divides {force} units over {fields} battlefields and names the "
        "units on each, in order. A team is one army, as strong on a field as its models' units there "
        "on average; a model without a team fights alone. The strongest army on a field wins its 1 point, shared on "
        "ties and within the army."
    ),
    Language.ZH: (
        "上校布洛托博弈。每一步每个模型把{force}个单位分配到{fields}个战场，依次说出各战场的单位数。"
        "一个团队是一支军队，其在战场上的实力为队员投入单位的平均值；没有团队的模型独自作战。"
        "每个战场的最强军队得1分，平局时平分，军内平分。"
    ),
}
_LAST_STEP = {
    Language.EN: "Last step's winners, field by field: {winners}. You earned {payoff:.2f}.",
    Language.ZH: "上一步各战场的胜者：{winners}。你得到{payoff:.2f}分。",
}
_FIRST = {Language.EN: "This is the first step.", Language.ZH: "这是第一步。"}
_NOBODY = {Language.EN: "nobody", Language.ZH: "无"}


@cache
def allocations(force: int, fields: int) -> tuple[Units, ...]:
    """Return every way to divide `force` whole units over `fields`."""
    return tuple(units for units in product(range(force + 1), repeat=fields) if sum(units) == force)


class Blotto(Game[Winners]):
    task_type = "blotto"
    cooperation_meaning = Meaning("evenness", "how evenly the force is spread")
    accuracy_meaning = Meaning(BEST_RESPONSE, "closeness to the best response to all others' plans")
    Parameters = BlottoParameters
    parameters: BlottoParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if len(teams(setting.seats)) < 2:
            return "blotto needs at least two armies: two teams, or models without a team"
        return super().refuse(setting, parameters)

    @cached_property
    def _allocations(self) -> tuple[Units, ...]:
        return allocations(self.parameters.force, self.parameters.fields)

    @cached_property
    def _actions(self) -> tuple[tuple[str, float], ...]:
        return tuple(("-".join(map(str, units)), self._evenness(units)) for units in self._allocations)

    def _evenness(self, units: Units) -> float:
        force, even = self.parameters.force, ceil(self.parameters.force / self.parameters.fields)
        return 1.0 if force == even else (force - max(units)) / (force - even)

    def _open(self, _rng: random.Random) -> Winners:
        return ()

    def _options(self, _state: State[Winners], _player: int) -> tuple[tuple[str, float], ...]:
        return self._actions

    def _play(self, _state: State[Winners], moves: Sequence[Move]) -> Round[Winners]:
        placed = [_read(move.action) for move in moves]
        armies = self._armies(placed)
        payoffs, accuracies = [0.0] * self.players, [0.0] * self.players
        for army in armies:
            rivals = [_rivals(armies, army, field) for field in range(self.parameters.fields)]
            for player in army.players:
                own = placed[player]
                if own is None:
                    continue
                others = tuple(total - units for total, units in zip(army.units, own, strict=True))
                alternatives = [_worth(others, units, len(army.players), rivals) for units in self._allocations]
                payoffs[player] = _worth(others, own, len(army.players), rivals)
                accuracies[player] = closeness(payoffs[player], alternatives)
        winners = tuple(_strongest(armies, field) for field in range(self.parameters.fields))
        return Round(tuple(payoffs), tuple(accuracies), winners)

    def _armies(self, placed: Sequence[Units | None]) -> list[Army]:
        """Return the armies with at least one valid decision."""
        armies = []
        for players in teams(self.setting.seats).values():
            valid = [units for units in (placed[player] for player in players) if units is not None]
            if valid:
                sums = tuple(sum(column) for column in zip(*valid, strict=True))
                first = self.setting.seats[players[0]]
                armies.append(Army(first.team_id or first.model_id, tuple(players), sums))
        return armies

    def rules(self, language: Language) -> str:
        return _RULES[language].format(force=self.parameters.force, fields=self.parameters.fields)

    def observation_text(self, state: State[Winners], player: int, language: Language) -> str:
        if state.tally.step == 0:
            return _FIRST[language]
        winners = "; ".join(" = ".join(names) or _NOBODY[language] for names in state.table)
        return _LAST_STEP[language].format(winners=winners, payoff=state.tally.last_payoff[player])

    def optimum(self) -> float:
        return float(self.parameters.fields * self.setting.max_steps)

    def nash(self) -> float:
        return self.optimum()


def _read(action: str | None) -> Units | None:
    return None if action is None else tuple(int(units) for units in action.split("-"))


def _strength(army: Army, field: int) -> float:
    return army.units[field] / len(army.players)


def _rivals(armies: Sequence[Army], own: Army, field: int) -> RivalForces:
    strengths = [_strength(army, field) for army in armies if army is not own]
    best = max(strengths, default=-1.0)
    return RivalForces(best, strengths.count(best))


def _strongest(armies: Sequence[Army], field: int) -> tuple[str, ...]:
    best = max((_strength(army, field) for army in armies), default=0.0)
    return tuple(army.name for army in armies if _strength(army, field) == best)


def _worth(others: Units, own: Units, size: int, rivals: Sequence[RivalForces]) -> float:
    """Return the payoff of a player who places `own`, in an army of `size` whose other members placed `others`."""
    total = 0.0
    for theirs, mine, rival in zip(others, own, rivals, strict=True):
        strength = (theirs + mine) / size
        if strength >= rival.best:
            total += 1 / (1 + (rival.equals if strength == rival.best else 0)) / size
    return total


GAME = Blotto
