"""Requests to models, their replies, and where the replies came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from numbers import Integral
from typing import TYPE_CHECKING, Any

from agents.dataclass_init import quick_init
from agents.problems import SocietyError

if TYPE_CHECKING:
    from agents.players.policies import Situation


class InvalidRequestError(SocietyError, ValueError):
    """A request, or the sampling of one, that no tier can answer: a mistake of the caller."""

    repeats = True


class Tier(str, Enum):
    """Where a text came from, best first.

    SCRIPTED and HUMAN are the tiers of roster rows that name a policy or a person. They are never used as fallbacks.
    """

    CAMEL = "camel"
    HTTP = "http"
    EMBEDDED = "embedded"
    SIMULATED = "simulated"
    SCRIPTED = "scripted"
    HUMAN = "human"

    @property
    def real(self) -> bool:
        """Return whether a language model generated the text."""
        return self in (Tier.CAMEL, Tier.HTTP, Tier.EMBEDDED)


FALLBACK_ORDER: tuple[Tier, ...] = (Tier.CAMEL, Tier.HTTP, Tier.EMBEDDED, Tier.SIMULATED)


class Purpose(str, Enum):
    """What a text is for: a summary of what the model remembers, whom a message goes to, a message, a social action by
    a tool call, a private note before a decision, a decision, or an interview's answer, which no model ever reads."""

    SUMMARY = "summary"
    ADDRESS = "address"
    TALK = "talk"
    ACT = "act"
    NOTE = "note"
    DECIDE = "decide"
    INTERVIEW = "interview"


@quick_init
@dataclass(frozen=True)
class ToolCall:
    """A tool that a model calls; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@quick_init
@dataclass(frozen=True)
class ChatMessage:
    """One chat message; `role` is system, user, assistant or tool.

    `tool_calls` are those of an assistant's message, `tool_call_id` is the call that a tool's message answers.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn.

    Args:
        temperature: 0 to 2; 0 is greedy.
        top_p: The probability mass that is sampled from: above 0, at most 1.
        max_tokens: The longest reply in tokens, at least 1; the prompt does not count.

    Raises:
        InvalidRequestError: A value is out of its range.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 64

    def __post_init__(self) -> None:
        try:
            in_range = 0 <= self.temperature <= 2 and 0 < self.top_p <= 1 and self.max_tokens >= 1
        except TypeError:
            in_range = False
        if not in_range or type(self.max_tokens) is not int:
            _check_sampling(self)


@quick_init
@dataclass(frozen=True)
class CallKey:
    """The moment of a run that a call belongs to; unique within a run. `attempt` is 1 after an invalid reply."""

    episode: int
    step: int
    model_id: str
    purpose: Purpose
    talk_round: int = 0
    attempt: int = 0

    @property
    def place(self) -> str:
        """Return the moment in words, for messages: people count from 1."""
        return f"episode {self.episode + 1}, step {self.step + 1}, {self.model_id}, {self.purpose.value}"


@quick_init
@dataclass(frozen=True)
class Request:
    """One generation.

    Args:
        key: The moment of the run that the request belongs to.
        adapter: The served name, for the `model` field of the API.
        messages: The prompt.
        base_model: The base model that the adapter belongs to.
        choices: The texts that the reply must be one of (structured output, option scoring).
        sampling: How the reply is drawn.
        seed: Makes sampling repeatable where the tier can.
        adapter_path: A local PEFT folder, for the embedded tier.
        situation: What the simulated tier's policies see.
        tools: Function schemas in the OpenAI shape that the reply may call.
        must_use_tool: True where the reply must call one of `tools`.
        endpoint: The URL of the only server that may answer.
        base_stated: True where the row itself names `base_model`: it counts more than what the adapter's folder says.
        thinking: Whether the chat template asks the model to think before it answers; None leaves it to the template.

    Raises:
        InvalidRequestError: No tier could offer these choices or tools.
    """

    key: CallKey
    adapter: str
    messages: tuple[ChatMessage, ...]
    base_model: str | None = None
    choices: tuple[str, ...] | None = None
    sampling: Sampling = Sampling()
    seed: int | None = None
    adapter_path: str | None = None
    situation: Situation | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    must_use_tool: bool = False
    endpoint: str | None = None
    base_stated: bool = False
    thinking: bool | None = None

    def __post_init__(self) -> None:
        if self.choices is not None:
            _check_choices(self.choices)
        if self.tools and not _plain_tools(self.tools):
            _check_tools(self.tools)


def _check_sampling(sampling: Sampling) -> None:
    """Raise InvalidRequestError for the value that is out of range."""
    for name, least, most, rule in (
        ("temperature", 0.0, 2.0, "between 0 and 2"),
        ("top_p", 5e-324, 1.0, "above 0 and at most 1"),
    ):
        value = getattr(sampling, name)
        if not isinstance(value, (int, float)) or not least <= value <= most:
            raise InvalidRequestError(f"{name} is {value!r}; it must be {rule}")
    tokens: object = sampling.max_tokens
    if not isinstance(tokens, Integral) or isinstance(tokens, bool) or tokens < 1:
        raise InvalidRequestError(f"max_tokens is {tokens!r}; it must be a whole number of at least 1")


def _check_choices(choices: tuple[str, ...]) -> None:
    """Raise InvalidRequestError unless `choices` are different texts, none of them empty."""
    if not isinstance(choices, (tuple, list)):
        raise InvalidRequestError(f"choices is {choices!r}; give a tuple of texts")
    if not choices:
        raise InvalidRequestError("choices is empty; leave it out for free text")
    try:
        "".join(choices)
    except TypeError:
        wrong = next(choice for choice in choices if not isinstance(choice, str))
        raise InvalidRequestError(f"choices has {wrong!r}, which is not text") from None
    if "" in choices:
        raise InvalidRequestError("choices has an empty text")
    if len(set(choices)) < len(choices):
        twice = next(choice for choice in choices if choices.count(choice) > 1)
        raise InvalidRequestError(f"choices has {twice!r} twice")


