"""List, load and unload LoRA adapters while a vLLM server runs.

A served name means the same weights for as long as the server runs. vLLM's prefix cache stores what it computed for a
prompt under the adapter's name, so other weights under an old name could get answers from the old cache. Therefore an
adapter is never replaced under its name: it is served under its plain name if no version of it is served yet, and as
`name-<8 hex digits of its weights and config>` if one is. (vLLM 0.32 separates caches by name and path, so one gap
remains: to unload the plain name, write other weights into the same folder, and load that.)
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.inference.adapter_folder import DIGEST_LENGTH, AdapterFolder, read_adapter_folder
from agents.inference.adapter_limits import VLLM_LIMITS
from agents.inference.backend import base_name
from agents.inference.errors import BadReplyError, InferenceError
from agents.inference.servers.api_key import without_key
from agents.inference.servers.discovery import read_body, read_models
from agents.inference.servers.known_words import explain
from agents.inference.servers.wire import read_json, server_message
from agents.inference.vllm.serve_command import RUNTIME_LORA_VARIABLE
from agents.problems import SocietyError, nearest

if TYPE_CHECKING:
    from types import TracebackType

    import aiohttp

logger = logging.getLogger("society.adapters")

TIMEOUT = 60.0  # seconds; loading a large adapter takes a while
_LONGEST_WORDS = 1500
UNAUTHORIZED, NOT_FOUND = 401, 404
_VERSION = re.compile(rf"-[0-9a-f]{{{DIGEST_LENGTH}}}")


class LifecycleError(SocietyError):
    """An adapter could not be listed, loaded, asked or unloaded; the message says why, and what to do."""


class ServerSilentError(LifecycleError):
    """Nothing answers at a server's address."""


@dataclass(frozen=True)
class ServedBase:
    """A base model of the server: its served name, and the place of its weights."""

    name: str
    root: str


@dataclass(frozen=True)
class ServedAdapter:
    """An adapter of the server: its served name, its base model, and the folder that it was loaded from."""

    name: str
    base: str
    root: str


