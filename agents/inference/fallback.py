"""Fallbacks from tier to tier; each is logged once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Lock

from agents.inference.errors import InferenceError, ServerLostError
from agents.inference.provenance import Tier

logger = logging.getLogger("society.inference")

_MEANING = {
    Tier.HTTP: "the server is now asked directly; replies are real",
    Tier.EMBEDDED: "replies come from the embedded model in this process and are marked tier=embedded",
    Tier.SIMULATED: "NO language model answers: scripted policies do, marked tier=simulated",
}


class PassedOverError(InferenceError):
    """A tier was not tried: it is unavailable, or cannot answer this request."""


@dataclass(frozen=True)
class FailedTier:
    """A tier that did not answer a request, and why."""

    tier: Tier
    error: InferenceError

    def __str__(self) -> str:
        return f"{self.tier.value}: {self.error}"


class FallbackLog:
    """Logs each distinct fallback (from, to, kind of cause) once per outage."""

    def __init__(self) -> None:
        self._logged: set[tuple[Tier, Tier, str]] = set()
        self._lock = Lock()

    def fell_back(self, failed_tiers: Sequence[FailedTier], to: Tier) -> None:
        """Log that `to` is asked in place of the tiers that failed."""
        fallbacks = {(failed.tier, to, type(failed.error).__name__) for failed in failed_tiers}
        with self._lock:
            if fallbacks <= self._logged:
                return
            self._logged |= fallbacks
        logger.warning(
            "inference falls back from %s to %s: %s. What it means: %s.",
            ", ".join(failed.tier.value for failed in failed_tiers),
            to.value,
            causes(failed_tiers),
            _MEANING.get(to, "replies are marked with their tier"),
        )

    def returned(self, tiers: Collection[Tier], where: str) -> None:
        """Log that the servers of `tiers` answer again after an outage; the next outage is logged again."""
        with self._lock:
            over = {each for each in self._logged if each[0] in tiers and each[2] == ServerLostError.__name__}
            self._logged -= over
        if over:
            logger.warning("inference returns to %s: %s", ", ".join(sorted({tier.value for tier, *_ in over})), where)


def causes(failed_tiers: Sequence[FailedTier]) -> str:
    """Return why each tier did not answer; a cause that several tiers share is given once."""
    tiers_of: dict[str, list[str]] = {}
    for failed in failed_tiers:
        tiers_of.setdefault(str(failed.error), []).append(failed.tier.value)
    return "; ".join(f"{' and '.join(tiers)}: {cause}" for cause, tiers in tiers_of.items())
