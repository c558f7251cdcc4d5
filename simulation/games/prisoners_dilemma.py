"""The iterated prisoner's dilemma, played in fixed pairs.

Players: an even number, in pairs; partners are of different teams if there are teams. The seed decides the pairs. They
mix teams as far as the sizes allow, and stay together for the episode.
Decision: to cooperate or to defect.
Payoff: to row and column,

| row, column | cooperate            | defect               |
|-------------|----------------------|----------------------|
| cooperate   | reward, reward (3,3) | sucker, temptation (0,5) |
| defect      | temptation, sucker (5,0) | punishment, punishment (1,1) |

Information: the partner's last action; both choose at the same time.

The payoffs must be in the order temptation > reward > punishment > sucker. Punishment and sucker may be negative, the
reward not: an invalid decision earns 0. Where 2 * reward > temptation + sucker does not hold, taking turns at defecting
pays a pair at least as much as cooperation. This is legal, and `society validate` and `society run` warn of it.
Nash: everyone defects in every step.
Optimum: max(2 * reward, temptation + sucker) per pair and step.
Message: can promise, threaten, or agree on taking turns.

accuracy: the share of steps in which the action was a best response to what the partner did in that step. With the
dilemma's payoffs this is always defection: accuracy measures rationality, not virtue. An invalid decision makes the
step void for the pair. Its partner's action then counts as a best response, as every action would have earned 0.
cooperation: cooperate 1, defect 0.
efficiency: the pair's payoff / the best a pair can earn.
Source: Axelrod, The Evolution of Cooperation (1984).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from agents.language import Language
from simulation.games.base import GameParameters, MovesSeen, State
from simulation.games.measures import BEST_RESPONSE, Meaning, refuse_not_positive
from simulation.games.pairs import ABOVE_0, MatrixGame, Pairs

COOPERATE, DEFECT = "cooperate", "defect"


class DilemmaParameters(GameParameters):
    temptation: float = 5.0
    reward: float = Field(default=3.0, json_schema_extra=ABOVE_0)
    punishment: float = 1.0
    sucker: float = 0.0

    @model_validator(mode="after")
    def _is_a_dilemma(self) -> DilemmaParameters:
        if not self.temptation > self.reward > self.punishment > self.sucker:
            raise ValueError("a dilemma needs temptation > reward > punishment > sucker")
        refuse_not_positive("reward", self.model_dump())
        return self

    def cautions(self) -> tuple[str, ...]:
        both, turns = 2 * self.reward, self.temptation + self.sucker
        if both > turns:
            return ()
        effect = "pays a pair more than" if turns > both else "pays a pair as much as"
        return (
            f"2 * reward ({both:g}) is not above temptation + sucker ({turns:g}): to take turns at defecting {effect} "
            "cooperation, so this is no dilemma of cooperation over several steps (Axelrod 1984)",
        )


_LABELS = {
    Language.EN: {COOPERATE: "cooperate", DEFECT: "defect"},
    Language.ZH: {COOPERATE: "合作", DEFECT: "背叛"},
}
_RULES = {
    Language.EN: (
        "Prisoner's dilemma in fixed pairs. Each step you and your partner choose at once: both cooperate, "
        "{reward:g} points each; both defect, {punishment:g} each; if one defects alone, it gets "
        "{temptation:g} and the other {sucker:g}."
    ),
    Language.ZH: (
        "固定两人一组的囚徒困境。每一步双方同时选择：都合作，各得{reward:g}分；都背叛，各得{punishment:g}分；"
        "若只有一方背叛，背叛者得{temptation:g}分，另一方得{sucker:g}分。"
    ),
}


class PrisonersDilemma(MatrixGame):
    task_type = "prisoners_dilemma"
    sees = MovesSeen.OPPONENTS
    cooperation_meaning = Meaning("cooperation", "share of decisions to cooperate")
    accuracy_meaning = Meaning(BEST_RESPONSE, "share of best responses to the partner's action")
    Parameters = DilemmaParameters
    parameters: DilemmaParameters
    actions = (COOPERATE, DEFECT)
    labels = _LABELS
    rule_texts = _RULES

    def payoff_table(self) -> Mapping[tuple[str, str], float]:
        p = self.parameters
        return {
            (COOPERATE, COOPERATE): p.reward,
            (COOPERATE, DEFECT): p.sucker,
            (DEFECT, COOPERATE): p.temptation,
            (DEFECT, DEFECT): p.punishment,
        }

    def equilibrium_play(self, _state: State[Pairs], _player: int) -> Mapping[str, float]:
        return {DEFECT: 1.0}

    def nash_step(self) -> float:
        return self.parameters.punishment


GAME = PrisonersDilemma
