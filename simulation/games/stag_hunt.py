"""The stag hunt, iterated in fixed pairs.

Players: an even number, in pairs; partners are of different teams if there are teams.
Decision: to hunt the stag or the hare.
Payoff: to row and column,

| row, column | stag                     | hare                       |
|-------------|--------------------------|----------------------------|
| stag        | together, together (4,4) | lone_stag, lone_hare (0,3) |
| hare        | lone_hare, lone_stag (3,0) | hares, hares (3,3)       |

Information: the partner's last action; both choose at the same time.

Nash (named here): a step has three equilibria: both hunt the stag (payoff-dominant), both hunt hares, and a mixed one
in which each hunts the stag with probability (hares - lone_stag) / (together - lone_hare + hares - lone_stag), 3/4 with
the default payoffs. The one named is the risk-dominant one of the two pure equilibria, in every step: hares if that
probability is above 1/2 (Harsanyi & Selten's criterion for symmetric two-by-two games).
Optimum: both hunt the stag.
Message: can remove doubt, which is the only reason to hunt hares. One message that is believed is enough.

cooperation: stag 1, hare 0.
accuracy: the share of steps in which the action was a best response to what the partner did, that is, the same action.
efficiency: the pair's payoff / the best a pair can earn.
Sources: Harsanyi & Selten, A General Theory of Equilibrium Selection in Games (1988); Skyrms, The Stag Hunt
and the Evolution of Social Structure (2004).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from agents.language import Language
from simulation.games.base import GameParameters, MovesSeen, State
from simulation.games.measures import BEST_RESPONSE, Meaning, refuse_not_positive
from simulation.games.pairs import ABOVE_0, MatrixGame, Pairs

STAG, HARE = "stag", "hare"


class StagHuntParameters(GameParameters):
    together: float = Field(default=4.0, json_schema_extra=ABOVE_0)
    lone_hare: float = 3.0
    hares: float = 3.0
    lone_stag: float = 0.0

    @model_validator(mode="after")
    def _is_a_stag_hunt(self) -> StagHuntParameters:
        if not self.together > self.lone_hare >= self.hares > self.lone_stag:
            raise ValueError("a stag hunt needs together > lone_hare >= hares > lone_stag")
        refuse_not_positive("together", self.model_dump())
        return self


_LABELS = {
    Language.EN: {STAG: "stag", HARE: "hare"},
    Language.ZH: {STAG: "猎鹿", HARE: "猎兔"},
}
_RULES = {
    Language.EN: (
        "Stag hunt in fixed pairs. Each step you and your partner choose at once: both hunt the stag, "
        "{together:g} points each; both hunt hares, {hares:g} each; if only one hunts the stag, it gets "
        "{lone_stag:g} and the hare hunter {lone_hare:g}."
    ),
    Language.ZH: (
        "固定两人一组的猎鹿博弈。每一步双方同时选择：都猎鹿，各得{together:g}分；都猎兔，各得{hares:g}分；"
        "若只有一方猎鹿，猎鹿者得{lone_stag:g}分，猎兔者得{lone_hare:g}分。"
    ),
}


class StagHunt(MatrixGame):
    task_type = "stag_hunt"
    sees = MovesSeen.OPPONENTS
    cooperation_meaning = Meaning("cooperation", "share of decisions to hunt the stag")
    accuracy_meaning = Meaning(BEST_RESPONSE, "share of best responses to the partner's action")
    Parameters = StagHuntParameters
    parameters: StagHuntParameters
    actions = (STAG, HARE)
    labels = _LABELS
    rule_texts = _RULES

    def payoff_table(self) -> Mapping[tuple[str, str], float]:
        p = self.parameters
        return {
            (STAG, STAG): p.together,
            (STAG, HARE): p.lone_stag,
            (HARE, STAG): p.lone_hare,
            (HARE, HARE): p.hares,
        }

    def mixed(self) -> float:
        """Return the probability of the stag in the mixed equilibrium: the trust that a stag hunter needs."""
        p = self.parameters
        doubt, trust = p.hares - p.lone_stag, p.together - p.lone_hare
        return doubt / (doubt + trust)

    def equilibrium_play(self, _state: State[Pairs], _player: int) -> Mapping[str, float]:
        return {HARE if self.mixed() > 0.5 else STAG: 1.0}

    def nash_step(self) -> float:
        return self.parameters.hares if self.mixed() > 0.5 else self.parameters.together


GAME = StagHunt
