"""What pair games with turns share: in a step at most one of a pair decides, and the other waits.

A player with nothing to decide has one option, `wait`. Waiting is not a decision: cooperation_score and accuracy leave
it out (accuracy is the mean over the decisions that a player had to make, 0 if there were none). While a player
waits, the other still sees what it did last. If one of a pair makes an invalid decision, the round is void for the
pair: neither earns anything.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from agents.language import Language
from agents.players.policies import Observation
from simulation.games.base import Move, Round, Setting, State
from simulation.games.pairs import PairGame, Pairs
from simulation.games.score import EpisodeScore

WAIT = "wait"
Options = tuple[tuple[str, float], ...]

_WAIT = {Language.EN: "wait", Language.ZH: "等待"}


class TurnDeal(NamedTuple):
    """The offer and the answer of a pair, as actions; None if there is no valid one yet."""

    offer: str | None = None
    answer: str | None = None


class Turn(NamedTuple):
    """The effect of one decision: the deal after it, the payoffs of the two, and its accuracy in 0-1."""

    deal: TurnDeal
    own: float = 0.0
    other: float = 0.0
    accuracy: float = 0.0


@dataclass(frozen=True)
class Turns:
    """The table of a game with turns; every tuple has one entry per player.

    `opens` marks who moves first in the first round. `due` counts the decisions that a player had to make. `levels` has
    the cooperation level of the last decision.
    """

    partner: Pairs
    opens: tuple[bool, ...]
    deals: tuple[TurnDeal, ...]
    due: tuple[int, ...]
    levels: tuple[float | None, ...]


def amount(action: str) -> float:
    """Return the number in an action such as `offer 3`."""
    return float(action.rsplit(maxsplit=1)[-1])


class TurnGame(PairGame[Turns]):
    """A pair game with turns. A subclass says who may do what (`_choices`) and what a decision does (`_turn`)."""

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if setting.max_steps < 2:
            return f"{cls.task_type} needs max_steps of at least 2: one step to offer, one to answer"
        return super().refuse(setting, parameters)

    @abstractmethod
    def _choices(self, state: State[Turns], player: int) -> Options:
        """Return the legal actions of `player`; none if it waits. At most one of a pair has any."""

    @abstractmethod
    def _turn(self, state: State[Turns], player: int, action: str | None) -> Turn:
        """Return the effect of `player`'s decision; an `action` of None is an invalid one."""

    def _open(self, rng: random.Random) -> Turns:
        partner, n = self._draw(rng), self.players
        first = [rng.random() < 0.5 for _ in range(n)]
        opens = tuple(first[i] if i < partner[i] else not first[partner[i]] for i in range(n))
        return Turns(partner, opens, (TurnDeal(),) * n, (0,) * n, (None,) * n)

    def partner(self, state: State[Turns], player: int) -> int:
        return state.table.partner[player]

    def first(self, state: State[Turns], player: int, turn: int) -> bool:
        """Return whether `player` begins in `turn` (from 0); the two alternate."""
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
        """Return the text of an action other than `wait` in a language."""

    def _partner_name(self, state: State[Turns], player: int) -> str:
        return self.setting.seats[state.table.partner[player]].model_id


class RoundGame(TurnGame):
    """A turn game in rounds of two steps: one player offers, then the other answers. In the next round they swap.

    If the number of steps is odd, the last step is not played, as it has no time for an answer.
    """

    round_steps, repeats = 2, True

    @abstractmethod
    def _offers(self) -> Options:
        """Return the offers that the first player may make."""

    @abstractmethod
    def _answers(self, offer: str) -> Options:
        """Return the legal answers to a valid offer; none if there is nothing to decide."""

    @abstractmethod
    def _offered(self, action: str) -> Turn:
        """Return the effect of an offer. It pays only if there is nothing to answer."""

    @abstractmethod
    def _answered(self, offer: str, action: str) -> Turn:
        """Return the effect of an answer; `own` is the payoff of the player who answers."""

    def rounds(self) -> int:
        """Return the number of rounds in an episode."""
        return self.setting.max_steps // 2

    def finished(self, state: State[Turns]) -> bool:
        return state.tally.step >= 2 * self.rounds()

    def offering(self, state: State[Turns]) -> bool:
        """Return True in the first step of a round."""
        return state.tally.step % 2 == 0

    def begins(self, state: State[Turns], player: int) -> bool:
        """Return whether `player` makes the offer in this round."""
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
