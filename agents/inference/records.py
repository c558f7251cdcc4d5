"""The record of each attempt (`CallRecord`), and the `Reply` with its provenance."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.dataclass_init import quick_init
from agents.inference.backend import Completion, Route, as_openai
from agents.inference.errors import InferenceError
from agents.inference.provenance import (
    CallRecord,
    CallStatus,
    Provenance,
    Purpose,
    Reply,
    Request,
    ScoredReply,
    Tier,
)
from agents.sanitize import sanitize

logger = logging.getLogger("society.inference")

OnCall = Callable[[CallRecord], None]
_FIRST_WORDS = 60


@quick_init
@dataclass(frozen=True)
class Attempt:
    """One attempt of one request at one tier.

    Args:
        request: The request.
        tier: The tier.
        attempt: The number of the attempt, from 1.
        started: When it began, by `time.perf_counter`.
    """

    request: Request
    tier: Tier
    attempt: int
    started: float

    def failed(self, error: InferenceError, route: Route) -> CallRecord:
        """Return the record of an attempt that ended with `error`."""
        name = type(error).__name__
        return self._record(
            CallStatus.FAILED,
            error.endpoint,
            route.waited,
            error=f"{name}: {error}",
            error_class=name,
            fault=error.fault.value,
        )

    def cancelled(self, route: Route) -> CallRecord:
        """Return the record of an attempt that was cancelled, because the run was stopped."""
        return self._record(CallStatus.CANCELLED, route.taken, route.waited)

    def succeeded(
        self, completion: Completion, route: Route, fallback_from: Sequence[Tier]
    ) -> tuple[Reply, CallRecord]:
        """Return the reply that a completion is, and the record of the attempt."""
        waited = completion.waited + route.waited
        reply = self._reply(completion, self._latency(waited), fallback_from)
        return reply, self._record_of(reply, completion, waited)

    def _reply(self, completion: Completion, latency: float, fallback_from: Sequence[Tier]) -> Reply:
        origin = Provenance(
            tier=self.tier,
            adapter=self.request.adapter,
            endpoint=completion.endpoint,
            attempt=self.attempt,
            latency=latency,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            finish_reason=completion.finish_reason,
            fallback_from=tuple(fallback_from),
            cached_tokens=completion.cached_tokens,
            reasoning_tokens=completion.reasoning_tokens,
        )
        reply = Reply(
            text=completion.text,
            provenance=origin,
            choice_probability=completion.choice_probability,
            tool_calls=completion.tool_calls,
            reasoning=completion.reasoning,
            constrained=completion.constrained,
        )
        if completion.shares and self.request.key.purpose is Purpose.INTERVIEW:
            return ScoredReply(**vars(reply), shares=completion.shares)
        return reply

    def _record_of(self, reply: Reply, completion: Completion, waited: float) -> CallRecord:
        """Return the record of an attempt that brought a reply."""
        return CallRecord(
            key=self.request.key,
            tier=self.tier,
            endpoint=completion.endpoint,
            adapter=self.request.adapter,
            attempt=self.attempt,
            status=CallStatus.OK,
            latency=reply.provenance.latency,
            queue_time=waited,
            prompt_hash=prompt_hash(self.request),
            reply=reply,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            finish_reason=completion.finish_reason,
            cached_tokens=completion.cached_tokens,
            first_token_time=completion.first_token_time,
            reasoning_tokens=completion.reasoning_tokens,
        )

    def _latency(self, waited: float) -> float:
        return max(0.0, time.perf_counter() - self.started - waited)

    def _record(self, status: CallStatus, endpoint: str, waited: float, **others: Any) -> CallRecord:
        return CallRecord(
            key=self.request.key,
            tier=self.tier,
            endpoint=endpoint,
            adapter=self.request.adapter,
            attempt=self.attempt,
            status=status,
            latency=self._latency(waited),
            queue_time=waited,
            prompt_hash=prompt_hash(self.request),
            **others,
        )


def cached_record(request: Request, reply: Reply) -> CallRecord:
    """Return the record of a reply from a reply cache, for which no call was made."""
    origin = reply.provenance
    return CallRecord(
        key=request.key,
        tier=origin.tier,
        endpoint=origin.endpoint,
        adapter=request.adapter,
        attempt=0,
        status=CallStatus.CACHED,
        latency=0.0,
        queue_time=0.0,
        prompt_hash=prompt_hash(request),
        reply=reply,
    )


def prompt_hash(request: Request) -> str:
    """Return the SHA-256, in hex, of a request's adapter, messages, choices, tools, sampling, seed and thinking."""
    sampling = request.sampling
    canonical: dict[str, Any] = {
        "adapter": request.adapter,
        "messages": as_openai(request.messages),
        "choices": request.choices,
        "sampling": {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens},
        "seed": request.seed,
    }
    if request.tools:
        canonical |= {"tools": request.tools, "must_use_tool": request.must_use_tool}
    if request.thinking is not None:
        canonical["thinking"] = request.thinking
    return hashlib.sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).hexdigest()


def log_call(record: CallRecord) -> None:
    """Log one line per attempt: tier, adapter, and the first words of the reply or the error.

    The log record has the `CallRecord` as its attribute `call`, for formatters that need more.
    """
    if logger.isEnabledFor(logging.INFO):
        text = record.reply.text if record.reply else record.error or record.status.value
        logger.info("%s %s: %s", record.tier.value, record.adapter, first_words(text), extra={"call": record})


def first_words(text: str) -> str:
    """Return the beginning of a text, on one line and harmless for a terminal."""
    words = " ".join(text.split())
    return sanitize(f"{words[:_FIRST_WORDS]}…" if len(words) > _FIRST_WORDS else words)
