"""One task played to its end by players that never wait for a reply, in columns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.inference.provenance import Tier
from agents.strategy import derive_strategy
from simulation.engine.batch.answering import Answering, Answers, AskedFor, OwnProcess, Sources, StepQuestion
from simulation.engine.batch.answers import Cast, parts_of
from simulation.engine.batch.columns import Choices, PlayerColumns
from simulation.engine.batch.hearing import Heard, Reach
from simulation.engine.episode import Emit, Episode
from simulation.engine.episode_plan import EpisodePlan, GameOf
from simulation.engine.interventions import Live, nothing_live
from simulation.games.base import Game, Move, State
from simulation.games.score import PlayerScore
from simulation.modes import audience
from simulation.seeds import stream
from simulation.store.blocks import EventBlock
from simulation.store.events import Outcome, StepResolved
from simulation.store.rows import CodedCells, TextLists
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulation.engine.batch.society import BatchSociety

    Numbers = NDArray[np.int32]

Beside = Callable[[], Awaitable[None]]
_SILENT = -1


async def nothing_beside() -> None:
    """Do nothing."""


class BatchEpisode(Episode):
    """Plays one `EpisodePlan` as `Episode` does, with the same results; no prompt, request or call is made.

    Args:
        plan: What is played; `batch_refusal` has nothing against it.
        society: Who plays, and where messages are stored.
        emit: Takes the events; those of a step come as blocks.
        game_of: Makes the game of a task.
        live: Gives events from outside.
        answering: Who computes the answers; this process by default.
    """

    society: BatchSociety  # type: ignore[assignment]

    def __init__(
        self,
        plan: EpisodePlan,
        society: BatchSociety,
        emit: Emit,
        game_of: GameOf,
        live: Live = nothing_live,
        answering: Answering | None = None,
    ) -> None:
        self.columns = PlayerColumns(plan.configs)
        self.answering = answering or OwnProcess()
        self.texts: list[str] = []
        self._place: dict[str, int] = {}
        self._waiting: list[Callable[[], None]] = []
        super().__init__(plan, society, emit, game_of, live)  # type: ignore[arg-type]

    def _begin(self, plan: EpisodePlan) -> None:
        n = len(self.seats)
        self.heard = Heard()
        self.messages, self.written = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
        self.said: Numbers = np.full(n, _SILENT, dtype=np.int32)

    def _follow(self, plan: EpisodePlan) -> None:
        self.plan = plan
        self.cast = Cast(
            game=plan.game,
            parts=parts_of(plan.configs),
            language=plan.language,
            mode=plan.mode.mode,
            seed=plan.seed,
            episode=plan.number,
            words=plan.talk.words,
        )
        levels = {role: derive_strategy(role, plan.task, plan.mode.mode) for role in {row.role for row in plan.configs}}
        self.strategies = [levels[row.role] for row in plan.configs]
        self._reach(plan)

    def _reach(self, plan: EpisodePlan) -> None:
        reached = [audience(plan.mode.mode, player, self.seats, plan.neighbours[player]) for player in self.players]
        self.audiences = reached
        self.links = Reach.of(reached)
        self.addressees = self.links.heard_by(self.columns.names)

    def _start(self) -> State[Any]:
        return self.plan.game.start(stream(self.plan.seed, "game", self.plan.number))

    async def _step(self, state: State[Any]) -> State[Any]:
        started, step = time.monotonic(), state.tally.step
        self._prepare(state)
        self.columns.swap(self.standing.adapters)
        self.said.fill(_SILENT)
        for talk_round in range(self.plan.talk.talk_rounds):
            speakers = self._speakers(state)
            if not len(speakers):
                self._hear_nothing(talk_round)
                break
            await self._talk(state, talk_round, speakers)
        chosen = await self._choose(state)
        moves = self._moves(state, chosen)
        self._keep(step, moves)
        before, state = state, self.plan.game.resolve(state, moves)
        resolved = StepResolved(self.plan.number, step, self._since(started), self.columns.results(state.tally))
        for decided in self._decisions(before, chosen):
            self.emit(decided)
        self.emit(resolved)
        return state

    # -- talk ------------------------------------------------------------------------------------------------

    def _speakers(self, state: State[Any]) -> Sequence[int]:
        game, budget, muted = self.plan.game, self.plan.talk.message_budget, self.standing.muted
        players: Sequence[int] = self.players
        if budget is not None:
            players = np.flatnonzero(self.messages < budget).tolist()
        if muted:
            players = [player for player in players if player not in muted]
        if type(game).may_speak is not Game.may_speak:
            players = [player for player in players if game.may_speak(state, player)]
        return players

    async def _talk(self, state: State[Any], talk_round: int, speakers: Sequence[int]) -> None:
        found = await self._speak(state, talk_round, speakers)
        said = self._numbered(found)
        spoken = np.full(len(self.seats), _SILENT, dtype=np.int32)
        spoken[speakers] = said
        links = self._arrived(spoken != _SILENT, state.tally.step, talk_round)
        self._hear(links, spoken, talk_round)
        self.said = np.where(spoken == _SILENT, self.said, spoken)
        self.messages[speakers] += 1
        self.written[speakers] += 1
        place = (self.plan.number, state.tally.step, talk_round)
        texts = CodedCells(found.codes, found.values)
        self._waiting.append(partial(self._deliver, place, speakers, texts, links, found.sources))

    def _deliver(
        self, place: tuple[int, int, int], speakers: Sequence[int], said: CodedCells, links: Reach, sources: Sources
    ) -> None:
        """Store and report the messages of a talk round."""
        groups = self.society.groups(self.audiences, speakers)
        first = self.society.post(groups, speakers, said.codes.tolist(), said.values)
        hearers = self._audience(links)
        self.emit(self.columns.messages(place, speakers, said, self.addressees, hearers, (first, groups), sources))

    async def _speak(self, state: State[Any], talk_round: int, speakers: Sequence[int]) -> Answers:
        """Return what players say in a talk round."""
        return await self._ask(AskedFor.MESSAGES, state, speakers)

    def _hear(self, links: Reach, spoken: Numbers, talk_round: int) -> None:
        """Let players hear the messages of a talk round, each a number, by who hears whom."""
        self.heard = self.heard.with_round(links, spoken, keep=talk_round > 0)

    def _hear_nothing(self, talk_round: int) -> None:
        """Let players hear nothing in a talk round, and in those after it."""
        self.heard = self.heard if talk_round else Heard()

    def _arrived(self, speaking: NDArray[np.bool_], step: int, talk_round: int) -> Reach:
        """Return who hears whom in a talk round, after inbox limit and treatment."""
        plan = self.plan
        names = ("inbox", plan.number, step, talk_round)
        links = self.links.from_senders(speaking).limited(plan.talk.inbox_limit, names, plan.seed)
        if plan.talk.treatment is not Treatment.SILENCED:
            return links
        silenced = np.array([not plan.talk.senders or seat.model_id in plan.talk.senders for seat in self.seats])
        return links.kept(~silenced[links.senders])

    def _audience(self, links: Reach) -> TextLists | None:
        """Return who heard each player; None where it is all that it reaches."""
        return None if links is self.links else links.heard_by(self.columns.names)

    def _numbered(self, said: Answers) -> Numbers:
        """Return messages as numbers of the episode's texts."""
        for text in said.values:
            if text not in self._place:
                self._place[text] = len(self.texts)
                self.texts.append(text)
        return np.array([self._place[text] for text in said.values], dtype=np.int32)[said.codes]

    # -- decide ----------------------------------------------------------------------------------------------

    async def _choose(self, state: State[Any]) -> Answers:
        """Return what every player decides."""
        return await self._ask(AskedFor.DECISIONS, state, self.players)

    def _keep(self, step: int, moves: Sequence[Move]) -> None:
        """Let those remember a step that remember any; policies see what they need."""

    async def _ask(
        self, asked: AskedFor, state: State[Any], players: Sequence[int], beside: Beside = nothing_beside
    ) -> Answers:
        """Return what players answer; the messages of the last talk round are stored meanwhile.

        Args:
            asked: What they are asked for.
            state: The state that the step begins in.
            players: Who is asked.
            beside: Is done after these messages were stored.
        """
        question = StepQuestion(asked, state, players, self.heard, self.texts)
        answering = asyncio.create_task(self.answering.answer(self.cast, question))
        await asyncio.sleep(0)  # it begins
        try:
            while self._waiting:
                self._waiting.pop(0)()
            await beside()
            return await answering
        finally:
            answering.cancel()

    def _decisions(self, state: State[Any], chosen: Answers) -> list[EventBlock]:
        """Return the decisions of those who had more than one option."""
        players: Sequence[int] = self.players
        codes, options = chosen.codes, chosen.values
        if None in options:
            alone = options.index(None)
            players = np.flatnonzero(codes != alone).tolist()
            codes, options = codes[players], [each or ("", "") for each in options]
        self.written[players] += 1
        made = Choices(players, codes, options, self._with_noise(state, players, codes, options, chosen.sources))
        return [self.columns.decisions(self.plan.number, state.tally.step, made)] if len(players) else []

    def _with_noise(
        self, state: State[Any], players: Sequence[int], codes: Numbers, options: Sequence[Any], sources: Sources
    ) -> Sources:
        """Return what events say of replies, with the actions that noise carried out in the place of others."""
        game, found = self.plan.game, dict(sources)
        shaken = game.shaken(state)
        for place, player in enumerate(players) if shaken else ():
            if player not in shaken:
                continue
            action = options[codes[place]][0]
            played = game.played(state, player, action)
            if played != action:
                found[player] = {**found.get(player, {}), "played": played}
        return found

    def _moves(self, state: State[Any], chosen: Answers) -> list[Move]:
        """Return every player's move; equal ones are one object."""
        plan, texts = self.plan, ["", *self.texts]
        alone = chosen.values.index(None) if None in chosen.values else -1
        actions = [None if each is None else each[0] for each in chosen.values]
        made: dict[tuple[str | None, int, float], Move] = {}
        moves = []
        told = zip(chosen.codes.tolist(), self.said.tolist(), self.strategies, strict=True)
        for player, (code, said, strategy) in enumerate(told):
            action = actions[code]
            if code == alone:
                action = plan.game.observe(state, player, plan.language).options[0].action
            key = (action, said, strategy.teamwork_level)
            move = made.get(key)
            if move is None:
                move = made[key] = Move(action, texts[said + 1], strategy.teamwork_level)
            moves.append(move)
        return moves

    # -- events ----------------------------------------------------------------------------------------------

    def _tiers(self) -> Mapping[Tier, int]:
        return self.columns.tiers_used(self.written)

    def _outcomes(self, scores: Sequence[PlayerScore], rewards: Sequence[float]) -> Sequence[Outcome]:
        return self.columns.outcomes(scores, rewards, self.written, self.messages)
