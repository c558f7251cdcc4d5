"""The ledger of a training: one line of JSON per update, appended and synced, never changed.

A version without a line is not used and is deleted; an update without a line is made again. Running means and every
table are derived from the lines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from agents.problems import SocietyError
from simulation.store.files import translating_os_errors
from simulation.training.gate.decision import GateDecision, decision_from
from simulation.training.mixing import ModeFacts, ModeShare

LEDGER = "ledger.jsonl"


@dataclass(frozen=True)
class LearnerUpdate:
    """What one update made of one learner.

    Attributes:
        version: The new version's name, the folder below `versions/`.
        digest: SHA-256 of its weights, in hex.
        parent: The version it was made from; empty for the first.
        value: What its objective earned per step before this update, in the game's points.
        loss: The mean loss of its samples.
        entropy: The mean entropy of its choices, in nats.
        kl: The mean divergence from the version that the training began with, in nats.
        gradient: The length of the gradient.
        samples: How many samples it learned from.
        tokens: How many tokens their prompts had.
        invalid: Share of its decisions that were not legal (0-1).
        message_effect: What its objective was paid more per step for its messages, before this update; None where their
            silenced twins were not played.
        message_effect_low: The lower end of its interval.
        message_effect_high: The upper end.
    """

    version: str
    digest: str
    parent: str = ""
    value: float | None = None
    loss: float | None = None
    entropy: float | None = None
    kl: float | None = None
    gradient: float | None = None
    samples: int = 0
    tokens: int = 0
    invalid: float = 0.0
    message_effect: float | None = None
    message_effect_low: float | None = None
    message_effect_high: float | None = None


@dataclass(frozen=True)
class Meeting:
    """What a learner earned against one lineup of opponents in an update.

    Attributes:
        kind: latest, past, scripted or league.
        opponents: By model_id the version that each other learner played; the policy of a scripted lineup under "*".
        episodes: How many episodes were played.
        value: What the learner's objective earned per step, in the game's points.
    """

    kind: str
    opponents: Mapping[str, str]
    episodes: int
    value: float


@dataclass(frozen=True)
class UpdateLine:
    """One line: update 0 is the beginning.

    Attributes:
        update: Its number.
        learners: What it made of each learner.
        seconds: How long it took.
        means: The running means of returns, for the next update's baselines.
        cells: The probabilities of every choice in each known situation, by learner, before this update.
        run: The run directory of its episodes, relative to the training; empty without one.
        experience: In the mode mixed, what all updates so far taught its bandit, by task and mode.
        modes: In the mode mixed, what each mode taught each learner.
        gates: By learner what the gate decided on its version; empty where none was due.
        meetings: By learner whom it met, where `training.opponents` divides the episodes.
        league: Where a round of a league ends: its new policies, and what all of them make of the league.
    """

    update: int
    learners: Mapping[str, LearnerUpdate]
    seconds: float = 0.0
    means: Mapping[str, float] = field(default_factory=dict)
    cells: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    run: str = ""
    experience: ModeFacts = field(default_factory=dict)
    modes: Mapping[str, Mapping[str, ModeShare]] = field(default_factory=dict)
    gates: Mapping[str, GateDecision] = field(default_factory=dict)
    meetings: Mapping[str, Sequence[Meeting]] = field(default_factory=dict)
    league: Mapping[str, Any] = field(default_factory=dict)

    def going_on(self, learner: str) -> str:
        """The version of a learner that the update after this one changes; a gate may send it back to another."""
        return self.gates[learner].goes_on if learner in self.gates else self.learners[learner].version


class Ledger:
    """The lines of a training's folder, in memory and on disk. A line that a kill cut off does not count.

    Args:
        folder: The training's folder.
        repair: Whether such a line is cut away; only for who holds the folder.
    """

    def __init__(self, folder: Path, *, repair: bool = False) -> None:
        self._path = folder / LEDGER
        self.lines: list[UpdateLine] = []
        with translating_os_errors(self._path):
            self._read(repair)

    def _read(self, repair: bool) -> None:
        whole = 0
        content = self._path.read_bytes() if self._path.exists() else b""
        for raw in content.splitlines(keepends=True):
            if not raw.endswith(b"\n"):
                break
            self.lines.append(_line(raw, self._path, len(self.lines)))
            whole += len(raw)
        if repair and whole < len(content):
            with self._path.open("r+b") as file:
                file.truncate(whole)

    def append(self, line: UpdateLine) -> None:
        """Write a line and sync it. Raises SocietyError where the system refuses."""
        with translating_os_errors(self._path), self._path.open("ab") as file:
            file.write(orjson.dumps(asdict(line)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)

    @property
    def latest(self) -> frozenset[str]:
        """The names of each learner's latest version."""
        return frozenset(each.version for each in self.lines[-1].learners.values()) if self.lines else frozenset()

    @property
    def versions(self) -> frozenset[str]:
        """The names of all versions that a line has."""
        return frozenset(each.version for line in self.lines for each in line.learners.values())

    @property
    def decisions(self) -> int:
        """How many decisions gates have made."""
        return sum(len(line.gates) for line in self.lines)

    def promoted_at(self, learner: str) -> int:
        """The update whose version of a learner was promoted last; 0, its first version, before any was."""
        gated = (line for line in reversed(self.lines) if learner in line.gates)
        return next((line.update for line in gated if line.gates[learner].promoted), 0)

    def incumbent(self, learner: str) -> str:
        """The version of a learner that was promoted last."""
        return self.lines[self.promoted_at(learner)].learners[learner].version

    def going_on(self, learner: str) -> str:
        """The version of a learner that the next update changes: the latest, or where a gate sent it back to."""
        return self.lines[-1].going_on(learner)

    def made(self, learner: str, version: str) -> LearnerUpdate:
        """The entry of a learner's version. Raises SocietyError where no line has it."""
        for line in reversed(self.lines):
            if line.learners[learner].version == version:
                return line.learners[learner]
        raise SocietyError(f"{self._path} has no version {version}")


def last_round(lines: Sequence[UpdateLine]) -> Mapping[str, Any]:
    """Return the record of a league's last finished round; empty where none is finished."""
    return next((line.league for line in reversed(lines) if line.league), {})


def _line(raw: bytes, path: Path, number: int) -> UpdateLine:
    try:
        data: dict[str, Any] = orjson.loads(raw)
        learners = {name: LearnerUpdate(**each) for name, each in data.pop("learners").items()}
        modes = {
            name: {mode: ModeShare(**each) for mode, each in by_mode.items()}
            for name, by_mode in data.pop("modes", {}).items()
        }
        gates = {name: decision_from(each) for name, each in data.pop("gates", {}).items()}
        meetings = {name: [Meeting(**each) for each in met] for name, met in data.pop("meetings", {}).items()}
        line = UpdateLine(learners=learners, modes=modes, gates=gates, meetings=meetings, **data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SocietyError(f"{path} line {number + 1} is no line of a training's ledger: {error}") from error
    if line.update != number:
        raise SocietyError(f"{path} line {number + 1} is of update {line.update}; update {number} is expected")
    return line
