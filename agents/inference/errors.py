"""The errors of inference, and what the client does about each.

| error                | what the client does                                                           |
|----------------------|--------------------------------------------------------------------------------|
| TransientError       | moves to another server, then retries with back-off, then falls back one tier  |
|   LoadingError       | waits until the server has loaded its model, or the call's deadline passes     |
|   ServerLostError    | the same; the server is checked, and not asked while it is down                |
|   BadReplyError      | the same; the answer is no reply to the request, and is never passed on        |
|     OtherModelError  | moves to another server; else falls back one tier at once                      |
|   OutOfTimeError     | falls back one tier: the call's own time is over, which says nothing of a server |
| PermanentError       | falls back one tier at once: a retry would fail the same way                   |
|   SetupError         | the same; a resumed run may succeed, once the key is set or the model is there |
| UnknownAdapterError  | stops: the base model never answers for an unknown adapter                     |
|   RefusedAdapterError | the same; the server knows the adapter and cannot use it                      |
| FloorReachedError    | stops: `require`, or the tiers allowed, forbid another fallback                |

A run that an error stops can be resumed, unless the error repeats: `SocietyError.repeats`. Each error says whose fault
it is (`Fault`): only a server's own faults count at its circuit breaker, and an adapter's count for that adapter alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.inference.fault import Fault
from agents.inference.provenance import Tier
from agents.problems import SocietyError, nearest

LOADING_PAUSE = 2.0
"""Seconds until a server that is loading its model is asked again."""
_NAMED = 50


class InferenceError(SocietyError):
    """A generation that failed.

    Attributes:
        endpoint: The URL of the server that failed, if one did.
        fault: Whose fault it is.
    """

    endpoint: str = ""
    fault: Fault = Fault.REQUEST


class TransientError(InferenceError):
    """A failure that another attempt may not have: a refused connection, a time-out, 429, 5xx.

    Args:
        message: What failed, for the user.
        retry_after: Seconds that the server asks to wait.
        overload: True where the server has more calls than it can answer.
        fault: Whose fault it is.
    """

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        *,
        overload: bool = False,
        fault: Fault = Fault.SERVER,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overload = overload
        self.fault = fault


class ServerLostError(TransientError):
    """The connection to a server broke, or it did not answer in time; `refused` is True where nothing listens there."""

    def __init__(self, message: str, *, refused: bool = False, overload: bool = False) -> None:
        super().__init__(message, overload=overload)
        self.refused = refused


class LoadingError(ServerLostError):
    """The server is loading its model. The call waits for it, and no other call is sent there meanwhile.

    Args:
        message: What the server said, for the user.
        retry_after: Seconds that it asks to wait; `LOADING_PAUSE` if None.
    """

    retry_after: float

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = LOADING_PAUSE if retry_after is None else retry_after


class BadReplyError(TransientError):
    """The server sent something that is no reply to the request: truncated, malformed, another model's, too large."""


class OtherModelError(BadReplyError):
    """The answer names another model than the one asked for. The same server would do so again.

    Args:
        message: What failed, for the user.
        answered_by: The model that the answer names.
    """

    repeats = True

    def __init__(self, message: str, answered_by: str) -> None:
        super().__init__(message, fault=Fault.REQUEST)
        self.answered_by = answered_by


class OutOfTimeError(TransientError):
    """The call's deadline passed before a server had a fair chance: it waited for a slot, or was sent too late."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fault=Fault.REQUEST)


class PermanentError(InferenceError):
    """A failure that the same request would have again: 4xx, a prompt that is too long."""

    repeats = True

    def __init__(self, message: str, *, fault: Fault = Fault.REQUEST) -> None:
        super().__init__(message)
        self.fault = fault


class SetupError(PermanentError):
    """A failure of what is around the run: a key that is not set or is refused, a model that cannot be loaded."""

    repeats = False

    def __init__(self, message: str, *, fault: Fault = Fault.SERVER) -> None:
        super().__init__(message, fault=fault)


class UnknownAdapterError(InferenceError):
    """A server, or the embedded tier, does not have the adapter that a roster row names.

    Args:
        adapter: The adapter.
        where: The servers or tier that were asked.
        served: The names that they have.
        others: Further adapters that they do not have.
    """

    fault = Fault.ADAPTER

    def __init__(self, adapter: str, where: str, served: Sequence[str], others: Sequence[str] = ()) -> None:
        known = ", ".join(sorted(served)[:_NAMED]) or "none"
        known += f" and {len(served) - _NAMED} more" if len(served) > _NAMED else ""
        names = (adapter, *others)
        hints = dict.fromkeys(nearest(name, sorted(served)) for name in names) if served else ("it serves no model",)
        listed = ", ".join(map(repr, names[:_NAMED]))
        verb = f"adapter {listed} is" if len(names) == 1 else f"adapters {listed} are"
        super().__init__(f"{verb} not served at {where}; served: {known} ({'; '.join(hints)})")
        self.adapter = adapter
        self.served = tuple(served)


class RefusedAdapterError(UnknownAdapterError):
    """A server knows the adapter, and cannot use it: its files are gone, or its rank is too large there.

    Args:
        adapter: The adapter.
        message: What the server said, with the cause and the fix.
    """

    def __init__(self, adapter: str, message: str) -> None:
        InferenceError.__init__(self, f"adapter {adapter!r} cannot be used: {message}")
        self.adapter = adapter
        self.served = ()


class FloorReachedError(InferenceError):
    """Every tier the run may use has failed.

    Args:
        floor: The lowest tier that was allowed.
        cause: Why each tier failed, for the user.
        errors: The error of each tier; if all of them repeat, this one does.
    """

    def __init__(self, floor: Tier, cause: str, errors: Sequence[InferenceError] = ()) -> None:
        super().__init__(f"tier {floor.value} is required and failed: {cause}")
        self.floor = floor
        self.repeats = bool(errors) and all(error.repeats for error in errors)
        self.server_lost = any(isinstance(error, ServerLostError) for error in errors)
