"""What is asked of a model, what came back, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.players.policies import Situation


class Tier(str, Enum):
    """Where a text came from, best first; SCRIPTED and HUMAN mark roster rows that name a policy or a person: no
    model was to answer there, and nothing falls to them."""

    CAMEL = "camel"
    HTTP = "http"
    EMBEDDED = "embedded"
    SIMULATED = "simulated"
    SCRIPTED = "scripted"
    HUMAN = "human"

    @property
    def real(self) -> bool:
        """True where a language model generated the text."""
        return self in (Tier.CAMEL, Tier.HTTP, Tier.EMBEDDED)


FALLBACK_ORDER: tuple[Tier, ...] = (Tier.CAMEL, Tier.HTTP, Tier.EMBEDDED, Tier.SIMULATED)


class Purpose(str, Enum):
    """What a text is for: a strategy message, a social action by a tool call, a decision in the game."""

    TALK = "talk"
    ACT = "act"
    DECIDE = "decide"


@dataclass(frozen=True)
class ToolCall:
    """A tool a model wants used; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ChatMessage:
    """One chat message; `role` is system, user, assistant or tool.

    `tool_calls` are an assistant's, `tool_call_id` is which of them a tool's message answers.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn. `temperature` 0 is greedy; `max_tokens` bounds the reply, not the prompt."""

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 64


@dataclass(frozen=True)
class CallKey:
    """Which moment of a run a call belongs to; unique within a run. `attempt` 1 asks an invalid reply again."""

    episode: int
    step: int
    model_id: str
    purpose: Purpose
    talk_round: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class Request:
    """One generation.

    `adapter` is the served name put in the request's `model` field; `base_model` the base it belongs to.
    With `choices` the reply must be exactly one of them (structured output, option scoring). `seed` makes
    sampling repeatable where the tier can. `situation` is what the simulated tier's minds look at.
    `adapter_path` is a local PEFT folder, for the embedded tier. `tools` are function schemas in the OpenAI
    shape that the reply may (with `must_use_tool`: must) call. `endpoint` pins the only server that may answer.
    """

    key: CallKey
    adapter: str
    messages: tuple[ChatMessage, ...]
    base_model: str | None = None
    choices: tuple[str, ...] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    seed: int | None = None
    adapter_path: str | None = None
    situation: Situation | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    must_use_tool: bool = False
    endpoint: str | None = None


@dataclass(frozen=True)
class Provenance:
    """Where a text came from.

    `endpoint` is the server's URL, or the empty string without a server. `attempt` counts from 1 within the
    tier. `latency` is seconds. Token counts are None where the tier cannot tell. `fallback_from` names the tiers
    that failed before this one, best first. `prompt_tokens` include the `cached_tokens` that a prefix cache held.
    `cached` marks a reply that was taken from a reply cache: its latency is that of the call that first brought it.
    """

    tier: Tier
    adapter: str
    endpoint: str = ""
    attempt: int = 1
    latency: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str = ""
    fallback_from: tuple[Tier, ...] = ()
    cached_tokens: int | None = None
    cached: bool = False


@dataclass(frozen=True)
class Reply:
    """A generated text with its provenance.

    `choice_probability` is the model's own probability of the choice it made, where the tier measures it.
    """

    text: str
    provenance: Provenance
    choice_probability: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()


class CallStatus(str, Enum):
    """How an attempt ended: CANCELLED with the run that made it, CACHED without any call at all."""

    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CACHED = "cached"


@dataclass(frozen=True)
class CallRecord:
    """One attempt of one generation at one tier: a row of the `calls` table. Times are seconds.

    `reply` is what it brought, None when failed: one record, so that a crash cannot keep one without the other.
    `queue_time` is spent waiting for a free slot. `error` is the error's class and text, empty when ok; `error_class`
    the class alone. `prompt_hash` is the SHA-256 of the canonical request (adapter, messages, choices, tools,
    sampling, seed). `first_token_time` is None where the tier cannot tell when the first token came.
    """

    key: CallKey
    tier: Tier
    endpoint: str
    adapter: str
    attempt: int
    status: CallStatus
    latency: float
    queue_time: float
    prompt_hash: str
    reply: Reply | None = None
    error: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str = ""
    error_class: str = ""
    cached_tokens: int | None = None
    first_token_time: float | None = None


def fallen(source: Provenance) -> str:
    """The tiers that failed before a reply came, best first: "camel>http", or empty."""
    return ">".join(tier.value for tier in source.fallback_from)


def lowest_tier(tiers: Mapping[Tier, int]) -> str:
    """The tier furthest down the falling order among those used, else "human", else "scripted", else "none"."""
    used = [tier.value for tier in (Tier.SCRIPTED, Tier.HUMAN, *FALLBACK_ORDER) if tiers.get(tier)]
    return used[-1] if used else "none"


def real_share(tiers: Mapping[Tier, int]) -> float:
    """The share of texts, 0-1, that a language model generated."""
    texts = sum(tiers.values())
    return sum(count for tier, count in tiers.items() if tier.real) / texts if texts else 0.0