def _plain_tools(tools: tuple[Mapping[str, Any], ...]) -> bool:
    """Return whether `tools` are plain dicts in the right shape, as nearly all are. Takes about a microsecond."""
    try:
        names = {function["name"] for tool in tools if type((function := tool["function"])["parameters"]) is dict}
        return len(names) == len(tools) and bool("".join(names)) and "" not in names
    except (KeyError, TypeError):
        return False


def _check_tools(tools: tuple[Mapping[str, Any], ...]) -> None:
    """Raise InvalidRequestError unless `tools` are function schemas of different names in the OpenAI shape."""
    if isinstance(tools, Mapping):
        raise InvalidRequestError("tools is a single schema; give a tuple of them")
    names = set()
    for number, tool in enumerate(tools):
        if not isinstance(tool, Mapping):
            raise InvalidRequestError(f"tools[{number}] is {tool!r}; give a function schema in the OpenAI shape")
        function = tool.get("function")
        name = function.get("name") if isinstance(function, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
            raise InvalidRequestError(f"tools[{number}] has no function with a name")
        if not isinstance(function.get("parameters", {}), Mapping):
            raise InvalidRequestError(f"tools[{number}]: the parameters of {name!r} are no mapping")
        if name in names:
            raise InvalidRequestError(f"tools offers {name!r} twice")
        names.add(name)


@quick_init
@dataclass(frozen=True)
class Provenance:
    """Where a text came from.

    Args:
        tier: The tier that answered.
        adapter: The adapter, or the policy of a scripted player.
        endpoint: The server's URL; empty without a server.
        attempt: The number of the attempt at this tier, from 1.
        latency: Seconds from sending to reply.
        prompt_tokens: Tokens of the prompt, cached ones included; None where the tier does not know.
        completion_tokens: Tokens of the reply; None where the tier does not know.
        finish_reason: Why the reply ended: "stop", "length" or "tool_calls".
        fallback_from: The tiers that failed before this one, best first.
        cached_tokens: Tokens of the prompt that a prefix cache had; None where the tier does not know.
        cached: True for a reply from a reply cache; its latency is that of the call that first brought it.
        reasoning_tokens: Tokens of the thought, which count among `completion_tokens`; None where not known.
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
    reasoning_tokens: int | None = None


@quick_init
@dataclass(frozen=True)
class Reply:
    """A generated text with its provenance.

    Args:
        text: The text.
        provenance: Where it came from.
        choice_probability: The model's own probability of the choice that it made, where the tier measures it.
        tool_calls: The tools that it calls.
        reasoning: What the model thought before it answered; never a part of `text`.
        constrained: True where the text is one of the choices because the tier was asked to constrain it.
    """

    text: str
    provenance: Provenance
    choice_probability: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    constrained: bool = False


@dataclass(frozen=True)
class ScoredReply(Reply):
    """A reply of which the model's own probability of every choice is known.

    Args:
        shares: The probability of each of the request's choices, in their order; the sum is 1.
    """

    shares: tuple[float, ...] = ()


class CallStatus(str, Enum):
    """How an attempt ended. CANCELLED: the run was stopped meanwhile. CACHED: no call was made."""

    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CACHED = "cached"


@quick_init
@dataclass(frozen=True)
class CallRecord:
    """One attempt of one generation at one tier: a row of the `calls` table.

    Args:
        key: The moment of the run.
        tier: The tier.
        endpoint: The server's URL; empty without a server.
        adapter: The adapter.
        attempt: The number of the attempt at this tier, from 1; 0 for a cached reply.
        status: How the attempt ended.
        latency: Seconds from sending to the end.
        queue_time: Seconds of waiting for a free slot.
        prompt_hash: SHA-256 of the canonical request (adapter, messages, choices, tools, sampling, seed).
        reply: The reply, None if the attempt failed. It is part of the record, so that a crash cannot lose only one.
        error: The error's class and text; empty if there was none.
        prompt_tokens: As in `Provenance`, like the other counts.
        completion_tokens: Tokens of the reply.
        finish_reason: Why the reply ended.
        error_class: The error's class alone.
        fault: Whose fault the error is: "request", "adapter" or "server"; empty if there was none, or in an old run.
        cached_tokens: Tokens of the prompt that a prefix cache had.
        first_token_time: Seconds until the first token; None where the tier does not know.
        reasoning_tokens: Tokens of the thought; None where the tier does not know.
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
    fault: str = ""
    reasoning_tokens: int | None = None


def fallen(source: Provenance) -> str:
    """Return the tiers that failed before a reply came, best first: "camel>http", or empty."""
    return ">".join([tier.value for tier in source.fallback_from])


def lowest_tier(tiers: Mapping[Tier, int]) -> str:
    """Return the last tier of the fallback order among those used, else "human", else "scripted", else "none"."""
    used = [tier.value for tier in (Tier.SCRIPTED, Tier.HUMAN, *FALLBACK_ORDER) if tiers.get(tier)]
    return used[-1] if used else "none"


def real_share(tiers: Mapping[Tier, int]) -> float:
    """Return the share of texts, 0 to 1, that a language model generated."""
    texts = sum(tiers.values())
    return sum(count for tier, count in tiers.items() if tier.real) / texts if texts else 0.0
