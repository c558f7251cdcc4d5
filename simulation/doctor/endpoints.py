"""Checks of the servers: does each answer, how fast, which vLLM is it, and does it serve the roster's models?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agents.inference.backend import EndpointSettings, base_name
from agents.inference.errors import InferenceError, PermanentError, ServerLostError
from agents.inference.servers.api_key import how_to_give
from agents.inference.servers.discovery import (
    ask_version,
    how_to_start,
    is_healthy,
    list_models,
    open_session,
)
from agents.inference.servers.endpoint import aliases_of, api_headers
from agents.inference.servers.proof import NeededModel
from agents.inference.servers.proxies import proxy_hint
from agents.inference.servers.served_model import ServedModel
from agents.problems import nearest
from simulation.doctor.finding import Diagnosis, failure, ok, warning

if TYPE_CHECKING:
    import aiohttp

AREA = "endpoints"
Served = Mapping[str, Mapping[str, ServedModel]]
"""For each server that answers (by URL), the models it serves, by name."""


async def examine_endpoints(
    endpoints: Sequence[EndpointSettings], wanted: Sequence[NeededModel], required: bool, trust_env: bool = False
) -> tuple[Served, list[Diagnosis]]:
    """Check all servers at the same time.

    Args:
        endpoints: The servers.
        wanted: The models that the roster needs.
        required: Whether a server that does not answer is a failure or only a warning.
        trust_env: Whether the proxies that the environment names are used.

    Returns:
        What each answering server serves, and the findings.
    """
    async with open_session(trust_env) as session:
        visits = await asyncio.gather(*(_visit(session, endpoint, required) for endpoint in endpoints))
    served = {
        endpoint.url: models for endpoint, (models, _) in zip(endpoints, visits, strict=True) if models is not None
    }
    found = [diagnosis for _, diagnoses in visits for diagnosis in diagnoses]
    return served, [*found, *_adapters(served, wanted), *_bases(served, wanted)]


async def _visit(
    session: aiohttp.ClientSession, endpoint: EndpointSettings, required: bool
) -> tuple[dict[str, ServedModel] | None, list[Diagnosis]]:
    url = endpoint.url.rstrip("/")
    try:
        headers = api_headers(endpoint)
        started = time.perf_counter()
        models = await list_models(session, url, headers)
        latency = time.perf_counter() - started
        version = await ask_version(session, url, headers)
        healthy = await is_healthy(session, url, headers)
    except ServerLostError as error:
        finding = failure if required else warning
        hint = "" if session.trust_env else proxy_hint(url)
        return None, [finding(AREA, url, str(error), hint or how_to_start(url))]
    except PermanentError as error:
        return None, [failure(AREA, url, str(error), _remedy(error, endpoint))]
    names = ", ".join(model.name for model in models) or "no model"
    program = f"vLLM {version}" if version else "no vLLM version known"
    state = ok(AREA, url, f"answers in {latency * 1000:.0f} ms, {program}, serves {names}")
    if not healthy:
        state = failure(AREA, url, "lists models, but its /health reports an error", "look at its log and restart it")
    return _by_name(models, endpoint), [state]


def _by_name(models: Sequence[ServedModel], endpoint: EndpointSettings) -> dict[str, ServedModel]:
    """Return the models by every name under which a run may ask for them."""
    listed = {model.name: model for model in models}
    aliases = {**aliases_of(models), **endpoint.names}
    known = {alias: listed.get(name) or listed.get(name.rpartition(":")[2]) for alias, name in aliases.items()}
    return listed | {alias: model or ServedModel(alias) for alias, model in known.items()}


def _remedy(error: InferenceError, endpoint: EndpointSettings) -> str:
    if endpoint.api_key_env and endpoint.api_key_env in str(error):
        return how_to_give(endpoint.api_key_env)
    return "endpoints are OpenAI-compatible URLs such as http://localhost:8001/v1"


def _adapters(served: Served, wanted: Sequence[NeededModel]) -> Iterator[Diagnosis]:
    """Yield a failure for each model that no server has; nothing for models whose servers do not answer."""
    missing = [
        each for each in dict.fromkeys(wanted) if _places(served, each) is not None and not _places(served, each)
    ]
    for each in missing:
        known = sorted({model.name for models in served.values() for model in models.values()})
        where = each.endpoint or next(iter(served))
        remedy = f"society serve adapters load {where} PATH --name {each.name}, or name one that is served"
        yield failure(
            AREA, each.name, f"the roster needs it and no server has it ({nearest(each.name, known)})", remedy
        )
    if wanted and served and not missing:
        names = ", ".join(dict.fromkeys(each.name for each in wanted))
        yield ok(AREA, "adapters", f"all that the roster needs are served: {names}")


def _places(served: Served, wanted: NeededModel) -> list[str] | None:
    """Return the servers that have a model; None if no server that may answer for it is up."""
    usable = [url for url in served if wanted.endpoint is None or url.rstrip("/") == wanted.endpoint.rstrip("/")]
    return [url for url in usable if wanted.name in served[url]] if usable else None


def _bases(served: Served, wanted: Sequence[NeededModel]) -> Iterator[Diagnosis]:
    """Yield a warning for each adapter that is served on another base than the roster says: it is another model."""
    found = {
        (url, _bases_of(served[url], each.name), each.base_model)
        for each in wanted
        if each.base_model
        for url in _places(served, each) or ()
        if _says_base(served[url], each.name)
    }
    for url, bases, expected in sorted(found):
        if base_name(expected) not in map(base_name, bases):
            finding = f"{url} serves {' or '.join(bases)}, the roster says {expected}"
            yield warning(AREA, "base", finding, "correct the roster's base_model, or serve the other base")


def _says_base(models: Mapping[str, ServedModel], name: str) -> bool:
    """Return whether a server says which base a model has: it names a parent, or is one."""
    return bool(models[name].parent) or any(model.parent == models[name].name for model in models.values())


def _bases_of(models: Mapping[str, ServedModel], name: str) -> tuple[str, ...]:
    """Return the names of a model's base: its served name, and the path or name that it was loaded from."""
    base = models[name].parent or name
    root = models[base].root if base in models else None
    return (base, root) if root else (base,)
