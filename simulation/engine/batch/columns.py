"""The events of a step, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.answers import AnswerReading
from agents.inference.provenance import Tier
from agents.language import text_in
from simulation.engine.batch.answering import Sources
from simulation.games.measures import known
from simulation.games.score import PlayerScore
from simulation.games.tally import Tally
from simulation.store.blocks import EventBlock
from simulation.store.events import DecisionMade, MessageSent, Outcome, StepRow
from simulation.store.rows import Cells, CodedCells, Rows, Same, TextLists, coded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agents.roster import ModelConfig

    Numbers = NDArray[np.int32]

_NO_CALL = {"endpoint": Same(""), "latency": Same(0.0), "fallback_from": Same("")}
"""What events say of the call behind a text: there was none."""


@dataclass(frozen=True)
class Choices:
    """What players chose.

    Args:
        players: Who was asked, in their order.
        codes: The place of each one's choice in `options`.
        options: The different choices: action and label; the action is None where a reply was no option.
        sources: What is to be said of replies to requests, by player.
    """

    players: Sequence[int]
    codes: Numbers
    options: Sequence[tuple[str | None, str]]
    sources: Sources


class PlayerColumns:
    """What the events say of players, by player: names, teams, tiers, adapters.

    Args:
        configs: The players' roster rows.
    """

    def __init__(self, configs: Sequence[ModelConfig]) -> None:
        self._configs = configs
        self.names = [config.model_id for config in configs]
        self.places = np.arange(len(configs), dtype=np.int32)
        self.tiers = coded("scripted" if config.policy else "simulated" for config in configs)
        self._teams = coded(config.team_id for config in configs)
        self._own_adapters = coded(config.policy or config.model_name or "" for config in configs)
        self._adapters = self._own_adapters

    def swap(self, adapters: Mapping[int, str]) -> None:
        """Let models be asked for other adapters than their rows'; scripted players have none."""
        self._adapters = self._own_adapters
        if adapters:
            rows = enumerate(self._configs)
            self._adapters = coded(row.policy or adapters.get(player, row.model_name or "") for player, row in rows)

    def _of(self, column: CodedCells, players: Sequence[int]) -> Cells:
        if len(column.values) == 1:
            return Same(column.values[0])
        return CodedCells(np.asarray(column.codes)[players], column.values)

    def _who(self, players: Sequence[int]) -> CodedCells:
        whole = len(players) == len(self.names)
        return CodedCells(self.places if whole else np.asarray(players, dtype=np.int32), self.names)

    def messages(
        self,
        place: tuple[int, int, int],
        speakers: Sequence[int],
        said: CodedCells,
        addressees: TextLists,
        audience: TextLists | None,
        oasis: tuple[int, Sequence[int]],
        sources: Sources,
    ) -> EventBlock:
        """Return the messages of a talk round.

        Args:
            place: Episode, step and talk round.
            speakers: Who spoke.
            said: What each of them said.
            addressees: Whom each player reaches, by player.
            audience: Who heard each player, by player; None where it is all that it reaches.
            oasis: OASIS's id of the first message, and of each message's group.
            sources: What is to be said of replies to requests, by player.
        """
        who, first = self._who(speakers), oasis[0]
        reached = CodedCells(who.codes, addressees)
        columns: dict[str, Cells] = {
            **_at(place[0], place[1]),
            "talk_round": Same(place[2]),
            "sender": who,
            "team_id": self._of(self._teams, speakers),
            "addressees": reached,
            "audience": reached if audience is None else CodedCells(who.codes, audience),
            "text": said,
            **self._source(speakers),
            "oasis_message_id": range(first, first + len(speakers)),
            "oasis_group_id": oasis[1],
            "reasoning": Same(""),
        }
        rows = Rows(MessageSent, len(speakers), columns).replaced(_by_place(sources, speakers))
        return EventBlock(place[0], place[1], rows, place[2])

    def decisions(self, episode: int, step: int, made: Choices) -> EventBlock:
        """Return the decisions of a step."""
        columns: dict[str, Cells] = {
            **_at(episode, step),
            "model_id": self._who(made.players),
            "action": CodedCells(made.codes, [action for action, _ in made.options]),
            "text": CodedCells(made.codes, [label for _, label in made.options]),
            "asks": Same(1),
            **self._source(made.players),
            "choice_probability": Same(None),
            "reading": Same(AnswerReading.EXACT.value),
            "note": Same(""),
            "reasoning": Same(""),
            "played": Same(None),
        }
        rows = Rows(DecisionMade, len(made.players), columns).replaced(_by_place(made.sources, made.players))
        return EventBlock(episode, step, rows)

    def _source(self, players: Sequence[int]) -> dict[str, Cells]:
        return {"tier": self._of(self.tiers, players), "adapter": self._of(self._adapters, players), **_NO_CALL}

    def results(self, tally: Tally) -> Rows[StepRow]:
        """Return what each player got in a step."""
        columns: dict[str, Cells] = {
            "model_id": CodedCells(self.places, self.names),
            "payoff": tally.last_payoff,
            "cooperation": tally.last_cooperation,
            "total_payoff": tally.payoff,
        }
        return Rows(StepRow, len(self.names), columns)

    def outcomes(
        self, scores: Sequence[PlayerScore], rewards: Sequence[float], texts: Numbers, messages: Numbers
    ) -> Rows[Outcome]:
        """Return each player's outcome of an episode.

        Args:
            scores: Its score.
            rewards: Its part of the reward.
            texts: How many texts came from it.
            messages: How many of them were messages.
        """
        rows = self._configs
        tiers = (tier if wrote else "none" for tier, wrote in zip(self._tier_of(), texts.tolist(), strict=True))
        columns: dict[str, Cells] = {
            "model_id": CodedCells(self.places, self.names),
            "model_name": coded(row.played_by for row in rows),
            "role": coded(row.role.value for row in rows),
            "team_id": self._teams,
            "specialization": coded(text_in(row.specialization) for row in rows),
            "tier": coded(tiers),
            "real_share": Same(0.0),
            "payoff": [score.payoff for score in scores],
            "accuracy": [score.accuracy for score in scores],
            "efficiency": [known(score.efficiency) for score in scores],
            "cooperation_score": [score.cooperation_score for score in scores],
            "reward_earned": list(rewards),
            "completion_time": Same(0.0),
            "messages_sent": messages.tolist(),
            "invalid_decisions": Same(0),
        }
        return Rows(Outcome, len(rows), columns)

    def _tier_of(self) -> list[str]:
        return [self.tiers.values[code] for code in self.tiers.codes]

    def tiers_used(self, texts: Numbers) -> dict[Tier, int]:
        """Return how many texts came from each tier."""
        counts = np.bincount(self.tiers.codes, weights=texts, minlength=len(self.tiers.values))
        return {Tier(name): int(count) for name, count in zip(self.tiers.values, counts, strict=True) if count}


def _by_place(sources: Sources, players: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Return what is said by player by its place among some players, which are in order."""
    if not sources:
        return {}
    places = np.searchsorted(np.asarray(players), list(sources))
    return dict(zip(places.tolist(), sources.values(), strict=True))


def _at(episode: int, step: int) -> dict[str, Cells]:
    return {"episode": Same(episode), "step": Same(step)}
