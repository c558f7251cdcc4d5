"""Kuhn poker in fixed pairs: the smallest poker, three cards, one bet.

Players: an even number, in pairs; of two models, the first of the roster opens the first hand.
Decision: to check or to bet; against a bet, to call or to fold.
Payoff: both put `stake` into the pot and get one card each of J, Q, K. The one who opens checks or bets another
`stake`; then the other does. Against a bet, a player calls with another `stake`, or folds and loses the pot. If nobody
folds, the higher card wins. In chips of one `stake`:

| open  | answer | then | who wins    | chips |
|-------|--------|------|-------------|-------|
| check | check  |      | higher card | 1     |
| check | bet    | fold | other       | 1     |
| check | bet    | call | higher card | 2     |
| bet   | fold   |      | opener      | 1     |
| bet   | call   |      | higher card | 2     |

The winner earns the chips that the loser loses. A hand takes three steps; who has nothing to decide waits. In the next
hand the other opens. Steps that are left over at the end are not played. An invalid decision makes the hand void.
Information: the own card, what was done in this hand, and the own payoff of the last hand. The other's card is private.

Nash (named here): the equilibria are a family with a parameter a in 0-1/3. Who opens bets J with a and K with 3 a, and
after check, bet calls with Q with a + 1/3. The other bets J with 1/3 after a check and calls with Q with 1/3. Bets or
calls with K are certain, and Q is never bet. The one named has a = 1/3. The game is zero-sum, so `nash` is 0; who opens
loses 1/18 stake a hand.
Optimum: 0, as in every outcome.
Message: can lie about the card.

accuracy: mean over the player's own decisions of the closeness of the decision's expected payoff to the best, against
the named equilibrium: the other's cards are weighted by how likely it then has them.
cooperation: no action is kinder. The level is caution: check and fold 1, bet and call 0.
efficiency: missing, as nothing can be won together.
Source: Kuhn, A simplified two-person poker, in Contributions to the Theory of Games I (1950).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from typing import Any

from pydantic import Field

from agents.language import Language
from simulation.games.base import GameParameters, Move, Round, Setting, State
from simulation.games.measures import Meaning, closeness
from simulation.games.pairs import across_teams, partners
from simulation.games.turns import WAIT, Options, Turn, TurnDeal, TurnGame, Turns

CHECK, BET, CALL, FOLD = "check", "bet", "call", "fold"
CARDS = "JQK"
HAND_STEPS = 3
ALPHA = 1 / 3
OVER, VOID = "over", "void"

History = tuple[str, ...]
"""What was done in a hand so far."""

_MENUS: Mapping[History, tuple[str, str]] = {
    (): (CHECK, BET),
    (CHECK,): (CHECK, BET),
    (BET,): (CALL, FOLD),
    (CHECK, BET): (CALL, FOLD),
}
_CHIPS: Mapping[History, int] = {
    (CHECK, CHECK): 1,
    (CHECK, BET, FOLD): 1,
    (CHECK, BET, CALL): 2,
    (BET, FOLD): 1,
    (BET, CALL): 2,
}
"""The chips that change hands, by the histories that end a hand."""


class KuhnParameters(GameParameters):
    stake: float = Field(default=1.0, gt=0)
    """The chips of the ante, and of a bet."""


@dataclass(frozen=True)
class PokerTable(Turns):
    """The table of a game with turns, and every hand's cards: one letter per player."""

    cards: tuple[str, ...]
    """One string per hand: the players' cards in the order of the seats."""
    earned: tuple[float, ...]
    """What each player earned in the last finished hand."""


def chips(history: History, opener: str, other: str) -> int:
    """Return what who opens wins in a finished hand, in chips; negative if it loses.

    Args:
        history: What was done.
        opener: The card of who opens.
        other: The other's card.
    """
    if history[-1] == FOLD:
        return _CHIPS[history] * (1 if len(history) == 2 else -1)
    return _CHIPS[history] * (1 if CARDS.index(opener) > CARDS.index(other) else -1)


def equilibrium_chance(card: str, history: History, alpha: float = ALPHA) -> float:
    """Return the probability to bet or to call of who holds `card`, in the equilibrium with the parameter `alpha`."""
    chances = {
        (): {"J": alpha, "Q": 0.0, "K": 3 * alpha},
        (CHECK,): {"J": 1 / 3, "Q": 0.0, "K": 1.0},
        (BET,): {"J": 0.0, "Q": 1 / 3, "K": 1.0},
        (CHECK, BET): {"J": 0.0, "Q": alpha + 1 / 3, "K": 1.0},
    }
    return chances[history][card]


def _chances(card: str, history: History) -> dict[str, float]:
    """Return the probability of each action in the named equilibrium."""
    bold = equilibrium_chance(card, history)
    return {action: bold if action in (BET, CALL) else 1 - bold for action in _MENUS[history]}


