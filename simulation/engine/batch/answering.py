"""Who computes the answers of a step: this process, or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from simulation.engine.batch.answers import Cast
from simulation.engine.batch.hearing import Heard
from simulation.games.base import State
from simulation.store.rows import coded

if TYPE_CHECKING:
    from numpy.typing import NDArray


Sources = Mapping[int, Mapping[str, Any]]
"""What events say of a reply, by player and by column."""


class AskedFor(str, Enum):
    """What players are asked for."""

    MESSAGES = "messages"
    DECISIONS = "decisions"


@dataclass(frozen=True)
class StepQuestion:
    """What some players are asked in a step, and what they answer by.

    Args:
        asked: For messages or for decisions.
        state: The state that the step begins in.
        players: Who is asked, in their order.
        heard: What they heard.
        texts: The texts of the numbers in `heard`.
    """

    asked: AskedFor
    state: State[Any]
    players: Sequence[int]
    heard: Heard
    texts: Sequence[str]

    def of(self, players: Sequence[int]) -> StepQuestion:
        """Return the question to some consecutive players alone, with what they heard."""
        return replace(self, players=players, heard=self.heard.part(players[0], players[-1] + 1))


@dataclass(frozen=True)
class Answers:
    """What players answered: the place of each one's answer among `values`.

    A message is a text. A decision is its action and label, None where there was a single option. `sources` is what
    events say of the replies behind answers of players that were asked by requests, by player.
    """

    codes: NDArray[np.int32]
    values: list[Any]
    sources: Sources = field(default_factory=dict)

    @classmethod
    def mixed(cls, crowd: Answers, own: Mapping[int, Any], players: Sequence[int], sources: Sources) -> Answers:
        """Return the answers of `players`, of which some were asked by requests.

        Args:
            crowd: The answers of the others, in their order.
            own: The answers of those that were asked.
            players: Everyone that answered, in their order.
            sources: Of those that were asked, as above.
        """
        asked = np.isin(np.asarray(players, dtype=np.int32), list(own))
        codes = np.empty(len(asked), dtype=np.int32)
        codes[~asked] = crowd.codes
        codes[asked] = np.arange(len(crowd.values), len(crowd.values) + len(own))
        found = coded([*crowd.values, *own.values()])
        return cls(found.codes[codes], list(found.values), sources)

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Return the answers of several parts of the players, one after the other."""
        values = coded(value for part in parts for value in part.values)
        begins = np.cumsum([0, *(len(part.values) for part in parts)])
        places = [part.codes + begin for part, begin in zip(parts, begins, strict=False)]
        return cls(values.codes[np.concatenate(places)], list(values.values))


class Answering(Protocol):
    """Computes the answers of players."""

    async def answer(self, cast: Cast, question: StepQuestion) -> Answers:
        """Return what the players answer.

        Raises:
            SocietyError: They cannot be computed.
        """
        ...


class OwnProcess:
    """This process computes every answer."""

    async def answer(self, cast: Cast, question: StepQuestion) -> Answers:
        """Return what the players answer, as `Answering.answer`."""
        return answers(cast, question)


def answers(cast: Cast, question: StepQuestion) -> Answers:
    """Return what players answer.

    Raises:
        PermanentError: A policy plans what is no option.
    """
    ears = question.heard.ears(question.texts)
    if question.asked is AskedFor.MESSAGES:
        return _answers(cast.messages(question.state, question.players, ears))
    chosen = cast.decisions(question.state, question.players, ears)
    named = ((option.action, option.label) if option is not None else None for option in chosen)
    return _answers(named)


def _answers(values: Iterable[Any]) -> Answers:
    found = coded(values)
    return Answers(found.codes, list(found.values))
