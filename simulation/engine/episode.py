"""One task played to its end: observe, talk, decide, resolve, step after step."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from agents.inference.loops import gather_or_raise
from agents.inference.provenance import Tier, lowest_tier, real_share
from agents.network import NetworkView
from agents.problems import SocietyError, UsageError
from agents.prompts import EpisodeContext, HeardMessage, identity, system_prompt
from agents.strategy import Strategy, derive_strategy
from simulation.engine.episode_plan import EpisodePlan, GameOf, StepView
from simulation.engine.episode_stats import EpisodeStats, outcome
from simulation.engine.feed import Feed
from simulation.engine.gc_tuning import reduced_gc
from simulation.engine.interventions import Live, StandingEvents, happenings, nothing_live
from simulation.engine.interviews import hold_interviews
from simulation.engine.memory import EpisodeMemory, StepMemory
from simulation.engine.network_phase import NetworkPhase
from simulation.engine.sources import act_in_words, decision_source, replies_of
from simulation.engine.talk import TalkPhase
from simulation.games.base import Move, State
from simulation.games.measures import known
from simulation.games.score import PlayerScore
from simulation.games.social_network import SocialNetwork
from simulation.modes import audience, share_rewards
from simulation.seats import Seat
from simulation.seeds import derive_seeds, stream
from simulation.store.events import DecisionMade, EpisodeEnded, EpisodeStarted, Event, Outcome, StepResolved, StepRow

if TYPE_CHECKING:
    from agents.lora_model import Decision
    from agents.turn import TurnContext
    from simulation.engine.society import Society
    from simulation.interventions.intervention import Intervention

Emit = Callable[[Event], None]


class Episode:
    """Plays one `EpisodePlan` in a running society and emits the events."""

    def __init__(
        self, plan: EpisodePlan, society: Society, emit: Emit, game_of: GameOf, live: Live = nothing_live
    ) -> None:
        self.society, self.emit, self.later = society, emit, plan.later
        self._game_of, self._live = game_of, live
        self.seats = tuple(Seat(config.model_id, config.team_id) for config in plan.configs)
        self.players = range(len(self.seats))
        self.standing = StandingEvents()
        self.network: NetworkPhase | None = None
        self._follow(plan)
        self._begin(plan)

    def _begin(self, plan: EpisodePlan) -> None:
        self.stats = [EpisodeStats() for _ in self.players]
        self.talk = TalkPhase(self.society, self.seats, self.stats, self.emit)
        self.memory = EpisodeMemory(plan.memory, plan.language)
        self.feed = Feed(self.society, plan.talk.social_actions)
        if isinstance(plan.game, SocialNetwork):
            self.network = NetworkPhase(self.society, plan.game, plan.number)
        self.sights: dict[int, StepView] = {}
        self.acted: dict[int, str] = {}

    def _follow(self, plan: EpisodePlan) -> None:
        """Play by a plan from now on."""
        self.plan = plan
        self.strategies = self._strategies()
        self._introduce(plan, self.players)
        self.audiences = [
            audience(plan.mode.mode, player, self.seats, plan.neighbours[player]) for player in self.players
        ]

    def _introduce(self, plan: EpisodePlan, players: Iterable[int]) -> None:
        """Make what stays the same in the prompts of these players."""
        self.common = EpisodeContext(
            task=plan.task,
            mode=plan.mode.mode,
            others=len(self.seats) - 1,
            rules=plan.game.told_rules(plan.language),
            language=plan.language,
            whole=all(len(near) == len(self.seats) - 1 for near in plan.neighbours),
            templates=plan.templates,
            network=isinstance(plan.game, SocialNetwork),
        )
        self.system = system_prompt(self.common)
        self.identities = {
            player: identity(
                plan.language, plan.configs[player], self.strategies[player], plan.templates, self.common.network
            )
            for player in players
        }

    def _strategies(self) -> list[Strategy]:
        plan = self.plan
        return [derive_strategy(config.role, plan.task, plan.mode.mode) for config in plan.configs]

    async def play(self) -> EpisodeEnded:
        """Play to the end. Raises SocietyError where no allowed tier answers a call."""
        with reduced_gc():
            return await self._play()

    async def _play(self) -> EpisodeEnded:
        started = time.monotonic()
        self.emit(self._opening())
        await self.society.listen()  # drain messages left by an interrupted episode
        state = self._start()
        while not self.plan.game.is_terminal(state):
            state = await self._step(state)
        ended = self._ending(state, self._since(started))
        self.emit(ended)
        return ended

    def _start(self) -> State[Any]:
        self.feed.begin()
        state = self.plan.game.start(stream(self.plan.seed, "game", self.plan.number))
        for seeded in self.network.begin(state) if self.network else ():
            self.emit(seeded)
        return state

    async def _step(self, state: State[Any]) -> State[Any]:
        self._prepare(state)
        return await self._play_from(state)

    async def _play_from(self, state: State[Any]) -> State[Any]:
        """Play the step that begins in `state`; return the state after it."""
        started, step = time.monotonic(), state.tally.step
        self.sights = self._look(state, self.players)
        await self._sum_up(state)
        said = await self.talk.play(self.plan, self.audiences, state, partial(self._turn, state), self.standing.muted)
        state = await self._act(state)
        actions = await self._decide(state)
        moves = [
            Move(action, said.get(player, ""), self.strategies[player].teamwork_level)
            for player, action in enumerate(actions)
        ]
        self._remember(step, actions, said)
        before, state = state, self.plan.game.resolve(state, moves)
        self.emit(self._resolved(state, step, self._since(started)))
        await self._survey(before, last=self.plan.game.is_terminal(state))
        return state

    # -- what happens before a step --------------------------------------------------------------------------

    def _prepare(self, state: State[Any]) -> None:
        """Change the plan where another begins with the step that begins in `state`, and let happen what is due."""
        for plan in [later for begins, later in self.later if begins == state.tally.step]:
            self._change(self._with_what_was_set(plan))
        self._intervene(state)

    def _change(self, plan: EpisodePlan) -> None:
        """Play by another plan from now on."""
        self._follow(plan)
        if self.network is not None and isinstance(plan.game, SocialNetwork):
            self.network.game = plan.game

    def _with_what_was_set(self, plan: EpisodePlan) -> EpisodePlan:
        """Return a plan that begins now, with the parameters that events set before and that it does not give itself.

        Raises:
            UsageError: The parameters do not fit each other.
        """
        self.standing.forget_parameters(plan.given)
        was_set = self.standing.parameters
        try:
            return plan.with_parameters(was_set, self._game_of) if was_set else plan
        except (ValueError, SocietyError) as error:
            raise UsageError(f"events set {was_set} before, which does not fit the changed scenario: {error}") from None

    def _intervene(self, state: State[Any]) -> None:
        """Let happen what the scenario says, or somebody from outside, before the step that begins in `state`."""
        plan, step = self.plan, state.tally.step
        self.standing.begin_step()
        for event, players, record in happenings(
            plan.events, self._live, self.seats, plan.seed, plan.number, step, partial(self._refusal, state=state)
        ):
            self.emit(record)
            self.standing.apply(event, players)
            if event.set is not None:
                self._change(self.plan.with_parameters(event.set, self._game_of))
            elif self.network is not None and event.post is not None:
                self.emit(self.network.seed_post(state, event.post.author, event.post.text))
            elif self.network is not None and event.vote is not None:
                self.network.seed_votes(state, event.vote.item, event.vote.likes, event.vote.dislikes)

    def _refusal(self, event: Intervention, state: State[Any]) -> str:
        """Return why an event cannot happen now; empty where it can. A run is never stopped by what somebody says."""
        names = [seat.model_id for seat in self.seats]
        if event.adapter is not None and event.adapter not in {row.model_name for row in self.plan.configs}:
            return f"adapter: no row has {event.adapter!r}"
        if event.set is not None:
            try:
                self.plan.with_parameters(event.set, self._game_of)
            except (ValueError, SocietyError) as error:
                return f"set: {dict(event.set)} with what was set before: {error}"
        if event.post is None and event.vote is None:
            return ""
        if self.network is None:
            return f"{event.kind}: {self.plan.task.task_id} is no social network"
        if event.post is not None:
            return "" if event.post.author in names else f"post: no model is called {event.post.author!r}"
        newest = state.table.world.newest
        item = event.vote.item if event.vote is not None else 0
        return f"vote: there is no item {item}, the newest is {newest}" if item > newest else ""

    async def _sum_up(self, state: State[Any]) -> None:
        """Let every model sum up what it remembers, where it is time to."""
        step = state.tally.step
        if not self.memory.is_time_to_sum_up(step):
            return
        models = [player for player in self.players if self.plan.configs[player].model_name]
        turns = {player: self._turn(state, player) for player in models}
        replies = await gather_or_raise(self.society.agents[player].sum_up(turns[player]) for player in models)
        for player, reply in zip(models, replies, strict=True):
            self.stats[player].add(reply)
            self.memory.sum_up(player, step, reply.text)

    def _remember(self, step: int, actions: Sequence[str | None], said: Mapping[int, str]) -> None:
        """Let players remember the step: what they wrote, heard and chose, and what the game showed them before."""
        for player in self.players if self.memory.kept else ():
            self._remember_own(step, player, actions[player], said.get(player, ""))

    def _remember_own(self, step: int, player: int, action: str | None, text: str) -> None:
        """Let one player remember the step, in which it sent `text` last."""
        plan, sight = self.plan, self.sights[player]
        labels = {option.action: option.label for option in sight.observation.options}
        own = self.acted.get(player, labels.get(action or "", "") if len(labels) > 1 else "")
        heard = tuple(message.line(plan.language, plan.templates) for message in self._inbox(player))
        wrote = (text,) if text else ()
        self.memory.add(player, StepMemory(step + 1, wrote, heard, own), sight.observation_text)

    def _look(self, state: State[Any], players: Collection[int]) -> dict[int, StepView]:
        """Return what each of `players` sees of the step that begins in `state`."""
        plan, game, language = self.plan, self.plan.game, self.plan.language
        names = [self.seats[player].model_id for player in players]
        seeds = derive_seeds(plan.seed, "player", plan.number, state.tally.step, last=names)
        return {
            player: StepView(
                game.observe(state, player, language), game.observation_text(state, player, language), seed
            )
            for player, seed in zip(players, seeds, strict=True)
        }

    def _inbox(self, player: int) -> tuple[HeardMessage, ...]:
        return self.talk.heard[player]

    def _since(self, started: float) -> float | None:
        """Return the seconds since `started`; None in an episode some of whose replies were recorded before."""
        return None if self.plan.resumed else time.monotonic() - started

    # -- act in the social network ---------------------------------------------------------------------------

    async def _act(self, state: State[Any]) -> State[Any]:
        """Let every player but people do one thing in the social network, if there is one; return the state after."""
        people = [player for player in self.players if self.plan.configs[player].human]
        if self.network is not None:
            absent = {*people, *self.standing.muted}
            state, done = await self.network.act(state, partial(self._network_turn, state), absent)
        elif self.plan.talk.social_actions:
            acting = [player for player in self.players if player not in {*people, *self.standing.muted}]
            done = await self.feed.act({player: self._turn(state, player) for player in acting})
        else:
            return state
        self.acted = {player: act_in_words(act) for player, act, _ in done}
        for player, act, event in done:
            for reply in act.replies:
                self.stats[player].add(reply)
            self.emit(event)
        return state

    def _network_turn(self, state: State[Any], player: int, view: NetworkView) -> TurnContext:
        return replace(self._turn(state, player), network=view)

    # -- decide ------------------------------------------------------------------------------------------

    async def _decide(self, state: State[Any]) -> list[str | None]:
        """Return every player's action, None where invalid. A player with a single option is not asked."""
        turns = [self._turn(state, player) for player in self.players]
        asked = [player for player in self.players if len(turns[player].observation.options) > 1]
        calls = (self.society.agents[player].decide(turns[player]) for player in asked)
        decisions = await gather_or_raise(calls)
        actions: list[str | None] = [turn.observation.options[0].action for turn in turns]
        for player, decision in zip(asked, decisions, strict=True):
            actions[player] = decision.action
            self._note(state, player, decision)
        return actions

    def _note(self, state: State[Any], player: int, decision: Decision) -> None:
        self._count(player, decision)
        played = self.plan.game.played(state, player, decision.action)
        self.emit(
            DecisionMade(
                episode=self.plan.number,
                step=state.tally.step,
                model_id=self.seats[player].model_id,
                action=decision.action,
                text=decision.replies[-1].text,
                **decision_source(decision),
                played=played if played != decision.action else None,
            )
        )

    def _count(self, player: int, decision: Decision) -> None:
        stats = self.stats[player]
        for reply in replies_of(decision):
            stats.add(reply)
        stats.invalid += decision.action is None

    # -- ask, outside of the play ------------------------------------------------------------------------

    async def _survey(self, state: State[Any], last: bool) -> None:
        """Ask what the scenario asks after the step that began in `state`; people are not asked."""
        plan = self.plan
        for number, survey in enumerate(plan.surveys):
            if survey.is_due(plan.number, state.tally.step, last):
                asked = [p for p, row in enumerate(plan.configs) if survey.asks(row.model_id) and not row.human]
                turns = {player: self._turn(state, player) for player in asked}
                for answer in await hold_interviews(survey.question, number, self.society.agents, turns, plan.seed):
                    self.emit(answer)

    def _turn(self, state: State[Any], player: int, talk_round: int = 0) -> TurnContext:
        from agents.turn import TurnContext

        plan, sight = self.plan, self.sights[player]
        return TurnContext(
            episode=plan.number,
            step=state.tally.step,
            seed=sight.seed,
            system=self.system,
            common=self.common,
            observation=sight.observation,
            identity=self.identities[player],
            observation_text=sight.observation_text,
            sampling=plan.sampling,
            talk_round=talk_round,
            heard=self._inbox(player),
            feed=self.feed.posts,
            words=plan.talk.words,
            deliberation=plan.deliberation,
            announced=self.standing.announced.get(player, ()),
            adapter=self.standing.swap(player, plan.configs),
            remembered=self.memory.lines(player),
        )

    # -- events ------------------------------------------------------------------------------------------

    def _opening(self) -> EpisodeStarted:
        plan = self.plan
        return EpisodeStarted(
            episode=plan.number,
            task_id=plan.task.task_id,
            task_type=plan.task.task_type,
            mode=plan.mode.mode.value,
            mode_reason=plan.mode.reason,
            mode_probability=plan.mode.probability,
            synthetic=plan.game.synthetic,
            reward_pool=plan.task.reward_pool,
            cooperation_level=plan.task.cooperation_level,
            difficulty=plan.task.difficulty,
        )

    def _resolved(self, state: State[Any], step: int, duration: float | None) -> StepResolved:
        tally = state.tally
        rows = tuple(
            StepRow(seat.model_id, tally.last_payoff[i], tally.last_cooperation[i], tally.payoff[i])
            for i, seat in enumerate(self.seats)
        )
        return StepResolved(self.plan.number, step, duration, rows)

    def _ending(self, state: State[Any], duration: float | None) -> EpisodeEnded:
        plan, score = self.plan, self.plan.game.score(state)
        rewards = share_rewards(plan.mode.mode, plan.task.reward_pool, plan.game.earned(state), self.seats)
        everyone = self._tiers()
        return EpisodeEnded(
            episode=plan.number,
            steps=state.tally.step,
            duration=duration,
            tier=lowest_tier(everyone),
            real_share=real_share(everyone),
            welfare=score.welfare,
            gini=known(score.gini),
            optimum=score.optimum,
            nash=known(score.nash),
            outcomes=self._outcomes(score.players, rewards),
        )

    def _tiers(self) -> Mapping[Tier, int]:
        """Return how many texts came from each tier."""
        return sum((stats.tiers for stats in self.stats), Counter())

    def _outcomes(self, scores: Sequence[PlayerScore], rewards: Sequence[float]) -> Sequence[Outcome]:
        rows = zip(self.plan.configs, self.stats, scores, rewards, strict=True)
        return tuple(outcome(config, stats, score, reward) for config, stats, score, reward in rows)
