"""One server: what it serves, whether it takes a call now, and what the outcomes of calls say about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.inference.backend import Detection, EndpointSettings
from agents.inference.errors import InferenceError, LoadingError, ServerLostError, SetupError, TransientError
from agents.inference.fault import Fault
from agents.inference.provenance import Tier
from agents.inference.servers.adapter_faults import AdapterFaults
from agents.inference.servers.api_key import MissingKeyError, find_key, without_key
from agents.inference.servers.breaker import Breaker
from agents.inference.servers.discovery import ServedModel, how_to_start
from agents.inference.servers.limits import AdaptiveLimit

LOADING_PAUSE = 2.0
"""Seconds until a server that is loading its model is asked again."""


@dataclass(eq=False)
class Endpoint:
    """One server. Times are of the monotonic clock.

    Args:
        settings: Its URL, key and adapters.
        breaker: Stops calls after failures in a row.
        limit: Bounds the calls in flight.
        models: What it listed when last asked.
        up: True if it answered the last time.
        asked: True once it was asked.
        detail: How the last ask went, as a text for the user.
        pending: Calls in flight.
        credit: The turns that round robin owes it.
        rest_until: The moment until which it asked for no calls (Retry-After).
        gives_odds: False once it refused to say how likely the choices of a decision are.
        faults: The adapters that fail here, apart from the server itself.
    """

    settings: EndpointSettings
    breaker: Breaker
    limit: AdaptiveLimit
    models: dict[str, ServedModel] = field(default_factory=dict)
    up: bool = False
    asked: bool = False
    detail: str = "not asked yet"
    pending: int = 0
    credit: int = 0
    rest_until: float = 0.0
    gives_odds: bool = True
    faults: AdapterFaults = field(init=False)

    def __post_init__(self) -> None:
        self.faults = AdapterFaults(self.breaker.longest)

    @property
    def url(self) -> str:
        """Return the server's URL."""
        return self.settings.url

    @property
    def served(self) -> tuple[str, ...]:
        """Return the names that may be asked for here: those the server lists and the settings allow."""
        return tuple(name for name in self.models if self.serves(name))

    def serves(self, adapter: str) -> bool:
        """Return whether `adapter` may be asked for here."""
        wanted = self.settings.adapters
        return adapter in self.models and (wanted is None or adapter in wanted)

    def takes(self, pinned: str | None) -> bool:
        """Return whether a call that is pinned to a URL, or to none, may go here."""
        return self.url == pinned or (pinned is None and not self.settings.pinned_only)

    def api_key(self) -> str | None:
        """Return the server's API key, if it needs one.

        Raises:
            SetupError: The key is found nowhere.
        """
        return api_key(self.settings)

    def headers(self) -> dict[str, str]:
        """Return the headers with the API key.

        Raises:
            SetupError: The key is found nowhere.
        """
        return api_headers(self.settings)

    async def headers_found(self) -> dict[str, str]:
        """Return the headers without blocking the event loop: a keyring may be slow, or ask the person.

        A keyring is asked only once for a key that it has, so `headers` is quick afterwards.
        """
        return await asyncio.to_thread(self.headers) if self.settings.api_key_env else self.headers()

    def without_key(self, body: bytes) -> bytes:
        """Return what the server sent without the key that was sent to it."""
        return without_key(body, self.headers())

    def detection(self, tier: Tier) -> Detection:
        """Return what the last ask found, as a detection of `tier`."""
        present = [self.models[name] for name in self.served] if self.up else ()
        return Detection(
            tier=tier,
            available=self.up,
            detail=self.detail,
            endpoint=self.url,
            adapters=tuple(model.name for model in present if model.parent),
            base_models=tuple(model.name for model in present if not model.parent),
        )

    def answered(self, models: Iterable[ServedModel]) -> None:
        """Mark the server as up, with the models it listed. One that was down may be asked at once."""
        if not self.up:
            self.breaker.succeeded()
            self.faults.clear()
            self.rest_until = 0.0
        self.models, self.asked, self.up = {model.name: model for model in models}, True, True
        self.detail = f"{self.url} serves {', '.join(self.served) or 'no model'}"

    def down(self, detail: str) -> None:
        """Mark the server as down; `detail` is the reason."""
        self.up, self.asked, self.detail = False, True, detail

    def lost(self, error: TransientError, hint: str = "") -> None:
        """Mark the server as down because nothing answers there; `hint` is what else to do than to start it."""
        self.down(f"{error}; {hint or how_to_start(self.url)}")

    def free(self, now: float, adapter: str = "") -> bool:
        """Return whether a call to `adapter` may be sent now."""
        able = self.pending < self.limit.value and now >= self.rest_until and self.breaker.allows(now)
        return able and now >= self.faults.until(adapter)

    def free_at(self, now: float, adapter: str = "") -> float | None:
        """Return the moment from which it may be asked; None if it waits for a call in flight, or for nothing."""
        opens = self.breaker.reopens if self.breaker.openings else 0.0
        moment = max(self.rest_until, opens, self.faults.until(adapter))
        return moment if moment > now else None

    def given_up(self, now: float, adapter: str, patience: int) -> bool:
        """Return whether calls to `adapter` keep failing after more than `patience` pauses, and the next one is on."""
        whole = self.breaker.openings > patience and not self.breaker.allows(now)
        return whole or (self.faults.pauses(adapter) > patience and now < self.faults.until(adapter))

    def succeeded(self, began: float, now: float, adapter: str = "") -> None:
        """Learn from a call that succeeded; the call still counts as pending."""
        self.breaker.succeeded()
        self.faults.succeeded(adapter)
        self.limit.returned(began, now, self.pending)

    def failed(self, error: InferenceError, began: float, now: float, probe: int, adapter: str = "") -> None:
        """Learn from a call to `adapter` that failed, and write to the error whose fault it is.

        Args:
            error: The error.
            began: When the call was sent.
            now: The moment.
            probe: The call's number at the circuit breaker, 0 for none.
            adapter: The adapter.
        """
        if not isinstance(error, TransientError) or error.fault is Fault.REQUEST:
            self.breaker.abandoned(probe)
            return
        refused = isinstance(error, ServerLostError) and error.refused
        if refused:
            self.lost(error)
        if error.overload:
            self.limit.overloaded(began, now)
        rest = error.retry_after if error.retry_after is not None else _loading_pause(error)
        if rest is not None:
            self.rest_until = max(self.rest_until, now + rest)
            self.breaker.abandoned(probe)
        elif refused or self._server_is_at_fault(error, now, adapter):
            self.breaker.failed(now, probe)
        else:
            self.breaker.abandoned(probe)

    def _server_is_at_fault(self, error: TransientError, now: float, adapter: str) -> bool:
        most_fail = self.faults.failed(adapter, now)
        if error.fault is Fault.SERVER and not most_fail and self.faults.pauses(adapter):
            error.fault = Fault.ADAPTER  # it failed again and again while others were answered
        return most_fail and error.fault is Fault.SERVER


def _loading_pause(error: TransientError) -> float | None:
    return LOADING_PAUSE if isinstance(error, LoadingError) else None


def api_key(endpoint: EndpointSettings) -> str | None:
    """Return the API key of a server, None if it needs none.

    Raises:
        SetupError: The key is found nowhere.
    """
    name = endpoint.api_key_env
    if not name:
        return None
    try:
        return find_key(name)
    except MissingKeyError as error:
        wants = f"{endpoint.url} wants the API key in the environment variable {name}, which is not set"
        raise SetupError(f"{wants}, and {error}") from error


def api_headers(endpoint: EndpointSettings) -> dict[str, str]:
    """Return the headers with the API key of a server.

    Raises:
        SetupError: The key is found nowhere.
    """
    key = api_key(endpoint)
    return {"Authorization": f"Bearer {key}"} if key else {}
