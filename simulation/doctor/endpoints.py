"""Does each server answer, how fast, which vLLM is it, and does it serve what the roster asks for?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.inference.backend import EndpointSettings, base_name
from agents.inference.errors import InferenceError, PermanentError, ServerLostError
from agents.inference.servers.api_key import how_to_give
from agents.inference.servers.discovery import (
    ServedModel,
    ask_version,
    how_to_start,
    is_healthy,
    list_models,
    open_session,
)
from agents.inference.servers.endpoint import api_headers
from agents.problems import nearest
from simulation.doctor.finding import Diagnosis, failure, ok, warning

if TYPE_CHECKING:
    import aiohttp

AREA = "endpoints"
SHORT_CONTEXT = 1024
Served = Mapping[str, Mapping[str, ServedModel]]
"""What each answering server (by URL) serves, by name."""


@dataclass(frozen=True)
class Wanted:
    """A model the roster asks for: its served name, the server it is pinned to, and the base it belongs to."""

    name: str
    endpoint: str | None
    base_model: str | None


async def examine_endpoints(
    endpoints: Sequence[EndpointSettings], wanted: Sequence[Wanted], required: bool
) -> tuple[Served, list[Diagnosis]]:
    """What answers, and everything found about it. A server that is silent is a failure where one is `required`."""
    async with open_session() as session:
        visits = await asyncio.gather(*(_visit(session, endpoint, required) for endpoint in endpoints))
    served = {
        endpoint.url: models for endpoint, (models, _) in zip(endpoints, visits, strict=True) if models is not None
    }
    found = [diagnosis for _, diagnoses in visits for diagnosis in diagnoses]
    return served, [*found, *_adapters(served, wanted), *_bases(served, wanted), *_contexts(served)]


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
        well = await is_healthy(session, url, headers)
    except ServerLostError as error:
        silent = failure if required else warning
        return None, [silent(AREA, url, str(error), how_to_start(url))]
    except PermanentError as error:
        return None, [failure(AREA, url, str(error), _remedy(error, endpoint))]
    names = ", ".join(model.name for model in models) or "no model"
    told = f"vLLM {version}" if version else "not a vLLM that tells its version"
    state = ok(AREA, url, f"answers in {latency * 1000:.0f} ms, {told}, serves {names}")
    if not well:
        state = failure(AREA, url, "lists models, but says that it is not well", "look at its log and start it again")
    return {model.name: model for model in models}, [state]


def _remedy(error: InferenceError, endpoint: EndpointSettings) -> str:
    if endpoint.api_key_env and endpoint.api_key_env in str(error):
        return how_to_give(endpoint.api_key_env)
    return "endpoints are OpenAI-compatible URLs such as http://localhost:8001/v1"


def _adapters(served: Served, wanted: Sequence[Wanted]) -> Iterator[Diagnosis]:
    """Which models of the roster no server has; nothing where no server answers at all."""
    missing = [
        each for each in dict.fromkeys(wanted) if _places(served, each) is not None and not _places(served, each)
    ]
    for each in missing:
        known = sorted({name for models in served.values() for name in models})
        where = each.endpoint or next(iter(served))
        remedy = f"society adapters load {where} PATH --name {each.name}, or name one that is served"
        yield failure(
            AREA, each.name, f"the roster asks for it and no server has it ({nearest(each.name, known)})", remedy
        )
    if wanted and served and not missing:
        names = ", ".join(dict.fromkeys(each.name for each in wanted))
        yield ok(AREA, "adapters", f"all the roster asks for are served: {names}")


def _places(served: Served, wanted: Wanted) -> list[str] | None:
    """The servers that have a model; None where none of those that may be asked answers."""
    asked = [url for url in served if wanted.endpoint is None or url.rstrip("/") == wanted.endpoint.rstrip("/")]
    return [url for url in asked if wanted.name in served[url]] if asked else None


def _bases(served: Served, wanted: Sequence[Wanted]) -> Iterator[Diagnosis]:
    """Where adapters are served on another base than the roster says; their replies would be another model's."""
    found = {
        (url, _bases_of(served[url], each.name), each.base_model)
        for each in wanted
        if each.base_model
        for url in _places(served, each) or ()
    }
    for url, bases, told in sorted(found):
        if base_name(told) not in map(base_name, bases):
            finding = f"{url} serves {' or '.join(bases)}, the roster says {told}"
            yield warning(AREA, "base", finding, "correct the roster's base_model, or serve the other base")


def _bases_of(models: Mapping[str, ServedModel], name: str) -> tuple[str, ...]:
    """What a model's base is called: its served name, and the path or name it was loaded from."""
    base = models[name].parent or name
    root = models[base].root if base in models else None
    return (base, root) if root else (base,)


def _contexts(served: Served) -> Iterator[Diagnosis]:
    for url, models in served.items():
        lengths = [model.max_model_len for model in models.values() if model.max_model_len]
        if lengths and min(lengths) < SHORT_CONTEXT:
            finding = f"{url} takes {min(lengths)} tokens of prompt and reply; prompts here have some 300 to 800"
            yield warning(AREA, "context", finding, "vllm serve ... --max-model-len 4096")
