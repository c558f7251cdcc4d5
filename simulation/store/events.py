"""The events of a run. All times are in seconds; `simulation.store.log` writes and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.dataclass_init import quick_init
from agents.inference.provenance import CallRecord, Request
from simulation.store.blocks import EventBlock
from simulation.store.intervention_events import EventHappened
from simulation.store.interviews import InterviewAnswered
from simulation.store.network_events import PostSeeded


@dataclass(frozen=True)
class EpisodeStarted:
    """The start of an episode.

    `mode` is the mode played (never mixed); `mode_reason` says why a mixed run picked it.
    """

    episode: int
    task_id: str
    task_type: str
    mode: str
    mode_reason: str
    mode_probability: float
    synthetic: bool
    reward_pool: float
    cooperation_level: float
    difficulty: float


@quick_init
@dataclass(frozen=True)
class CallBegun:
    """A request that is about to be sent. Observers receive it; the log holds its attempts instead, as they end."""

    request: Request


@quick_init
@dataclass(frozen=True)
class CallMade:
    """One attempt of one generation. A resumed run uses its reply in place of a call."""

    record: CallRecord


@quick_init
@dataclass(frozen=True)
class MessageSent:
    """One strategy message.

    `addressees` are the other members of its group chat, as topology and mode allow; `audience` are those who heard it,
    after inbox limit and treatment.
    """

    episode: int
    step: int
    talk_round: int
    sender: str
    team_id: str | None
    addressees: tuple[str, ...]
    audience: tuple[str, ...]
    text: str
    tier: str
    adapter: str
    endpoint: str
    latency: float
    fallback_from: str
    oasis_message_id: int
    oasis_group_id: int
    reasoning: str = ""


@quick_init
@dataclass(frozen=True)
class DecisionMade:
    """One decision; `action` None is invalid. Provenance is that of the last reply asked for.

    `reading` is how the reply was read (`agents.answers.AnswerReading`), empty for a run of the first reader; `note` is
    the private note before the decision, `reasoning` the thought of note and reply. `played` is the action that noise
    carried out in its place, if it did. Logs of earlier versions have none of the four.
    """

    episode: int
    step: int
    model_id: str
    action: str | None
    text: str
    asks: int
    tier: str
    adapter: str
    endpoint: str
    latency: float
    fallback_from: str
    choice_probability: float | None
    reading: str = ""
    note: str = ""
    reasoning: str = ""
    played: str | None = None


@dataclass(frozen=True)
class SocialActed:
    """One action in the social network.

    `action` None is invalid; `arguments` is JSON, by OASIS's parameter names; `error` is OASIS's refusal, or why the
    reply is no legal action. Provenance is that of the last reply asked for.

    A task of type social_network sets the rest: `time` is the simulated clock, `seen` the numbers of the posts that the
    model was shown, `item` the number of the post or comment that it published, 0 without one.
    """

    episode: int
    step: int
    model_id: str
    action: str | None
    arguments: str
    success: bool
    error: str
    text: str
    asks: int
    tier: str
    adapter: str
    endpoint: str
    latency: float
    fallback_from: str
    reasoning: str = ""
    time: str = ""
    seen: tuple[int, ...] = ()
    item: int = 0


@quick_init
@dataclass(frozen=True)
class StepRow:
    """One model's result of one step; `cooperation` is None for an invalid decision."""

    model_id: str
    payoff: float
    cooperation: float | None
    total_payoff: float


@dataclass(frozen=True)
class StepResolved:
    """The end of a step.

    `duration` is None where an earlier session began the episode: its replies took no time again.
    """

    episode: int
    step: int
    duration: float | None
    rows: Sequence[StepRow]


@dataclass(frozen=True)
class Outcome:
    """One model's result of an episode.

    `tier` is the lowest tier that any of its texts came from ("none" where it neither spoke nor was asked),
    `real_share` the share of its texts (0-1) that a language model generated, `completion_time` the seconds that its
    own texts took.
    """

    model_id: str
    model_name: str
    role: str
    team_id: str | None
    specialization: str
    tier: str
    real_share: float
    payoff: float
    accuracy: float
    efficiency: float | None
    cooperation_score: float | None
    reward_earned: float
    completion_time: float
    messages_sent: int
    invalid_decisions: int


@dataclass(frozen=True)
class EpisodeEnded:
    """The end of an episode.

    `welfare`, `optimum` and `nash` are sums of payoffs over all models and steps; `duration` is as in StepResolved;
    `tier` and `real_share` are those of all texts of the episode, as in Outcome. `nash` is None where the game knows no
    equilibrium, `gini` where a payoff is negative.
    """

    episode: int
    steps: int
    duration: float | None
    tier: str
    real_share: float
    welfare: float
    gini: float | None
    optimum: float
    nash: float | None
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class RunResumed:
    """The start of a new session. `episode` had not ended; it is played again from the replies in the log."""

    episode: int


@dataclass(frozen=True)
class RunEnded:
    status: str
    reason: str = ""


Event = (
    EpisodeStarted
    | CallBegun
    | CallMade
    | MessageSent
    | SocialActed
    | PostSeeded
    | EventHappened
    | DecisionMade
    | InterviewAnswered
    | StepResolved
    | EpisodeEnded
    | EventBlock
    | RunResumed
    | RunEnded
)
EVENT_TYPES: dict[str, type[Any]] = {
    event.__name__: event
    for event in (
        EpisodeStarted,
        CallMade,
        MessageSent,
        SocialActed,
        PostSeeded,
        EventHappened,
        DecisionMade,
        InterviewAnswered,
        StepResolved,
        EpisodeEnded,
        RunResumed,
        RunEnded,
    )
}
