"""The reference formula of the specification: outcomes come from keywords, not from play. Synthetic.

Players: two or more.
Decision: to cooperate, balance or compete. It changes no payoff: the words of the message are scored.
Payoff: the accuracy, by the formula

    accuracy = efficiency = min(1, base + teamwork_level * 0.2 + response bonus)
    base = 1 - difficulty
    response bonus = 0.10 if the message speaks of 协同/合作 or cooperation, else 0.05;
                     + 0.05 if it speaks of 竞争/优化 or competition/optimization

The specification drew `base` at random. Here it is 1 - difficulty, so nothing is random. The formula rewards words, not
behaviour. Every outcome is therefore marked `synthetic=True`, and headline figures leave it out unless you ask for it.
Information: the player's own last score.

Nash: there is no conflict between players, so nash and optimum are the same.
Optimum: the most that the formula gives at this difficulty, min(1, base + 0.35), per player and step.
Message: only its words count.

accuracy: the formula above, which is also the payoff.
cooperation: cooperate 1, balance 1/2, compete 0. It decides nothing.
Source: the specification that this project started from.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from agents.language import Language
from simulation.games.base import Game, Move, Round, State
from simulation.games.measures import Meaning

COOPERATION_WEIGHT = 0.2
SPEAKS_OF_COOPERATION = 0.10
SAYS_ANYTHING = 0.05
SPEAKS_OF_COMPETITION = 0.05
COOPERATION = re.compile("协同|合作|cooperat|collaborat")
# does not match competence or optimism
COMPETITION = re.compile("竞争|优化|(?<![a-z])compet(?:e[sd]?(?![a-z])|i)|optimi[sz](?![mt])")
ACTIONS = (("cooperate", 1.0), ("balance", 0.5), ("compete", 0.0))

_LABELS = {
    Language.EN: {"cooperate": "cooperate", "balance": "balance", "compete": "compete"},
    Language.ZH: {"cooperate": "合作", "balance": "平衡", "compete": "竞争"},
}
_RULES = {
    Language.EN: (
        "Propose an execution strategy for the task in your message, then state its direction: cooperate, "
        "balance or compete."
    ),
    Language.ZH: "请在消息中为任务提出执行策略，然后说明方向：合作、平衡或竞争。",
}
_FIRST = {Language.EN: "This is the first step.", Language.ZH: "这是第一步。"}
_LAST_STEP = {
    Language.EN: "Your last proposal scored {payoff:.2f}.",
    Language.ZH: "你上一次的方案得分{payoff:.2f}。",
}


def response_bonus(message: str) -> float:
    """Return the specification's bonus for a message: 0.05, 0.10 or 0.15."""
    text = message.lower()
    bonus = SPEAKS_OF_COOPERATION if COOPERATION.search(text) else SAYS_ANYTHING
    return bonus + (SPEAKS_OF_COMPETITION if COMPETITION.search(text) else 0.0)


class StrategyGame(Game[None]):
    task_type = "strategy"
    cooperation_meaning = Meaning("declaration", "cooperate 1, balance 1/2, compete 0")
    accuracy_meaning = Meaning("word formula", "the specification's formula over words")
    synthetic = True

    def _open(self, _rng: random.Random) -> None:
        return None

    def _options(self, _state: State[None], _player: int) -> tuple[tuple[str, float], ...]:
        return ACTIONS

    def _play(self, _state: State[None], moves: Sequence[Move]) -> Round[None]:
        scores = tuple(0.0 if move.action is None else self._formula(move) for move in moves)
        return Round(scores, scores, None)

    def _formula(self, move: Move) -> float:
        return self._score(move.teamwork_level, response_bonus(move.message))

    def _score(self, teamwork_level: float, bonus: float) -> float:
        return min(1.0, 1.0 - self.setting.difficulty + teamwork_level * COOPERATION_WEIGHT + bonus)

    def rules(self, language: Language) -> str:
        return _RULES[language]

    def observation_text(self, state: State[None], player: int, language: Language) -> str:
        texts = _FIRST if state.tally.step == 0 else _LAST_STEP
        return texts[language].format(payoff=state.tally.last_payoff[player])

    def label(self, action: str, language: Language) -> str:
        return _LABELS[language][action]

    def equilibrium_play(self, _state: State[None], _player: int) -> Mapping[str, float]:
        return {"cooperate": 1.0}

    def optimum(self) -> float:
        most = self._score(1.0, SPEAKS_OF_COOPERATION + SPEAKS_OF_COMPETITION)
        return most * self.players * self.setting.max_steps

    def nash(self) -> float:
        return self.optimum()

    def efficiencies(self, state: State[None]) -> tuple[float, ...]:
        steps = max(1, state.tally.step)
        return tuple(payoff / steps for payoff in state.tally.payoff)


GAME = StrategyGame
