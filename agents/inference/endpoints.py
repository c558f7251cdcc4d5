"""The servers a client may ask: what each serves, whether it answers, and which one takes the next call.

An endpoint is asked for `/models` at detection. A failed call lets its endpoint rest (1 s, doubling up to the
cooldown), so a retry moves to another that serves the adapter. When a call's retries are used up on a broken
connection, its endpoint is asked whether it is gone; one that is gone is passed over, and asked again once
per cooldown until it answers.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.inference.backend import Detection
from agents.inference.errors import InferenceError, PermanentError, TransientError, UnknownAdapterError
from agents.inference.provenance import Tier
from agents.inference.wire import read_json

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 2.0
ASK_TIMEOUT = 5.0


class ServerLostError(TransientError):
    """The connection to a server broke, or it gave no answer in time."""


@dataclass(frozen=True)
class ServedModel:
    """One row of a server's `/models`; an adapter names the base it belongs to as its `parent`."""

    name: str
    parent: str | None = None
    root: str | None = None
    max_model_len: int | None = None


@dataclass(eq=False)
class Endpoint:
    """One server. `detail` says in a sentence how the last ask went; times are of the monotonic clock."""

    url: str
    models: dict[str, ServedModel] = field(default_factory=dict)
    up: bool = False
    asked: bool = False
    detail: str = "not asked yet"
    pending: int = 0
    calls: int = 0
    strikes: int = 0
    rest_until: float = 0.0
    ask_again: float | None = None

    @property
    def served(self) -> tuple[str, ...]:
        return tuple(self.models)

    def serves(self, adapter: str) -> bool:
        return adapter in self.models

    def detection(self, tier: Tier) -> Detection:
        present = self.models.values() if self.up else ()
        return Detection(
            tier=tier,
            available=self.up,
            detail=self.detail,
            endpoint=self.url,
            adapters=tuple(model.name for model in present if model.parent),
            base_models=tuple(model.name for model in present if not model.parent),
        )

    def answered(self, models: Iterable[ServedModel]) -> None:
        self.models, self.asked = {model.name: model for model in models}, True
        self.detail = f"{self.url} serves {', '.join(self.served) or 'no model'}"
        self.praise()

    def praise(self) -> None:
        """A call succeeded."""
        self.up, self.strikes, self.rest_until, self.ask_again = True, 0, 0.0, None

    def rest(self, longest: float, asked: float | None) -> None:
        """A call failed: prefer others for `asked` seconds, else for 1 s that doubles with every strike.

        Calls that fail during the rest are one strike.
        """
        now = time.monotonic()
        if now >= self.rest_until:
            self.rest_until = now + (asked or min(longest, 2.0 ** min(self.strikes, 16)))
            self.strikes += 1

    def forget(self, adapter: str) -> None:
        self.models.pop(adapter, None)