def _expected(history: History, opener: str, other: str) -> float:
    """Return what who opens wins from here on, if both play the named equilibrium."""
    if history in _CHIPS:
        return chips(history, opener, other)
    card = other if len(history) == 1 else opener
    parts = _chances(card, history).items()
    return sum(chance * _expected((*history, action), opener, other) for action, chance in parts if chance)


@cache
def decision_values(card: str, history: History) -> Mapping[str, float]:
    """Return what each action is worth to who holds `card`, in chips, against the named equilibrium."""
    opens, values, total = len(history) != 1, dict.fromkeys(_MENUS[history], 0.0), 0.0
    for hidden in CARDS.replace(card, ""):
        opener, other = (card, hidden) if opens else (hidden, card)
        reach = 1.0
        for number in range(len(history)):
            if (number == 1) is opens:  # only what the other did tells of its card
                reach *= _chances(hidden, history[:number])[history[number]]
        total += reach
        for action in values:
            won = _expected((*history, action), opener, other)
            values[action] += reach * (won if opens else -won)
    return {action: value / total for action, value in values.items()}


_WORDS = {
    Language.EN: {CHECK: "check", BET: "bet", CALL: "call", FOLD: "fold"},
    Language.ZH: {CHECK: "过牌", BET: "下注", CALL: "跟注", FOLD: "弃牌"},
}
_DONE = {
    Language.EN: {CHECK: "{who} checked", BET: "{who} bet", CALL: "{who} called", FOLD: "{who} folded"},
    Language.ZH: {CHECK: "{who}过牌", BET: "{who}下注", CALL: "{who}跟注", FOLD: "{who}弃牌"},
}
_RULES = {
    Language.EN: (
        "Kuhn poker in fixed pairs, with the cards J, Q and K; K is the highest. In each hand both put {stake:g} into "
        "the pot and get one card, which only they see. One opens: check, or bet another {stake:g}; then the "
        "other does. Against a bet: call with another {stake:g}, or fold and lose the pot. If nobody folds, the "
        "higher card wins. The winner earns what the loser put in, the loser loses it. The next hand is "
        "opened by the other."
    ),
    Language.ZH: (
        "固定两人一组的库恩扑克，牌为J、Q、K，K最大。每一局双方各投入{stake:g}分，各得一张只有自己看得到的牌。"
        "一方先行动：过牌，或再下注{stake:g}分；然后轮到另一方。面对下注：再投入{stake:g}分跟注，或弃牌并输掉底池。"
        "若无人弃牌，牌大者胜。胜者得到负者投入的分，负者失去这些分。下一局由另一方先行动。"
    ),
}
_CARD = {
    Language.EN: "You play against {partner} and hold {card}. {done}.",
    Language.ZH: "你的对手是{partner}，你的牌是{card}。{done}。",
}
_YOU_OPEN = {
    Language.EN: ("{partner} opens", "You open"),
    Language.ZH: ("由{partner}先行动", "由你先行动"),
}
_VOID = {Language.EN: "The hand is void", Language.ZH: "本局作废"}
_YOU = {Language.EN: "you", Language.ZH: "你"}
_COMMA = {Language.EN: ", ", Language.ZH: "，"}
_EARNED = {Language.EN: " You earned {payoff:g}.", Language.ZH: "你得到{payoff:g}分。"}
_LAST_HAND = {
    Language.EN: " In the last hand you earned {payoff:g}.",
    Language.ZH: "上一局你得到{payoff:g}分。",
}


