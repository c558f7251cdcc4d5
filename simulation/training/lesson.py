"""What a method is asked, and what it answers: the samples of one update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.learning.samples import Sample, Trainer, Version
from simulation.plan import Plan
from simulation.runs.session import Observer
from simulation.runs.workers import Alone, Crew
from simulation.sections.training import TrainingConfig
from simulation.training.ledger import Meeting, UpdateLine
from simulation.training.mixing import ModeFacts, ModeShare


@dataclass(frozen=True)
class UpdateContext:
    """The state of a training before an update.

    Attributes:
        plan: The scenario and its roster.
        config: The scenario's `training` section.
        folder: The training's folder.
        update: The number of the update, from 1.
        trainer: What trains the learners.
        versions: Each learner's version, the one that this update changes.
        means: The running means of earlier updates.
        on_event: Is called with every event of the update's episodes.
        experience: In the mode mixed, what earlier updates taught its bandit.
        crew: Who plays the parts of an update's episodes.
        lines: The ledger's lines before the update.
        made_in: The folder of the versions that `lines` name; None where `versions` are in it too.
    """

    plan: Plan
    config: TrainingConfig
    folder: Path
    update: int
    trainer: Trainer
    versions: Mapping[str, Version]
    means: Mapping[str, float] = field(default_factory=dict)
    on_event: Observer | None = None
    experience: ModeFacts = field(default_factory=dict)
    crew: Crew = field(default_factory=Alone)
    lines: Sequence[UpdateLine] = ()
    made_in: Path | None = None

    @property
    def versions_folder(self) -> Path:
        """Return the folder of the ledger's versions; a replay has its own latest ones elsewhere."""
        return self.made_in or next(iter(self.versions.values())).folder.parent


@dataclass(frozen=True)
class LearnerSituation:
    """A prompt of a learner that is followed through a training: where it is met, and its choices."""

    learner: str
    text: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class MessageEffect:
    """What a learner's objective is paid more per step for its messages, with its interval; NaN with few episodes."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Lesson:
    """The samples of one update, and what was seen.

    Attributes:
        samples: The samples of all learners.
        values: What each learner's objective earned per step.
        invalid: Share of decisions that were not legal, by learner (0-1).
        means: The running means for the next update.
        cells: By learner the probabilities of every choice in each of its situations; empty where they are not known.
        run: The run directory of the episodes, relative to the training's folder.
        experience: In the mode mixed, what all updates so far taught its bandit.
        modes: In the mode mixed, what each mode taught each learner.
        meetings: By learner whom it met, where `training.opponents` divides the episodes.
        effects: What each learner's messages were worth, where their silenced twins were played.
    """

    samples: Sequence[Sample]
    values: Mapping[str, float] = field(default_factory=dict)
    invalid: Mapping[str, float] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    cells: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    run: str = ""
    experience: ModeFacts = field(default_factory=dict)
    modes: Mapping[str, Mapping[str, ModeShare]] = field(default_factory=dict)
    meetings: Mapping[str, Sequence[Meeting]] = field(default_factory=dict)
    effects: Mapping[str, MessageEffect] = field(default_factory=dict)


Method = Callable[[UpdateContext], Lesson]
