"""The talk of a step: whom messages go to, what is said, and who hears it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents.inference.loops import gather_or_raise
from agents.inference.provenance import Reply
from agents.language import Language
from agents.prompts import HeardMessage
from simulation.engine.episode_plan import EpisodePlan
from simulation.engine.episode_stats import EpisodeStats
from simulation.engine.sources import message_source
from simulation.engine.treat import treat
from simulation.games.base import State
from simulation.seats import Seat
from simulation.seeds import stream
from simulation.store.events import Event, MessageSent
from simulation.topology.communication import Addressing

if TYPE_CHECKING:
    from agents.lora_model import SpokenMessage
    from agents.turn import TurnContext
    from simulation.engine.society import Arrival, Society

EVERYONE: Mapping[Language, str] = {Language.EN: "everyone", Language.ZH: "所有人"}
"""The choice of all who can be reached."""
Turn = Callable[[int, int], "TurnContext"]
"""Player and talk round -> what its prompt is made from."""
Audiences = Sequence[Sequence[int]]


class TalkPhase:
    """The talk of one episode; `heard` is what each player heard in the step.

    Args:
        society: Where messages are delivered.
        seats: The players.
        stats: What is counted of each player.
        emit: Takes the events.
    """

    def __init__(
        self, society: Society, seats: Sequence[Seat], stats: Sequence[EpisodeStats], emit: Callable[[Event], None]
    ) -> None:
        self._society, self._seats, self._stats, self._emit = society, seats, stats, emit
        self.heard: list[tuple[HeardMessage, ...]] = [() for _ in seats]

    async def play(
        self, plan: EpisodePlan, audiences: Audiences, state: State[Any], turn: Turn, muted: Collection[int]
    ) -> dict[int, str]:
        """Play every talk round of a step; return the last text that each player sent.

        Args:
            plan: What is played.
            audiences: Whom each player can reach.
            state: The state of the game.
            turn: Gives what a player's prompt is made from.
            muted: Players that send nothing.
        """
        said: dict[int, str] = {}
        for talk_round in range(plan.talk.talk_rounds):
            able = (player for player in range(len(self._seats)) if player not in muted)
            speakers = [player for player in able if self.may_speak(plan, state, player, self._stats[player].messages)]
            if not speakers:
                self.heard = [() for _ in self._seats] if talk_round == 0 else self.heard
                break
            turns = {player: turn(player, talk_round) for player in speakers}
            chosen = await self._addressed(plan, audiences, turns)
            spoken, inboxes = await self.deliver(plan, chosen, turns, state.tally.step, talk_round)
            self._hear(inboxes, keep=talk_round > 0)
            said.update({player: message.reply.text for player, message in spoken.items()})
        return said

    async def deliver(
        self,
        plan: EpisodePlan,
        chosen: Audiences,
        turns: Mapping[int, TurnContext | Reply],
        step: int,
        talk_round: int,
    ) -> tuple[Mapping[int, SpokenMessage], list[list[Arrival]]]:
        """Let players speak in a talk round, and record it; return what was said, and what each player hears.

        Args:
            plan: What is played.
            chosen: Whom each player's message goes to.
            turns: What each speaking player is given, or what it said before.
            step: The step's number, from 0.
            talk_round: The talk round's number, from 0.
        """
        spoken = await self._society.speak(turns, chosen)
        arrived = await self._society.listen()
        limited = [self._limit(plan, inbox, player, step, talk_round) for player, inbox in enumerate(arrived)]
        inboxes = self._treated(plan, limited, step, talk_round)
        self._record(plan, step, talk_round, spoken, inboxes, chosen)
        return spoken, inboxes

    def hear_early(self, plan: EpisodePlan, player: int, said: Mapping[int, str], step: int, talk_round: int) -> None:
        """Let one player hear what is said to it before all have spoken: what `play` lets it hear.

        Args:
            plan: What is played; its treatment may be `delivered` or `silenced`.
            player: Who hears.
            said: The texts that reach it, by sender, in the order of the players.
            step: The step's number, from 0.
            talk_round: The talk round's number, from 0.
        """
        from simulation.engine.society import Arrival

        inbox = [Arrival(0, sender, text) for sender, text in said.items()]
        limited = self._limit(plan, inbox, player, step, talk_round)
        (heard,) = treat(plan.talk.treatment, [limited], (), random.Random(0), self._silenced(plan))
        new = tuple(self._message(arrival) for arrival in heard)
        self.heard[player] = (*self.heard[player], *new) if talk_round > 0 else new

    async def _addressed(self, plan: EpisodePlan, audiences: Audiences, turns: dict[int, TurnContext]) -> Audiences:
        """Return whom each player's message goes to; `turns` then say so too. An unclear choice reaches nobody."""
        if plan.talk.addressing is Addressing.BROADCAST:
            return audiences
        names = [seat.model_id for seat in self._seats]
        everyone = EVERYONE[plan.language]
        everyone = f"{everyone} (*)" if everyone in names else everyone
        choosing = [player for player in turns if len(audiences[player]) > 1 and not plan.configs[player].human]
        options = {player: (everyone, *(names[other] for other in audiences[player])) for player in choosing}
        agents = self._society.agents
        picked = await gather_or_raise(agents[player].address(turns[player], options[player]) for player in choosing)
        chosen = [tuple(audience) for audience in audiences]
        for player, (pick, replies) in zip(choosing, picked, strict=True):
            for reply in replies:
                self._stats[player].add(reply)
            if pick != everyone:
                chosen[player] = () if pick is None else (names.index(pick),)
        for player, turn in turns.items():
            if len(chosen[player]) == 1:
                turns[player] = replace(turn, addressee=names[chosen[player][0]])
        return chosen

    def may_speak(self, plan: EpisodePlan, state: State[Any], player: int, sent: int) -> bool:
        """Return whether a player that has sent so many messages in the episode may send another."""
        budget = plan.talk.message_budget
        able = budget is None or sent < budget
        return able and plan.game.may_speak(state, player)

    def _limit(
        self, plan: EpisodePlan, inbox: Sequence[Arrival], player: int, step: int, talk_round: int
    ) -> list[Arrival]:
        """Return at most `inbox_limit` messages, drawn by the seed so that no sender is favoured."""
        limit = plan.talk.inbox_limit
        if limit is None or len(inbox) <= limit:
            return list(inbox)
        kept = stream(plan.seed, "inbox", plan.number, step, talk_round, player).sample(range(len(inbox)), limit)
        return [inbox[i] for i in sorted(kept)]

    def _treated(
        self, plan: EpisodePlan, inboxes: Sequence[Sequence[Arrival]], step: int, talk_round: int
    ) -> list[list[Arrival]]:
        """Return what is heard of what was sent. A treatment acts here and nowhere else."""
        rng = stream(plan.seed, "treatment", plan.number, step, talk_round)
        roles = [config.role for config in plan.configs]
        return treat(plan.talk.treatment, inboxes, roles, rng, self._silenced(plan))

    def _silenced(self, plan: EpisodePlan) -> list[int]:
        """Return whose messages the treatment `silenced` takes; none where it takes everyone's."""
        named = plan.talk.senders
        return [player for player, seat in enumerate(self._seats) if seat.model_id in named] if named else []

    def _hear(self, inboxes: Sequence[Sequence[Arrival]], keep: bool) -> None:
        read: dict[int, HeardMessage] = {}  # by the object's id: its hash takes longer, and a hearer has ten
        for player, inbox in enumerate(inboxes):
            for arrival in inbox:
                if id(arrival) not in read:
                    read[id(arrival)] = self._message(arrival)
            new = tuple([read[id(arrival)] for arrival in inbox])
            self.heard[player] = (*self.heard[player], *new) if keep else new

    def _message(self, arrival: Arrival) -> HeardMessage:
        seat = self._seats[arrival.sender]
        return HeardMessage(seat.model_id, seat.team_id, arrival.text)

    def _record(
        self,
        plan: EpisodePlan,
        step: int,
        talk_round: int,
        spoken: Mapping[int, SpokenMessage],
        inboxes: Sequence[Sequence[Arrival]],
        chosen: Audiences,
    ) -> None:
        names = [seat.model_id for seat in self._seats]
        reached: defaultdict[int, list[str]] = defaultdict(list)
        for hearer, inbox in zip(names, inboxes, strict=True):
            for message_id in {arrival.message_id for arrival in inbox}:
                reached[message_id].append(hearer)
        for player, message in spoken.items():
            self._stats[player].add(message.reply)
            self._stats[player].messages += 1
            self._emit(
                MessageSent(
                    episode=plan.number,
                    step=step,
                    talk_round=talk_round,
                    sender=names[player],
                    team_id=self._seats[player].team_id,
                    addressees=tuple([names[other] for other in chosen[player]]),
                    audience=tuple(reached[message.message_id]),
                    text=message.reply.text,
                    oasis_message_id=message.message_id,
                    oasis_group_id=message.group_id,
                    **message_source(message.reply),
                )
            )