class EndpointPool:
    """The endpoints one client shares between its server tiers. `cooldown` is seconds."""

    def __init__(self, urls: Sequence[str], cooldown: float) -> None:
        unique = dict.fromkeys(url.rstrip("/") for url in urls)
        self.endpoints = tuple(Endpoint(url) for url in unique)
        self._cooldown = cooldown
        self._asking: asyncio.Task[None] | None = None

    # -- detection --------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return any(endpoint.up for endpoint in self.endpoints)

    @property
    def asked(self) -> bool:
        return all(endpoint.asked for endpoint in self.endpoints)

    @property
    def detail(self) -> str:
        """Why no endpoint answers."""
        return "; ".join(endpoint.detail for endpoint in self.endpoints) or "no endpoint is configured"

    def detections(self, tier: Tier) -> tuple[Detection, ...]:
        return tuple(endpoint.detection(tier) for endpoint in self.endpoints)

    async def refresh(self) -> None:
        """Ask every endpoint what it serves, all at once. Callers at the same time share one ask."""
        task = self._asking
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._asking = asyncio.create_task(self._ask_all())
        await asyncio.shield(task)

    async def _ask_all(self) -> None:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT, connect=CONNECT_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._ask(session, endpoint) for endpoint in self.endpoints))

    async def _ask(self, session: aiohttp.ClientSession, endpoint: Endpoint) -> None:
        try:
            endpoint.answered(await _list_models(session, endpoint.url))
        except ServerLostError as error:
            self._down(endpoint, f"{error}; {how_to_start(endpoint.url)}")
        except PermanentError as error:
            self._down(endpoint, str(error))

    @property
    def due(self) -> bool:
        """True when a server that was lost may be asked again."""
        now = time.monotonic()
        return any(e.ask_again is not None and now >= e.ask_again for e in self.endpoints)

    async def revive(self) -> None:
        """Ask again after a loss. Calls that come meanwhile find nothing due and go on without the server."""
        for endpoint in self.endpoints:
            if endpoint.ask_again is not None:
                endpoint.ask_again = time.monotonic() + self._cooldown
        await self.refresh()

    async def confirm(self, url: str) -> None:
        """A call's retries were used up on a broken connection to `url`: ask whether the server is gone."""
        if any(endpoint.up for endpoint in self.endpoints if endpoint.url == url):
            await self.refresh()

    def _down(self, endpoint: Endpoint, detail: str) -> None:
        endpoint.up, endpoint.asked, endpoint.detail = False, True, detail
        if endpoint.models:  # it answered once; one that never did is left to an explicit detection
            endpoint.ask_again = time.monotonic() + self._cooldown

    def probe(self) -> bool:
        """One synchronous ask, for callers without an event loop: does any endpoint answer?"""
        return any(_answers(endpoint.url) for endpoint in self.endpoints)

    # -- picking ----------------------------------------------------------------------------------------

    async def reserve(self, adapter: str) -> Endpoint:
        """The endpoint for the next call to `adapter`; asks all of them again before it gives up.

        Raises UnknownAdapterError where servers answer but none serves it, ServerLostError where none does.
        """
        endpoint = self._least_busy(adapter)
        if endpoint is None:
            await self.refresh()
            endpoint = self._least_busy(adapter)
        if endpoint is None:
            raise self.nowhere(adapter)
        return endpoint

    def missing(self, adapters: Iterable[str]) -> tuple[str, ...]:
        """Those of `adapters` that no answering server has; none where no server answers."""
        able = [endpoint for endpoint in self.endpoints if endpoint.up]
        return tuple(name for name in adapters if able and not any(each.serves(name) for each in able))

    def _least_busy(self, adapter: str) -> Endpoint | None:
        now = time.monotonic()
        able = [endpoint for endpoint in self.endpoints if endpoint.serves(adapter)]
        return min(able, key=lambda e: (not e.up, now < e.rest_until, e.pending, e.calls), default=None)

    def nowhere(self, adapter: str) -> InferenceError:
        """Why no server can take a call to `adapter`."""
        answering = [endpoint for endpoint in self.endpoints if endpoint.up]
        if not answering:
            return ServerLostError(f"no server answers: {self.detail}")
        served = dict.fromkeys(name for endpoint in answering for name in endpoint.served)
        where = ", ".join(endpoint.url for endpoint in answering)
        silent = [endpoint.url for endpoint in self.endpoints if not endpoint.up]
        note = f" (no answer from {', '.join(silent)})" if silent else ""
        return UnknownAdapterError(adapter, where + note, list(served))

    @contextmanager
    def lease(self, endpoint: Endpoint, adapter: str) -> Iterator[None]:
        """One call in flight: counts it, and learns from how it ends."""
        endpoint.pending += 1
        endpoint.calls += 1
        try:
            yield
            endpoint.praise()
        except InferenceError as error:
            error.endpoint = endpoint.url
            self._learn(endpoint, adapter, error)
            raise
        finally:
            endpoint.pending -= 1

    def _learn(self, endpoint: Endpoint, adapter: str, error: InferenceError) -> None:
        if isinstance(error, TransientError):
            endpoint.rest(self._cooldown, error.retry_after)
        if isinstance(error, UnknownAdapterError):
            endpoint.forget(adapter)
            if self._least_busy(adapter) is not None:
                elsewhere = TransientError(f"{endpoint.url} no longer serves {adapter!r}; another server does")
                elsewhere.endpoint = endpoint.url
                raise elsewhere from error


async def _list_models(session: aiohttp.ClientSession, url: str) -> list[ServedModel]:
    import aiohttp

    try:
        async with session.get(f"{url}/models") as response:
            body = await response.read()
    except asyncio.TimeoutError as error:
        raise ServerLostError(f"nothing answers at {url} within {ASK_TIMEOUT:.0f} s") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise ServerLostError(f"nothing answers at {url} ({reason(error)})") from error
    if response.status != 200:
        raise PermanentError(f"{url}/models answered {response.status} (does the URL end in /v1?)")
    return _read_models(read_json(body, url), url)


def _read_models(payload: Any, url: str) -> list[ServedModel]:
    match payload:
        case {"data": list(rows)}:
            return [_served(row) for row in rows if isinstance(row, dict) and "id" in row]
        case _:
            raise PermanentError(f"{url}/models did not list models; is it an OpenAI-compatible server?")


def _served(row: dict[str, Any]) -> ServedModel:
    return ServedModel(
        name=str(row["id"]),
        parent=row.get("parent"),
        root=row.get("root"),
        max_model_len=row.get("max_model_len"),
    )


def how_to_start(url: str) -> str:
    """The command that would make a server answer at `url`."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = None
    return f"start one with: vllm serve BASE --port {port or 8000} --enable-lora --lora-modules NAME=PATH"


def _answers(url: str) -> bool:
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(f"{url}/models", timeout=CONNECT_TIMEOUT) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):  # an HTTP error is an OSError too
        return False


def reason(error: BaseException) -> str:
    """A connection error in a few words."""
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    number = getattr(cause, "errno", None) or 0
    if number > 0:
        return os.strerror(number).lower()
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
