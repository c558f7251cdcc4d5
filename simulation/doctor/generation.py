"""Checks of the tiers: does each generate one token?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import Tier
from agents.inference.tiers import SERVER_TIERS
from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.doctor.endpoints import Served
from simulation.doctor.finding import Diagnosis, failure, ok, warning

AREA = "generation"


async def examine_tiers(
    endpoints: Sequence[EndpointSettings],
    tiers: Sequence[Tier],
    model: ModelConfig | None,
    base_model: str | None,
    served: Served,
    settings: InferenceSettings,
) -> list[Diagnosis]:
    """Ask each of `tiers` for one token.

    Args:
        endpoints: The servers.
        tiers: The tiers to ask, in order.
        model: The roster's first row with a model; None to ask the first model that is served.
        base_model: The roster's base model.
        served: What each answering server serves.
        settings: The scenario's inference settings.
    """
    found = []
    for tier in tiers:
        blocked = _blocked(tier, served)
        name = _name(tier, model, served)
        found.append(blocked or await _ask(tier, name, endpoints, base_model if model else None, settings))
    return found


def _blocked(tier: Tier, served: Served) -> Diagnosis | None:
    """Return why a tier is not asked, or None if it can be."""
    if tier in SERVER_TIERS and not served:
        return warning(AREA, tier.value, "not asked: no server answers", "start a server, see above")
    if tier is Tier.EMBEDDED:
        from agents.inference.embedded.model_sources import MODEL_ID
        from agents.inference.embedded.model_store import model_path

        if model_path() is None and served:
            return ok(AREA, tier.value, f"{MODEL_ID} is downloaded (93 MB) when a call first needs it")
        if model_path() is None:
            return warning(AREA, tier.value, f"{MODEL_ID} is not in the cache (93 MB)", "society model pull")
    return None


def _name(tier: Tier, model: ModelConfig | None, served: Served) -> str:
    names = [name for models in served.values() for name in models]
    if model is not None and model.model_name and (tier not in SERVER_TIERS or model.model_name in names):
        return model.model_name
    if tier in SERVER_TIERS:
        return names[0] if names else ""
    from agents.inference.embedded.model_sources import MODEL_ID

    return MODEL_ID


async def _ask(
    tier: Tier,
    name: str,
    endpoints: Sequence[EndpointSettings],
    base_model: str | None,
    settings: InferenceSettings,
) -> Diagnosis:
    only = replace(settings, tiers=(tier,), require=None, retries=0, timeout=min(30.0, settings.timeout))
    started = time.perf_counter()
    try:
        async with VLLMClient(model_name=name, endpoints=endpoints, base_model=base_model, settings=only) as client:
            reply = await client.ask("Say one word.", max_tokens=1, temperature=0)
    except SocietyError as error:
        return failure(AREA, tier.value, str(error), "society run ... --tier auto uses the tiers that answer")
    seconds = time.perf_counter() - started
    if not reply.provenance.tier.real:
        return ok(AREA, tier.value, "scripted policies answer; their texts are marked simulated")
    return ok(AREA, tier.value, f"one token of {name} in {seconds:.1f} s")
