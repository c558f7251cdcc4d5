"""One server: what it serves, whether it takes a call now, and what the outcomes of calls say about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from agents.inference.backend import Completion, Detection, EndpointSettings
from agents.inference.errors import InferenceError, ServerLostError, SetupError, TransientError
from agents.inference.fault import Fault
from agents.inference.provenance import Request, Tier
from agents.inference.servers.adapter_faults import AdapterFaults
from agents.inference.servers.api_key import MissingKeyError, find_key, without_key
from agents.inference.servers.breaker import Breaker
from agents.inference.servers.dialects.constraints import FREE
from agents.inference.servers.dialects.dialect import DEFAULT_DIALECT, Dialect
from agents.inference.servers.discovery import how_to_start
from agents.inference.servers.limits import AdaptiveLimit
from agents.inference.servers.proof import EndpointProbe
from agents.inference.servers.served_model import ServedModel
from agents.inference.servers.wire import read_completion

LATEST = ":latest"


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
        dialect: How it must be asked.
        refused: Names that it is not asked for although it lists them, with the reason.
        proved_names: Adapter -> the name under which probing found it to answer.
        aliases: Names that it answers although it does not list them -> the names that it is asked for.
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
    dialect: Dialect = DEFAULT_DIALECT
    refused: dict[str, str] = field(default_factory=dict)
    proved_names: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
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

    def serves(self, adapter: str, *, listed: bool = False) -> bool:
        """Return whether `adapter` may be asked for here; with `listed`, also where probing spoke against it."""
        wanted = self.settings.adapters
        known = adapter in self.models or adapter in self.aliases
        return known and (wanted is None or adapter in wanted) and (listed or adapter not in self.refused)

    def name_of(self, adapter: str) -> str:
        """Return the name that the server is asked for."""
        return self.aliases.get(adapter, adapter)

    def model_of(self, adapter: str) -> ServedModel | None:
        """Return the listed model that answers for `adapter`; None where the server lists none."""
        name = self.name_of(adapter)
        return self.models.get(adapter) or self.models.get(name) or self.models.get(name.rpartition(":")[2])

    def forget(self, adapter: str) -> None:
        """Stop asking for `adapter`: the server does not have it any more."""
        self.models.pop(adapter, None)
        self.aliases.pop(adapter, None)

    def reply_name(self, adapter: str) -> str:
        """Return the name that the server's replies must have for an adapter."""
        return self.settings.reply_names.get(adapter) or self.aliases.get(adapter, adapter)

    def read(self, payload: Any, request: Request, dialect: Dialect | None = None) -> Completion:
        """Return the server's answer to a request, made in `dialect` or in the server's own.

        Raises:
            BadReplyError: The answer has another shape.
            OtherModelError: The answer names another model.
        """
        name, thinks = self.reply_name(request.adapter), bool(request.thinking)
        completion = read_completion(payload, self.url, name, request.choices, thinks=thinks)
        constraint = (dialect or self.dialect).constraint
        if not request.choices or not (constraint.as_json or constraint is FREE):
            return completion
        text = constraint.read(completion.text, request.choices)
        return replace(completion, text=text, constrained=constraint is not FREE and text in request.choices)

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
        return without_key(body, self.headers()) if self.settings.api_key_env else body

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
        self.aliases = {**aliases_of(self.models.values()), **self.settings.names, **self.proved_names}
        self.detail = f"{self.url} serves {', '.join(self.served) or 'no model'}"

    def probed(self, probe: EndpointProbe) -> None:
        """Ask the server from now on as probing found that it must be asked."""
        if probe.dialect.probed:
            self.dialect = probe.dialect
        self.proved_names = {each.adapter: each.asked_as for each in probe.adapters if each.asked_as != each.adapter}
        self.aliases = {**self.aliases, **self.proved_names}
        self.refused = probe.refused

    def down(self, detail: str) -> None:
        """Mark the server as down; `detail` is the reason."""
        self.up, self.asked, self.detail = False, True, detail

    def lost(self, error: TransientError, hint: str = "") -> None:
        """Mark the server as down because nothing answers there; `hint` is what else to do than to start it."""
        self.down(f"{error}; {hint or how_to_start(self.url)}")

    @property
    def full(self) -> bool:
        """Return whether it has as many calls in flight as it may have."""
        return self.pending >= self.limit.value

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
        rest = error.retry_after
        if rest is not None and error.fault is Fault.ADAPTER:
            self.faults.rest(adapter, now + rest)
            self.breaker.abandoned(probe)
        elif rest is not None:
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


def aliases_of(models: Iterable[ServedModel]) -> dict[str, str]:
    """Return the names that a server answers besides those that it lists.

    They are an adapter's with its base, as SGLang has them, and a model's without the tag `:latest`, as Ollama has
    them.
    """
    listed = {model.name: model for model in models}
    adapters = [model for model in listed.values() if model.parent and model.owned_by != "vllm"]
    with_base = {name: name for name in (f"{model.parent}:{model.name}" for model in adapters)}
    short = {name.removesuffix(LATEST): name for name in listed if name.endswith(LATEST)}
    return {alias: name for alias, name in (with_base | short).items() if alias and alias not in listed}


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