@dataclass(frozen=True)
class ServedModels:
    """The base models and adapters that one server serves now."""

    bases: tuple[ServedBase, ...]
    adapters: tuple[ServedAdapter, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the served names of the adapters."""
        return tuple(adapter.name for adapter in self.adapters)


@dataclass(frozen=True)
class Loaded:
    """The result of a load: the served `name`, whether it was `already` loaded, and the versions that it replaced."""

    name: str
    already: bool = False
    replaced: tuple[str, ...] = ()


def version_name(name: str, digest: str, served: Iterable[str]) -> str:
    """Return the name under which an adapter with this digest is served.

    Args:
        name: The adapter's plain name.
        digest: The digest of its weights and config.
        served: The names that are taken.
    """
    own = f"{name}-{digest}"
    return own if versions(name, served) else name


def versions(name: str, served: Iterable[str]) -> tuple[str, ...]:
    """Return those of `served` that are versions of the adapter `name`: its plain name, and names with a digest."""
    return tuple(
        each
        for each in served
        if each == name or (each.startswith(name) and _VERSION.fullmatch(each.removeprefix(name)))
    )


class LoraLifecycle:
    """The adapters of one endpoint: `async with LoraLifecycle("http://localhost:8001/v1") as lifecycle: ...`

    Every method raises LifecycleError if the server refuses or cannot be reached. The server reads the paths itself, so
    they must be the same on its machine and on this one.

    Args:
        endpoint: The server's address, with or without `/v1`.
        api_key: The server's key.
        timeout: Seconds for one request.
        trust_env: Whether the proxies that the environment names are used.
    """

    def __init__(
        self, endpoint: str, api_key: str | None = None, timeout: float = TIMEOUT, *, trust_env: bool = False
    ) -> None:
        self.url = _with_version(endpoint)
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = timeout
        self._trust_env = trust_env
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> LoraLifecycle:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def served(self) -> ServedModels:
        """Return what the server serves now."""
        status, body = await self._call("GET", "/models")
        if status != 200:
            raise LifecycleError(f"{self.url}/models answered {status}: {_words(body)}")
        try:
            models = read_models(read_json(body, self.url), self.url)
        except InferenceError as error:
            raise LifecycleError(str(error)) from error
        return ServedModels(
            bases=tuple(ServedBase(each.name, each.root or "") for each in models if not each.parent),
            adapters=tuple(ServedAdapter(each.name, each.parent, each.root or "") for each in models if each.parent),
        )

    async def load(
        self, path: Path, name: str | None = None, *, replace: bool = False, base: str | None = None
    ) -> Loaded:
        """Load an adapter, beside the versions of it that are served already.

        Weights that are served under their version's name already are not loaded again.

        Args:
            path: The adapter's folder.
            name: The adapter's plain name; the folder's name by default.
            replace: Unload its other versions once the new one has answered; calls in flight are finished.
            base: The base model that it was trained on, where its configuration has another name for it.

        Raises:
            UnusableAdapterError: The folder has no usable adapter.
            LifecycleError: The server refuses, or the adapter has another base model.
        """
        adapter, digest = await asyncio.to_thread(_read_and_hash, path, name)
        served = await self.served()
        check_served_base(adapter, served, self.url, base)
        own = version_name(adapter.name, digest, served.names)
        already = own in served.names
        if not already:
            await self.load_as(own, adapter)
        others = tuple(each for each in versions(adapter.name, served.names) if each != own)
        if replace and others:
            await self._answer(own, forget=not already)
            for other in others:
                await self.unload(other)
        return Loaded(own, already, others if replace else ())

    async def unload(self, name: str) -> None:
        """Unload the adapter with the served name `name`; calls in flight are finished."""
        status, body = await self._call("POST", "/unload_lora_adapter", {"lora_name": name})
        if status == NOT_FOUND and name in _words(body):
            names = (await self.served()).names
            raise LifecycleError(f"{self.url} serves no adapter {name!r}: {nearest(name, names)}")
        self._check(status, body, f"{self.url} did not unload {name!r}")

    async def complete(self, name: str, request: Mapping[str, Any]) -> Any:
        """Return the answer of `/completions` under the served name `name`; `request` has the other fields."""
        status, body = await self._call("POST", "/completions", {"model": name, **request})
        if status != 200:
            raise LifecycleError(f"{self.url} does not answer as {name!r} ({status}: {_words(body)})")
        try:
            return read_json(body, self.url)
        except InferenceError as error:
            raise LifecycleError(str(error)) from error

    async def load_as(self, name: str, adapter: AdapterFolder) -> None:
        """Load an adapter under a name that is not served."""
        request = {"lora_name": name, "lora_path": str(adapter.path)}
        status, body = await self._call("POST", "/load_lora_adapter", request)
        self._check(status, body, f"{self.url} did not load {name!r} from {adapter.path}")

    async def _answer(self, name: str, *, forget: bool) -> None:
        """Ask `name` for one token; if there is none, unload it (`forget`), so that all is as before."""
        request = {"model": name, "prompt": "a", "max_tokens": 1}
        status, body = await self._call("POST", "/completions", request)
        if status != 200:
            if forget:
                await self.unload(name)
            failure = f"{name!r} was loaded at {self.url} but does not answer ({status}: {_words(body)})"
            raise LifecycleError(f"{failure}; the earlier versions are still served")

    def _check(self, status: int, body: bytes, failure: str) -> None:
        """Raise LifecycleError for an answer other than 200."""
        if status == 200:
            return
        words = _words(body)
        if status == NOT_FOUND and words == "Not Found":  # the route itself
            raise LifecycleError(
                f"{self.url} cannot load adapters while it runs; start it with {RUNTIME_LORA_VARIABLE}=True in its "
                "environment (society serve does)"
            )
        known = explain(status, words)
        raise LifecycleError(f"{failure}: {words}{f' ({known})' if known else ''}")

    async def _call(self, method: str, path: str, request: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        import aiohttp

        try:
            async with self._open().request(method, f"{self.url}{path}", json=request) as response:
                body = without_key(await read_body(response, self.url), self._headers)
        except BadReplyError as error:
            raise LifecycleError(str(error)) from error
        except asyncio.TimeoutError as error:
            raise LifecycleError(f"{self.url} gave no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ServerSilentError(f"nothing answers at {self.url} ({error}); start it with society serve") from error
        if response.status == UNAUTHORIZED:
            raise LifecycleError(f"{self.url} wants its key: --api-key-env names the variable that has it")
        return response.status, body

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers, trust_env=self._trust_env)
        return self._session


def _read_and_hash(path: Path, name: str | None) -> tuple[AdapterFolder, str]:
    adapter = read_adapter_folder(path, name)
    adapter.refuse_beyond(VLLM_LIMITS)
    for each in adapter.cautions():
        logger.warning("%s", each)
    return adapter, adapter.digest()


def _with_version(endpoint: str) -> str:
    """Return the endpoint's URL; `/v1` is added to an address without a path."""
    url = endpoint.rstrip("/")
    return url if urlsplit(url).path else f"{url}/v1"


def check_served_base(adapter: AdapterFolder, served: ServedModels, url: str, stated: str | None) -> None:
    """Raise LifecycleError if the adapter belongs to no base model of the server; warn where that has another name."""
    known = ", ".join(f"{base.name} ({base.root})" for base in served.bases)
    names = [each for base in served.bases for each in (base.name, base.root)]
    if stated is not None and base_name(stated) not in map(base_name, names):
        raise LifecycleError(f"--base {stated}: {url} serves {known}")
    if stated is None and not adapter.belongs_to(names):
        raise LifecycleError(
            f"{adapter.path} belongs to base model {adapter.base}; {url} serves {known}. If that is the same model "
            "under another name, say so with --base"
        )
    label = adapter.check_base(names, "", stated is not None) if names else ""
    for note in filter(None, (label, *adapter.notes)):
        logger.warning("%s", note)


def _words(body: bytes) -> str:
    """Return the server's error message, shortened."""
    return server_message(body)[:_LONGEST_WORDS]
