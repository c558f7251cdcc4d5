"""What pair games with turns share: in a step at most one of a pair decides, and the other waits.

A player with nothing to decide has one option, `wait`. Waiting is no decision: it is left out of
cooperation_score and of accuracy (a mean over the decisions a player was due, 0 where none), and what it did last
stays in sight meanwhile. A round with an invalid decision in it is void for the pair: neither earns.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from agents.language import Language
from agents.players.policies import Observation
from simulation.games.base import EpisodeScore, Move, Round, Setting, State
from simulation.games.pairs import PairGame, Pairs

WAIT = "wait"
Options = tuple[tuple[str, float], ...]

_WAIT = {Language.EN: "wait", Language.ZH: "等待"}


class TurnDeal(NamedTuple):
    """What lies between the two of a pair, as actions; None where not made, or not validly."""

    offer: str | None = None
    answer: str | None = None


class Turn(NamedTuple):
    """What one decision did: the deal after it, the payoffs of the two, and its accuracy in 0-1."""

    deal: TurnDeal
    own: float = 0.0
    other: float = 0.0
    accuracy: float = 0.0


@dataclass(frozen=True)
class Turns:
    """`opens` marks who moves first in the first round; `due` counts decisions, `levels` has the last one's."""

    partner: Pairs
    opens: tuple[bool, ...]
    deals: tuple[TurnDeal, ...]
    due: tuple[int, ...]
    levels: tuple[float | None, ...]


def amount(action: str) -> float:
    """The number in an action such as `offer 3`."""
    return float(action.rsplit(maxsplit=1)[-1])


class TurnGame(PairGame[Turns]):
    """A subclass says who may do what (`_choices`) and what a decision does (`_turn`)."""

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if setting.max_steps < 2:
            return f"{cls.task_type} takes an offer and an answer and needs max_steps of at least 2"
        return super().refuse(setting, parameters)

    @abstractmethod
    def _choices(self, state: State[Turns], player: int) -> Options:
        """What `player` may choose from now; empty when it waits. Never for both of a pair."""

    @abstractmethod
    def _turn(self, state: State[Turns], player: int, action: str | None) -> Turn:
        """What `player`'s decision does; `action` None is an invalid one."""

    def _open(self, rng: random.Random) -> Turns:
        partner, n = self._draw(rng), self.players
        first = [rng.random() < 0.5 for _ in range(n)]
        opens = tuple(first[i] if i < partner[i] else not first[partner[i]] for i in range(n))
        return Turns(partner, opens, (TurnDeal(),) * n, (0,) * n, (None,) * n)

    def partner(self, state: State[Turns], player: int) -> int:
        return state.table.partner[player]

    def first(self, state: State[Turns], player: int, turn: int) -> bool:
        """Whether `player` is the one to begin in `turn` (from 0); the two take turns at it."""
        return state.table.opens[player] == (turn % 2 == 0)

    def _options(self, state: State[Turns], player: int) -> Options:
        return self._choices(state, player) or ((WAIT, 1.0),)

    def _level(self, state: State[Turns], player: int, move: Move) -> float | None:
        level = super()._level(state, player, move)
        return None if move.action == WAIT else level

    def _play(self, state: State[Turns], moves: Sequence[Move]) -> Round[Turns]:
        table = state.table
        deals, due, levels = list(table.deals), list(table.due), list(table.levels)
        payoffs, accuracies = [0.0] * self.players, [0.0] * self.players
        for player, move in enumerate(moves):
            choices = dict(self._choices(state, player))
            if not choices:
                continue
            other, turn = table.partner[player], self._turn(state, player, move.action)
            deals[player] = deals[other] = turn.deal
            payoffs[player], payoffs[other], accuracies[player] = turn.own, turn.other, turn.accuracy
            due[player] += 1
            levels[player] = None if move.action is None else choices[move.action]
        table = replace(table, deals=tuple(deals), due=tuple(due), levels=tuple(levels))
        return Round(tuple(payoffs), tuple(accuracies), table)

    def observe(self, state: State[Turns], player: int, language: Language) -> Observation:
        levels = state.table.levels
        seen = super().observe(state, player, language)
        return replace(seen, own_last=levels[player], others_last=levels[state.table.partner[player]])

    def score(self, state: State[Turns]) -> EpisodeScore:
        score = super().score(state)
        players = (
            replace(player, accuracy=total / max(1, due))
            for player, total, due in zip(score.players, state.tally.accuracy, state.table.due, strict=True)
        )
        return replace(score, players=tuple(players))

    def label(self, action: str, language: Language) -> str:
        return _WAIT[language] if action == WAIT else self._name(action, language)

    @abstractmethod
    def _name(self, action: str, language: Language) -> str:
        """How an action other than `wait` reads in a language."""

    def _partner_name(self, state: State[Turns], player: int) -> str:
        return self.setting.seats[state.table.partner[player]].model_id


class RoundGame(TurnGame):
    """A turn game in rounds of two steps: the one offers, then the other answers; next round they swap.

    A last step without room for an answer is not played.
    """

    @abstractmethod
    def _offers(self) -> Options:
        """What the one who begins may offer."""

    @abstractmethod
    def _answers(self, offer: str) -> Options:
        """What the other may answer to a valid offer; empty where there is nothing to decide."""

    @abstractmethod
    def _offered(self, action: str) -> Turn:
        """What an offer does; it pays out only where there is nothing to answer."""

    @abstractmethod
    def _answered(self, offer: str, action: str) -> Turn:
        """What an answer does; `own` is the payoff of the one who answers."""

    def rounds(self) -> int:
        return self.setting.max_steps // 2

    def finished(self, state: State[Turns]) -> bool:
        return state.tally.step >= 2 * self.rounds()

    def offering(self, state: State[Turns]) -> bool:
        """True in the first step of a round."""
        return state.tally.step % 2 == 0

    def begins(self, state: State[Turns], player: int) -> bool:
        """Whether `player` is the one who offers in this round."""
        return self.first(state, player, state.tally.step // 2)

    def _choices(self, state: State[Turns], player: int) -> Options:
        if self.offering(state):
            return self._offers() if self.begins(state, player) else ()
        offer = state.table.deals[player].offer
        return () if self.begins(state, player) or offer is None else self._answers(offer)

    def _turn(self, state: State[Turns], player: int, action: str | None) -> Turn:
        offer = None if self.offering(state) else state.table.deals[player].offer
        if action is None:
            return Turn(TurnDeal(offer))
        return self._offered(action) if offer is None else self._answered(offer, action)
