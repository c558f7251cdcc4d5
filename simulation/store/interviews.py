"""The event of an interview's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InterviewAnswered:
    """One model's answer to a question that no prompt of the run has.

    `survey` numbers the questions of a step. On a scale, `point` is the answer (None where the reply is none of its
    points) and `shares` the probability of each point; `measured` says how it was found (`agents.interviews`), from how
    many `draws`. Provenance is that of the first reply; tokens and `latency` are sums over all, tokens None where the
    tier does not report them.
    """

    episode: int
    step: int
    model_id: str
    survey: int
    question: str
    scale: tuple[int, int] | None
    answer: str
    point: int | None
    shares: tuple[float, ...]
    measured: str
    draws: int
    asks: int
    tier: str
    adapter: str
    endpoint: str
    latency: float
    fallback_from: str
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning: str = ""

    @classmethod
    def read(cls, body: dict[str, Any]) -> InterviewAnswered:
        """Return the event in the body of a line; JSON has lists in place of tuples."""
        return cls(**{**body, "scale": body["scale"] and tuple(body["scale"]), "shares": tuple(body["shares"])})
