"""An episode in which a player waits only for those that it hears and whose moves it sees (`stepping: by_neighbours`).

Within a step a player decides as soon as all whose messages reach it have spoken. Where the game says so (`Game.sees`),
a player goes on to the next step as soon as those whose moves it sees have decided. All players meet before a step in
which something happens to all: an event, a change of the scenario, a survey after the step before.

Messages are stored, and events emitted, in the order of steps and players once everyone is there, as in `Episode`. So
the database, the event log and the tables are the same, whichever reply comes first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simulation.engine.episode import Emit, Episode
from simulation.engine.episode_plan import EpisodePlan, GameOf
from simulation.engine.interventions import Asked, Live, nothing_live
from simulation.engine.waiting import SeenStates, StepInWork, Waits
from simulation.games.base import Game, Move, MovesSeen, State
from simulation.games.social_network import SocialNetwork
from simulation.topology.communication import Addressing, Stepping
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from simulation.engine.society import Society

notices = logging.getLogger("society.notice")  # shown without --verbose
_IN_ALL_MESSAGES = (Treatment.SHUFFLED, Treatment.REPLACED)


def why_together(plan: EpisodePlan) -> str:
    """Return why every player waits for all others in an episode; empty where none has to."""
    talk = plan.talk
    cases = {
        "in a social network everyone sees what others do": isinstance(plan.game, SocialNetwork),
        "social_actions: everyone sees the posts of all": bool(talk.social_actions),
        f"treatment {talk.treatment.value}: it draws from all messages of a round": talk.treatment in _IN_ALL_MESSAGES,
        "addressing chosen: everyone chooses before anyone speaks": talk.addressing is Addressing.CHOSEN,
        "a person plays along": any(row.human for row in plan.configs),
    }
    return next((reason for reason, holds in cases.items() if holds), "")


class Window:
    """Some steps that players go through on their own, from one meeting of all to the next.

    Args:
        game: The game.
        state: The state of the first step.
        talk_rounds: The talk rounds of a step.

    Attributes:
        first: The first step.
        begun: The last step that somebody wanted to begin.
        until: The step before which all meet; None until that is known.
        steps: What was done so far in the steps that are not over, by step.
        seen: What players see before a step.
        state: The state after the last step that is over.
        before: The state before that step.
        waits: What players wait for.
    """

    def __init__(self, game: Game[Any], state: State[Any], talk_rounds: int) -> None:
        self.first = self.begun = state.tally.step
        self.until = self.first + 1 if game.sees is MovesSeen.EVERYONE else None
        self.steps: dict[int, StepInWork] = {}
        self.seen, self.waits = SeenStates(game, state), Waits()
        self.state = self.before = state
        self._talk_rounds = talk_rounds

    def step(self, number: int) -> StepInWork:
        """Return what was done so far in a step."""
        if number not in self.steps:
            self.steps[number] = StepInWork.of(self._talk_rounds, self.waits)
        return self.steps[number]

    def end_step(self, number: int) -> None:
        """Forget a step that is over: `state` is the one after it."""
        del self.steps[number]
        self.seen.know(self.state)

    def is_past(self, step: int) -> bool:
        """Return whether a step is known to come after all meet."""
        return self.until is not None and step >= self.until


class AheadEpisode(Episode):
    """An `Episode` that follows the scenario's `stepping`; the arguments are those of `Episode`."""

    def __init__(
        self, plan: EpisodePlan, society: Society, emit: Emit, game_of: GameOf, live: Live = nothing_live
    ) -> None:
        super().__init__(plan, society, emit, game_of, self._said_before)
        self._outside = live
        self._taken: dict[int, Sequence[Asked]] = {}

    async def _play_from(self, state: State[Any]) -> State[Any]:
        """Play the step that begins in `state`, and those that players go on to; return the state after them."""
        if self.plan.talk.stepping is Stepping.TOGETHER:
            return await super()._play_from(state)
        reason = why_together(self.plan)
        if reason:
            self._notice(f"stepping: by_neighbours is not used: {reason}")
            return await super()._play_from(state)
        if self.plan.game.sees is MovesSeen.EVERYONE:
            why = f"what a player of {self.plan.task.task_type} sees depends on everyone's moves"
            self._notice(f"stepping: by_neighbours is used within each step only: {why}")
        return await self._play_window(state)

    def _notice(self, text: str) -> None:
        """Give a notice, once in a society."""
        if text not in self.society.noticed:
            self.society.noticed.add(text)
            notices.info("%s", text)

    async def _play_window(self, state: State[Any]) -> State[Any]:
        """Let players go on by themselves until all meet; return the state then."""
        plan = self.plan
        self._window = window = Window(plan.game, state, plan.talk.talk_rounds)
        self._sources = [self._seen_by(state, player) for player in self.players]
        self._heard = self._senders()
        self._sent = [stats.messages for stats in self.stats]
        self.sights = self._look(state, self.players)
        await window.waits.gather([*map(self._play_player, self.players), self._keep_record()])
        await self._survey(window.before, last=plan.game.is_terminal(window.state))
        return window.state

    def _seen_by(self, state: State[Any], player: int) -> Sequence[int]:
        """Return the players whose moves decide what `player` sees, itself among them."""
        if self.plan.game.sees is MovesSeen.NOBODY:
            return (player,)
        others = self.plan.game.opponents(state, player)
        return self.players if others is None else tuple({player, *others})

    def _senders(self) -> list[list[int]]:
        """Return those whom each player hears, in their order."""
        senders: list[list[int]] = [[] for _ in self.players]
        talk = self.plan.talk
        if talk.treatment is not Treatment.SILENCED or talk.senders:
            for sender, hearers in enumerate(self.audiences):
                for hearer in hearers:
                    senders[hearer].append(sender)
        return senders

    # -- where all meet ----------------------------------------------------------------------------------

    def _begins(self, step: int, state: State[Any]) -> bool:
        """Return whether a step belongs to the window; who comes to it first finds out."""
        window = self._window
        if step > window.begun:
            window.begun = step
            if self._meet_before(step, state):
                window.until = step
        return not window.is_past(step)

    def _meet_before(self, step: int, state: State[Any]) -> bool:
        """Return whether all players meet before a step, which begins in `state`."""
        plan, number = self.plan, self.plan.number
        return (
            plan.game.is_terminal(state)
            or bool(self.standing.announced)
            or any(begins == step for begins, _ in self.later)
            or any(event.is_due(number, step) for event in plan.events)
            or any(survey.is_due(number, step - 1, False) for survey in plan.surveys)
            or self._is_spoken_to(step)
        )

    def _is_spoken_to(self, step: int) -> bool:
        """Return whether something was said into the run from outside before a step that nobody has begun."""
        asked = self._outside(self.plan.number, step)
        if asked:
            self._taken[step] = asked
        return bool(asked)

    def _said_before(self, episode: int, step: int) -> Sequence[Asked]:
        """Return what comes from outside before a step, where it was not taken already."""
        return self._taken.pop(step) if step in self._taken else self._outside(episode, step)

    # -- what one player does ----------------------------------------------------------------------------

    async def _play_player(self, player: int) -> None:
        """Play one player's steps, up to where all meet."""
        window, state = self._window, self._window.state
        step = window.first
        while not window.is_past(step):
            if step > window.first:
                self.sights.update(self._look(state, [player]))
            work = window.step(step)
            await self._play_own_step(work, player, state)
            step += 1
            if window.is_past(step):
                return
            await work.moved.wait_for(self._sources[player])
            state = await window.seen.before(step, work.moves, self._sources[player])
            self._begins(step, state)

    async def _play_own_step(self, work: StepInWork, player: int, state: State[Any]) -> None:
        step = state.tally.step
        if self.memory.is_time_to_sum_up(step) and self.plan.configs[player].model_name:
            reply = await self.society.agents[player].sum_up(self._turn(state, player))
            self.memory.sum_up(player, step, reply.text)
            work.summaries[player] = reply
        text = await self._talk(work, player, state)
        action = await self._choose(work, player, state)
        self._remember_own(step, player, action, text)
        work.moves[player] = Move(action, text, self.strategies[player].teamwork_level)
        work.moved.add(player)

    async def _talk(self, work: StepInWork, player: int, state: State[Any]) -> str:
        """Play the talk rounds of one player; return the last text that it sent."""
        text, step = "", state.tally.step
        for talk_round, (said, spoken) in enumerate(zip(work.said, work.spoken, strict=True)):
            if player not in self.standing.muted and self.talk.may_speak(self.plan, state, player, self._sent[player]):
                self._window.waits.check()
                said[player] = await self.society.generate(player, self._turn(state, player, talk_round))
                self._sent[player] += 1
                text = said[player].text
            spoken.add(player)
            await spoken.wait_for(self._heard[player])
            texts = {sender: said[sender].text for sender in self._heard[player] if sender in said}
            self.talk.hear_early(self.plan, player, texts, step, talk_round)
        return text

    async def _choose(self, work: StepInWork, player: int, state: State[Any]) -> str | None:
        """Return one player's action, None where invalid. With a single option it is not asked."""
        self._window.waits.check()
        turn = self._turn(state, player)
        options = turn.observation.options
        if len(options) == 1:
            return options[0].action
        work.decisions[player] = decision = await self.society.agents[player].decide(turn)
        return decision.action

    # -- what is recorded once all are there -------------------------------------------------------------

    async def _keep_record(self) -> None:
        """Store and emit each step once all players have played it."""
        window, started = self._window, time.monotonic()
        while not window.is_past(step := window.state.tally.step) and self._begins(step, window.state):
            work = window.step(step)
            moves = await self._record_step(step, work)
            window.before, window.state = window.state, self.plan.game.resolve(window.state, moves)
            window.end_step(step)
            self.emit(self._resolved(window.state, step, self._since(started)))
            started = time.monotonic()

    async def _record_step(self, step: int, work: StepInWork) -> list[Move]:
        """Record a step while it is played: each talk round when all have spoken, then the decisions."""
        for talk_round, (said, spoken) in enumerate(zip(work.said, work.spoken, strict=True)):
            await spoken.wait_for(self.players)
            self._count_summaries(work)
            if said:
                await self.talk.deliver(self.plan, self.audiences, said, step, talk_round)
        await work.moved.wait_for(self.players)
        self._count_summaries(work)
        for player, decision in sorted(work.decisions.items(), key=lambda each: each[0]):
            self._note(self._window.state, player, decision)
        return [work.moves[player] for player in self.players]

    def _count_summaries(self, work: StepInWork) -> None:
        while work.summaries:
            player, reply = work.summaries.popitem()
            self.stats[player].add(reply)
