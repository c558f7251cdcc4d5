"""LoRA adapters that come and go while a vLLM server runs: listed, loaded, unloaded.

A served name means the same weights for as long as the server runs. vLLM keeps what it computed for a prompt under
the adapter's name (the prefix cache), so other weights under an old name could be answered from the old ones' cache.
Therefore nothing is ever loaded in place: an adapter is served under its plain name where no version of it is served
yet, and as `name-<8 hex digits of its weights and config>` where one is. (vLLM 0.32 keeps caches apart by name and
path, so one way is left open: to unload the plain name, write other weights into the same folder, and load that.)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.inference.errors import BadReplyError, InferenceError
from agents.inference.servers.api_key import without_key
from agents.inference.servers.discovery import read_body, read_models
from agents.inference.servers.wire import read_json, server_message
from agents.inference.vllm.adapter_folders import DIGEST_LENGTH, AdapterOnDisk, read_adapter_folder
from agents.inference.vllm.serve_command import RUNTIME_LORA_VARIABLE, allowed_rank
from agents.problems import SocietyError, nearest

if TYPE_CHECKING:
    from types import TracebackType

    import aiohttp

TIMEOUT = 60.0  # seconds; loading a large adapter takes a while
_LONGEST_WORDS = 1500
UNAUTHORIZED, NOT_FOUND = 401, 404
_VERSION = re.compile(rf"-[0-9a-f]{{{DIGEST_LENGTH}}}")
_RANK_TOO_LARGE = re.compile(r"LoRA rank (\d+) is greater than max_lora_rank (\d+)")


class LifecycleError(SocietyError):
    """An adapter that could not be listed, loaded or unloaded; the message says why, and the mend."""


@dataclass(frozen=True)
class ServedBase:
    """A base model of the server: its served name, and where its weights are."""

    name: str
    root: str


@dataclass(frozen=True)
class ServedAdapter:
    """An adapter of the server: its served name, the base it belongs to, and the folder it was loaded from."""

    name: str
    base: str
    root: str


@dataclass(frozen=True)
class ServedModels:
    """What one server serves now."""

    bases: tuple[ServedBase, ...]
    adapters: tuple[ServedAdapter, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(adapter.name for adapter in self.adapters)


@dataclass(frozen=True)
class Loaded:
    """What a load came to: the served `name`, whether it was `already` there, and the versions it replaced."""

    name: str
    already: bool = False
    replaced: tuple[str, ...] = ()


def version_name(name: str, digest: str, served: Iterable[str]) -> str:
    """What an adapter called `name` with this digest is served as, where `served` are the names taken."""
    own = f"{name}-{digest}"
    return own if versions(name, served) else name


def versions(name: str, served: Iterable[str]) -> tuple[str, ...]:
    """Those of `served` that are versions of the adapter `name`: its plain name, and those with a digest."""
    return tuple(
        each
        for each in served
        if each == name or (each.startswith(name) and _VERSION.fullmatch(each.removeprefix(name)))
    )


class LoraLifecycle:
    """The adapters of one endpoint. `async with LoraLifecycle("http://localhost:8001/v1") as lifecycle: ...`

    Every method raises LifecycleError where the server refuses or cannot be reached. Paths are this machine's and
    the server's: it reads them itself.
    """

    def __init__(self, endpoint: str, api_key: str | None = None, timeout: float = TIMEOUT) -> None:
        self.url = _with_version(endpoint)
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> LoraLifecycle:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def served(self) -> ServedModels:
        """What the server serves now."""
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

    async def load(self, path: Path, name: str | None = None, *, replace: bool = False) -> Loaded:
        """Serve the adapter in `path` (by default under the folder's name), beside what is served under that name.

        With `replace`, its other versions are unloaded once the new one has answered; calls they are working on
        come to their end. Weights that are served under their own version's name already are not loaded again.
        Raises UnusableAdapterError where the folder holds no adapter.
        """
        adapter, digest = await asyncio.to_thread(_read_and_hash, path, name)
        served = await self.served()
        _refuse_other_base(adapter, served, self.url)
        own = version_name(adapter.name, digest, served.names)
        already = own in served.names
        if not already:
            await self._load(own, adapter)
        others = tuple(each for each in versions(adapter.name, served.names) if each != own)
        if replace and others:
            await self._answer(own, forget=not already)
            for other in others:
                await self.unload(other)
        return Loaded(own, already, others if replace else ())

    async def unload(self, name: str) -> None:
        """Serve `name` no more; calls in flight come to their end."""
        status, body = await self._call("POST", "/unload_lora_adapter", {"lora_name": name})
        if status == NOT_FOUND and name in _words(body):
            names = (await self.served()).names
            raise LifecycleError(f"{self.url} serves no adapter {name!r}: {nearest(name, names)}")
        self._check(status, body, f"{self.url} did not unload {name!r}")

    async def _load(self, name: str, adapter: AdapterOnDisk) -> None:
        told = {"lora_name": name, "lora_path": str(adapter.path)}
        status, body = await self._call("POST", "/load_lora_adapter", told)
        self._check(status, body, f"{self.url} did not load {name!r} from {adapter.path}")

    async def _answer(self, name: str, *, forget: bool) -> None:
        """One token from `name`; where there is none it is unloaded (`forget`), so that all is as before."""
        told = {"model": name, "prompt": "a", "max_tokens": 1}
        status, body = await self._call("POST", "/completions", told)
        if status != 200:
            if forget:
                await self.unload(name)
            said = f"{name!r} was loaded at {self.url} but does not answer ({status}: {_words(body)})"
            raise LifecycleError(f"{said}; the versions before it are still served")

    def _check(self, status: int, body: bytes, failure: str) -> None:
        """Raises LifecycleError for an answer other than 200."""
        if status == 200:
            return
        words = _words(body)
        if status == NOT_FOUND and words == "Not Found":  # the route itself
            raise LifecycleError(
                f"{self.url} loads no adapters while it runs; start it with {RUNTIME_LORA_VARIABLE}=True in its "
                "environment (society serve does)"
            )
        limit = _RANK_TOO_LARGE.search(words)
        hint = f"; start the server with --max-lora-rank {allowed_rank(int(limit[1]))}" if limit else ""
        raise LifecycleError(f"{failure}: {words}{hint}")

    async def _call(self, method: str, path: str, told: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        import aiohttp

        try:
            async with self._open().request(method, f"{self.url}{path}", json=told) as response:
                body = without_key(await read_body(response, self.url), self._headers)
        except BadReplyError as error:
            raise LifecycleError(str(error)) from error
        except asyncio.TimeoutError as error:
            raise LifecycleError(f"{self.url} gave no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise LifecycleError(f"nothing answers at {self.url} ({error}); start it with society serve") from error
        if response.status == UNAUTHORIZED:
            raise LifecycleError(f"{self.url} wants its key: --api-key-env names the variable that holds it")
        return response.status, body

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self._session


def _read_and_hash(path: Path, name: str | None) -> tuple[AdapterOnDisk, str]:
    adapter = read_adapter_folder(path, name)
    return adapter, adapter.digest()


def _with_version(endpoint: str) -> str:
    """The endpoint's URL up to /v1, which an address without a path leaves out."""
    url = endpoint.rstrip("/")
    return url if urlsplit(url).path else f"{url}/v1"


def _refuse_other_base(adapter: AdapterOnDisk, served: ServedModels, url: str) -> None:
    if not adapter.belongs_to(each for base in served.bases for each in (base.name, base.root)):
        known = ", ".join(f"{base.name} ({base.root})" for base in served.bases)
        raise LifecycleError(f"{adapter.path} belongs to base model {adapter.base}; {url} serves {known}")


def _words(body: bytes) -> str:
    """What the server says, in vLLM's shape of an error or its framework's; else the body's beginning."""
    return server_message(body)[:_LONGEST_WORDS]
