"""The trust (investment) game in fixed pairs.

Players: an even number, in pairs; partners are of different teams if there are teams.
Decision: as the investor, how much to send; as the trustee, how much to return.
Payoff: both have `endowment`. The investor sends s of it, and the trustee receives multiplier * s. The trustee sees
this and returns r,

    investor = endowment - s + r          trustee = endowment + multiplier * s - r

A round has two steps, sending and returning; then the two swap roles. The menu of returns is `returns` times what was
sent: a factor of 1 returns what the investor sent. If nothing is sent, the trustee has nothing to decide, and both keep
their endowment at once.
Information: the trustee sees what was sent; both know the result of the last round.

Nash (named here): the subgame-perfect one: the trustee returns the least, and if that is less than what was sent, the
investor sends the least.
Optimum: the most is sent; the return does not matter.
Message: can promise a return, or ask for one.

cooperation: what is sent / the most that can be sent; what is returned / the return that leaves both equal,
s * (multiplier + 1) / 2, at most 1.
accuracy: mean over the player's own decisions. Returning: closeness to the best response, which is to return the least.
Sending: closeness to the best response to a trustee who returns the least. It measures subgame-perfect rationality, not
trust.
efficiency: the pair's payoff / the best it could have earned.
Source: Berg, Dickhaut & McCabe, Games and Economic Behavior 10 (1995): 10 each, tripled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from agents.language import Language
from simulation.games.base import GameParameters, MovesSeen, Setting, State
from simulation.games.measures import SUBGAME_PERFECT, Meaning, closeness
from simulation.games.turns import Options, RoundGame, Turn, TurnDeal, Turns, amount


class TrustParameters(GameParameters):
    endowment: float = Field(default=10.0, gt=0)
    multiplier: float = Field(default=3.0, gt=1)
    sends: tuple[int, ...] = Field(default=(0, 2, 4, 6, 8, 10), min_length=2)
    returns: tuple[float, ...] = Field(default=(0.0, 0.5, 1.0, 1.5, 2.0), min_length=2)

    @field_validator("sends")
    @classmethod
    def _distinct_sends(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0:
            raise ValueError("sends must be distinct and not negative")
        return tuple(sorted(value))

    @field_validator("returns")
    @classmethod
    def _distinct_returns(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len({f"{share:g}" for share in value}) != len(value) or min(value) < 0:
            raise ValueError("returns must be distinct and not negative")
        return tuple(sorted(value))


_SEND = {Language.EN: "send {amount:g}", Language.ZH: "投资{amount:g}"}
_RETURN = {Language.EN: "return {amount:g}", Language.ZH: "返还{amount:g}"}
_RULES = {
    Language.EN: (
        "Trust game in fixed pairs. Both hold {endowment:g} points. One sends some of its points, which are "
        "multiplied by {multiplier:g} on the way; in the next step the other decides how many to return. "
        "Then they swap."
    ),
    Language.ZH: (
        "固定两人一组的信任博弈。双方各有{endowment:g}分。一方投资若干分，途中乘以{multiplier:g}；"
        "下一步另一方决定返还多少。然后双方互换角色。"
    ),
}
_SENDING = {
    Language.EN: ("{partner} decides now how much to send you.", "You decide now how much to send {partner}."),
    Language.ZH: ("现在由{partner}决定向你投资多少。", "现在由你决定向{partner}投资多少。"),
}
_RETURNING = {
    Language.EN: (
        "{partner} sent {sent:g}; you received {grown:g}.",
        "You sent {sent:g}; {partner} received {grown:g} and decides now how much to return.",
    ),
    Language.ZH: (
        "{partner}投资了{sent:g}分，你收到{grown:g}分。",
        "你投资了{sent:g}分，{partner}收到{grown:g}分，现在决定返还多少。",
    ),
}
_LAST = {
    Language.EN: (
        " Last round you sent {sent:g} and {partner} returned {back:g}.",
        " Last round {partner} sent {sent:g} and you returned {back:g}.",
    ),
    Language.ZH: (
        "上一轮你投资{sent:g}分，{partner}返还{back:g}分。",
        "上一轮{partner}投资{sent:g}分，你返还{back:g}分。",
    ),
}
_NOTHING = {
    Language.EN: ("{partner} sent nothing; there is nothing to return.", "You sent nothing; nothing comes back."),
    Language.ZH: ("{partner}没有投资，无需返还。", "你没有投资，没有返还。"),
}
_VOID = {
    Language.EN: " There was no valid decision, so the round is void.",
    Language.ZH: "没有有效的决定，本轮作废。",
}


class Trust(RoundGame):
    task_type = "trust"
    sees = MovesSeen.OPPONENTS
    cooperation_meaning = Meaning("trust", "sent / the most; returned / an equal split")
    accuracy_meaning = Meaning(SUBGAME_PERFECT, "closeness of a decision to the subgame-perfect one")
    Parameters = TrustParameters
    parameters: TrustParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        if max(parameters.sends) > parameters.endowment:
            return f"sends go up to {max(parameters.sends)}, above the endowment {parameters.endowment:g}"
        if max(parameters.returns) > parameters.multiplier:
            return f"returns go up to {max(parameters.returns):g}, above the multiplier {parameters.multiplier:g}"
        return super().refuse(setting, parameters)

    def _offers(self) -> Options:
        top = max(self.parameters.sends)
        return tuple((f"send {sent}", sent / top) for sent in self.parameters.sends)

    def _answers(self, offer: str) -> Options:
        sent, equal = amount(offer), (self.parameters.multiplier + 1) / 2
        shares = self.parameters.returns if sent else ()
        return tuple((f"return {share * sent:g}", min(1.0, share / equal)) for share in shares)

    def _offered(self, action: str) -> Turn:
        sent, endowment = amount(action), self.parameters.endowment
        accuracy = closeness(self._against_least(sent), [self._against_least(each) for each in self.parameters.sends])
        if sent:
            return Turn(TurnDeal(action), accuracy=accuracy)
        return Turn(TurnDeal(action, "return 0"), endowment, endowment, accuracy)

    def _against_least(self, sent: float) -> float:
        """Return the investor's payoff if the trustee returns the least."""
        return self.parameters.endowment + sent * (min(self.parameters.returns) - 1)

    def _answered(self, offer: str, action: str) -> Turn:
        sent, back, endowment = amount(offer), amount(action), self.parameters.endowment
        own = endowment + self.parameters.multiplier * sent - back
        alternatives = [-amount(each) for each, _ in self._answers(offer)]
        return Turn(TurnDeal(offer, action), own, endowment - sent + back, closeness(-back, alternatives))

    def rules(self, language: Language) -> str:
        return _RULES[language].format(endowment=self.parameters.endowment, multiplier=self.parameters.multiplier)

    def observation_text(self, state: State[Turns], player: int, language: Language) -> str:
        partner, begins = self._partner_name(state, player), self.begins(state, player)
        deal = state.table.deals[player]
        if self.offering(state):
            turn = _SENDING[language][begins].format(partner=partner)
            return turn + (self._last_round(deal, begins, partner, language) if state.tally.step else "")
        if deal.offer is None:
            return _VOID[language].strip()
        sent = amount(deal.offer)
        if not sent:
            return _NOTHING[language][begins].format(partner=partner)
        grown = sent * self.parameters.multiplier
        return _RETURNING[language][begins].format(partner=partner, sent=sent, grown=grown)

    def _last_round(self, deal: TurnDeal, begins: bool, partner: str, language: Language) -> str:
        if deal.offer is None or deal.answer is None:
            return _VOID[language]
        sent, back = amount(deal.offer), amount(deal.answer)
        return _LAST[language][begins].format(partner=partner, sent=sent, back=back)

    def _name(self, action: str, language: Language) -> str:
        texts = _SEND if action.startswith("send") else _RETURN
        return texts[language].format(amount=amount(action))

    def _pair_round(self, sent: float) -> float:
        return 2 * self.parameters.endowment + sent * (self.parameters.multiplier - 1)

    def equilibrium_play(self, state: State[Turns], player: int) -> Mapping[str, float]:
        """The trustee returns the least; the investor sends the least if that does not come back, else the most."""
        actions = [action for action, _ in self._options(state, player)]
        least = not self.offering(state) or min(self.parameters.returns) < 1
        return {actions[0 if least else -1]: 1.0}

    def best_pair(self) -> float:
        return self._pair_round(max(self.parameters.sends)) * self.rounds()

    def nash_pair(self) -> float:
        p = self.parameters
        return self._pair_round(min(p.sends) if min(p.returns) < 1 else max(p.sends)) * self.rounds()


GAME = Trust
