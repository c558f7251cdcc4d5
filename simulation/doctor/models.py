"""Checks of the models behind the servers' names: each is asked what a run asks it, and is it the adapter?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import Tier
from agents.inference.servers.dialects import FREE
from agents.inference.servers.dialects.constraints import CONSTRAINTS
from agents.inference.servers.proof import (
    NO_CONSTRAINT,
    NO_TOOLS,
    AdapterProof,
    Company,
    EndpointProbe,
    NeededModel,
    Proof,
)
from agents.inference.tiers import SERVER_TIERS
from simulation.doctor.endpoints import Served
from simulation.doctor.finding import Diagnosis, failure, note, ok, warning

AREA, DIALECT = "models", "dialect"
_CONSTRAINTS = {each.name for each in CONSTRAINTS}
_SECONDS = 30.0
_MOST = 20
"""The most models of a server that are asked where no roster says which."""
_LOG = "look at the server's log; society run asks the same"


async def examine_models(
    endpoints: Sequence[EndpointSettings],
    needed: Sequence[NeededModel],
    served: Served,
    settings: InferenceSettings,
    tools: bool,
) -> tuple[tuple[EndpointProbe, ...], list[Diagnosis]]:
    """Probe every server that answers for the models that the roster needs of it.

    Args:
        endpoints: The servers.
        needed: The roster's models; empty to ask for those that the servers list.
        served: What each answering server serves.
        settings: The scenario's inference settings.
        tools: Whether the scenario has social acts.

    Returns:
        What probing found, and the findings.
    """
    asked = needed or [NeededModel(name) for models in served.values() for name in list(models)[:_MOST]]
    if not served or not any(tier in settings.allowed for tier in SERVER_TIERS):
        return (), []
    only = replace(settings, tiers=(Tier.HTTP,), require=None, timeout=min(_SECONDS, settings.timeout))
    async with VLLMClient(endpoints=endpoints, settings=only) as client:
        await client.detect()
        probes = await client.probe(list(dict.fromkeys(asked)), tools=tools, thorough=True)
    required = settings.require in SERVER_TIERS
    return probes, [diagnosis for probe in probes for diagnosis in _findings(probe, required)]


def _findings(probe: EndpointProbe, required: bool) -> Iterator[Diagnosis]:
    """Yield the findings on one server; what stops a run is a failure only where a server tier is required."""
    stops = failure if required else warning
    if probe.error:
        yield failure(AREA, DIALECT, f"{probe.url} refuses what a run asks: {probe.error}", _LOG)
    else:
        yield from _dialect(probe)
    proved = [each for each in probe.adapters if _answers(each) and each.proof in (Proof.CANARY, Proof.LISTED)]
    for each in proved:
        yield ok(AREA, each.adapter, _answered(each))
    for each in probe.adapters:
        if each.replied_as:
            finding = f"{probe.url} answers as model {each.replied_as!r}, so another model may have answered"
            fix = f"if that is its name there: reply_names: {{{each.adapter}: {each.replied_as}}} at this endpoint"
            yield stops(AREA, each.adapter, finding, fix)
        elif each.error and not probe.error:
            yield failure(AREA, each.adapter, f"{probe.url}: {each.error}", _LOG)
        elif each.proof is Proof.BASE:
            finding = f"{probe.url} answers every prompt as {each.why}: not served, or without effect"
            yield stops(AREA, each.adapter, finding, "load the adapter there, or name it as the server does: names")
        elif each.proof is Proof.NOTHING and not each.error:
            yield warning(AREA, each.adapter, f"{probe.url}: {each.why}", "ask a server that lists its adapters")
    yield from _base(probe, required)


def _answers(proof: AdapterProof) -> bool:
    return not proof.error and not proof.replied_as


def _answered(proof: AdapterProof) -> str:
    """Return what an adapter did, as a text."""
    did = ["a message"]
    did += ["a constrained choice"] if proof.constrained else []
    did += ["a tool call"] if proof.tools else []
    asked = f" (asked as {proof.asked_as})" if proof.asked_as != proof.adapter else ""
    return f"gives {', '.join(did)}{asked}; {proof.why}"


def _dialect(probe: EndpointProbe) -> Iterator[Diagnosis]:
    """Yield what the server takes of what a run asks."""
    dialect = probe.dialect
    parts = (("seed", dialect.seed), ("log-probabilities", dialect.odds), ("system messages", dialect.system))
    takes = ", ".join(name for name, taken in parts if taken) or "plain messages only"
    if dialect.constraint is FREE:
        refused = "; ".join(f"{name}: {words}" for name, words in probe.refusals if name in _CONSTRAINTS)
        finding = f"{NO_CONSTRAINT}{f' ({refused})' if refused else ''}"
        yield warning(AREA, DIALECT, f"{probe.url} {finding}", "compare the share of invalid decisions between models")
    else:
        yield ok(AREA, DIALECT, f"{probe.url} obeys choices by {dialect.constraint.name}; takes {takes}")
    handled = {
        "system role": "its text begins the first user message instead",
        "seed": "it is left out, so replies are not repeatable",
        "logprobs": "they are left out, so choices have no probabilities",
        "max_tokens": f"{dialect.tokens_field} is sent instead",
    }
    for part, words in probe.refusals:
        if part in handled:
            yield note(AREA, DIALECT, f"{probe.url} refuses {part}: {handled[part]} ({words})")
    if dialect.tools is False:
        words = dict(probe.refusals).get("tools", "")
        yield warning(
            AREA, DIALECT, f"{probe.url} {NO_TOOLS}{f' ({words})' if words else ''}", "or leave out social_actions"
        )


def _base(probe: EndpointProbe, required: bool) -> Iterator[Diagnosis]:
    """Yield a finding on a base whose replies adapters change."""
    reason = probe.refused.get(probe.base) if probe.base else None
    if probe.company is Company.UNCHANGED:
        yield ok(AREA, probe.base, "answers in one batch with adapters as it does alone")
    if reason:
        verdict = failure if required else warning
        yield verdict(AREA, probe.base, reason, "vllm serve ... --max-loras N, N one above the number of adapters")
