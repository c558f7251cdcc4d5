"""`Learners`: rows of a `MultiModelEnvironment` that learn, with one update by `reinforce` in every training cycle.

    env = MultiModelEnvironment(learners=Learners({"ann": {}, "bo": {"objective": "own"}}))
    ...
    await env.run_training_cycle(cycles=3, tasks=[task] * 16)

The environment plays; credit, trainer, versions, servers and ledger are those of `society train`, and so is the folder.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.inference.provenance import Purpose, Tier
from agents.learning.samples import Version
from agents.lora_model import scripted_reply
from agents.players.policies import POLICIES, TABULAR
from agents.problems import SocietyError, UsageError
from agents.roster import ModelConfig, Roster
from agents.strategy import TrainingMode
from simulation.plan import Plan
from simulation.runs.folders import at_work
from simulation.scenario import MixedMode, Scenario
from simulation.sections.inference import InferenceConfig
from simulation.sections.training import TrainingConfig, TrainingMethod
from simulation.store.events import EpisodeStarted, Event, StepResolved
from simulation.training.credit import LearnerAct, credited, to_go_of
from simulation.training.ledger import Ledger
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.rollout import (
    REAL_TIER,
    Capture,
    is_tabular,
    prompt_of,
    rows_with_versions,
    table_reply,
    weights_by_mode,
)
from simulation.training.run import begin_training, config_of, delete_unused, learn, restore, trainer_of
from simulation.training.serving import serve_versions

if TYPE_CHECKING:
    from agents.inference.provenance import Reply, Request
    from agents.lora_model import Responder
    from simulation.engine.learning import LearningEnvironment
    from simulation.task import TrainingTask

NAME = "environment"


@dataclass
class PlayedCycle:
    """What happened in a cycle: the last reply to each prompt, and by episode payoffs, mode and task."""

    acts: dict[tuple[object, ...], LearnerAct] = field(default_factory=dict)
    payoffs: dict[int, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    modes: dict[int, str] = field(default_factory=dict)
    tasks: dict[int, str] = field(default_factory=dict)

    def add_event(self, event: Event) -> None:
        """Note the start of an episode, and the payoffs of a step."""
        if isinstance(event, EpisodeStarted):
            self.modes[event.episode], self.tasks[event.episode] = event.mode, event.task_id
        elif isinstance(event, StepResolved):
            self.payoffs[event.episode].append({row.model_id: row.payoff for row in event.rows})

    def add_reply(self, request: Request, reply: Reply) -> None:
        """Note a reply. Raises SocietyError where it was simulated."""
        key = request.key
        if key.purpose is Purpose.ACT:
            return
        if reply.provenance.tier is Tier.SIMULATED:
            raise SocietyError(f"a reply of {key.model_id} is simulated, and nothing is learned from it; {REAL_TIER}")
        place = (key.episode, key.step, key.model_id, key.purpose, key.talk_round)
        self.acts[place] = LearnerAct(key.episode, key.step, prompt_of(request), reply.text, key.purpose)

    def lesson(self, context: UpdateContext, rows: Sequence[ModelConfig]) -> Lesson:
        """Return what the learners learn from it; values are per step."""
        names = [row.model_id for row in rows]
        payoffs = {
            episode: np.array([[step[name] for name in names] for step in steps])
            for episode, steps in self.payoffs.items()
        }
        to_go = to_go_of(payoffs, names, weights_by_mode(context.config, rows, self.modes))
        credit = credited(list(self.acts.values()), to_go, self.tasks, context.means)
        steps = float(np.mean([len(each) for each in payoffs.values()]))
        values = {name: value / steps for name, value in credit.returns.items()}
        return Lesson(credit.samples, values, credit.invalid, credit.means)


class Learners:
    """Rows of an environment that learn. One belongs to one environment; its training begins with the first cycle.

    Args:
        learners: By model_id, the rows that learn and their objective, as `training.learners` of a scenario file.
        adapter: As `training.adapter` of a scenario file: rank, learning rate and so on.
        out: The folder in which the training's folder is made.

    Raises:
        ValidationError: A setting is not valid.
    """

    def __init__(
        self,
        learners: Mapping[str, Mapping[str, Any]],
        *,
        adapter: Mapping[str, Any] | None = None,
        out: str | Path = "runs",
    ) -> None:
        settings = {"learners": learners, "method": TrainingMethod.REINFORCE, "updates": 1, "episodes": 1}
        self._config = TrainingConfig.model_validate({**settings, "adapter": adapter or {}})
        self._out = out
        self._context: UpdateContext | None = None
        self._rows: tuple[ModelConfig, ...] = ()
        self._served: Mapping[str, Version] = {}
        self._played = PlayedCycle()
        self._noting = False

    @property
    def names(self) -> tuple[str, ...]:
        """The model_id of each row that learns."""
        return tuple(self._config.learners)

    @property
    def folder(self) -> Path:
        """The training's folder, for `load_training`. Raises UsageError before the first cycle."""
        return self._begun().folder

    def _begun(self) -> UpdateContext:
        if self._context is None:
            raise UsageError("these learners have no training yet; it begins with run_training_cycle")
        return self._context

    # -- what the environment asks ----------------------------------------------------------------------

    def responder(self, otherwise: Responder) -> Responder:
        """Return what answers for a row that learns; `otherwise` asks its model."""

        async def answer(request: Request) -> Reply:
            reply = await otherwise(request) if request.adapter else self._table_reply(request)
            if self._noting:
                self._played.add_reply(request, reply)
            return reply

        return answer

    def _table_reply(self, request: Request) -> Reply:
        if self._context is None:
            return scripted_reply(POLICIES[TABULAR], request)
        return table_reply(self._context.trainer, Capture(), request)

    def begin_cycle(self, environment: LearningEnvironment, tasks: Sequence[TrainingTask]) -> tuple[ModelConfig, ...]:
        """Begin to note a cycle; return the environment's rows, in which learners play their versions.

        Raises:
            InvalidFileError: A learner is no row of the environment, or does not fit its tasks and mode.
            SocietyError: A base, an adapter or a server cannot be used.
        """
        if self._context is None:
            plan = plan_of(environment, tasks, self._config)
            self._context = _opened(plan, begin_training(plan, self._out))
        self._serve(self._context)
        self._rows = environment.models
        self._played, self._noting = PlayedCycle(), True
        return rows_with_versions(self._rows, self._context.versions)

    def note(self, event: Event) -> None:
        """Note what happens in a cycle."""
        if self._noting:
            self._played.add_event(event)

    def end_cycle(self) -> tuple[ModelConfig, ...]:
        """Make one update from a cycle; return the environment's rows, in which learners play their new versions.

        Raises:
            SocietyError: Another process trains in the folder, or an update or a server fails.
        """
        context, self._noting, started = self._begun(), False, time.monotonic()
        with at_work(context.folder):
            ledger = Ledger(context.folder, repair=True)
            if {each.name for each in context.versions.values()} != ledger.latest:
                raise SocietyError(f"{context.folder}: the training was gone on with elsewhere, and this cycle is lost")
            try:
                line, versions = learn(context, self._played.lesson(context, self._rows), started)
                ledger.append(line)
            except BaseException:
                self._context = _opened(context.plan, context.folder)
                raise
        self._context = replace(context, update=context.update + 1, versions=versions, means=line.means)
        self._serve(self._context)
        return rows_with_versions(self._rows, versions)

    def _serve(self, context: UpdateContext) -> None:
        """Let servers have the versions, where they don't; tables are played in this process."""
        if self._served == context.versions or is_tabular(context.plan):
            return
        serve_versions(context, [act.prompt for act in self._played.acts.values()])
        self._served = context.versions


