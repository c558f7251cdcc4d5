"""Any game in normal form: a payoff table of your own for two or more players, each with its own actions.

Players: as many as the table has roles, in the roster's order; or a multiple: the seed then draws fixed groups.
Decision: one of the role's `actions`.
Payoff: what `payoffs` has for the choices of the group. By default rock, paper, scissors; row, column:

| row, column | rock  | paper | scissors |
|-------------|-------|-------|----------|
| rock        | 0, 0  | -1, 1 | 1, -1    |
| paper       | 1, -1 | 0, 0  | -1, 1    |
| scissors    | -1, 1 | 1, -1 | 0, 0     |

`actions` is one list of words for all roles, or a mapping from each role's name to its list. `payoffs` has one level of
lists per role, and in each cell one payoff per role. For two roles a cell may be one number, what the first role earns:
the second earns its negative (zero-sum). Payoffs may be negative. The words are the same in every language of prompts.
The largest sum of a cell must not be below 0, as an invalid decision earns 0: it makes the step void for the group.
Information: who has which role, and what each of the group chose in the last step; all choose at the same time.

Nash (named here): an equilibrium of one step, played in every step. All equilibria in pure actions are known. Those in
mixed actions are known for two roles: by a linear programme where the payoffs have a constant sum, else by enumeration
of supports of equal size, with up to 8 actions. The one named has the largest welfare; of equals a pure one, the first
in the table. With three or more roles and none in pure actions, or with more actions, no equilibrium is known and
`nash` is missing, unless all cells have the same sum.
Optimum: the largest sum of a cell in every step.
Message: can promise, threaten, mislead, or agree on a cell.

accuracy: closeness of the action's payoff to that of the best response to what the others did in the step. If another's
decision was invalid, any action counts as a best response.
cooperation: the expected welfare of the action if all others choose uniformly, from 0 for the role's least to 1 for its
largest; 1 for every action where these are equal, as in a zero-sum game: no action is kinder than another.
efficiency: the group's payoff / the largest that it can earn, 0 if it is negative; missing where nothing can be earned,
as in a zero-sum game.
Source: Nash, Annals of Mathematics 54 (1951); von Neumann, Mathematische Annalen 100 (1928), for zero-sum games.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from pydantic import Field, field_validator, model_validator

from agents.file_model import distinct_words
from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, MovesSeen, Round, Setting, State
from simulation.games.measures import BEST_RESPONSE, Meaning, closeness, welfare_ratio
from simulation.games.normal_form import CLOSE, NormalForm, Strategies, best_equilibrium
from simulation.games.pairs import across_teams

Words = tuple[str, ...]


class MatrixParameters(GameParameters):
    actions: Words | dict[str, Words] = ("rock", "paper", "scissors")
    """The words of all roles, or of each role by its name."""
    payoffs: tuple[Any, ...] = Field(default=((0, -1, 1), (1, 0, -1), (-1, 1, 0)), min_length=2)
    """One level of lists per role; in a cell one payoff per role, or one number for two roles (zero-sum)."""

    @field_validator("actions")
    @classmethod
    def _distinct(cls, value: Words | dict[str, Words]) -> Words | dict[str, Words]:
        named = value if isinstance(value, dict) else {"": value}
        if isinstance(value, dict) and len(value) < 2:
            raise ValueError("name at least two roles, or give one list for all")
        for words in (tuple(named), *named.values()) if isinstance(value, dict) else named.values():
            if len(words) < 2 or not distinct_words(words):
                raise ValueError(
                    f"{list(words)}: give two or more different words, not empty and without spaces around them"
                )
        return value

    @model_validator(mode="after")
    def _is_a_table(self) -> MatrixParameters:
        form = self.normal_form()
        if form.optimum < -CLOSE:
            shift = math.ceil(-form.optimum / len(form.shape))
            raise ValueError(
                f"the largest sum of a cell is {form.optimum:g} and must not be below 0, as an invalid decision earns "
                f"0; the same game: add {shift:g} to every payoff"
            )
        return self

    @property
    def roles(self) -> int:
        """The number of roles: as many as levels of lists."""
        if isinstance(self.actions, dict):
            return len(self.actions)
        return max(2, _depth(self.payoffs) - 1)

    @property
    def words(self) -> tuple[Words, ...]:
        """The actions of each role."""
        return tuple(self.actions.values()) if isinstance(self.actions, dict) else (self.actions,) * self.roles

    def normal_form(self) -> NormalForm:
        """Return the table.

        Raises:
            ValueError: A part of `payoffs` has the wrong size, or is no number; the message says which.
        """
        shape = tuple(map(len, self.words))
        return NormalForm(shape, tuple(_cells(self.payoffs, shape, "payoffs", len(shape))))

    def cautions(self) -> tuple[str, ...]:
        form = self.normal_form()
        named = best_equilibrium(form) if min(map(min, form.payoffs)) < 0 else None
        least = min(form.expected(named), default=0.0) if named else 0.0
        if least >= -CLOSE:
            return ()
        return (
            f"in equilibrium a player earns {least:g} a step and an invalid decision 0, so it pays to be invalid; "
            f"the same game without that: add {math.ceil(-least):g} to every payoff",
        )


def _depth(payoffs: Any) -> int:
    return 1 + _depth(payoffs[0]) if isinstance(payoffs, (list, tuple)) and payoffs else 0


def _cells(part: Any, shape: Sequence[int], path: str, roles: int) -> Iterator[tuple[float, ...]]:
    """Yield the payoffs of a part of the table; `shape` has the roles whose choices are still open."""
    if not shape:
        yield _cell(part, path, roles)
        return
    if not isinstance(part, (list, tuple)) or len(part) != shape[0]:
        has = f"has {len(part)}" if isinstance(part, (list, tuple)) else f"is {part!r}"
        raise ValueError(
            f"{path} {has} and must be a list of {shape[0]}, one part per action of role {roles - len(shape) + 1}"
        )
    for number, each in enumerate(part):
        yield from _cells(each, shape[1:], f"{path}[{number}]", roles)


def _cell(part: Any, path: str, roles: int) -> tuple[float, ...]:
    given = (part, -part) if roles == 2 and _is_number(part) else part
    if not isinstance(given, (list, tuple)) or len(given) != roles or not all(map(_is_number, given)):
        either = "one number (zero-sum) or " if roles == 2 else ""
        raise ValueError(f"{path} is {part!r} and must be {either}a list of {roles} numbers, a payoff per role")
    return tuple(float(value) + 0.0 for value in given)  # + 0.0: no -0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Groups:
    """Who plays which role, and what each player chose in the last step; None before, or if it was invalid.

    In `order`, each group has the players of one table, role by role. `places` has each player's place in it.
    """

    order: tuple[int, ...]
    places: tuple[int, ...]
    last: tuple[str | None, ...]


_ROLE = {Language.EN: "player {number}", Language.ZH: "玩家{number}"}
_RULES = {
    Language.EN: (
        "Payoff table for {count} roles{groups}: {roles}. Each step all choose at once. Points ({order}) by what they "
        "choose: {cells}. If a choice is invalid, nobody gets anything."
    ),
    Language.ZH: (
        "{count}个角色的收益表{groups}：{roles}。每一步所有人同时选择。各自选择对应的得分（{order}）：{cells}。"
        "若有人的选择无效，则都得0分。"
    ),
}
_GROUPS = {Language.EN: ", in fixed groups of {count}", Language.ZH: "，固定{count}人一组"}
_MENU = {Language.EN: "{role} chooses one of {words}", Language.ZH: "{role}可选{words}"}
_BETWEEN = {Language.EN: ", ", Language.ZH: "、"}
_COMMA = {Language.EN: ", ", Language.ZH: "，"}
_SEMICOLON = {Language.EN: "; ", Language.ZH: "；"}
_COLON = {Language.EN: ": ", Language.ZH: "："}
_YOU = {Language.EN: "You are {role}", Language.ZH: "你是{role}"}
_OTHER = {Language.EN: "{name} is {role}", Language.ZH: "{name}是{role}"}
_CHOSE = {Language.EN: "{role} chose {action}", Language.ZH: "{role}选择了{action}"}
_NOTHING = {Language.EN: "nothing valid", Language.ZH: "无效的回答"}
_FIRST = {Language.EN: "{who}. This is the first step.", Language.ZH: "{who}。这是第一步。"}
_LAST_STEP = {
    Language.EN: "{who}. Last step {chosen}; you earned {payoff:g}.",
    Language.ZH: "{who}。上一步{chosen}；你得到{payoff:g}分。",
}


class PayoffTableGame(Game[Groups]):
    task_type = "matrix_game"
    sees = MovesSeen.OPPONENTS
    cooperation_meaning = Meaning("welfare share", "welfare of the action against uniform others, least 0, most 1")
    accuracy_meaning = Meaning(BEST_RESPONSE, "closeness to the best response to the others' actions")
    foreseeable = True
    repeats = True
    Parameters = MatrixParameters
    parameters: MatrixParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        count, roles = len(setting.seats), parameters.roles
        if count and count % roles == 0:
            return ""
        return f"the payoff table has {roles} roles: it needs {roles} models or a multiple; there are {count}"

    # -- the table --------------------------------------------------------------------------------------

    @cached_property
    def form(self) -> NormalForm:
        """The payoff table."""
        return self.parameters.normal_form()

    @cached_property
    def equilibrium(self) -> Strategies | None:
        """The equilibrium of one step that the docstring names; None if none is known."""
        return best_equilibrium(self.form)

    @cached_property
    def _menus(self) -> tuple[tuple[tuple[str, float], ...], ...]:
        """The actions of each role with their cooperation levels."""
        menus = []
        for role, words in enumerate(self.parameters.words):
            worth = self.form.welfare_of_actions(role)
            menus.append(tuple((word, closeness(each, worth)) for word, each in zip(words, worth, strict=True)))
        return tuple(menus)

    def _group(self, table: Groups, player: int) -> tuple[int, ...]:
        """Return the players at the table of `player`, role by role."""
        begin = table.places[player] - self._role(table, player)
        return table.order[begin : begin + self.parameters.roles]

    def _role(self, table: Groups, player: int) -> int:
        return table.places[player] % self.parameters.roles

    # -- the rules --------------------------------------------------------------------------------------

    def _open(self, rng: random.Random) -> Groups:
        order = list(range(self.players))
        if self.players > self.parameters.roles:
            if self.parameters.roles == 2:
                order = across_teams(self.setting.seats, rng)
            else:
                rng.shuffle(order)
        places = sorted(range(self.players), key=order.__getitem__)
        return Groups(tuple(order), tuple(places), (None,) * self.players)

    def opponents(self, state: State[Groups], player: int) -> Sequence[int]:
        return [other for other in self._group(state.table, player) if other != player]

    def _options(self, state: State[Groups], player: int) -> tuple[tuple[str, float], ...]:
        return self._menus[self._role(state.table, player)]

    def _play(self, state: State[Groups], moves: Sequence[Move]) -> Round[Groups]:
        table, payoffs, accuracies = state.table, [0.0] * self.players, [0.0] * self.players
        for begin in range(0, self.players, self.parameters.roles):
            group = table.order[begin : begin + self.parameters.roles]
            for player, payoff, accuracy in zip(
                group, *self._meet([moves[each].action for each in group]), strict=True
            ):
                payoffs[player], accuracies[player] = payoff, accuracy
        return Round(tuple(payoffs), tuple(accuracies), replace(table, last=tuple(move.action for move in moves)))

    def _meet(self, actions: Sequence[str | None]) -> tuple[Sequence[float], Sequence[float]]:
        """Return the payoffs and accuracies of one group."""
        valid = [action for action in actions if action is not None]
        if len(valid) < len(actions):
            return [0.0] * len(actions), [float(action is not None) for action in actions]
        joint = tuple(words.index(action) for words, action in zip(self.parameters.words, valid, strict=True))
        payoffs = self.form.table[joint]
        return payoffs, [closeness(pay, self.form.alternatives(joint, role)) for role, pay in enumerate(payoffs)]

    def optimum(self) -> float:
        return self.form.optimum * self.setting.max_steps * self.players / self.parameters.roles

    def nash(self) -> float:
        if self.equilibrium is None:
            return self.optimum() if self.form.constant_sum else math.nan
        step = self.form.optimum if self.form.constant_sum else sum(self.form.expected(self.equilibrium))
        return step * self.setting.max_steps * self.players / self.parameters.roles

    def equilibrium_play(self, state: State[Groups], player: int) -> Mapping[str, float] | None:
        if self.equilibrium is None:
            return None
        role = self._role(state.table, player)
        return dict(zip(self.parameters.words[role], self.equilibrium[role], strict=True))

    def min_payoff(self) -> float:
        return min(0.0, *map(min, self.form.payoffs)) * self.setting.max_steps

    def efficiencies(self, state: State[Groups]) -> tuple[float, ...]:
        best, payoff = self.form.optimum * self.setting.max_steps, state.tally.payoff
        groups = (self._group(state.table, player) for player in range(self.players))
        return tuple(welfare_ratio(sum(payoff[each] for each in group), best) for group in groups)

    # -- the texts --------------------------------------------------------------------------------------

    def _role_names(self, language: Language) -> tuple[str, ...]:
        if isinstance(self.parameters.actions, dict):
            return tuple(self.parameters.actions)
        return tuple(_ROLE[language].format(number=role + 1) for role in range(self.parameters.roles))

    def rules(self, language: Language) -> str:
        names, words, comma = self._role_names(language), self.parameters.words, _COMMA[language]
        menus = (
            _MENU[language].format(role=name, words=_BETWEEN[language].join(each))
            for name, each in zip(names, words, strict=True)
        )
        cells = (
            comma.join(choices) + _COLON[language] + comma.join(f"{value:g}" for value in cell)
            for choices, cell in zip(product(*words), self.form.payoffs, strict=True)
        )
        several = self.players > len(names)
        return _RULES[language].format(
            count=len(names),
            groups=_GROUPS[language].format(count=len(names)) if several else "",
            roles=_SEMICOLON[language].join(menus),
            order=comma.join(names),
            cells=_SEMICOLON[language].join(cells),
        )

    def observation_text(self, state: State[Groups], player: int, language: Language) -> str:
        names, group = self._role_names(language), self._group(state.table, player)
        who = [_YOU[language].format(role=names[self._role(state.table, player)])]
        for role, other in zip(names, group, strict=True):
            if other != player:
                who.append(_OTHER[language].format(name=self.setting.seats[other].model_id, role=role))
        text = _COMMA[language].join(who)
        if state.tally.step == 0:
            return _FIRST[language].format(who=text)
        chosen = _COMMA[language].join(
            _CHOSE[language].format(role=role, action=state.table.last[other] or _NOTHING[language])
            for role, other in zip(names, group, strict=True)
        )
        return _LAST_STEP[language].format(who=text, chosen=chosen, payoff=state.tally.last_payoff[player])


GAME = PayoffTableGame
