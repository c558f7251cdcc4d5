"""What is asked of a model, what came back, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from numbers import Integral
from typing import TYPE_CHECKING, Any

from agents.problems import SocietyError

if TYPE_CHECKING:
    from agents.players.policies import Situation


class InvalidRequestError(SocietyError, ValueError):
    """A request, or the sampling of one, that no tier can answer: a mistake of the caller."""


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
    """One generation. Raises InvalidRequestError for choices or tools that no tier could offer.

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
    sampling: Sampling = Sampling()
    seed: int | None = None
    adapter_path: str | None = None
    situation: Situation | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    must_use_tool: bool = False
    endpoint: str | None = None

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
        raise InvalidRequestError(f"choices holds {wrong!r}, which is not text") from None
    if "" in choices:
        raise InvalidRequestError("choices holds an empty text")
    if len(set(choices)) < len(choices):
        twice = next(choice for choice in choices if choices.count(choice) > 1)
        raise InvalidRequestError(f"choices holds {twice!r} twice")


def _plain_tools(tools: tuple[Mapping[str, Any], ...]) -> bool:
    """Whether `tools` are what nearly all calls offer, plain dicts in the right shape: a check of a microsecond."""
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
