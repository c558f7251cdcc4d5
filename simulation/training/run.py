"""A training: play, credit, update, a new version, play again. Killed anywhere, it goes on to the same versions.

<scenario>-training-<time>-<id>/
  training.json     the scenario and the roster, as they were checked
  ledger.jsonl      one line per update
  situations.json   the prompts that are followed, where they are few
  versions/         the adapters, each with its optimizer and generators
  rollouts/0001/    ordinary run directories
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.model_sources import file_sha256
from agents.learning.samples import LossFigures, LossWeights, Trainer, Version
from agents.learning.versions import clear_unfinished
from agents.problems import SocietyError, UsageError
from agents.roster import Roster
from simulation.games.measures import known
from simulation.plan import Plan, load_from_manifest
from simulation.runs.engines import Workers
from simulation.runs.folders import at_work, new_folder
from simulation.runs.session import Observer, RunStoppedError
from simulation.runs.workers import Crew, crew_of
from simulation.scenario import Scenario
from simulation.sections.training import TrainingConfig, TrainingMethod
from simulation.seeds import derive_seed
from simulation.store.files import atomic_directory, replace_file
from simulation.store.run_directory import versions as library_versions
from simulation.tables.run import TRAINING
from simulation.training.adapters import adapter_trainer, mixture_trainer, warn_of_shapes, with_adapters
from simulation.training.gate.gate import OnPower, pass_gate, publish_power, refuse_unknown_exploitability
from simulation.training.league.rounds import LeagueGame, answer, at_start, beginning, is_over, with_record
from simulation.training.ledger import LEDGER, LearnerUpdate, Ledger, UpdateLine
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.methods import METHODS
from simulation.training.methods.exact import situations_of
from simulation.training.rollout import is_tabular
from simulation.training.tabular import WEIGHTS, TabularTrainer

SITUATIONS, VERSIONS = "situations.json", "versions"
WEIGHT_FILES = (WEIGHTS, WEIGHTS_FILE)
OnUpdate = Callable[[UpdateLine], None]


def config_of(plan: Plan) -> TrainingConfig:
    """Return the plan's `training` section. Raises UsageError where it has none."""
    if plan.scenario.training is None:
        raise UsageError(f"{plan.scenario.name} has no `training` section: name its learners and a method")
    return plan.scenario.training


