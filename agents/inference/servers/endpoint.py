"""One server: what it serves, whether it can be asked now, and what it learns from how calls end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.inference.backend import Detection, EndpointSettings
from agents.inference.errors import InferenceError, OutOfTimeError, PermanentError, ServerLostError, TransientError
from agents.inference.provenance import Tier
from agents.inference.servers.api_key import MissingKeyError, find_key, without_key
from agents.inference.servers.breaker import Breaker
from agents.inference.servers.discovery import ServedModel, how_to_start
from agents.inference.servers.limits import AdaptiveLimit


@dataclass(eq=False)
class Endpoint:
    """One server. `detail` says in a sentence how the last ask went; times are of the monotonic clock."""

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

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def served(self) -> tuple[str, ...]:
        """What may be asked for here: what the server lists, within what the settings name."""
        return tuple(name for name in self.models if self.serves(name))

    def serves(self, adapter: str) -> bool:
        wanted = self.settings.adapters
        return adapter in self.models and (wanted is None or adapter in wanted)

    def takes(self, pinned: str | None) -> bool:
        """Whether a call that is pinned to a URL, or to none, may go here."""
        return self.url == pinned or (pinned is None and not self.settings.pinned_only)

    def api_key(self) -> str | None:
        """Raises PermanentError where the key that the settings ask for is kept nowhere."""
        return api_key(self.settings)

    def headers(self) -> dict[str, str]:
        """Raises PermanentError as `api_key` does."""
        return api_headers(self.settings)

    async def headers_found(self) -> dict[str, str]:
        """The same; a keyring that takes its time, or asks the person, keeps no event loop. It is asked once for a key
        that it holds, so `headers` is quick afterwards."""
        return await asyncio.to_thread(self.headers) if self.settings.api_key_env else self.headers()

    def without_key(self, body: bytes) -> bytes:
        """What the server sent, without the key that was sent to it."""
        return without_key(body, self.headers())

    def detection(self, tier: Tier) -> Detection:
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
        """It listed what it serves: it is there, and may be asked at once where it was away."""
        if not self.up:
            self.breaker.succeeded()
            self.rest_until = 0.0
        self.models, self.asked, self.up = {model.name: model for model in models}, True, True
        self.detail = f"{self.url} serves {', '.join(self.served) or 'no model'}"

    def down(self, detail: str) -> None:
        self.up, self.asked, self.detail = False, True, detail

    def lost(self, error: ServerLostError) -> None:
        """Nothing answers there."""
        self.down(f"{error}; {how_to_start(self.url)}")

    def free(self, now: float) -> bool:
        """Whether a call may be sent now."""
        return self.pending < self.limit.value and now >= self.rest_until and self.breaker.allows(now)

    def free_at(self, now: float) -> float | None:
        """When it may be asked again, where only time keeps it; None where a call in flight does."""
        moment = max(self.rest_until, self.breaker.reopens if self.breaker.openings else 0.0)
        return moment if moment > now else None

    def succeeded(self, began: float, now: float) -> None:
        """A call came back whole; it still counts as pending."""
        self.breaker.succeeded()
        self.limit.returned(began, now, self.pending)

    def failed(self, error: InferenceError, began: float, now: float, probe: int) -> None:
        """A call came back with `error`."""
        if not isinstance(error, TransientError) or isinstance(error, OutOfTimeError):
            self.breaker.abandoned(probe)
            return
        if isinstance(error, ServerLostError) and error.refused:
            self.lost(error)
        if error.overload:
            self.limit.overloaded(began, now)
        if error.retry_after is None:
            self.breaker.failed(now, probe)
        else:
            self.rest_until = max(self.rest_until, now + error.retry_after)
            self.breaker.abandoned(probe)


def api_key(endpoint: EndpointSettings) -> str | None:
    """The key that opens a server, None where it wants none. Raises PermanentError where it is kept nowhere."""
    name = endpoint.api_key_env
    if not name:
        return None
    try:
        return find_key(name)
    except MissingKeyError as error:
        wants = f"{endpoint.url} wants the API key in the environment variable {name}, which is not set"
        raise PermanentError(f"{wants}, and {error}") from error


def api_headers(endpoint: EndpointSettings) -> dict[str, str]:
    """The headers that open a server. Raises PermanentError as `api_key` does."""
    key = api_key(endpoint)
    return {"Authorization": f"Bearer {key}"} if key else {}
