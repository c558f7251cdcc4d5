"""What can fail on the way to a text, and what then happens.

| error                | what the client does                                                          |
|----------------------|-------------------------------------------------------------------------------|
| TransientError       | moves to another server, then retries with back-off, then falls one tier       |
|   ServerLostError    | the same; the server is looked at, and left alone where it is gone             |
|   BadReplyError      | the same: what came is not a reply to what was asked, and is never passed on   |
|   OutOfTimeError     | falls one tier: the call's own time was over, which tells nothing of a server  |
| PermanentError       | falls one tier at once (a retry would fail the same way)                      |
| UnknownAdapterError  | stops: an unknown adapter is never answered by the base model                  |
| FloorReachedError    | stops: falling further is forbidden by `require` or by the tiers allowed       |

An error that stops leaves the run resumable.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.inference.provenance import Tier
from agents.problems import SocietyError, nearest

_NAMED = 50


class InferenceError(SocietyError):
    """A generation that did not happen. `endpoint` is the URL of the server that failed, where one did."""

    endpoint: str = ""


class TransientError(InferenceError):
    """Worth another try: refused connection, time-out, 429, 5xx. `retry_after` is seconds, if told; `overload` says
    that the server has more to do than it can."""

    def __init__(self, message: str, retry_after: float | None = None, *, overload: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overload = overload


class ServerLostError(TransientError):
    """The connection to a server broke, or it gave no answer in time. `refused` says that nothing listens there."""

    def __init__(self, message: str, *, refused: bool = False, overload: bool = False) -> None:
        super().__init__(message, overload=overload)
        self.refused = refused


class BadReplyError(TransientError):
    """What the server sent is not a reply to the request: cut off, malformed, of another model, too large."""


class OutOfTimeError(TransientError):
    """The call's deadline passed before a server had a fair chance: it waited for a place, or was sent too late."""


class PermanentError(InferenceError):
    """The same request would fail again: 4xx, context too long."""


class UnknownAdapterError(InferenceError):
    """The server or the embedded tier does not have the adapter that a roster row names."""

    def __init__(self, adapter: str, where: str, served: Sequence[str]) -> None:
        known = ", ".join(sorted(served)[:_NAMED]) or "none"
        known += f" and {len(served) - _NAMED} more" if len(served) > _NAMED else ""
        hint = nearest(adapter, sorted(served)) if served else "it serves no model"
        super().__init__(f"adapter {adapter!r} is not served at {where}; served: {known} ({hint})")
        self.adapter = adapter
        self.served = tuple(served)


class FloorReachedError(InferenceError):
    """Every tier the run may use has failed."""

    def __init__(self, floor: Tier, cause: str) -> None:
        super().__init__(f"tier {floor.value} is required and failed: {cause}")
        self.floor = floor
