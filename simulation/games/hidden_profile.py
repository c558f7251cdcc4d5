"""The hidden profile: each player knows some of the facts, and the group must find the option with the most facts.

Players: two or more.
Decision: which of the options to choose.
Payoff: the same for all. The group's choice is the option that most players chose; on a tie there is none,

    payoff = 1 each if the group's choice is the right option, else 0

Information: the facts that the player knows, by number, but not who else knows them. After the step: the right option
and the group's choice. Each step has `options` options. The right one has the most different facts in its favour. In a
*hidden* step each player knows `private_facts` facts for the right option that nobody else knows, and all know the same
private_facts + 1 facts for one wrong option (the decoy). So each player's own facts favour the decoy, and only all
facts together favour the right option. In a *shared* step every player knows all facts. `hidden` is the probability of
a hidden step.

Nash (named here): everyone chooses the option that its own facts favour. It pays in shared steps only, but no single
player can improve a hidden step. `nash` is its expected welfare.
Optimum: the right option in every step: 1 per player and step.
Message: can pass on facts; a fact that is heard twice has the same number and counts once.

accuracy: 1 if the player's own choice is the right option, else 0. The group's choice does not matter.
cooperation: facts the player knows for the option / the most it knows for any option. It measures how far a choice
follows the player's own facts, not goodwill.
Source: Stasser & Titus, Journal of Personality and Social Psychology 48 (1985).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from agents.language import Language
from simulation.games.base import Game, GameParameters, Move, Round, State
from simulation.games.measures import Meaning

NAMES = "PQRSTVWX"  # not A or I: in a message they are also words
Facts = dict[str, tuple[int, ...]]
"""The numbers of the facts in favour of each option."""


class HiddenProfileParameters(GameParameters):
    options: int = Field(default=3, ge=2, le=len(NAMES))
    private_facts: int = Field(default=2, ge=2, le=6)
    hidden: float = Field(default=1.0, ge=0, le=1)


@dataclass(frozen=True)
class Profile:
    """One step's facts: the right option, the facts that all know, and those that only one player knows."""

    right: str
    common: Facts
    private: tuple[tuple[int, ...], ...]

    def known(self, player: int) -> Facts:
        """Return the facts that `player` knows for every option, in ascending order."""
        return self.common | {self.right: tuple(sorted((*self.common[self.right], *self.private[player])))}


@dataclass(frozen=True)
class ProfileTable:
    """The profiles of every step, and the group's last choice; None if there was none."""

    profiles: tuple[Profile, ...]
    named: str | None = None


_RULES = {
    Language.EN: (
        "Each step one option is right: the one that the most different facts speak for. Every model knows some of the "
        "facts; others may know more. The option most models choose is the group's, on a tie none. If it is right, "
        "every model gets 1 point, else 0."
    ),
    Language.ZH: (
        "每一步有一个正确选项：支持它的不同事实最多。每个模型知道部分事实，其他模型可能知道更多。"
        "最多模型选择的选项即为集体的选择，票数相同则无选择。若正确，每个模型得1分，否则得0分。"
    ),
}
_FACTS = {Language.EN: "Facts you know: {facts}.", Language.ZH: "你知道的事实：{facts}。"}
_FOR = {Language.EN: "for {option}: {numbers}", Language.ZH: "支持{option}：{numbers}"}
_NO_FACT = {Language.EN: "none", Language.ZH: "无"}
_BETWEEN = {Language.EN: "; ", Language.ZH: "；"}
_LAST = {
    Language.EN: " Last step {right} was right; the group named {named}.",
    Language.ZH: "上一步正确的是{right}；集体选择了{named}。",
}


class HiddenProfile(Game[ProfileTable]):
    task_type = "hidden_profile"
    cooperation_meaning = Meaning("own facts", "facts known for the choice / most known for an option")
    accuracy_meaning = Meaning("right answer", "share of choices of the right option")
    Parameters = HiddenProfileParameters
    parameters: HiddenProfileParameters

    def _open(self, rng: random.Random) -> ProfileTable:
        return ProfileTable(tuple(self._profile(rng) for _ in range(self.setting.max_steps)))

    def _profile(self, rng: random.Random) -> Profile:
        p, names = self.parameters, NAMES[: self.parameters.options]
        right, decoy = rng.sample(names, 2)
        shared = rng.random() >= p.hidden
        counts = dict.fromkeys(names, 1) | {right: 0, decoy: p.private_facts + 1}
        total = sum(counts.values()) + p.private_facts * self.players
        numbers = rng.sample(range(1, 10 * total), total)  # scattered: a number does not show how many facts there are
        common = {name: _taken(numbers, count) for name, count in counts.items()}
        private = tuple(_taken(numbers, p.private_facts) for _ in range(self.players))
        if shared:
            everything = tuple(sorted(fact for facts in private for fact in facts))
            return Profile(right, common | {right: everything}, ((),) * self.players)
        return Profile(right, common, private)

    def _now(self, state: State[ProfileTable]) -> Profile:
        return state.table.profiles[min(state.tally.step, self.setting.max_steps - 1)]

    def _options(self, state: State[ProfileTable], player: int) -> tuple[tuple[str, float], ...]:
        known = self._now(state).known(player)
        most = max(len(facts) for facts in known.values())
        return tuple((name, len(facts) / most) for name, facts in known.items())

    def _play(self, state: State[ProfileTable], moves: Sequence[Move]) -> Round[ProfileTable]:
        right = self._now(state).right
        named = plurality([move.action for move in moves if move.action is not None])
        payoffs = tuple(float(named == right and move.action is not None) for move in moves)
        accuracies = tuple(float(move.action == right) for move in moves)
        return Round(payoffs, accuracies, replace(state.table, named=named))

    def rules(self, language: Language) -> str:
        return _RULES[language]

    def observation_text(self, state: State[ProfileTable], player: int, language: Language) -> str:
        table, step = state.table, state.tally.step
        text = self._facts(table.profiles[step], player, language) if step < self.setting.max_steps else ""
        if step:
            named = table.named or _NO_FACT[language]
            text += _LAST[language].format(right=table.profiles[step - 1].right, named=named)
        return text.strip()

    def _facts(self, profile: Profile, player: int, language: Language) -> str:
        parts = [
            _FOR[language].format(option=name, numbers=", ".join(map(str, facts)) or _NO_FACT[language])
            for name, facts in profile.known(player).items()
        ]
        return _FACTS[language].format(facts=_BETWEEN[language].join(parts))

    def equilibrium_play(self, state: State[ProfileTable], player: int) -> Mapping[str, float]:
        """Everyone chooses the option that its own facts favour."""
        return {max(self._options(state, player), key=lambda option: option[1])[0]: 1.0}

    def optimum(self) -> float:
        return float(self.players * self.setting.max_steps)

    def nash(self) -> float:
        return (1.0 - self.parameters.hidden) * self.optimum()


def plurality(choices: Sequence[str]) -> str | None:
    """Return the most frequent choice; None on a tie or if there is no choice."""
    first, second = (*Counter(choices).most_common(2), ("", 0), ("", 0))[:2]
    return first[0] if first[1] > second[1] else None


def _taken(numbers: list[int], count: int) -> tuple[int, ...]:
    return tuple(sorted(numbers.pop() for _ in range(count)))


GAME = HiddenProfile