def begin_training(plan: Plan, out: str | Path = "runs") -> Path:
    """Make a training's folder.

    Args:
        plan: A scenario with a `training` section, and its roster.
        out: The folder in which the new folder is made.

    Raises:
        UsageError: The scenario has no `training` section, or does not fit its method.
    """
    config = config_of(plan)
    refuse_unknown_exploitability(plan)
    situations = situations_of(plan) if config.computes else []
    if config.league and config.computes:
        LeagueGame(plan)  # refuses what cannot be a league
    if not is_tabular(plan):
        warn_of_shapes(plan, config)
    folder = new_folder(out, f"{plan.scenario.name}-training")
    facts = {
        "versions": library_versions(),
        "scenario": plan.scenario.model_dump(mode="json"),
        "roster": plan.roster.model_dump(mode="json"),
    }
    with atomic_directory(folder) as part:
        replace_file(part / TRAINING, orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
        replace_file(part / SITUATIONS, orjson.dumps([asdict(each) for each in situations]) + b"\n")
        (part / LEDGER).touch()
        (part / VERSIONS).mkdir()
    return folder


def read_plan(folder: Path) -> Plan:
    """Return the plan of a training. Raises SocietyError where the folder holds none."""
    try:
        facts: Mapping[str, Any] = orjson.loads((folder / TRAINING).read_bytes())
    except (OSError, ValueError) as error:
        raise SocietyError(f"{folder} holds no training; start one with: society train SCENARIO") from error
    return Plan(load_from_manifest(Scenario, facts, "scenario"), load_from_manifest(Roster, facts, "roster"))


def train(
    folder: Path,
    *,
    updates: int | None = None,
    on_update: OnUpdate | None = None,
    on_event: Observer | None = None,
    workers: Workers | None = None,
    on_power: OnPower | None = None,
) -> Ledger:
    """Make the updates of a training that are not made yet; return its ledger.

    Args:
        folder: As `begin_training` made it.
        updates: The number of updates to end at, in place of the scenario's.
        on_update: Called with every new line.
        on_event: Called with every event of every episode that is played in this process.
        workers: Who plays the parts of an update's episodes (`training.parts`); by default this process.
        on_power: Called with the gate's power before the first update, where there is a gate.

    Raises:
        SocietyError: Another process trains here, a reply was simulated, or a version is missing.
    """
    if updates is not None and updates < 1:
        raise UsageError(f"updates must be at least 1, not {updates}")
    plan = read_plan(folder)
    config = config_of(plan)
    with at_work(folder), _going_on(folder), crew_of(workers or Workers()) as crew:
        ledger = Ledger(folder, repair=True)
        delete_unused(folder, config, ledger)
        trainer = trainer_of(from_its_own(plan, folder, ledger))
        first = {} if ledger.lines else beginning(plan, trainer)
        versions = restore(folder, config, ledger, trainer, on_update, first)
        if len(ledger.lines) == 1:
            publish_power(UpdateContext(plan, config, folder, 0, trainer, versions), on_power)
        for update in range(len(ledger.lines), 1 + (updates or config.last_update)):
            if is_over(config, ledger):
                break
            line, versions = _update(folder, plan, ledger, trainer, versions, update, on_event, crew)
            ledger.append(line)
            if on_update is not None:
                on_update(line)
    return ledger


def all_updates_made(config: TrainingConfig, ledger: Ledger) -> bool:
    """Return whether a training has made all updates of its scenario, or its league is over."""
    return len(ledger.lines) > config.last_update or is_over(config, ledger)


def from_its_own(plan: Plan, folder: Path, ledger: Ledger) -> Plan:
    """Return the plan whose rows with an adapter begin with the first versions of this training, once it has them.

    The folders that it began with may have been moved since.
    """
    if not ledger.lines or is_tabular(plan):
        return plan
    begun = {row.model_id for row in plan.roster.expand() if row.adapter}
    first = {name: made.version for name, made in ledger.lines[0].learners.items() if name in begun}
    return with_adapters(plan, {name: folder / VERSIONS / version for name, version in first.items()})


def trainer_of(plan: Plan) -> Trainer:
    """Return what trains a plan's learners, at the beginning.

    Raises:
        SocietyError: A learner's adapter or base cannot be used.
    """
    config = config_of(plan)
    seed = derive_seed(plan.scenario.seed, "training", "adapters")
    if is_tabular(plan):
        return TabularTrainer(config.adapter.learning_rate, seed=seed)
    if config.method is TrainingMethod.EVOLUTION:
        return mixture_trainer(plan, config)
    return adapter_trainer(plan, config, seed)


def restore(
    folder: Path,
    config: TrainingConfig,
    ledger: Ledger,
    trainer: Trainer,
    on_update: OnUpdate | None = None,
    league: Mapping[str, Any] | None = None,
) -> dict[str, Version]:
    """Return each learner's latest version, loaded; the first versions where there is no line yet."""
    if not ledger.lines:
        versions = {name: trainer.save_weights(name, folder / VERSIONS) for name in config.learners}
        first = {name: LearnerUpdate(each.name, each.digest) for name, each in versions.items()}
        ledger.append(UpdateLine(0, first, league=league or {}))
        if on_update is not None:
            on_update(ledger.lines[0])
        return versions
    found: dict[str, Version] = {}
    for name in ledger.lines[-1].learners:
        made = ledger.made(name, ledger.going_on(name))
        place = folder / VERSIONS / made.version
        if not place.is_dir():
            raise SocietyError(f"{place} is missing; the ledger's last line names it: the training cannot go on")
        trainer.load_weights(name, place)
        check_digest(place, made)
        found[name] = Version(name, made.version, made.digest, place)
        if config.gate is not None:
            incumbent = ledger.incumbent(name)
            check_digest(folder / VERSIONS / incumbent, ledger.made(name, incumbent))
    return found


@contextmanager
def _going_on(folder: Path) -> Iterator[None]:
    """Add to an error, or to Ctrl-C, the command that goes on with the training."""
    command = f"to go on: society train {folder}"
    try:
        yield
    except KeyboardInterrupt as error:
        raise SocietyError(f"interrupted\n{command}") from error
    except RunStoppedError as error:
        raise SocietyError(f"{error.cause}\n{command}") from error


def delete_unused(folder: Path, config: TrainingConfig, ledger: Ledger) -> None:
    """Delete the versions that a killed update wrote, which have no line; they are made again.

    Raises:
        SocietyError: There are more of them than one update writes: the ledger is missing, or older than the folder.
    """
    place = folder / VERSIONS
    place.mkdir(exist_ok=True)
    clear_unfinished(place, config.learners)
    names = "|".join(map(re.escape, config.learners))
    made = re.compile(rf"\.?({names})-[0-9a-f]{{12}}(\.part)?")
    unused = [each for each in place.iterdir() if made.fullmatch(each.name) and each.name not in ledger.versions]
    if len(unused) > 2 * len(config.learners):
        raise SocietyError(
            f"{len(unused)} versions in {place} have no line in {LEDGER}: it is missing, or older than they are; put "
            "the right one back, or begin a new training"
        )
    for each in unused:
        shutil.rmtree(each)


def check_digest(place: Path, made: LearnerUpdate) -> None:
    """Raise SocietyError where a version's weights are not those that the ledger has."""
    weights = next((place / name for name in WEIGHT_FILES if (place / name).is_file()), None)
    if weights is None or file_sha256(weights) != made.digest:
        raise SocietyError(f"{place} holds other weights than the ledger's: it was changed after it was written")


def _update(
    folder: Path,
    plan: Plan,
    ledger: Ledger,
    trainer: Trainer,
    versions: Mapping[str, Version],
    update: int,
    on_event: Observer | None,
    crew: Crew,
) -> tuple[UpdateLine, dict[str, Version]]:
    started, config = time.monotonic(), config_of(plan)
    last = ledger.lines[-1]
    context = UpdateContext(
        plan,
        config,
        folder,
        update,
        trainer,
        versions,
        last.means,
        on_event,
        experience=last.experience,
        crew=crew,
        lines=ledger.lines,
    )
    context = at_start(context, ledger)
    computed = config.league is not None and config.computes
    lesson = answer(context, ledger) if computed else METHODS[config.method](context)
    line, new = learn(context, lesson, started)
    return pass_gate(context, ledger, with_record(context, ledger, line, new), new)


def learn(context: UpdateContext, lesson: Lesson, started: float) -> tuple[UpdateLine, dict[str, Version]]:
    """Change every learner by a lesson; return the ledger's line, which is to be appended, and the new versions.

    Args:
        context: The training before the update.
        lesson: What is learned.
        started: When the update began (monotonic seconds).
    """
    adapter, trainer = context.config.adapter, context.trainer
    figures = trainer.forward_backward(lesson.samples, LossWeights(entropy=adapter.entropy, kl=adapter.kl))
    made: dict[str, LearnerUpdate] = {}
    new: dict[str, Version] = {}
    for name in context.config.learners:
        gradient = trainer.optim_step(name)
        new[name] = trainer.save_weights(name, context.folder / VERSIONS)
        made[name] = _learner_line(new[name], context.versions[name], lesson, figures.get(name), gradient)
    seconds = time.monotonic() - started
    line = UpdateLine(
        context.update,
        made,
        seconds,
        lesson.means,
        lesson.cells,
        lesson.run,
        experience=lesson.experience,
        modes=lesson.modes,
        meetings=lesson.meetings,
    )
    return line, new


def _learner_line(
    version: Version, parent: Version, lesson: Lesson, figures: LossFigures | None, gradient: float
) -> LearnerUpdate:
    name = version.learner
    effect = lesson.effects.get(name)
    return LearnerUpdate(
        version=version.name,
        digest=version.digest,
        parent=parent.name,
        value=lesson.values.get(name),
        loss=known(figures.loss) if figures else None,
        entropy=known(figures.entropy) if figures else None,
        kl=known(figures.kl) if figures else None,
        gradient=gradient,
        samples=figures.samples if figures else 0,
        tokens=figures.tokens if figures else 0,
        invalid=lesson.invalid.get(name, 0.0),
        message_effect=effect.value if effect else None,
        message_effect_low=known(effect.low) if effect else None,
        message_effect_high=known(effect.high) if effect else None,
    )
