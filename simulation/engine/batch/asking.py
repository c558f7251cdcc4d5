"""An episode in columns with some language models among its players: they are asked by requests, as in any episode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from agents.inference.loops import gather_or_raise
from agents.inference.provenance import Reply, Tier
from agents.prompts import HeardMessage
from simulation.engine.batch.answering import Answers, AskedFor
from simulation.engine.batch.episode import BatchEpisode
from simulation.engine.batch.hearing import Reach
from simulation.engine.episode_plan import EpisodePlan
from simulation.engine.episode_stats import EpisodeStats, outcome
from simulation.engine.feed import Feed
from simulation.engine.memory import EpisodeMemory
from simulation.engine.sources import decision_source, message_source
from simulation.games.base import Move, State
from simulation.games.score import PlayerScore
from simulation.store.events import EpisodeEnded, Outcome
from simulation.store.rows import Rows

if TYPE_CHECKING:
    from agents.lora_model import Decision
    from simulation.engine.batch.episode import Numbers

Given = TypeVar("Given")
MANY_TEXTS = 10_000
"""Texts of an episode after which those that nobody heard in the last step are forgotten."""


class AskingBatchEpisode(BatchEpisode):
    """Plays as `BatchEpisode` does, with the results of `Episode`; the society's `agents` are asked by requests."""

    def _begin(self, plan: EpisodePlan) -> None:
        super()._begin(plan)
        self.stats = {player: EpisodeStats() for player in self.society.agents}  # type: ignore[assignment]
        self.memory = EpisodeMemory(plan.memory, plan.language)
        self.feed = Feed(self.society, ())  # type: ignore[arg-type]
        self.inboxes: dict[int, tuple[HeardMessage, ...]] = dict.fromkeys(self.society.agents, ())
        self.acted = {}

    def _follow(self, plan: EpisodePlan) -> None:
        super()._follow(plan)
        self._introduce(plan, self.society.agents)

    def _prepare(self, state: State[Any]) -> None:
        super()._prepare(state)
        self.sights = self._look(state, self.society.agents)
        if len(self.texts) > MANY_TEXTS:
            self._forget_texts()

    def _forget_texts(self) -> None:
        """Keep the texts that were heard last; their numbers change."""
        used = np.zeros(len(self.texts), dtype=bool)
        for numbers, _ in self.heard.rounds:
            used[numbers] = True
        self.heard = self.heard.renumbered((np.cumsum(used) - 1).astype(np.int32))
        self.texts = [self.texts[number] for number in np.flatnonzero(used).tolist()]
        self._place = {text: number for number, text in enumerate(self.texts)}

    # -- talk ------------------------------------------------------------------------------------------------

    async def _speak(self, state: State[Any], talk_round: int, speakers: Sequence[int]) -> Answers:
        own, crowd = self._split(speakers)
        turns = {player: self._turn(state, player, talk_round) for player in own}

        def call(player: int) -> Awaitable[Reply]:
            return self.society.agents[player].message(turns[player])

        answers, replies = await self._ask_both(AskedFor.MESSAGES, state, crowd, own, call)
        for player, reply in replies.items():
            self.stats[player].add(reply)
            self.stats[player].messages += 1
        texts = {player: reply.text for player, reply in replies.items()}
        sources = {player: message_source(reply) for player, reply in replies.items()}
        return Answers.mixed(answers, texts, speakers, sources)

    def _hear(self, links: Reach, spoken: Numbers, talk_round: int) -> None:
        super()._hear(links, spoken, talk_round)
        senders = {p: links.senders[links.starts[p] : links.starts[p + 1]].tolist() for p in self.inboxes}
        # one object for all who hear a message, as its line of a prompt is rendered once
        read = {sender: self._message(sender, int(spoken[sender])) for sender in set(chain(*senders.values()))}
        for player, before in self.inboxes.items():
            new = tuple([read[sender] for sender in senders[player]])
            self.inboxes[player] = (*before, *new) if talk_round else new

    def _hear_nothing(self, talk_round: int) -> None:
        super()._hear_nothing(talk_round)
        if not talk_round:
            self.inboxes = dict.fromkeys(self.inboxes, ())

    def _message(self, sender: int, text: int) -> HeardMessage:
        seat = self.seats[sender]
        return HeardMessage(seat.model_id, seat.team_id, self.texts[text])

    def _inbox(self, player: int) -> tuple[HeardMessage, ...]:
        return self.inboxes[player]

    # -- decide ----------------------------------------------------------------------------------------------

    async def _choose(self, state: State[Any]) -> Answers:
        own, crowd = self._split(self.players)
        turns = {player: self._turn(state, player) for player in own}
        asked = [player for player in own if len(turns[player].observation.options) > 1]

        def call(player: int) -> Awaitable[Decision]:
            return self.society.agents[player].decide(turns[player])

        answers, decisions = await self._ask_both(AskedFor.DECISIONS, state, crowd, asked, call)
        for player, decision in decisions.items():
            self._count(player, decision)
        chosen = {player: (each.action, each.replies[-1].text) for player, each in decisions.items()}
        sources = {player: decision_source(decision) for player, decision in decisions.items()}
        return Answers.mixed(answers, {player: chosen.get(player) for player in own}, self.players, sources)

    def _keep(self, step: int, moves: Sequence[Move]) -> None:
        for player in self.society.agents if self.memory.kept else ():
            self._remember_own(step, player, moves[player].action, moves[player].message)

    # -- ask -------------------------------------------------------------------------------------------------

    def _split(self, players: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return which of these players are asked by requests, and the others."""
        among = np.zeros(len(self.seats), dtype=bool)
        among[players] = True
        own = [player for player in self.society.agents if among[player]]
        among[own] = False
        return own, np.flatnonzero(among).tolist()

    async def _ask_both(
        self,
        asked: AskedFor,
        state: State[Any],
        crowd: Sequence[int],
        own: Sequence[int],
        call: Callable[[int], Awaitable[Given]],
    ) -> tuple[Answers, dict[int, Given]]:
        """Return what the crowd answers and what calls bring for `own`: workers answer while calls are waited for."""
        found: dict[int, Given] = {}

        async def calls() -> None:
            found.update(zip(own, await gather_or_raise(call(player) for player in own), strict=True))

        return await self._ask(asked, state, crowd, calls), found

    # -- events ----------------------------------------------------------------------------------------------

    def _ending(self, state: State[Any], duration: float | None) -> EpisodeEnded:
        self.written[list(self.society.agents)] = 0  # what language models wrote is in their stats
        return super()._ending(state, duration)

    def _tiers(self) -> Mapping[Tier, int]:
        return sum((stats.tiers for stats in self.stats.values()), Counter(super()._tiers()))  # type: ignore[attr-defined]

    def _outcomes(self, scores: Sequence[PlayerScore], rewards: Sequence[float]) -> Sequence[Outcome]:
        rows = super()._outcomes(scores, rewards)
        assert isinstance(rows, Rows)
        configs, agents = self.plan.configs, self.society.agents
        own = {p: asdict(outcome(configs[p], self.stats[p], scores[p], rewards[p])) for p in agents}
        return rows.replaced(own)