def _opened(plan: Plan, folder: Path) -> UpdateContext:
    """Return a training before its next update."""
    ledger, trainer, config = Ledger(folder, repair=True), trainer_of(plan), config_of(plan)
    delete_unused(folder, config, ledger)
    versions = restore(folder, config, ledger, trainer)
    return UpdateContext(plan, config, folder, len(ledger.lines), trainer, versions, ledger.lines[-1].means)


def plan_of(environment: LearningEnvironment, tasks: Sequence[TrainingTask], config: TrainingConfig) -> Plan:
    """Return what an environment plays as a plan.

    Raises:
        InvalidFileError: Tasks, mode, rows and learners do not fit each other.
    """
    mode: TrainingMode | MixedMode = environment.training_mode
    scenario = {
        "name": NAME,
        "mode": MixedMode(mixed=environment.mixing) if mode is TrainingMode.MIXED else mode,
        "seed": environment.seed,
        "language": environment.language,
        "tasks": tuple({task.task_id: task for task in tasks}.values()),
        "communication": environment.communication,
        "prompt_templates": dict(environment.templates),
        "inference": _inference_of(environment),
        "training": config,
    }
    roster = Roster(name=NAME, base_model=environment.base_model, models=environment.models)
    return Plan(Scenario.model_validate(scenario), roster)


def _inference_of(environment: LearningEnvironment) -> InferenceConfig:
    settings, sampling = environment.client.settings, environment.sampling
    given = {name: getattr(settings, name, None) for name in InferenceConfig.model_fields}
    known = {name: value for name, value in given.items() if value is not None}
    servers = [
        each if isinstance(each, str) else {"url": each.url, "api_key_env": each.api_key_env, "adapters": each.adapters}
        for each in environment.endpoints
    ]
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens}
    return InferenceConfig.model_validate({**known, **drawn, "endpoints": servers})
