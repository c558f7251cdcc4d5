"""The signalling game: one of a pair knows where the treasure is and can only speak; the other chooses a place.

Players: an even number, in fixed pairs; of two models, the first of the roster knows the place in every step.
Decision: which of `places` to go to, for the one who does not know. The other has nothing to decide.
Payoff: by where the pair goes,

| place | each of the two earns |
|-------|-----------------------|
| right | 1                     |
| wrong | 0                     |

Each step has a new place, each as likely as the others.
Information: the place, for the one who knows. After the step both learn where the treasure was and where the pair went.
Who does not know has nothing to say, so in a talk round only the one who knows speaks.

Nash (named here): the message means nothing, and all places are chosen with equal probability. It pays 1 / places per
player and step. If messages name the place and are believed, that is an equilibrium too, and the optimum.
Optimum: the right place in every step: 1 per player and step.
Message: all that the other can learn. Without it payoffs are those of chance.

accuracy: 1 if the pair went to the right place, else 0; for both of the pair.
cooperation: no place is kinder. The level is the place's number in the list, from 0, / the last number; of the one who
knows, that of the right place.
Sources: Lewis, Convention (1969); Crawford & Sobel, Econometrica 50 (1982), for cheap talk and its empty equilibrium.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field, field_validator

from agents.file_model import distinct_words
from agents.language import Language
from simulation.games.base import GameParameters, Move, MovesSeen, Round, State
from simulation.games.measures import Meaning
from simulation.games.pairs import PairGame, Pairs


class SignallingParameters(GameParameters):
    places: tuple[str, ...] = Field(default=("north", "south"), min_length=2)
    """The places, by the word that follows "in the"."""

    @field_validator("places")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not distinct_words(value):
            raise ValueError("places must be distinct, not empty and without spaces around them")
        return value


@dataclass(frozen=True)
class Treasures:
    """The pairs, the place of each step for each player's pair, and where the pair went last; None if nowhere."""

    partner: Pairs
    places: tuple[tuple[str, ...], ...]
    last: tuple[str | None, ...]


_RULES = {
    Language.EN: (
        "Each step a treasure lies in one of these places: {places}. One model of each pair knows the place and can "
        "tell it, the other chooses where the pair goes. If the treasure is there, both get 1 point, else 0."
    ),
    Language.ZH: (
        "每一步宝藏在以下地点之一：{places}。每一对中的一个模型知道地点并可以说出来，另一个模型选择去哪里。"
        "若宝藏在那里，双方各得1分，否则0分。"
    ),
}
_COMMA = {Language.EN: ", ", Language.ZH: "、"}
_KNOWS = {
    Language.EN: "The treasure lies in the {place}. {partner} does not know it and chooses where you both go.",
    Language.ZH: "宝藏在{place}。{partner}不知道，由{partner}选择你们去哪里。",
}
_CHOOSES = {
    Language.EN: "{partner} knows where the treasure lies. You choose where you both go.",
    Language.ZH: "{partner}知道宝藏在哪里。由你选择你们去哪里。",
}
_LAST = {
    Language.EN: " Last step it was in the {place}, and you both went {gone}.",
    Language.ZH: "上一步宝藏在{place}，你们去了{gone}。",
}
_NOWHERE = {Language.EN: "nowhere", Language.ZH: "无处"}


class Signalling(PairGame[Treasures]):
    task_type = "signalling"
    sees = MovesSeen.OPPONENTS
    cooperation_meaning = Meaning("place", "the number of the place in the list / the last number")
    accuracy_meaning = Meaning("right answer", "share of steps in which the pair went to the right place")
    repeats = True
    Parameters = SignallingParameters
    parameters: SignallingParameters

    def _open(self, rng: random.Random) -> Treasures:
        partner, names, steps = self._draw(rng), self.parameters.places, range(self.setting.max_steps)
        knowing = [player for player in range(self.players) if player < partner[player]]
        drawn = {player: tuple(names[rng.randint(0, len(names) - 1)] for _ in steps) for player in knowing}
        places = tuple(drawn[min(player, partner[player])] for player in range(self.players))
        return Treasures(partner, places, (None,) * self.players)

    def partner(self, state: State[Treasures], player: int) -> int:
        return state.table.partner[player]

    def knows(self, state: State[Treasures], player: int) -> bool:
        """Return whether `player` is the one of its pair who knows the place."""
        return player < self.partner(state, player)

    def may_speak(self, state: State[Treasures], player: int) -> bool:
        return self.knows(state, player)

    def _place(self, state: State[Treasures], player: int) -> str:
        return state.table.places[player][min(state.tally.step, self.setting.max_steps - 1)]

    def _options(self, state: State[Treasures], player: int) -> tuple[tuple[str, float], ...]:
        names = self.parameters.places
        levels = {place: number / (len(names) - 1) for number, place in enumerate(names)}
        if self.knows(state, player):  # nothing to decide: its only action is where the treasure is
            place = self._place(state, player)
            return ((place, levels[place]),)
        return tuple(levels.items())

    def _play(self, state: State[Treasures], moves: Sequence[Move]) -> Round[Treasures]:
        choosers = [max(player, self.partner(state, player)) for player in range(self.players)]
        gone = tuple(moves[chooser].action for chooser in choosers)
        right = tuple(float(place == self._place(state, player)) for player, place in enumerate(gone))
        return Round(right, right, replace(state.table, last=gone))

    def rules(self, language: Language) -> str:
        return _RULES[language].format(places=_COMMA[language].join(self.parameters.places))

    def observation_text(self, state: State[Treasures], player: int, language: Language) -> str:
        partner = self.setting.seats[self.partner(state, player)].model_id
        texts, place = (_KNOWS if self.knows(state, player) else _CHOOSES), self._place(state, player)
        text = texts[language].format(place=place, partner=partner)
        if not state.tally.step:
            return text
        before = state.table.places[player][state.tally.step - 1]
        gone = state.table.last[player] or _NOWHERE[language]
        return text + _LAST[language].format(place=before, gone=gone)

    def equilibrium_play(self, state: State[Treasures], player: int) -> Mapping[str, float]:
        """The message means nothing: every place is as likely."""
        options = self._options(state, player)
        return {action: 1 / len(options) for action, _ in options}

    def best_pair(self) -> float:
        return 2.0 * self.setting.max_steps

    def nash_pair(self) -> float:
        return self.best_pair() / len(self.parameters.places)


GAME = Signalling
