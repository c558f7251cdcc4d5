"""Load a roster's adapters on every server of a scenario."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.inference.adapter_folder import AdapterFolder
from agents.inference.backend import EndpointSettings
from agents.inference.servers.endpoint import api_key
from agents.inference.vllm.lifecycle import LoraLifecycle, ServedModels, check_served_base
from agents.problems import SocietyError
from agents.roster import ModelConfig


@dataclass(frozen=True)
class Residency:
    """What became of one adapter at one server; `problem` is why it is not served there, else empty."""

    url: str
    adapter: str
    loaded: bool = False
    problem: str = ""

    def __str__(self) -> str:
        what = self.problem or ("loaded" if self.loaded else "was served already")
        return f"{self.url}: {self.adapter}: {what}"


async def load_everywhere(
    adapters: Sequence[AdapterFolder],
    rows: Sequence[ModelConfig],
    endpoints: Sequence[EndpointSettings],
    trust_env: bool = False,
) -> list[Residency]:
    """Load each adapter at each server that may be asked for it, under its own name; what is served is left alone.

    Args:
        adapters: The adapters' folders.
        rows: The roster's rows, some of which pin a server.
        endpoints: The scenario's servers.
        trust_env: Whether the proxies that the environment names are used.
    """
    everywhere = {row.model_name for row in rows if row.endpoint is None}
    pinned = {(row.endpoint.rstrip("/"), row.model_name) for row in rows if row.endpoint}
    known = {each.url.rstrip("/"): each for each in endpoints}
    urls = dict.fromkeys((*known, *(url for url, _ in pinned)))
    places = [
        (
            known.get(url, EndpointSettings(url)),
            [a for a in adapters if _belongs(a.name, url, everywhere, pinned, known)],
        )
        for url in urls
    ]
    stated = {row.model_name: row.base_model for row in rows if row.base_model}
    found = await asyncio.gather(*(_load_at(each, wanted, stated, trust_env) for each, wanted in places))
    return [result for results in found for result in results]


def _belongs(
    name: str,
    url: str,
    everywhere: set[str | None],
    pinned: set[tuple[str, str | None]],
    known: Mapping[str, EndpointSettings],
) -> bool:
    if (url, name) in pinned:
        return True
    allowed = known[url].adapters if url in known else ()
    return name in everywhere and (allowed is None or name in allowed)


async def _load_at(
    endpoint: EndpointSettings, wanted: Sequence[AdapterFolder], stated: Mapping[str | None, str], trust_env: bool
) -> list[Residency]:
    url = endpoint.url.rstrip("/")
    try:
        async with LoraLifecycle(url, api_key(endpoint), trust_env=trust_env) as lifecycle:
            served = await lifecycle.served()
            names = endpoint.names
            return [
                await _load_one(lifecycle, served, each, names.get(each.name, each.name), stated.get(each.name))
                for each in wanted
            ]
    except SocietyError as error:
        return [Residency(url, each.name, problem=str(error)) for each in wanted]


async def _load_one(
    lifecycle: LoraLifecycle, served: ServedModels, adapter: AdapterFolder, name: str, stated: str | None
) -> Residency:
    there = next((each for each in served.adapters if each.name == name), None)
    if there is not None:
        other = there.root and Path(there.root) != adapter.path
        problem = f"is served from {there.root}, not from {adapter.path}; unload it first" if other else ""
        return Residency(lifecycle.url, adapter.name, problem=problem)
    try:
        check_served_base(adapter, served, lifecycle.url, stated)
        await lifecycle.load_as(name, adapter)
    except SocietyError as error:
        return Residency(lifecycle.url, adapter.name, problem=str(error))
    return Residency(lifecycle.url, adapter.name, loaded=True)
