"""The episodes of an update, played by the same runner as any scenario, in a run directory of the training's folder."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agents.inference.provenance import Provenance, Purpose, Reply, Request, Tier
from agents.learning.samples import Prompt, Trainer, Version
from agents.lora_model import scripted_reply
from agents.players.policies import POLICIES, TABULAR, Policy
from agents.problems import SocietyError
from agents.roster import ModelConfig, Roster
from agents.strategy import TrainingMode
from simulation.plan import Plan
from simulation.runs.folders import begun_runs, finished_run, play_in
from simulation.runs.runner import Observer, play_plan
from simulation.seats import Seat
from simulation.sections.training import TrainingConfig
from simulation.seeds import derive_seed
from simulation.training.adapters import base_of
from simulation.training.credit import LearnerAct, acts_of, per_step, returns_to_go
from simulation.training.lesson import UpdateContext
from simulation.training.mixing import going_on
from simulation.training.objectives import objective_of, payoff_weights
from simulation.training.parts import play_parts
from simulation.training.serving import serve_versions

if TYPE_CHECKING:
    from agents.lora_model import Responder
    from simulation.metrics.arrays import Vector
    from simulation.tables.run import Run

ROLLOUTS = "rollouts"
REAL_TIER = "let a tier with the learners' model answer (--tier embedded, or a server with vLLM)"


@dataclass
class Capture:
    """Answers for learners without a server, and notes what they were asked and said."""

    acts: list[LearnerAct] = field(default_factory=list)

    def note(self, request: Request, prompt: Prompt, reply: str) -> None:
        """Note one reply."""
        key = request.key
        self.acts.append(LearnerAct(key.episode, key.step, prompt, reply, key.purpose))


def update_plan(context: UpdateContext) -> Plan:
    """Return the plan of an update's episodes: a seed of its own, and learners that play their versions."""
    scenario = context.plan.scenario
    seed = derive_seed(scenario.seed, "training", context.update)
    nothing: dict[str, object] = {"training": None, "surveys": (), "events": ()}
    settings: dict[str, object] = {"seed": seed, "episodes": context.config.episodes, **nothing}
    if not is_tabular(context.plan):
        base = base_of(context.plan, context.config)
        settings["inference"] = scenario.inference.model_copy(update={"embedded_model": base})
    settings.update(going_on(context.plan, context.experience))
    return Plan(scenario.model_copy(update=settings), with_versions(context.plan.roster, context.versions))


def with_versions(roster: Roster, versions: Mapping[str, Version]) -> Roster:
    """Return the roster in which each learner that has a model plays a version."""
    return roster.model_copy(update={"models": rows_with_versions(roster.expand(), versions)})


def rows_with_versions(rows: Iterable[ModelConfig], versions: Mapping[str, Version]) -> tuple[ModelConfig, ...]:
    """Return the rows; each learner that has a model plays a version, under the version's name."""

    def row_of(row: ModelConfig) -> ModelConfig:
        version = versions.get(row.model_id)
        if version is None or row.policy == TABULAR:
            return row
        return row.model_copy(update={"model_name": version.name, "adapter": str(version.folder.resolve())})

    return tuple(map(row_of, rows))


def rollouts_of(context: UpdateContext) -> Path:
    """Return the folder of an update's episodes."""
    return context.folder / ROLLOUTS / f"{context.update:04}"


def play_update(context: UpdateContext, place: Path | None = None) -> tuple[Run, list[LearnerAct]]:
    """Play an update's episodes, or finish them; return the run and what its learners replied.

    Args:
        context: The update.
        place: The folder of the run; by default `rollouts_of`.

    Raises:
        SocietyError: A reply that would be learned from was simulated, or a server does not serve a learner's version.
        RunStoppedError: The run ended early; the training can be continued.
    """
    place = place or rollouts_of(context)
    learners = list(context.config.learners)
    if is_tabular(context.plan):
        responder = partial(table_reply, context.trainer)
        return play_captured(context, place, dict.fromkeys(learners, responder))
    run = finished_run(place)
    if run is None:
        serve_versions(context, _last_prompts(context))
        run = play_in(place, update_plan(context), on_event=context.on_event)
    refuse_simulated(run, learners)
    return run, acts_of(run, learners)


def play_runs(context: UpdateContext, place: Path | None = None) -> list[tuple[Run, list[LearnerAct]]]:
    """Play an update's episodes, or finish them, in as many runs as there are parts; arguments as in `play_update`."""
    place = place or rollouts_of(context)
    if context.config.parts == 1:
        return [play_update(context, place)]
    serve_versions(context, _last_prompts(context))
    learners = list(context.config.learners)
    runs = play_parts(context, place, update_plan(context))
    for run in runs:
        refuse_simulated(run, learners)
    return [(run, acts_of(run, learners)) for run in runs]


def _last_prompts(context: UpdateContext) -> list[Prompt]:
    """Return what learners were asked in the update before; nothing before the second."""
    place = context.folder / ROLLOUTS / f"{context.update - 1:04}"
    run = finished_run(place) or finished_run(place / "1")
    return [act.prompt for act in acts_of(run, context.config.learners)] if run else []


