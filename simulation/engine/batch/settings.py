"""When a society is played in columns, and why not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
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
    from simulation.task import TrainingTask


@dataclass(frozen=True)
class BatchSettings:
    """Whether an environment may play in columns, and how.

    Args:
        allowed: Whether nobody reads prompts, requests or records of calls.
        oasis_db: Whether OASIS's database is kept; off needs `allowed`.
        answering: Who computes the answers; None is this process.
    """

    allowed: bool = False
    oasis_db: OnOrOff = OnOrOff.ON
    answering: Answering | None = None


NO_BATCH = BatchSettings()


def batch_refusal(
    models: Sequence[ModelConfig],
    task: TrainingTask,
    *,
    tiers: Collection[Tier],
    answered: Collection[str],
    communication: Communication,
    deliberation: Deliberation,
    memory: MemoryConfig,
    reader: ReaderVersion,
) -> str:
    """Return why an episode cannot be played in columns; empty where it can.

    Args:
        models: The players' roster rows.
        task: What is played.
        tiers: The tiers that may answer; without any, replies are recorded ones.
        answered: The model_ids for which something else answers: a person, a learner.
        communication: Who can reach whom.
        deliberation: How replies are thought over where a row says nothing else.
        memory: What models remember.
        reader: Which reader reads the replies.
    """
    of_rows = (_of_row(row, answered, deliberation) for row in models)
    if set(tiers) - {Tier.SIMULATED}:
        return "a language model may answer: it needs --tier simulated"
    return next(filter(None, (*_of_rules(task, communication, memory, reader), *of_rows)), "")


def _of_row(row: ModelConfig, answered: Collection[str], deliberation: Deliberation) -> str:
    if row.human or row.model_id in answered:
        return f"{row.model_id} is not played by a policy"
    if row.model_name and deliberation.with_settings(row.thinking, row.decide).notes:
        return f"{row.model_id} writes a note before it decides"
    return ""


def _of_rules(
    task: TrainingTask, communication: Communication, memory: MemoryConfig, reader: ReaderVersion
) -> Iterator[str]:
    if task.task_type == NETWORK or communication.social_actions:
        yield f"{task.task_id} is played in a social network"
    if communication.addressing is Addressing.CHOSEN:
        yield "models choose whom to talk to"
    if communication.treatment is Treatment.REPLACED:
        yield "messages are replaced by others"
    if memory.summary is not None:
        yield "models sum up what they remember"
    if reader is not ReaderVersion.SENTENCES:
        yield "the run is of an earlier version"
