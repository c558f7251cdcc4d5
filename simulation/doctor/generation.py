"""Checks of the tiers: does each generate one token?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request, Sampling, Tier
from agents.inference.recording import OUTSIDE_EPISODES
from agents.inference.servers.proof import EndpointProbe
from agents.inference.tiers import SERVER_TIERS
from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.doctor.endpoints import Served
from simulation.doctor.finding import Diagnosis, Verdict, failure, note, ok, warning

AREA = "generation"


async def examine_tiers(
    endpoints: Sequence[EndpointSettings],
    tiers: Sequence[Tier],
    model: ModelConfig | None,
    base_model: str | None,
    served: Served,
    settings: InferenceSettings,
    probes: Sequence[EndpointProbe] = (),
) -> list[Diagnosis]:
    """Ask each of `tiers` for one token.

    Args:
        endpoints: The servers.
        tiers: The tiers to ask, in order.
        model: The roster's first row with a model; None to ask the first model that is served.
        base_model: The roster's base model.
        served: What each answering server serves.
        settings: The scenario's inference settings.
        probes: How each server must be asked.
    """
    found: list[Diagnosis] = []
    for tier in tiers:
        answered = any(each.verdict is Verdict.OK for each in found)
        diagnosis = _blocked(tier, served, settings)
        if diagnosis is None:
            request = _request(tier, model, base_model, served, settings)
            diagnosis = await _ask(tier, request, endpoints, settings, probes)
        if diagnosis.verdict is Verdict.FAILURE and answered:
            diagnosis = note(AREA, tier.value, f"is not needed, an earlier tier answers; it fails: {diagnosis.finding}")
        elif diagnosis.verdict is Verdict.FAILURE and tier is Tier.EMBEDDED and served:
            diagnosis = note(AREA, tier.value, f"cannot serve this roster: {diagnosis.finding}")
        found.append(diagnosis)
    return found


def _blocked(tier: Tier, served: Served, settings: InferenceSettings) -> Diagnosis | None:
    """Return why a tier is not asked, or None if it can be."""
    if tier in SERVER_TIERS and not served:
        return warning(AREA, tier.value, "not asked: no server answers", "start a server, see above")
    if tier is Tier.EMBEDDED and settings.embedded_model is None:
        from agents.inference.embedded.model_sources import MODEL_ID
        from agents.inference.embedded.model_store import model_path

        if model_path() is None and served:
            return ok(AREA, tier.value, f"{MODEL_ID} is downloaded (93 MB) when a call first needs it")
        if model_path() is None:
            return warning(AREA, tier.value, f"{MODEL_ID} is not in the cache (93 MB)", "society serve model pull")
    return None


def _name(tier: Tier, model: ModelConfig | None, served: Served, settings: InferenceSettings) -> str:
    names = [name for models in served.values() for name in models]
    if model is not None and model.model_name and (tier not in SERVER_TIERS or model.model_name in names):
        return model.model_name
    if tier in SERVER_TIERS:
        return names[0] if names else ""
    from agents.inference.embedded.model_sources import MODEL_ID

    return settings.embedded_model or MODEL_ID


def _request(
    tier: Tier, model: ModelConfig | None, base_model: str | None, served: Served, settings: InferenceSettings
) -> Request:
    """Return a request for one token, as the run would ask it for the row `model`."""
    name = _name(tier, model, served, settings)
    asked = model if model is not None and model.model_name == name else None
    return Request(
        key=CallKey(OUTSIDE_EPISODES, 0, "doctor", Purpose.TALK),
        adapter=name,
        messages=(ChatMessage("user", "Say one word."),),
        base_model=(asked.base_model if asked else None) or (base_model if model else None),
        sampling=Sampling(temperature=0, max_tokens=1),
        adapter_path=asked.adapter if asked else None,
        endpoint=asked.endpoint if asked else None,
        base_stated=asked is not None and asked.base_model is not None,
    )


async def _ask(
    tier: Tier,
    request: Request,
    endpoints: Sequence[EndpointSettings],
    settings: InferenceSettings,
    probes: Sequence[EndpointProbe],
) -> Diagnosis:
    only = replace(settings, tiers=(tier,), require=None, retries=0, timeout=min(30.0, settings.timeout))
    started = time.perf_counter()
    try:
        async with VLLMClient(endpoints=endpoints, base_model=request.base_model, settings=only) as client:
            client.adopt(probes)
            reply = await client.generate(request)
    except SocietyError as error:
        return failure(AREA, tier.value, str(error), _remedy(tier))
    seconds = time.perf_counter() - started
    if not reply.provenance.tier.real:
        return ok(AREA, tier.value, "scripted policies answer; their texts are marked simulated")
    return ok(AREA, tier.value, f"one token of {request.adapter} in {seconds:.1f} s")


def _remedy(tier: Tier) -> str:
    if tier is Tier.EMBEDDED:
        return "serve the roster's models: society serve ROSTER --exec, or leave embedded out of inference.tiers"
    return "correct what the findings above say of the servers and models"
