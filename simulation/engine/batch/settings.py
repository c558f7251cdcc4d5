"""When a society is played in columns, and why not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from agents.answers import ReaderVersion
from agents.deliberation import Deliberation
from agents.inference.provenance import Tier
from simulation.scenario import OnOrOff
from simulation.sections.memory import MemoryConfig
from simulation.task import NETWORK
from simulation.topology.communication import Addressing, Communication
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from agents.roster import ModelConfig
    from simulation.engine.batch.answering import Answering
    from simulation.scenario import Scenario
    from simulation.task import TrainingTask


@dataclass(frozen=True)
class BatchSettings:
    """Whether an environment may play in columns, and how.

    Args:
        allowed: Whether nobody reads prompts, requests or records of calls.
        oasis_db: Whether OASIS's database is kept; off needs `allowed`.
        answering: Who computes the answers; None is this process.
        needed: Why an episode must be played in columns; empty where it need not.
    """

    allowed: bool = False
    oasis_db: OnOrOff = OnOrOff.ON
    answering: Answering | None = None
    needed: str = ""


NO_BATCH = BatchSettings()


@dataclass(frozen=True)
class BatchRules:
    """The parts of a scenario that decide whether it is played in columns.

    Args:
        communication: Who can reach whom.
        deliberation: How replies are thought over where a row says nothing else.
        memory: What models remember.
        surveys: Whether models are asked questions outside of the play.
    """

    communication: Communication
    deliberation: Deliberation
    memory: MemoryConfig
    surveys: bool

    @classmethod
    def of(cls, scenario: Scenario) -> BatchRules:
        """Return those of a scenario."""
        deliberation = scenario.inference.deliberation()
        return cls(scenario.communication, deliberation, scenario.memory, bool(scenario.surveys))


def batch_refusal(
    models: Sequence[ModelConfig],
    task: TrainingTask,
    rules: BatchRules,
    tiers: Collection[Tier],
    answered: Collection[str],
    reader: ReaderVersion,
) -> str:
    """Return why an episode cannot be played in columns; empty where it can.

    Args:
        models: The players' roster rows.
        task: What is played.
        rules: How it is played.
        tiers: The tiers that may answer; without any, replies are recorded ones.
        answered: The model_ids for which something else answers: a person, a learner.
        reader: Which reader reads the replies.
    """
    if set(tiers) - {Tier.SIMULATED}:
        return "a language model may answer: it needs --tier simulated"
    of_rows = (_of_row(row, answered, rules.deliberation) for row in models)
    return next(filter(None, chain(_of_rules(task, rules, reader), of_rows)), "")


def _of_row(row: ModelConfig, answered: Collection[str], deliberation: Deliberation) -> str:
    if row.human or row.model_id in answered:
        return f"{row.model_id} is not played by a policy"
    if row.model_name and deliberation.with_settings(row.thinking, row.decide).notes:
        return f"{row.model_id} writes a note before it decides"
    return ""


def _of_rules(task: TrainingTask, rules: BatchRules, reader: ReaderVersion) -> Iterator[str]:
    if task.task_type == NETWORK or rules.communication.social_actions:
        yield f"{task.task_id} is played in a social network"
    if rules.communication.addressing is Addressing.CHOSEN:
        yield "models choose whom to talk to"
    if rules.communication.treatment is Treatment.REPLACED:
        yield "messages are replaced by others"
    if rules.memory.summary is not None:
        yield "models sum up what they remember"
    if rules.surveys:
        yield "models are asked questions"
    if reader is not ReaderVersion.SENTENCES:
        yield "the run is of an earlier version"
