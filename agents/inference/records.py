"""What is kept of each attempt: its `CallRecord`, and the `Reply` with its provenance."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

import orjson

from agents.inference.backend import Completion, as_openai
from agents.inference.errors import InferenceError
from agents.inference.provenance import CallRecord, CallStatus, Provenance, Reply, Request, Tier

logger = logging.getLogger("society.inference")

OnCall = Callable[[CallRecord], None]
_FIRST_WORDS = 60


@dataclass(frozen=True)
class Attempt:
    """One attempt of one request at one tier. `attempt` counts from 1, `queue_time` is seconds."""

    request: Request
    tier: Tier
    attempt: int
    queue_time: float
    started: float = field(default_factory=time.perf_counter)

    def failed(self, error: InferenceError) -> CallRecord:
        return self._record(
            CallStatus.FAILED, error.endpoint, self._elapsed(), error=f"{type(error).__name__}: {error}"
        )

    def succeeded(self, completion: Completion, fell_from: Sequence[Tier]) -> tuple[Reply, CallRecord]:
        latency = max(0.0, self._elapsed() - completion.waited)
        origin = Provenance(
            tier=self.tier,
            adapter=self.request.adapter,
            endpoint=completion.endpoint,
            attempt=self.attempt,
            latency=latency,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            finish_reason=completion.finish_reason,
            fell_from=tuple(fell_from),
        )
        reply = Reply(completion.text, origin, completion.choice_probability)
        record = self._record(CallStatus.OK, completion.endpoint, latency, reply=reply)
        return reply, replace(record, queue_time=self.queue_time + completion.waited)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.started

    def _record(
        self,
        status: CallStatus,
        endpoint: str,
        latency: float,
        *,
        error: str = "",
        reply: Reply | None = None,
    ) -> CallRecord:
        source = reply.provenance if reply else None
        return CallRecord(
            key=self.request.key,
            tier=self.tier,
            endpoint=endpoint,
            adapter=self.request.adapter,
            attempt=self.attempt,
            status=status,
            latency=latency,
            queue_time=self.queue_time,
            prompt_hash=prompt_hash(self.request),
            error=error,
            reply=reply,
            prompt_tokens=source.prompt_tokens if source else None,
            completion_tokens=source.completion_tokens if source else None,
            finish_reason=source.finish_reason if source else "",
        )


def prompt_hash(request: Request) -> str:
    """SHA-256, in hex, of what was asked: adapter, messages, choices, sampling and seed."""
    canonical = {
        "adapter": request.adapter,
        "messages": as_openai(request.messages),
        "choices": request.choices,
        "sampling": asdict(request.sampling),
        "seed": request.seed,
    }
    return hashlib.sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).hexdigest()


def log_words(reply: Reply) -> None:
    """One line per call, for someone who watches: tier, adapter and the first words."""
    if logger.isEnabledFor(logging.INFO):
        words = " ".join(reply.text.split())
        shown = f"{words[:_FIRST_WORDS]}…" if len(words) > _FIRST_WORDS else words
        logger.info("%s %s: %s", reply.provenance.tier.value, reply.provenance.adapter, shown)
