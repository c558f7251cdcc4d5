"""The ultimatum game in fixed pairs: one player proposes a split of a pie, the other accepts or rejects it.

Players: an even number, in pairs; partners are of different teams if there are teams.
Decision: as the proposer, which of `offers` to make; as the responder, to accept or to reject.
Payoff: by the answer,

| answer | proposer    | responder |
|--------|-------------|-----------|
| accept | pie - offer | offer     |
| reject | 0           | 0         |

A round has two steps, an offer and the answer to it; then the two swap roles.
Information: the responder sees the offer before it answers; both know the last round.

Nash (named here): every offer is that of some equilibrium, in which the responder rejects all smaller ones. The one
named is subgame-perfect: the responder accepts every offer (if it is 0, accepting and rejecting earn the same), and the
proposer makes the least.
Optimum: the whole pie is split. All these equilibria do so, so nash() equals it: only a rejection loses anything.
Message: can argue for a split or threaten to reject.

cooperation: an offer / half of the pie, at most 1; accept 1 (the pair earns), reject 0.
accuracy: mean over the player's own decisions. An answer: closeness to the best response to the offer. An offer: 1 for
the least offer down to 0 for the largest, as the best response to a responder who accepts everything is the least. It
measures subgame-perfect rationality, not fairness or foresight.
efficiency: the pair's payoff / the pies it could have split.
Source: Güth, Schmittberger & Schwarze, Journal of Economic Behavior & Organization 3 (1982).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from agents.language import Language
from simulation.games.base import GameParameters, MovesSeen, Setting, State
from simulation.games.measures import SUBGAME_PERFECT, Meaning, closeness
from simulation.games.turns import Options, RoundGame, Turn, TurnDeal, Turns, amount

ACCEPT, REJECT = "accept", "reject"


class UltimatumParameters(GameParameters):
    pie: float = Field(default=10.0, gt=0)
    offers: tuple[int, ...] = Field(default=(0, 1, 2, 3, 4, 5, 6), min_length=2)

    @field_validator("offers")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0:
            raise ValueError("offers must be distinct and not negative")
        return tuple(sorted(value))


_ANSWERS = {
    Language.EN: {ACCEPT: "accept", REJECT: "reject"},
    Language.ZH: {ACCEPT: "接受", REJECT: "拒绝"},
}
_OFFER = {Language.EN: "offer {offer}", Language.ZH: "给出{offer}"}
_RULES = {
    Language.EN: (
        "Ultimatum game in fixed pairs. One of the two offers the other a part of {pie:g} points; in the next "
        "step the other accepts, and both get their parts, or rejects, and both get nothing. Then they swap."
    ),
    Language.ZH: (
        "固定两人一组的最后通牒博弈。一方从{pie:g}分中给出一部分；下一步另一方接受则双方各得其份，拒绝则都得0分。"
        "然后双方互换角色。"
    ),
}
_TURN = {
    Language.EN: ("{partner} makes you an offer now.", "You make {partner} an offer now."),
    Language.ZH: ("现在由{partner}向你提出分配。", "现在由你向{partner}提出分配。"),
}
_ANSWER = {
    Language.EN: ("{partner} offers you {offer:g} of {pie:g}.", "{partner} answers your offer of {offer:g} now."),
    Language.ZH: ("{partner}给你{pie:g}分中的{offer:g}分。", "现在由{partner}答复你给出的{offer:g}分。"),
}
_VOID = {
    Language.EN: " There was no valid {missing}, so the round is void.",
    Language.ZH: "没有有效的{missing}，本轮作废。",
}
_MISSING = {Language.EN: ("offer", "answer"), Language.ZH: ("分配", "答复")}
_LAST = {
    Language.EN: (
        " Last round you offered {offer:g}; {partner} chose {answer}.",
        " Last round {partner} offered you {offer:g}; you chose {answer}.",
    ),
    Language.ZH: ("上一轮你给出{offer:g}，{partner}选择{answer}。", "上一轮{partner}给你{offer:g}，你选择{answer}。"),
}


class Ultimatum(RoundGame):
    task_type = "ultimatum"
    sees = MovesSeen.OPPONENTS
    cooperation_meaning = Meaning("concession", "offer / half of the pie; accepting 1, rejecting 0")
    accuracy_meaning = Meaning(SUBGAME_PERFECT, "closeness of a decision to the subgame-perfect one")
    Parameters = UltimatumParameters
    parameters: UltimatumParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if max(parameters.offers) > parameters.pie:
            return f"offers go up to {max(parameters.offers)}, above the pie {parameters.pie:g}"
        return super().refuse(setting, parameters)

    def _offers(self) -> Options:
        even = self.parameters.pie / 2
        return tuple((f"offer {offer}", min(1.0, offer / even)) for offer in self.parameters.offers)

    def _answers(self, _offer: str) -> Options:
        return ((ACCEPT, 1.0), (REJECT, 0.0))

    def _offered(self, action: str) -> Turn:
        alternatives = [-float(offer) for offer in self.parameters.offers]
        return Turn(TurnDeal(action), accuracy=closeness(-amount(action), alternatives))

    def _answered(self, offer: str, action: str) -> Turn:
        part = amount(offer)
        own = part if action == ACCEPT else 0.0
        other = self.parameters.pie - part if action == ACCEPT else 0.0
        return Turn(TurnDeal(offer, action), own, other, closeness(own, (part, 0.0)))

    def rules(self, language: Language) -> str:
        return _RULES[language].format(pie=self.parameters.pie)

    def observation_text(self, state: State[Turns], player: int, language: Language) -> str:
        partner, begins = self._partner_name(state, player), self.begins(state, player)
        deal = state.table.deals[player]
        if not self.offering(state):
            if deal.offer is None:
                return _VOID[language].format(missing=_MISSING[language][0]).strip()
            text = _ANSWER[language][begins]
            return text.format(partner=partner, offer=amount(deal.offer), pie=self.parameters.pie)
        turn = _TURN[language][begins].format(partner=partner)
        return turn + (self._last_round(deal, begins, partner, language) if state.tally.step else "")

    def _last_round(self, deal: TurnDeal, begins: bool, partner: str, language: Language) -> str:
        if deal.offer is None or deal.answer is None:
            return _VOID[language].format(missing=_MISSING[language][deal.offer is not None])
        answer = self.label(deal.answer, language)
        return _LAST[language][begins].format(partner=partner, offer=amount(deal.offer), answer=answer)

    def _name(self, action: str, language: Language) -> str:
        if action in (ACCEPT, REJECT):
            return _ANSWERS[language][action]
        return _OFFER[language].format(offer=f"{amount(action):g}")

    def equilibrium_play(self, state: State[Turns], player: int) -> Mapping[str, float]:
        """The proposer makes the least offer, and the responder accepts: the first action of each."""
        return {self._options(state, player)[0][0]: 1.0}

    def best_pair(self) -> float:
        return self.parameters.pie * self.rounds()

    def nash_pair(self) -> float:
        return self.best_pair()


GAME = Ultimatum
