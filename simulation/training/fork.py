"""A fork of a training: a new folder that is the old one without an update. What would have come of it?

    society train FOLDER --fork 17

The fork has the lines, versions and runs of the updates before, and a line for the update that is left out: it keeps
the versions as they were. From the next update on it goes its own way, with the seeds of those updates.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import orjson

from agents.problems import UsageError
from simulation.runs.folders import new_folder
from simulation.store.files import atomic_directory, replace_file
from simulation.tables.run import TRAINING
from simulation.training.gate.power import POWER
from simulation.training.ledger import LearnerUpdate, Ledger, UpdateLine
from simulation.training.replay import refuse_league
from simulation.training.rollout import ROLLOUTS
from simulation.training.run import SITUATIONS, VERSIONS, check_digest, read_plan


def fork_training(path: str | Path, without: int, out: str | Path = "runs") -> Path:
    """Make a training that is another one without an update; return its folder.

    Args:
        path: The training's folder; nothing in it is changed.
        without: The update that is left out.
        out: The folder in which the new folder is made.

    Raises:
        UsageError: There is no such update, or the training is a league.
        SocietyError: The folder holds no training, or a version was changed.
    """
    source = Path(path).resolve()
    plan, ledger = read_plan(source), Ledger(source)
    refuse_league(plan)
    last = len(ledger.lines) - 1
    if not 1 <= without <= last:
        raise UsageError(f"--fork {without}: the training's updates are 1 to {last}" if last > 0 else _NONE)
    kept = ledger.lines[:without]
    for line in kept:
        for made in line.learners.values():
            check_digest(source / VERSIONS / made.version, made)
    folder = new_folder(out, f"{plan.scenario.name}-training")
    with atomic_directory(folder) as part:
        facts = orjson.loads((source / TRAINING).read_bytes())
        fork = {"fork": {"of": str(source), "without": without}}
        replace_file(part / TRAINING, orjson.dumps({**facts, **fork}, option=orjson.OPT_INDENT_2) + b"\n")
        for name in (SITUATIONS, POWER):
            if (source / name).is_file():
                shutil.copyfile(source / name, part / name)
        copied = Ledger(part)
        for line in kept:
            copied.append(line)
        copied.append(left_out(copied))
        for name in sorted(copied.versions):
            _link_tree(source / VERSIONS / name, part / VERSIONS / name)
        for update in range(1, without):
            place = source / ROLLOUTS / f"{update:04}"
            if place.is_dir():
                _link_tree(place, part / ROLLOUTS / place.name)
    return folder


_NONE = "--fork: the training has no update that could be left out"


def left_out(ledger: Ledger) -> UpdateLine:
    """Return the line of an update after a ledger's last that changes nothing."""
    before = ledger.lines[-1]
    kept = {name: ledger.made(name, ledger.going_on(name)) for name in before.learners}
    same = {name: LearnerUpdate(made.version, made.digest, made.version) for name, made in kept.items()}
    return UpdateLine(before.update + 1, same, means=before.means, experience=before.experience)


def _link_tree(source: Path, place: Path) -> None:
    """Copy a folder of files that never change; they take no space twice where the disk allows links."""
    shutil.copytree(source, place, copy_function=_link)


def _link(source: str, place: str) -> str:
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)
    return place
