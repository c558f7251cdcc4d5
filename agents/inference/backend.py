"""The contract of a tier: one file a tier, each with one class of this shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.inference.provenance import FALLING_ORDER, ChatMessage, Request, Tier

Progress = Callable[[str], None]
"""Is told, in a line for the user, what a long preparation is doing."""


@dataclass(frozen=True)
class InferenceSettings:
    """How a client may behave.

    `tiers` are tried in the order given; `require` forbids falling below that tier. `timeout` is seconds for
    one attempt, `retries` counts attempts after the first, `concurrency` bounds the client's calls in flight.
    `cooldown` is seconds for which a tier that failed with a broken connection is passed over.
    """

    tiers: tuple[Tier, ...] = FALLING_ORDER
    require: Tier | None = None
    timeout: float = 60.0
    retries: int = 2
    concurrency: int = 64
    cooldown: float = 30.0

    @property
    def allowed(self) -> tuple[Tier, ...]:
        """The tiers that may answer, best first."""
        if self.require is None:
            return self.tiers
        floor = FALLING_ORDER.index(self.require)
        return tuple(tier for tier in self.tiers if FALLING_ORDER.index(tier) <= floor)


@dataclass(frozen=True)
class Detection:
    """What detection found of one tier (for servers: at one endpoint). `detail` is a sentence for the user."""

    tier: Tier
    available: bool
    detail: str
    endpoint: str = ""
    adapters: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A tier's answer to one request; `choice_probability` as in `Reply`. `waited` is the seconds the request
    waited inside the tier before work on it began: they count as queue time, not as latency."""

    text: str
    endpoint: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str = "stop"
    choice_probability: float | None = None
    waited: float = 0.0


class TierBackend(Protocol):
    """One tier.

    `detect` never raises: what cannot be reached is a Detection with available False. `refuses` gives the
    reason why this tier cannot answer this request (a base it does not hold), or the empty string.
    `prepare` loads ahead what the first call would wait for; raises PermanentError where it cannot be had.
    `complete` raises TransientError, PermanentError or UnknownAdapterError; with `request.choices` the text
    is one of them unless the tier cannot constrain its output.
    """

    tier: Tier

    async def detect(self) -> Sequence[Detection]: ...

    def refuses(self, request: Request) -> str: ...

    async def prepare(self, progress: Progress) -> None: ...

    async def complete(self, request: Request) -> Completion: ...

    async def aclose(self) -> None: ...


def base_name(model: str) -> str:
    """A base model's name without its owner: "HuggingFaceTB/SmolLM2-135M-Instruct" is "smollm2-135m-instruct"."""
    return model.rstrip("/").rsplit("/", 1)[-1].lower()


def as_openai(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    """Messages in the shape of the OpenAI chat API."""
    return [{"role": message.role, "content": message.content} for message in messages]
