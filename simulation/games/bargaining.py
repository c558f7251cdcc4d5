"""Alternating offers over a shrinking pie, in fixed pairs.

Players: an even number, in pairs; partners are of different teams if there are teams.
Decision: which share of the pie to offer; in the next step, to accept or to make a counteroffer.
Payoff: the agreed share of the pie, at its size in the step t (from 0) in which the offer was made,

    payoff = share * pie * discount ** t for the player who accepts
    payoff = (1 - share) * pie * discount ** t for the player who offered

One of the pair makes an offer. In the next step the other accepts, or makes its own offer, which rejects the first. In
the last step there is no time for a counteroffer: the player accepts or rejects. A pair that never agrees earns
nothing. A pair that has agreed waits. The game ends when all pairs have agreed.
Information: both partners see everything in their pair, and nothing of other pairs.

Nash (named here): every division is that of some Nash equilibrium. The one named is the subgame-perfect equilibrium of
the finite game, by backward induction over the menu of offers; an indifferent player accepts. With N = max_steps - 1
offers and every share on the menu, the first player gets (1 - (-discount) ** N) / (1 + discount) of the pie at once
(Ståhl), which tends to 1 / (1 + discount) as N grows (Rubinstein).
Optimum: the first offer is accepted, and the pair shares the whole first pie.
Message: can argue, claim, or promise not to give in.

cooperation: an offer's share / an even half, at most 1; accept 1, reject 0.
accuracy: mean over the player's own decisions of the closeness of the decision's value to that of the best decision.
The value assumes that both play the named equilibrium afterwards.
efficiency: the pair's payoff / the first pie. An invalid decision loses the turn and cancels the open offer.
Sources: Ståhl, Bargaining Theory (1972); Rubinstein, Econometrica 50 (1982).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

from pydantic import Field, field_validator

from agents.language import Language
from simulation.games.base import GameParameters, State
from simulation.games.measures import SUBGAME_PERFECT, Meaning, closeness
from simulation.games.turns import WAIT, Options, Turn, TurnDeal, TurnGame, Turns, amount

ACCEPT, REJECT = "accept", "reject"
TIE = 1e-9  # tolerance for floats: an indifferent player accepts


class BargainingParameters(GameParameters):
    pie: float = Field(default=100.0, gt=0)
    discount: float = Field(default=0.8, gt=0, le=1)
    offers: tuple[int, ...] = Field(default=(0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100), min_length=2)
    """Shares of the pie that a player can offer, in percent."""

    @field_validator("offers")
    @classmethod
    def _shares(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0 or max(value) > 100:
            raise ValueError("offers must be distinct percentages in 0-100")
        return tuple(sorted(value))


_ANSWERS = {
    Language.EN: {ACCEPT: "accept", REJECT: "reject"},
    Language.ZH: {ACCEPT: "接受", REJECT: "拒绝"},
}
_OFFER = {Language.EN: "offer {share:g}%", Language.ZH: "给出{share:g}%"}
_RULES = {
    Language.EN: (
        "Bargaining in fixed pairs over {pie:g} points. One offers the other a share; the other accepts, or "
        "makes a counteroffer in its turn. Each step the pie shrinks to {percent:g}% of what it was. Without "
        "agreement by the last step both get nothing."
    ),
    Language.ZH: (
        "固定两人一组，就{pie:g}分讨价还价。一方向对方给出一个份额，对方接受，或在自己的回合还价。"
        "每过一步总额缩至原来的{percent:g}%。到最后一步仍未达成协议则都得0分。"
    ),
}
_OPEN = {
    Language.EN: (
        "{partner} makes an offer now; the pie is {pie:.1f}.",
        "You make {partner} an offer now; the pie is {pie:.1f}.",
    ),
    Language.ZH: ("现在由{partner}提出分配，总额{pie:.1f}分。", "现在由你向{partner}提出分配，总额{pie:.1f}分。"),
}
_OPEN_OFFER = {
    Language.EN: (
        "You offered {partner} {share:g}% of {pie:.1f}; {partner} answers now.",
        "{partner} offers you {share:g}% of {pie:.1f}, {points:.1f} points for you. If you refuse, the pie is "
        "{later:.1f}.",
    ),
    Language.ZH: (
        "总额{pie:.1f}分，你给{partner}的份额为{share:g}%，现在由{partner}答复。",
        "{partner}给你{pie:.1f}分的{share:g}%，即{points:.1f}分。若不接受，总额变为{later:.1f}分。",
    ),
}
_DONE = {
    Language.EN: "You and {partner} have agreed; you earned {payoff:.1f}.",
    Language.ZH: "你和{partner}已达成协议，你得到{payoff:.1f}分。",
}
_LATE = {Language.EN: "There is no time left to agree.", Language.ZH: "已没有时间达成协议。"}


class Bargaining(TurnGame):
    task_type = "bargaining"
    cooperation_meaning = Meaning("concession", "offer / half of the pie; accepting 1, rejecting 0")
    accuracy_meaning = Meaning(SUBGAME_PERFECT, "closeness of a decision to the subgame-perfect one")
    Parameters = BargainingParameters
    parameters: BargainingParameters

    # -- the equilibrium --------------------------------------------------------------------------------

    def worth(self, step: int) -> float:
        """Return the size of the pie in `step` (from 0)."""
        return self.parameters.pie * self.parameters.discount**step

    @cached_property
    def equilibrium(self) -> tuple[tuple[float, float], ...]:
        """For each step, what the player who offers and the other earn from there on, in points."""
        values = [(0.0, 0.0)]  # an offer in the last step comes too late
        for step in reversed(range(self.setting.max_steps - 1)):
            values.append(self._best_offer(step, values[-1]))
        return tuple(reversed(values))

    def _best_offer(self, step: int, later: tuple[float, float]) -> tuple[float, float]:
        """Return the two values of the best offer. Of equally good offers it is the first that the other accepts."""
        results = [self._outcome(share, step, later) for share in self.parameters.offers]
        own = max(mine for mine, _ in results)
        return max((pair for pair in results if pair[0] >= own - TIE), key=sum)

    def _outcome(self, share: float, step: int, later: tuple[float, float]) -> tuple[float, float]:
        """Return the two values of an offer of `share` percent in `step`, if a refusal is worth `later`."""
        points = self.worth(step) * share / 100
        refusal, waiting = later
        return (self.worth(step) - points, points) if points >= refusal - TIE else (waiting, refusal)

    def _value(self, action: str, step: int, offer: str | None) -> float:
        """Return what an action in `step` is worth to its player, if both play the equilibrium afterwards."""
        if action == ACCEPT and offer is not None:
            return self.worth(step - 1) * _share(offer) / 100
        if action == REJECT:
            return 0.0
        return self._outcome(_share(action), step, self.equilibrium[step + 1])[0]

    def _both(self, action: str, step: int) -> float:
        """Return what both earn after an action, to choose among equally good ones: accepting comes first."""
        later = self.equilibrium[min(step + 1, self.setting.max_steps - 1)]
        if action in (ACCEPT, REJECT):
            return math.inf if action == ACCEPT else 0.0
        return sum(self._outcome(_share(action), step, later))

    # -- the rules --------------------------------------------------------------------------------------

    def _choices(self, state: State[Turns], player: int) -> Options:
        deal, step = state.table.deals[player], state.tally.step
        if deal.answer is not None or not self.first(state, player, step):
            return ()
        last = step + 1 >= self.setting.max_steps
        answers: Options = () if deal.offer is None else ((ACCEPT, 1.0),)
        if last:
            return (*answers, (REJECT, 0.0)) if answers else ()
        return (*answers, *((f"offer {share}%", min(1.0, share / 50)) for share in self.parameters.offers))

    def _turn(self, state: State[Turns], player: int, action: str | None) -> Turn:
        step, offer = state.tally.step, state.table.deals[player].offer
        if action is None:
            return Turn(TurnDeal())
        values = [self._value(each, step, offer) for each, _ in self._choices(state, player)]
        accuracy = closeness(self._value(action, step, offer), values)
        if action != ACCEPT or offer is None:
            return Turn(TurnDeal(None if action == REJECT else action), accuracy=accuracy)
        pie, share = self.worth(step - 1), _share(offer) / 100
        return Turn(TurnDeal(offer, ACCEPT), pie * share, pie * (1 - share), accuracy)

    def finished(self, state: State[Turns]) -> bool:
        return all(deal.answer is not None for deal in state.table.deals)

    def rules(self, language: Language) -> str:
        p = self.parameters
        return _RULES[language].format(pie=p.pie, percent=100 * p.discount)

    def observation_text(self, state: State[Turns], player: int, language: Language) -> str:
        partner, step = self._partner_name(state, player), state.tally.step
        deal, mine = state.table.deals[player], self.first(state, player, step)
        if deal.answer is not None:
            return _DONE[language].format(partner=partner, payoff=state.tally.payoff[player])
        if deal.offer is None:
            late = step + 1 >= self.setting.max_steps
            return _LATE[language] if late else _OPEN[language][mine].format(partner=partner, pie=self.worth(step))
        pie, share, last = self.worth(step - 1), _share(deal.offer), step + 1 >= self.setting.max_steps
        later = 0.0 if last else self.worth(step)
        points = pie * share / 100
        return _OPEN_OFFER[language][mine].format(partner=partner, share=share, pie=pie, points=points, later=later)

    def _name(self, action: str, language: Language) -> str:
        if action in (ACCEPT, REJECT):
            return _ANSWERS[language][action]
        return _OFFER[language].format(share=_share(action))

    def equilibrium_play(self, state: State[Turns], player: int) -> Mapping[str, float]:
        """Take the best action; an indifferent player accepts, or makes the offer at which both earn most."""
        deal, step = state.table.deals[player], state.tally.step
        choices = [action for action, _ in self._choices(state, player)]
        if not choices:
            return {WAIT: 1.0}
        values = {action: self._value(action, step, deal.offer) for action in choices}
        best = [action for action in choices if values[action] >= max(values.values()) - TIE]
        return {max(best, key=lambda action: self._both(action, step)): 1.0}

    def best_pair(self) -> float:
        return self.parameters.pie

    def nash_pair(self) -> float:
        return sum(self.equilibrium[0])


def _share(offer: str) -> float:
    return amount(offer.rstrip("%"))


GAME = Bargaining
