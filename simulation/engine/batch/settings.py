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
from simulation.topology.communication import Addressing, Communication, Stepping
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
        allowed: Whether no model acts in a social network, and what was played before was not played by requests.
        prompts: Whether the prompts of the simulated tier are kept.
        oasis_db: Whether OASIS's database is kept; off is for societies in columns.
        answering: Who computes the answers; None is this process.
        needed: Why an episode must be played in columns; empty where it need not.
        recorded: Whether replies of the run's language models were recorded: they are asked by requests then.
    """

    allowed: bool = False
    prompts: bool = False
    oasis_db: OnOrOff = OnOrOff.ON
    answering: Answering | None = None
    needed: str = ""
    recorded: bool = False

    def refusal(self, models: Sequence[ModelConfig], tiers: Collection[Tier], asked: Collection[int]) -> str:
        """Return why no episode of these models may be played in columns; empty where one may.

        Args:
            models: The players' roster rows.
            tiers: The tiers that may answer.
            asked: The players that are asked by requests.
        """
        if not self.allowed:
            return "models act in a social network"
        simulated = set(tiers) == {Tier.SIMULATED} and not asked
        if self.prompts and simulated and any(row.model_name for row in models):
            return "its prompts are kept"
        return f"it has fewer than {LARGE} players" if self.prompts and len(models) < LARGE else ""


MOST_ASKED = 0.1
"""The share of players that may be language models; a society of more is played by requests alone."""
LARGE = 2_000
"""Players of a society that is played in columns though prompts of its language models are kept."""
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


def can_be_split(scenario: Scenario, models: Sequence[ModelConfig]) -> bool:
    """Tell whether a scenario may be played in columns with these models: several processes then share a society."""
    tiers = scenario.inference.settings().allowed
    settings = BatchSettings(allowed=not scenario.needs_tools, prompts=scenario.prompts is OnOrOff.ON)
    asked = asked_players(models, tiers, recorded=False)
    return _are_few(asked, len(models)) and not settings.refusal(models, tiers, asked)


def asked_players(models: Sequence[ModelConfig], tiers: Collection[Tier], *, recorded: bool) -> tuple[int, ...]:
    """Return the players that are asked by requests: language models, unless the simulated tier alone answers.

    Args:
        models: The players' roster rows.
        tiers: The tiers that may answer.
        recorded: Whether replies were recorded: whoever gave them was asked by requests, and is so again.
    """
    if not (recorded or set(tiers) - {Tier.SIMULATED}):
        return ()
    return tuple(player for player, row in enumerate(models) if row.model_name)


def batch_refusal(
    models: Sequence[ModelConfig],
    task: TrainingTask,
    rules: BatchRules,
    asked: Collection[int],
    answered: Collection[str],
    reader: ReaderVersion,
) -> str:
    """Return why an episode cannot be played in columns; empty where it can.

    Args:
        models: The players' roster rows.
        task: What is played.
        rules: How it is played.
        asked: The players that are asked by requests.
        answered: The model_ids for which something else answers: a person, a learner.
        reader: Which reader reads the replies.
    """
    own = frozenset(asked)
    of_rows = (_of_row(row, answered, rules.deliberation) for player, row in enumerate(models) if player not in own)
    of_asked = (_of_player(models[player], answered) for player in asked)
    found = chain(_of_rules(task, rules, reader), _of_asked(rules, asked, len(models)), of_asked, of_rows)
    return next(filter(None, found), "")


def _are_few(asked: Collection[int], players: int) -> bool:
    return len(asked) <= MOST_ASKED * players


def _of_asked(rules: BatchRules, asked: Collection[int], players: int) -> Iterator[str]:
    if not _are_few(asked, players):
        yield f"a language model may answer for more than {MOST_ASKED:.0%} of the players: it needs --tier simulated"
    if asked and rules.communication.treatment is Treatment.SHUFFLED:
        yield "messages are put under other names"
    if asked and rules.communication.stepping is Stepping.BY_NEIGHBOURS:
        yield "models wait for their neighbours only"


def _of_row(row: ModelConfig, answered: Collection[str], deliberation: Deliberation) -> str:
    if row.model_name and deliberation.with_settings(row.thinking, row.decide).notes:
        return f"{row.model_id} writes a note before it decides"
    return _of_player(row, answered)


def _of_player(row: ModelConfig, answered: Collection[str]) -> str:
    return f"{row.model_id} is not played by a policy" if row.human or row.model_id in answered else ""


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
