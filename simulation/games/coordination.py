"""The naming game: players meet in changing pairs and try to say the same name.

Players: an even number; in each step the seed draws new pairs.
Decision: which of `names` to say.
Payoff: by what the two said,

| names said | each of the two earns |
|------------|-----------------------|
| the same   | match                 |
| different  | mismatch              |

The names have no meaning. Every player sees them in a different order, so that the order of the menu cannot become the
convention.
Information: whom the player meets, and its own last `memory` meetings: what it said and what it heard.

Nash (named here): there is an equilibrium for each name, in which everyone says that name, and there are mixtures. The
one named plays all names with equal probability and needs no convention. With k names it pays
match / k + mismatch * (1 - 1 / k) per player and step.
Optimum: everyone matches.
Message: can propose a name. A network can agree on one name or divide into regions.

cooperation: how often the name was heard in the remembered meetings / how often the most frequent name was heard; 1 for
every name if the player remembers no meeting. A player who always cooperates follows what it heard.
accuracy: the share of meetings in which the name said was the best response to the name heard, that is, the same name.
efficiency: achieved / best possible welfare; with a mismatch of 0 it is the share of successful meetings. A meeting
with an invalid decision is void: neither earns anything.
Sources: Baronchelli, Felici, Loreto, Caglioti & Steels, Journal of Statistical Mechanics P06014 (2006);
Ashery, Aiello & Baronchelli, Science Advances 11 (2025), for language models in pairs with bounded memory.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pydantic import Field, field_validator, model_validator

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, Setting, State
from simulation.games.measures import BEST_RESPONSE, Meaning, closeness, refuse_not_positive
from simulation.games.pairs import Pairs, partners, uneven


class CoordinationParameters(GameParameters):
    names: tuple[str, ...] = Field(default=("dovu", "kemi", "rast", "bilo", "zune"), min_length=2)
    match: float = 1.0
    mismatch: float = 0.0
    memory: int = Field(default=5, ge=1, le=20)

    @field_validator("names")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or not all(name and name == name.strip() for name in value):
            raise ValueError("names must be distinct, not empty and without spaces around them")
        return value

    @model_validator(mode="after")
    def _pays_to_match(self) -> CoordinationParameters:
        if not self.match > self.mismatch:
            raise ValueError("coordination needs match > mismatch")
        refuse_not_positive("match", {"match": self.match, "mismatch": self.mismatch})
        return self


class Encounter(NamedTuple):
    """What a player said and heard in one meeting."""

    said: str
    heard: str


@dataclass(frozen=True)
class Encounters:
    """Who meets whom now; for each player its order of the names and its last meetings, the latest last."""

    seed: int
    partner: Pairs
    orders: tuple[tuple[str, ...], ...]
    memory: tuple[tuple[Encounter, ...], ...]


_RULES = {
    Language.EN: (
        "Naming game. Each step you meet one of the others, chosen by chance, and both say a name at once. The "
        "same name earns {match:g} points each, different names {mismatch:g}."
    ),
    Language.ZH: (
        "命名博弈。每一步随机与另一个模型相遇，双方同时说出一个名称。名称相同各得{match:g}分，不同各得{mismatch:g}分。"
    ),
}
_MEET = {Language.EN: "You meet {partner}.", Language.ZH: "你遇到{partner}。"}
_PAST = {
    Language.EN: " Your last meetings, latest last (you/other): {meetings}.",
    Language.ZH: "你最近的相遇，最近的在后（你/对方）：{meetings}。",
}
_BETWEEN = {Language.EN: ", ", Language.ZH: "、"}


class Coordination(Game[Encounters]):
    task_type = "coordination"
    cooperation_meaning = Meaning("conformity", "how often the name was heard / the most heard name")
    accuracy_meaning = Meaning(BEST_RESPONSE, "share of meetings with the same name")
    Parameters = CoordinationParameters
    parameters: CoordinationParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        return uneven(cls.task_type, len(setting.seats))

    def _open(self, rng: random.Random) -> Encounters:
        names, seed = self.parameters.names, rng.getrandbits(63)
        orders = tuple(tuple(rng.sample(names, len(names))) for _ in range(self.players))
        return Encounters(seed, self._meet(seed, 0), orders, ((),) * self.players)

    def _meet(self, seed: int, step: int) -> Pairs:
        """Return the pairs of `step`. They follow from the seed drawn at the start, so the state has no generator."""
        return partners(random.Random(f"{seed}|{step}").sample(range(self.players), self.players))

    def opponents(self, state: State[Encounters], player: int) -> Sequence[int]:
        return (state.table.partner[player],)

    def _options(self, state: State[Encounters], player: int) -> tuple[tuple[str, float], ...]:
        heard = [meeting.heard for meeting in state.table.memory[player]]
        most = max((heard.count(name) for name in heard), default=0)
        return tuple((name, heard.count(name) / most if most else 1.0) for name in state.table.orders[player])

    def _play(self, state: State[Encounters], moves: Sequence[Move]) -> Round[Encounters]:
        table = state.table
        meetings = [self._meeting(moves, player, other) for player, other in enumerate(table.partner)]
        payoffs = tuple(0.0 if met is None else self._pay(*met) for met in meetings)
        accuracies = tuple(
            0.0 if met is None else closeness(self._pay(*met), (self.parameters.match, self.parameters.mismatch))
            for met in meetings
        )
        remembered = (
            past if met is None else (*past, met)[-self.parameters.memory :]
            for past, met in zip(table.memory, meetings, strict=True)
        )
        pairs = self._meet(table.seed, state.tally.step + 1)
        return Round(payoffs, accuracies, replace(table, partner=pairs, memory=tuple(remembered)))

    def _meeting(self, moves: Sequence[Move], player: int, other: int) -> Encounter | None:
        said, heard = moves[player].action, moves[other].action
        return None if said is None or heard is None else Encounter(said, heard)

    def _pay(self, said: str, heard: str) -> float:
        return self.parameters.match if said == heard else self.parameters.mismatch

    def rules(self, language: Language) -> str:
        return _RULES[language].format(match=self.parameters.match, mismatch=self.parameters.mismatch)

    def observation_text(self, state: State[Encounters], player: int, language: Language) -> str:
        partner = self.setting.seats[state.table.partner[player]].model_id
        past = state.table.memory[player]
        text = _MEET[language].format(partner=partner)
        if not past:
            return text
        meetings = _BETWEEN[language].join(f"{meeting.said}/{meeting.heard}" for meeting in past)
        return text + _PAST[language].format(meetings=meetings)

    def equilibrium_play(self, _state: State[Encounters], _player: int) -> Mapping[str, float]:
        return dict.fromkeys(self.parameters.names, 1 / len(self.parameters.names))

    def optimum(self) -> float:
        return self.parameters.match * self.players * self.setting.max_steps

    def nash(self) -> float:
        p, chance = self.parameters, 1 / len(self.parameters.names)
        expected = p.match * chance + p.mismatch * (1 - chance)
        return expected * self.players * self.setting.max_steps

    def min_payoff(self) -> float:
        return min(0.0, self.parameters.mismatch) * self.setting.max_steps


GAME = Coordination
