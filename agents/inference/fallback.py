"""Falls from tier to tier, said aloud once each."""

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
    Tier.SIMULATED: "NO language model answers: scripted minds do, marked tier=simulated",
}


class PassedOverError(InferenceError):
    """A tier that was not tried: it is unavailable, or cannot answer this request."""


@dataclass(frozen=True)
class FailedTier:
    """A tier that did not answer a request, and why."""

    tier: Tier
    error: InferenceError

    def __str__(self) -> str:
        return f"{self.tier.value}: {self.error}"


class FallbackLog:
    """Logs each distinct fall (from, to, kind of cause) once per outage."""

    def __init__(self) -> None:
        self._logged: set[tuple[Tier, Tier, str]] = set()
        self._lock = Lock()

    def fell(self, failed_tiers: Sequence[FailedTier], to: Tier) -> None:
        """The tiers in `failed_tiers` did not answer a request that `to` is now asked."""
        falls = {(miss.tier, to, type(miss.error).__name__) for miss in failed_tiers}
        with self._lock:
            if falls <= self._logged:
                return
            self._logged |= falls
        logger.warning(
            "inference falls from %s to %s: %s. What it means: %s.",
            ", ".join(miss.tier.value for miss in failed_tiers),
            to.value,
            causes(failed_tiers),
            _MEANING.get(to, "replies are marked with their tier"),
        )

    def returned(self, tiers: Collection[Tier], where: str) -> None:
        """The servers of `tiers` answer again after an outage; the next outage will be said anew."""
        with self._lock:
            lost = {fall for fall in self._logged if fall[0] in tiers and fall[2] == ServerLostError.__name__}
            self._logged -= lost
        if lost:
            logger.warning("inference returns to %s: %s", ", ".join(sorted({f[0].value for f in lost})), where)


def causes(failed_tiers: Sequence[FailedTier]) -> str:
    """Why each tier did not answer; a cause that several share is said once."""
    tiers_of: dict[str, list[str]] = {}
    for miss in failed_tiers:
        tiers_of.setdefault(str(miss.error), []).append(miss.tier.value)
    return "; ".join(f"{' and '.join(tiers)}: {cause}" for cause, tiers in tiers_of.items())
