"""A trained adapter leaves: PEFT files, a model card, and a roster row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import WEIGHTS_FILE, read_adapter_folder
from agents.problems import SocietyError, nearest
from simulation.store.files import atomic_directory
from simulation.training.rollout import is_tabular
from simulation.training.run import VERSIONS, check_digest, config_of

if TYPE_CHECKING:
    from simulation.training.tables import Training

PEFT_FILES = (CONFIG_FILE, WEIGHTS_FILE)
CARD = "README.md"


def export_version(
    training: Training, learner: str, to: Path, *, name: str | None = None, update: int | None = None
) -> Path:
    """Write a learner's version as a PEFT folder with a model card; return the folder.

    Args:
        training: The training.
        learner: The learner's model_id.
        to: The folder in which the adapter's folder is made.
        name: The adapter's name; by default the learner's.
        update: The update whose version it is; by default the last, or the last that the gate promoted.

    Raises:
        SocietyError: There is no such learner or update, the learner is a table, or the folder exists.
    """
    if learner not in training.plan_learners:
        raise SocietyError(f"no learner is called {learner!r} ({nearest(learner, list(training.plan_learners))})")
    if is_tabular(training.plan):
        raise SocietyError(f"{learner} is a table of logits: it has no adapter to export")
    if not training.ledger.lines:
        raise SocietyError(f"{training.path}: no update is made yet")
    if name is not None and (Path(name).name != name or name.startswith(".")):
        raise SocietyError(f"--as {name!r} is no name of a folder")
    number = default_update(training, learner) if update is None else update
    if not 0 <= number < len(training.ledger.lines):
        raise SocietyError(f"there is no update {number}; the last is {len(training.ledger.lines) - 1}")
    made = training.ledger.lines[number].learners[learner]
    source, place = training.path / VERSIONS / made.version, to / (name or learner)
    check_digest(source, made)
    if place.exists():
        raise SocietyError(f"{place} exists; name another adapter: --as")
    with atomic_directory(place) as part:
        for file in PEFT_FILES:
            shutil.copyfile(source / file, part / file)
        (part / CARD).write_text(model_card(training, learner, place.name, number), encoding="utf-8")
    return place


def default_update(training: Training, learner: str) -> int:
    """Return the update whose version is exported: the last, or with a gate the one that was promoted last."""
    gated = config_of(training.plan).gate is not None
    return training.ledger.promoted_at(learner) if gated else len(training.ledger.lines) - 1


def roster_row(training: Training, learner: str, place: Path) -> str:
    """Return a roster row that plays an exported adapter, as YAML."""
    row = next(each for each in training.plan.roster.expand() if each.model_id == learner)
    parts = {"model_id": learner, "model_name": place.name, "role": row.role.value, "adapter": str(place.resolve())}
    return "- {" + ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in parts.items()) + "}"


def model_card(training: Training, learner: str, name: str, update: int) -> str:
    """Return the model card of a version: what it was trained on, how, and what was measured."""
    plan, config = training.plan, config_of(training.plan)
    base = config.base_model or plan.roster.base_model or "the embedded model"
    made = training.ledger.lines[update].learners[learner]
    games = ", ".join(dict.fromkeys(f"{task.task_type} ({task.max_steps} steps)" for task in plan.scenario.tasks))
    objective = config.learners[learner].objective
    value = "-" if made.value is None else f"{made.value:.3f}"
    rows = [
        ("base model", str(base)),
        ("games", games),
        ("mode", plan.scenario.mode.value),
        ("objective", objective.value if objective else "that of the mode"),
        ("method", config.method.value),
        ("updates", str(update)),
        ("learning rate", f"{config.adapter.learning_rate:g}"),
        ("rank", str(read_adapter_folder(training.path / VERSIONS / made.version).rank)),
        ("what its objective earned before its last update", value),
        ("share of invalid decisions", f"{made.invalid:.1%}"),
        ("weights", f"sha256:{made.digest}"),
        ("seed", str(plan.scenario.seed)),
    ]
    head = f"---\nbase_model: {base}\nlibrary_name: peft\ntags: [lora, lora-society]\n---\n\n# {name}\n\n"
    text = (
        f"A LoRA adapter that learned as `{learner}` in the training `{plan.scenario.name}` of LoRA Society. Its "
        f"figures are those of the training: {_gate_text(training, learner, update)}. The base model's licence "
        "applies.\n\n"
    )
    return head + text + "| | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in rows)


def _gate_text(training: Training, learner: str, update: int) -> str:
    """Return what the gate says of an update's version."""
    found = training.ledger.lines[update].gates.get(learner)
    if found is None:
        return "it met no held-out partner"
    partners = ", ".join(each.partner for each in found.evidence[1:])
    return f"the gate, with the held-out partners {partners}, decided: {found.verdict.value} ({found.reason})"