class KuhnPoker(TurnGame):
    task_type = "kuhn_poker"
    cooperation_meaning = Meaning("caution", "share of decisions to check or to fold")
    accuracy_meaning = Meaning("equilibrium value", "closeness of a decision's value in equilibrium to the best")
    round_steps, repeats = HAND_STEPS, True
    Parameters = KuhnParameters
    parameters: KuhnParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if setting.max_steps < HAND_STEPS:
            return f"kuhn_poker needs max_steps of at least {HAND_STEPS}: a hand takes as many steps"
        return super().refuse(setting, parameters)

    def hands(self) -> int:
        """Return the number of hands in an episode."""
        return self.setting.max_steps // HAND_STEPS

    def _open(self, rng: random.Random) -> PokerTable:
        n = self.players
        order = list(range(n)) if n == 2 else across_teams(self.setting.seats, rng)
        opens = tuple(player in order[::2] for player in range(n))
        partner, none, zeros = partners(order), (None,) * n, (0,) * n
        cards = tuple(self._dealt(order, rng) for _ in range(self.hands()))
        return PokerTable(partner, opens, (TurnDeal(),) * n, zeros, none, cards, (0.0,) * n)

    def _dealt(self, order: list[int], rng: random.Random) -> str:
        """Return one hand's cards, in the order of the seats."""
        cards, deals = [""] * len(order), list(permutations(CARDS, 2))
        for first, second in zip(order[::2], order[1::2], strict=True):
            cards[first], cards[second] = deals[rng.randint(0, len(deals) - 1)]
        return "".join(cards)

    # -- where a hand is ----------------------------------------------------------------------------------

    def _hand(self, state: State[Turns]) -> int:
        return min(state.tally.step // HAND_STEPS, self.hands() - 1)

    def _opens(self, state: State[Turns], player: int) -> bool:
        return self.first(state, player, self._hand(state))

    def _card(self, state: State[Turns], player: int) -> str:
        assert isinstance(state.table, PokerTable)
        return state.table.cards[self._hand(state)][player]

    def _deal(self, state: State[Turns], player: int) -> TurnDeal:
        """Return what was done in this hand; in the first step of a hand nothing was."""
        return TurnDeal() if state.tally.step % HAND_STEPS == 0 else state.table.deals[player]

    def _history(self, state: State[Turns], player: int) -> History:
        return tuple((self._deal(state, player).offer or "").split())

    def finished(self, state: State[Turns]) -> bool:
        step, last = state.tally.step, HAND_STEPS * self.hands()
        if step >= last:
            return True
        in_last_hand = last - HAND_STEPS < step
        return in_last_hand and all(deal.answer is not None for deal in state.table.deals)

    # -- the rules ----------------------------------------------------------------------------------------

    def _choices(self, state: State[Turns], player: int) -> Options:
        if self._deal(state, player).answer is not None:
            return ()
        history = self._history(state, player)
        if self._opens(state, player) is (len(history) == 1):
            return ()
        return tuple((action, float(action in (CHECK, FOLD))) for action in _MENUS[history])

    def _turn(self, state: State[Turns], player: int, action: str | None) -> Turn:
        history = self._history(state, player)
        if action is None:
            return Turn(TurnDeal(" ".join(history), VOID))
        values, after = decision_values(self._card(state, player), history), (*history, action)
        accuracy = closeness(values[action], list(values.values()))
        if after not in _CHIPS:
            return Turn(TurnDeal(" ".join(after)), accuracy=accuracy)
        own, other = self._card(state, player), self._card(state, state.table.partner[player])
        opens = self._opens(state, player)
        won = chips(after, own, other) if opens else -chips(after, other, own)
        paid = won * self.parameters.stake
        return Turn(TurnDeal(" ".join(after), OVER), paid, -paid, accuracy)

    def _play(self, state: State[Turns], moves: Sequence[Move]) -> Round[Turns]:
        round_, table = super()._play(state, moves), state.table
        assert isinstance(table, PokerTable)
        assert isinstance(round_.table, PokerTable)
        before = (self._deal(state, player).answer for player in range(self.players))
        earned = tuple(
            payoff if was is None and deal.answer is not None else old
            for was, deal, payoff, old in zip(before, round_.table.deals, round_.payoffs, table.earned, strict=True)
        )
        return replace(round_, table=replace(round_.table, earned=earned))

    def equilibrium_play(self, state: State[Turns], player: int) -> Mapping[str, float]:
        if not self._choices(state, player):
            return {WAIT: 1.0}
        return _chances(self._card(state, player), self._history(state, player))

    def best_pair(self) -> float:
        return 0.0

    def nash_pair(self) -> float:
        return 0.0

    def min_payoff(self) -> float:
        return -2 * self.parameters.stake * self.hands()

    # -- the texts ----------------------------------------------------------------------------------------

    def rules(self, language: Language) -> str:
        return _RULES[language].format(stake=self.parameters.stake)

    def observation_text(self, state: State[Turns], player: int, language: Language) -> str:
        assert isinstance(state.table, PokerTable)
        partner, deal = self._partner_name(state, player), self._deal(state, player)
        text = _CARD[language].format(
            partner=partner, card=self._card(state, player), done=self._done(state, player, language)
        )
        if deal.answer is not None:
            return text + _EARNED[language].format(payoff=state.table.earned[player])
        return text + (_LAST_HAND[language].format(payoff=state.table.earned[player]) if self._hand(state) else "")

    def _done(self, state: State[Turns], player: int, language: Language) -> str:
        """Return what was done in this hand, in words."""
        partner, opens = self._partner_name(state, player), self._opens(state, player)
        if self._deal(state, player).answer == VOID:
            return _VOID[language]
        names = (_YOU[language], partner) if opens else (partner, _YOU[language])
        done = [_DONE[language][act].format(who=names[i % 2]) for i, act in enumerate(self._history(state, player))]
        text = _COMMA[language].join(done) or _YOU_OPEN[language][opens].format(partner=partner)
        return text[0].upper() + text[1:] if text.startswith(_YOU[Language.EN]) else text

    def _name(self, action: str, language: Language) -> str:
        return _WORDS[language][action]


GAME = KuhnPoker