CapturedReply = Callable[[Capture, Request], Reply]


def play_captured(
    context: UpdateContext, place: Path, replies: Mapping[str, CapturedReply]
) -> tuple[Run, list[LearnerAct]]:
    """Play an update's episodes with learners that answer in this process.

    What they are asked is not stored with the run, so a run that was cut off is played again from its start: no call
    is paid for, and the same seed gives the same play.
    """
    capture = Capture()
    responders: dict[str, Responder] = {name: answering(partial(reply, capture)) for name, reply in replies.items()}
    run = play_from_start(place, update_plan(context), responders, context.on_event)
    return run, capture.acts


def play_from_start(
    place: Path, plan: Plan, responders: Mapping[str, Responder], on_event: Observer | None = None
) -> Run:
    """Play a plan whose responders answer in this process; what was begun in its place is deleted."""
    for begun in begun_runs(place):
        shutil.rmtree(begun)
    return play_plan(plan, out=place, on_event=on_event, responders=responders)


def answering(reply: Callable[[Request], Reply]) -> Responder:
    """Return a responder that answers in this process."""

    async def answer(request: Request) -> Reply:
        return reply(request)

    return answer


def table_reply(trainer: Trainer, capture: Capture, request: Request) -> Reply:
    """Draw a decision from a learner's probabilities; the same seed draws the same."""
    prompt = prompt_of(request)
    (chances,) = trainer.probabilities([prompt])
    said = f"/{request.key.talk_round}" if request.key.purpose is Purpose.TALK else ""
    rng = random.Random(f"{request.seed}/{request.key.model_id}/{TABULAR}{said}")
    (picked,) = rng.choices(prompt.choices, weights=chances)
    capture.note(request, prompt, picked)
    source = Provenance(Tier.SCRIPTED, TABULAR)
    return Reply(picked, source, chances[prompt.choices.index(picked)])


def teacher_reply(policy: Policy, explore: float, capture: Capture, request: Request) -> Reply:
    """Note what a teacher does; play something else with the probability `explore`, so that every past occurs."""
    taught = scripted_reply(policy, request)
    capture.note(request, prompt_of(request), taught.text)
    rng = random.Random(f"{request.seed}/{request.key.model_id}/explore")
    if request.choices and rng.random() < explore:
        return Reply(rng.choice(request.choices), taught.provenance)
    return taught


def prompt_of(request: Request) -> Prompt:
    """Return a request as a learner's prompt."""
    return Prompt(request.key.model_id, tuple(request.messages), tuple(request.choices or ()))


def is_tabular(plan: Plan) -> bool:
    """Return whether the learners are tables.

    Raises:
        SocietyError: Some are tables and others have a model.
    """
    learners = plan.scenario.training.learners if plan.scenario.training else {}
    tables = [row.policy == TABULAR for row in plan.roster.expand() if row.model_id in learners]
    if any(tables) and not all(tables):
        raise SocietyError("some learners are tables and others have a model: train them apart")
    return all(tables)


def refuse_simulated(run: Run, learners: list[str]) -> None:
    """Raise SocietyError where a learner's reply was simulated: it says nothing of the learner."""
    rows = run.decisions.astype({"model_id": str, "tier": str})
    wrong = rows[rows["model_id"].isin(learners) & (rows["tier"] == Tier.SIMULATED.value)]
    if len(wrong):
        names = ", ".join(sorted(set(wrong["model_id"])))
        raise SocietyError(
            f"{run.path}: {len(wrong)} decisions of {names} are simulated, and nothing is learned from them; "
            f"{REAL_TIER}"
        )


def weights_by_episode(context: UpdateContext, run: Run) -> Callable[[int, str], Vector]:
    """Return what takes an episode and a model_id to a weight per player: the objective in the episode's mode."""
    modes = dict(zip(run.episodes["episode"].astype(int), run.episodes["mode"].astype(str), strict=True))
    return weights_by_mode(context.config, run.roster.expand(), modes)


def earned_per_step(context: UpdateContext, run: Run) -> dict[str, list[float]]:
    """Return by learner what its objective was paid per step in each episode of a run."""
    to_go, steps = returns_to_go(run, weights_by_episode(context, run)), [int(each) for each in run.episodes["steps"]]
    return {name: per_step(to_go, steps, name) for name in context.config.learners}


def weights_by_mode(
    config: TrainingConfig, rows: Sequence[ModelConfig], modes: Mapping[int, str]
) -> Callable[[int, str], Vector]:
    """Return as `weights_by_episode`, for the episodes whose modes are given."""
    seats = [Seat(row.model_id, row.team_id) for row in rows]
    place = {seat.model_id: player for player, seat in enumerate(seats)}

    def weights(episode: int, model_id: str) -> Vector:
        learner = config.learners.get(model_id)
        if learner is None:
            return np.zeros(len(seats))
        return payoff_weights(objective_of(learner, TrainingMode(modes[episode])), place[model_id], seats)

    return weights


def policy_named(name: str) -> Policy:
    """Return the policy of a name. Raises SocietyError where there is none."""
    if name not in POLICIES:
        raise SocietyError(f"no policy is called {name!r}")
    return POLICIES[name]
