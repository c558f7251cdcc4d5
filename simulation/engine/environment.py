"""`MultiModelEnvironment`: the society of a roster, stepped through tasks.

    env = MultiModelEnvironment(vllm_url="http://localhost:8001/v1", training_mode=TrainingMode.COOPERATIVE)
    env.add_model(ModelConfig(model_id="alice", model_name="cooperator", role=ModelRole.LEADER))
    ...
    async with env:
        ended = await env.run_task(TrainingTask(task_id="t1", task_type="public_goods"))
The scenario runner uses this class too; there is no second way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agents.answers import ReaderVersion
from agents.deliberation import UNSET, Deliberation
from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.client import DEFAULT_URL, VLLMClient
from agents.inference.provenance import Sampling
from agents.inference.recording import Recording, ReplyCache
from agents.language import Language
from agents.problems import SocietyError, UsageError, member_of
from agents.prompt_templates import templates_of
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.engine.ahead import AheadEpisode
from simulation.engine.batch.settings import NO_BATCH, BatchRules, BatchSettings, asked_players, batch_refusal
from simulation.engine.environment_stats import EnvironmentCounts, EnvironmentStats
from simulation.engine.episode import Episode
from simulation.engine.episode_plan import EpisodePlan, GameOf, ScenarioFrom, TalkRules
from simulation.engine.home import SocietyHome
from simulation.engine.interventions import Live, nothing_live
from simulation.engine.members import Members
from simulation.engine.mode_choice import choose_mode
from simulation.games import find_game
from simulation.games.base import Game
from simulation.interventions.intervention import Intervention
from simulation.interviews.survey import Survey
from simulation.modes import Experience, ModeChoice, after_episode, playable_modes
from simulation.scenario import Mixing, OnOrOff
from simulation.sections.memory import NO_MEMORY, MemoryConfig
from simulation.seeds import whole_seed
from simulation.store.blocks import tell
from simulation.store.events import CallBegun, CallMade, EpisodeEnded, Event, MessageSent, SocialActed
from simulation.store.intervention_events import EventHappened
from simulation.task import TrainingTask
from simulation.topology.communication import Communication

notices = logging.getLogger("society.notice")  # shown without --verbose
_USUAL = TrainingTask(task_id="public_goods", task_type="public_goods")

if TYPE_CHECKING:
    import networkx as nx

    from agents.lora_model import LoRAModel, Responder
    from simulation.engine.batch.society import BatchSociety
    from simulation.engine.learning import CycleLearners
    from simulation.engine.society import Society


class MultiModelEnvironment(Members):
    """Steps a society of LoRA models through tasks. Use `async with`, or call `await aclose()` when done.

    Args:
        vllm_url: The server to ask, where `endpoints` names none.
        training_mode: Who hears whom and who shares, in every episode; a plain string works too.
        max_models: How many models `add_model` accepts.
        endpoints: Servers to ask in place of `vllm_url`.
        base_model: The model that adapters were trained on, where a row names none.
        settings: Which tiers may answer, and how long a call may take.
        sampling: How a reply is drawn where a model's row says nothing.
        communication: Who can reach whom, and how much is said.
        mixing: How the mode `mixed` picks the mode of an episode.
        language: The language of prompts, rules and messages; a plain string works too.
        seed: The seed that every random stream derives from, from 0.
        folder: Where `oasis.db` is written; a temporary folder unless given.
        on_event: Is called with every event as it happens.
        recording: Replies of the same run that are used in place of calls.
        cache: Replies that runs share, used in place of calls.
        responders: Answer in place of the client, by model_id.
        learners: The rows that learn in `run_training_cycle`: `simulation.Learners`.
        deliberation: Whether models think, and write a note before they decide, where a model's row says nothing.
        reader: Which reader reads the replies: a run goes on with the reader that it began with.
        prompt_templates: Texts of templates in place of the shipped ones, by name.
        surveys: Questions that models are asked after set steps, outside of the play.
        changes: Where other scenarios begin.
        events: What happens before set steps.
        live: Gives what came from outside before a step.
        memory: What prompts hold of earlier steps.
        batch: Whether episodes may be played in columns, and by whom.
    """

    def __init__(
        self,
        vllm_url: str = DEFAULT_URL,
        training_mode: TrainingMode | str = TrainingMode.COOPERATIVE,
        max_models: int = 10,
        *,
        endpoints: Sequence[str | EndpointSettings] = (),
        base_model: str | None = None,
        settings: InferenceSettings | None = None,
        sampling: Sampling | None = None,
        communication: Communication | None = None,
        mixing: Mixing | None = None,
        language: Language | str = Language.EN,
        seed: int = 0,
        folder: Path | None = None,
        on_event: Callable[[Event], None] | None = None,
        recording: Recording | None = None,
        cache: ReplyCache | None = None,
        responders: Mapping[str, Responder] | None = None,
        learners: CycleLearners | None = None,
        deliberation: Deliberation | None = None,
        reader: ReaderVersion = ReaderVersion.SENTENCES,
        prompt_templates: Mapping[str, str] | None = None,
        surveys: Sequence[Survey] = (),
        changes: Sequence[ScenarioFrom] = (),
        events: Sequence[Intervention] = (),
        live: Live = nothing_live,
        memory: MemoryConfig = NO_MEMORY,
        batch: BatchSettings = NO_BATCH,
    ) -> None:
        self.training_mode = member_of(TrainingMode, training_mode, "training_mode")
        super().__init__(max_models)
        self.base_model = base_model
        self.language, self.seed = member_of(Language, language, "language"), whole_seed(seed)
        self.templates, self._surveys = templates_of(prompt_templates or {}), tuple(surveys)
        self._changes, self._events, self._live, self._memory = tuple(changes), tuple(events), live, memory
        self._batch = batch
        self.sampling, self._on_event = sampling or Sampling(), on_event
        self.deliberation, self._reader = deliberation or UNSET, reader
        self.communication = communication or Communication()
        self.mixing = mixing or Mixing()
        self._rules = BatchRules(self.communication, self.deliberation, memory, bool(surveys))
        self.endpoints: tuple[str | EndpointSettings, ...] = tuple(endpoints) or (vllm_url,)
        self._experience = self.mixing.begun()
        self._recording = recording or Recording()
        self._responders = {model_id: self._recording.first(each) for model_id, each in (responders or {}).items()}
        self._counts = EnvironmentCounts()
        self.client = VLLMClient(
            vllm_url,
            endpoints=self.endpoints,
            base_model=base_model,
            settings=settings,
            on_call=lambda record: self._emit(CallMade(record)),
            on_request=lambda request: self._emit(CallBegun(request)),
            recording=recording,
            cache=cache,
        )
        self._learners = learners
        if learners is not None:
            self._responders.update(self._responders_of(learners))
        self._home = SocietyHome(folder)
        self.episodes = 0

    # -- running -----------------------------------------------------------------------------------------

    async def run_task(self, task: TrainingTask, episode: int | None = None) -> EpisodeEnded:
        """Play `task` to its end as one episode.

        Args:
            task: The task; it needs at least `required_models` models.
            episode: The episode's number; the next one unless given.

        Returns:
            The episode's end, with one outcome per model.

        Raises:
            SocietyError: The task cannot be played with these models, or no allowed tier answers.
            UsageError: Another task is being played: a society has one conversation at a time.
        """
        with self._one_task(task.task_id):
            return await self._play(task, episode)

    async def _play(self, task: TrainingTask, episode: int | None) -> EpisodeEnded:
        number = self.episodes if episode is None else episode
        self._refuse_few_models(task)
        await self._follow(number)
        society = await (self._open_columns() if self._in_columns(task) else self._open())
        game = self._game(task, number, society)
        choice = self._choose_mode(task, number)
        plan = EpisodePlan(
            number=number,
            task=task,
            mode=choice,
            game=game,
            configs=self.models,
            neighbours=society.neighbours,
            language=self.language,
            seed=self.seed,
            sampling=self.sampling,
            deliberation=self.deliberation,
            templates=self.templates,
            surveys=self._surveys,
            events=self._events,
            memory=self._memory,
            talk=TalkRules.of(self.communication, game),
            resumed=number in self._recording.episodes,
        )
        game_of = partial(self._game, society=society)
        plan = plan.followed_by(self._changes, game_of)
        ended = await self._episode(plan, society, game_of).play()
        self.learn(task.task_id, choice, ended)
        self.episodes = number + 1
        self._counts.add_episode(ended, game.synthetic)
        return ended

    def _in_columns(self, task: TrainingTask) -> bool:
        """Return whether a task is played in columns. Raises UsageError where it must be, and cannot."""
        asked = self._asked()
        refusal = self._batch.refusal(self.models, self.client.settings.allowed, asked)
        later = (BatchRules.of(change.scenario) for change in self._changes)
        for rules in () if refusal else (self._rules, *later):
            refusal = refusal or batch_refusal(self.models, task, rules, asked, self._responders, self._reader)
        if refusal and self._batch.needed:
            raise UsageError(f"{self._batch.needed}, and this cannot be played so: {refusal}")
        return not refusal

    def _episode(self, plan: EpisodePlan, society: Society | BatchSociety, game_of: GameOf) -> Episode:
        from simulation.engine.batch.society import BatchSociety

        if not isinstance(society, BatchSociety):
            return AheadEpisode(plan, society, self._emit, game_of, self._live)
        from simulation.engine.batch.asking import AskingBatchEpisode
        from simulation.engine.batch.episode import BatchEpisode

        kind = AskingBatchEpisode if society.agents else BatchEpisode
        return kind(plan, society, self._emit, game_of, self._live, self._batch.answering)

    async def run_training_cycle(self, cycles: int = 1, tasks: Sequence[TrainingTask] = ()) -> list[EpisodeEnded]:
        """Play every task once per cycle; without tasks, one `public_goods` task with default values.

        After each cycle the environment's `learners` make one update from what they played, and play their new versions
        from then on. Without learners nobody learns, and a notice says so.

        Args:
            cycles: How often, from 1.
            tasks: The tasks of a cycle, in order.

        Returns:
            One entry per episode, in order.

        Raises:
            SocietyError: `cycles` is below 1, or as in `run_task`, or a learner cannot learn from what it played.
        """
        if cycles < 1:
            raise SocietyError(f"cycles must be at least 1, not {cycles}")
        chosen = tuple(tasks) or (_USUAL,)
        if self._learners is None:
            notices.info("no row of this environment learns: a cycle plays its tasks; give it learners=Learners(...)")
            return [await self.run_task(task) for _ in range(cycles) for task in chosen]
        return [ended for _ in range(cycles) for ended in await self._learning_cycle(self._learners, chosen)]

    async def _learning_cycle(self, learners: CycleLearners, tasks: Sequence[TrainingTask]) -> list[EpisodeEnded]:
        """Play every task, and let the learners make one update; the loop goes on while they compute."""
        with self._one_task("a training cycle"):
            for row in await asyncio.to_thread(learners.begin_cycle, self, tasks):
                self._seat(row)
            ended = [await self._play(task, None) for task in tasks]
            for row in await asyncio.to_thread(learners.end_cycle):
                self._seat(row)
        return ended

    def get_environment_stats(self) -> EnvironmentStats:
        """Return counts and means over everything run so far, in constant time."""
        return self._counts.stats(len(self._models), self.episodes)

    def learn(self, task_id: str, choice: ModeChoice, ended: EpisodeEnded) -> None:
        """Let a mixed run's policy learn from an episode. Each task is learned apart, as welfare differs by game."""
        arms = len(playable_modes(self._seats()))
        before = self._experience.get(task_id, Experience())
        self._experience[task_id] = after_episode(before, choice, ended.welfare, ended.optimum, arms, self.mixing.gamma)

    async def store_again(
        self,
        tasks: Mapping[int, TrainingTask],
        messages: Iterable[MessageSent],
        acts: Iterable[SocialActed] = (),
        happened: Iterable[EventHappened] = (),
    ) -> None:
        """Store again what was said and done in finished episodes (`tasks`, by episode): oasis.db is then complete."""
        from simulation.engine.restore import store_again, store_messages_again

        if not tasks:
            return
        if any(map(self._in_columns, tasks.values())):
            store_messages_again(await self._open_columns(), messages)
            return
        society = await self._open()
        games = {number: self._game(task, number, society) for number, task in tasks.items()}
        await store_again(society, games, self.seed, messages, acts, happened)

    async def aclose(self) -> None:
        """Close the society and the client, and remove a temporary database."""
        try:
            await self._home.aclose()
        finally:
            await self.client.aclose()

    async def __aenter__(self) -> MultiModelEnvironment:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    # -- changes -----------------------------------------------------------------------------------------

    async def _follow(self, number: int) -> None:
        """Take the settings of the last scenario that is played before, or from the start of, an episode."""
        for scenario in [each.scenario for each in self._changes if each[:2] <= (number, 0)][-1:]:
            if not scenario.communication.has_links_of(self.communication):
                await self._home.close()
            self.training_mode, self.mixing, self.communication = scenario.mode, scenario.mixing, scenario.communication
            self.sampling, self.deliberation = scenario.inference.sampling(), scenario.inference.deliberation()
            self.templates, self._surveys = scenario.templates, scenario.surveys
            self._events, self._memory = scenario.events, scenario.memory

    # -- parts -------------------------------------------------------------------------------------------

    def _refuse_few_models(self, task: TrainingTask) -> None:
        if len(self._models) < task.required_models:
            raise SocietyError(
                f"task {task.task_id!r} needs {task.required_models} models; there are {len(self._models)}"
            )

    def _game(self, task: TrainingTask, number: int, society: Society | BatchSociety) -> Game[object]:
        setting = task.setting(self._seats(), task.steps(self.seed, number))
        return find_game(task.task_type)(replace(setting, neighbours=society.neighbours), task.game_parameters())

    def _choose_mode(self, task: TrainingTask, number: int) -> ModeChoice:
        seats = self._seats()
        return choose_mode(self.training_mode, self.mixing, task, seats, self._experience, self.seed, number)

    async def _open(self) -> Society:
        """Return the running society of the current models; after a model was added or removed it is a new one."""

        def make(folder: Path, database: str) -> Society:
            from simulation.engine.society import Society

            base, responders = self.base_model, self._responders
            return Society(self.models, self.client, self._topology(), folder, base, database, responders, self._reader)

        return await self._home.agents(self.models, make)

    async def _open_columns(self) -> BatchSociety:
        """Return the society that is played in columns."""

        def agents() -> dict[int, LoRAModel]:
            asked, models = self._asked(), self.models
            if not asked:
                return {}
            from agents.lora_model import LoRAModel

            make = partial(LoRAModel, client=self.client, base_model=self.base_model, reader=self._reader)
            return {player: make(player, models[player]) for player in asked}

        database = self._batch.oasis_db is OnOrOff.ON
        return await self._home.columns(self.models, self._topology, agents, database=database)

    def _asked(self) -> tuple[int, ...]:
        """Return the players that are asked by requests where the society is played in columns."""
        recorded = self._batch.recorded or bool(self._recording.episodes)
        return asked_players(self.models, self.client.settings.allowed, recorded=recorded)

    def _seat(self, config: ModelConfig) -> None:
        if config.endpoint and config.model_name:
            self.client.pin(config.endpoint, config.model_name)
        super()._seat(config.in_language(self.language))

    def _topology(self) -> nx.Graph[int]:
        return self.communication.graph([config.model_id for config in self.models], self.seed)

    def _responders_of(self, learners: CycleLearners) -> dict[str, Responder]:
        """Return what answers for rows that learn. Raises UsageError where something else would."""
        if taken := sorted(set(learners.names) & set(self._responders)):
            raise UsageError(f"{', '.join(taken)}: a row that learns answers for itself; leave it out of responders")
        return dict.fromkeys(learners.names, learners.responder(self.client.generate))

    def _emit(self, event: Event) -> None:
        if isinstance(event, CallMade):
            self._counts.add_call(event.record)
        if self._learners is not None:
            tell(self._learners.note, event)
        if self._on_event is not None:
            tell(self._on_event, event)
