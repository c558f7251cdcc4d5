"""The `training` section of a scenario file: which rows learn, from what, and how. `society run` ignores it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from agents.file_model import FileModel, Flag, Real, Text, Whole, word_or_structure
from agents.findings import Finding, refuse
from simulation.sections.evolution import EvolutionConfig
from simulation.sections.gate import GateConfig, decision_error, least_pairs
from simulation.sections.league import LeagueConfig
from simulation.sections.opponents import OpponentsConfig


class TrainingMethod(str, Enum):
    """How a learner learns.

    imitation: play like a scripted teacher. filtered_imitation: play as in what paid best in given runs. reinforce:
    what paid more becomes more likely. exact: as reinforce, computed without playing, for silent games with few
    prompts. lola: as exact, through the next step of the other learners. advantage_alignment: as exact, and what helps
    other learners becomes more likely after they did good. evolution: mixtures of given adapters are tried, and the
    present one moves to what is paid more.
    """

    IMITATION = "imitation"
    FILTERED_IMITATION = "filtered_imitation"
    REINFORCE = "reinforce"
    EXACT = "exact"
    LOLA = "lola"
    ADVANTAGE_ALIGNMENT = "advantage_alignment"
    EVOLUTION = "evolution"


COMPUTED = frozenset({TrainingMethod.EXACT, TrainingMethod.LOLA, TrainingMethod.ADVANTAGE_ALIGNMENT})
"""The methods that can do without episodes: everything is computed over the prompts of a silent game."""
SHAPING = COMPUTED - {TrainingMethod.EXACT}
"""The methods of opponent shaping, which need two learners."""


class TrainingObjective(str, Enum):
    """Whose payoffs count: the learner's own, its team's less the others', or everyone's mean."""

    OWN = "own"
    TEAM = "team"
    SHARED = "shared"


class MessageCredit(str, Enum):
    """What a message is credited with: all that was paid after it, or what that is more than without it."""

    RETURN = "return"
    TWIN = "twin"


class LearnerConfig(FileModel):
    """One row that learns."""

    objective: TrainingObjective | None = None
    """own, team or shared; null is what the mode says: competitive own, cooperative shared, team_battle team."""
    teacher: Text | None = None
    """imitation only: the policy to play like."""


class AdapterConfig(FileModel):
    """The adapter that a learner trains, and how fast."""

    rank: Whole = Field(default=8, ge=1, le=512)
    """The LoRA rank of a new adapter."""
    alpha: Whole | None = Field(default=None, ge=1)
    """The LoRA alpha of a new adapter; null is twice its rank."""
    modules: Annotated[
        Annotated[Literal["attention", "all"], Tag("<word>")] | Annotated[tuple[Text, ...], Tag("<structure>")],
        Discriminator(word_or_structure),
    ] = "attention"
    """attention, all (attention and feed-forward), or a list of module names."""
    learning_rate: Real = Field(default=1e-3, gt=0)
    """Of Adam; a tabular learner takes plain gradient steps of this length."""
    entropy: Real = Field(default=0.0, ge=0)
    """Weight of the entropy of choices: more keeps a learner undecided."""
    kl: Real = Field(default=0.0, ge=0)
    """Weight of the divergence from the adapter that the training began with."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """The numbers that a model computes with."""


class TrainingConfig(FileModel):
    """Which rows learn, from what, and how."""

    learners: Mapping[str, LearnerConfig] = Field(min_length=1)
    """By model_id, the rows that learn; every other row is a partner."""
    method: TrainingMethod
    """imitation, filtered_imitation, reinforce, exact, lola, advantage_alignment or evolution."""
    updates: Whole = Field(default=20, ge=1)
    """How often every learner changes; a league has its own number."""
    episodes: Whole = Field(default=16, ge=1)
    """reinforce and imitation: episodes of each task before an update. evolution: of each mixture that is tried."""
    parts: Whole = Field(default=1, ge=1)
    """reinforce only: runs that an update's episodes are divided into; `society train --jobs` plays several at once."""
    opponents: OpponentsConfig = OpponentsConfig()
    """reinforce only: whom learners meet: latest, past and scripted by share of the episodes."""
    message_credit: MessageCredit = MessageCredit.RETURN
    """reinforce only: return, what was paid after a message; twin, what that is more than in the same episodes with the
    learner's messages silenced, which are played too.
    """
    partners: Mapping[str, Annotated[tuple[Text, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """exact, lola, advantage_alignment: rows that do not learn and the policies they take, each as likely.

    A learner cannot tell which."""
    look_ahead: Real = Field(default=10.0, gt=0)
    """lola only: the length of the others' next step, in logits per point a step."""
    alignment: Real = Field(default=10.0, gt=0)
    """advantage_alignment only: the weight of products of advantages."""
    sampled: Flag = False
    """advantage_alignment only: from played episodes, as reinforce, in place of computing every prompt."""
    evolution: EvolutionConfig | None = None
    """evolution only: the adapters that are mixed, and how mixtures are tried."""
    league: LeagueConfig | None = None
    """exact and reinforce: learners answer a mixture of all earlier policies of each other, in rounds."""
    runs: tuple[Text, ...] = ()
    """filtered_imitation only: run directories, or folders of them, to learn from."""
    temperature: Real = Field(default=1.0, gt=0)
    """filtered_imitation only: an episode weighs exp(advantage / temperature), in standard deviations."""
    adapter: AdapterConfig = AdapterConfig()
    """The adapter that each learner trains."""
    base_model: Text | None = None
    """A model's folder or hub id; null is the roster's base model."""
    gate: GateConfig | None = None
    """What a new version must show before it is exported as the learner's; null: the last version is."""

    @model_validator(mode="after")
    def _gate_can_promote(self) -> TrainingConfig:
        """Refuse a gate whose last decision has too few episodes to promote anything."""
        if self.gate is not None:
            gates = sum(self.gate.is_due(update, self.updates) for update in range(1, self.updates + 1))
            last = gates * len(self.learners)
            least = least_pairs(decision_error(self.gate.error, last))
            if self.gate.episodes < least:
                message = f"{self.gate.episodes} are too few: decision {last}, the last, promotes with {least} at least"
                refuse([Finding(("gate", "episodes"), message, f"nearest valid: {least}")])
        return self

    @model_validator(mode="after")
    def _mixtures_have_no_shape(self) -> TrainingConfig:
        if self.method is TrainingMethod.EVOLUTION and self.adapter != AdapterConfig():
            why = "a mixture has the rank of its adapters, and no gradient"
            refuse([Finding(("adapter",), why, "leave it out")])
        return self

    @property
    def computes(self) -> bool:
        """Whether the method plays no episode and computes over the prompts of a silent game."""
        return self.method in COMPUTED and not self.sampled

    @property
    def divides_by_opponents(self) -> bool:
        """Whether learners meet others than the latest versions of all."""
        return self.opponents.past > 0 or self.opponents.scripted > 0 or self.samples_league

    @property
    def samples_league(self) -> bool:
        """Whether a league plays episodes and matches, in place of computing."""
        return self.league is not None and not self.computes

    @property
    def plays_several_runs(self) -> bool:
        """Whether an update's episodes are divided into several runs."""
        return self.parts > 1 or self.divides_by_opponents or self.method is TrainingMethod.EVOLUTION

    @property
    def last_update(self) -> int:
        """The number of the last update: `updates`, or that of a league that does not end early."""
        return self.league.updates if self.league else self.updates
