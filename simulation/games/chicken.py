"""Chicken (hawk-dove), iterated in fixed pairs.

Players: an even number, in pairs; partners are of different teams if there are teams.
Decision: to swerve or to dare.
Payoff: to row and column,

| row, column | swerve                    | dare                      |
|-------------|---------------------------|---------------------------|
| swerve      | reward, reward (6,6)      | sucker, temptation (2,7)  |
| dare        | temptation, sucker (7,2)  | crash, crash (0,0)        |

Information: the partner's last action; both choose at the same time.

Nash (named here): a step has three equilibria. In two of them one dares and the other swerves, and each player prefers
the one in which it dares. The one named is the third, which is symmetric and mixed: each swerves with probability
(sucker - crash) / (temptation - reward + sucker - crash), 2/3 with the default payoffs. It is the only one that treats
both alike, and the evolutionarily stable one. It pays 14/3 per player and step.
Optimum: max(2 * reward, temptation + sucker) per pair and step.
Message: can settle who gives way, agree to alternate or on a common signal, or threaten to dare. With a common signal,
Aumann's correlated equilibrium pays 5 to each.

cooperation: swerve 1, dare 0.
accuracy: the share of steps in which the action was a best response to what the partner did, that is, its opposite.
efficiency: the pair's payoff / the best a pair can earn.
Sources: Rapoport & Chammah, American Behavioral Scientist 10 (1966); Maynard Smith & Price, Nature 246
(1973); payoffs from Aumann, Journal of Mathematical Economics 1 (1974).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from agents.language import Language
from simulation.games.base import GameParameters, MovesSeen, State
from simulation.games.measures import BEST_RESPONSE, Meaning, refuse_not_positive
from simulation.games.pairs import ABOVE_0, MatrixGame, Pairs

SWERVE, DARE = "swerve", "dare"


class ChickenParameters(GameParameters):
    temptation: float = 7.0
    reward: float = Field(default=6.0, json_schema_extra=ABOVE_0)
    sucker: float = 2.0
    crash: float = 0.0

    @model_validator(mode="after")
    def _is_chicken(self) -> ChickenParameters:
        if not self.temptation > self.reward > self.sucker > self.crash:
            raise ValueError("chicken needs temptation > reward > sucker > crash")
        refuse_not_positive("reward", self.model_dump())
        return self


_LABELS = {
    Language.EN: {SWERVE: "swerve", DARE: "dare"},
    Language.ZH: {SWERVE: "避让", DARE: "硬闯"},
}
_RULES = {
    Language.EN: (
        "Chicken in fixed pairs. Each step you and your partner choose at once: both swerve, {reward:g} "
        "points each; both dare and crash, {crash:g} each; if one dares alone, it gets {temptation:g} and "
        "the one that swerves {sucker:g}."
    ),
    Language.ZH: (
        "固定两人一组的胆小鬼博弈。每一步双方同时选择：都避让，各得{reward:g}分；都硬闯则相撞，各得{crash:g}分；"
        "若只有一方硬闯，硬闯者得{temptation:g}分，避让者得{sucker:g}分。"
    ),
}


class Chicken(MatrixGame):
    task_type = "chicken"
    sees = MovesSeen.OPPONENTS
    cooperation_meaning = Meaning("cooperation", "share of decisions to swerve")
    accuracy_meaning = Meaning(BEST_RESPONSE, "share of best responses to the partner's action")
    Parameters = ChickenParameters
    parameters: ChickenParameters
    actions = (SWERVE, DARE)
    labels = _LABELS
    rule_texts = _RULES

    def payoff_table(self) -> Mapping[tuple[str, str], float]:
        p = self.parameters
        return {
            (SWERVE, SWERVE): p.reward,
            (SWERVE, DARE): p.sucker,
            (DARE, SWERVE): p.temptation,
            (DARE, DARE): p.crash,
        }

    def mixed(self) -> float:
        """Return the probability of swerving in the symmetric equilibrium."""
        p = self.parameters
        yielding, daring = p.sucker - p.crash, p.temptation - p.reward
        return yielding / (yielding + daring)

    def equilibrium_play(self, _state: State[Pairs], _player: int) -> Mapping[str, float]:
        return {SWERVE: self.mixed(), DARE: 1 - self.mixed()}

    def nash_step(self) -> float:
        swerve = self.mixed()
        return swerve * self.parameters.temptation + (1 - swerve) * self.parameters.crash


GAME = Chicken
