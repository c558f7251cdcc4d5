"""What the doctor checks, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.client import DEFAULT_URL
from agents.inference.provenance import FALLBACK_ORDER, Tier
from agents.needed_models import needed_models
from agents.roster import ModelConfig
from simulation.doctor.adapters import examine_adapters
from simulation.doctor.endpoints import examine_endpoints
from simulation.doctor.finding import Diagnosis
from simulation.doctor.generation import examine_tiers
from simulation.doctor.imports import examine_imports
from simulation.doctor.models import examine_models
from simulation.doctor.packages import examine_packages
from simulation.doctor.prompts import USUAL_PROMPT, examine_contexts, longest_prompt
from simulation.doctor.storage import examine_storage
from simulation.plan import Plan


@dataclass(frozen=True)
class DoctorCase:
    """The run to check for.

    Attributes:
        endpoints: The servers.
        models: The rows of the roster that have a model.
        base_model: The roster's base model.
        settings: The scenario's inference settings.
        required: True if the run is impossible without a server that answers.
        out: The folder for run directories.
        tools: True if the run has social acts.
        thinking: True if the scenario tells chat templates to think, or not to.
        prompt_tokens: About how many tokens the longest prompt may have.
        reply_tokens: The most tokens of a reply.
    """

    endpoints: tuple[EndpointSettings, ...] = (EndpointSettings(DEFAULT_URL),)
    models: tuple[ModelConfig, ...] = ()
    base_model: str | None = None
    settings: InferenceSettings = field(default_factory=InferenceSettings)
    required: bool = False
    out: Path = Path("runs")
    tools: bool = False
    thinking: bool = False
    prompt_tokens: int = USUAL_PROMPT
    reply_tokens: int = 64

    @classmethod
    def of(cls, plan: Plan, out: Path = Path("runs")) -> DoctorCase:
        """Return the case of a scenario."""
        inference, roster = plan.scenario.inference, plan.roster
        settings = inference.settings()
        servers_only = all(tier in (Tier.CAMEL, Tier.HTTP) for tier in settings.allowed)
        models = tuple(row for row in roster.models if row.model_name)
        pinned = (EndpointSettings(row.endpoint) for row in models if row.endpoint)
        known = {each.url.rstrip("/") for each in inference.servers()}
        extra = tuple(each for each in pinned if each.url.rstrip("/") not in known)
        return cls(
            endpoints=(*inference.servers(), *extra),
            models=models,
            base_model=roster.base_model,
            settings=settings,
            required=servers_only,
            out=out,
            tools=plan.scenario.needs_tools,
            thinking=inference.thinking is not None,
            prompt_tokens=longest_prompt(plan),
            reply_tokens=inference.max_tokens,
        )

    @classmethod
    def at(cls, urls: Sequence[str], out: Path = Path("runs")) -> DoctorCase:
        """Return the case of these servers: each must answer."""
        return cls(tuple(EndpointSettings(url) for url in urls), required=True, out=out)


async def examine(case: DoctorCase) -> list[Diagnosis]:
    """Return all findings, in the order in which a run needs the parts. A problem is a finding, never an exception."""
    needed = needed_models(case.models, case.base_model, thinking=case.thinking)
    found = [*examine_packages(), *await asyncio.to_thread(lambda: list(examine_imports()))]
    served, diagnoses = await examine_endpoints(case.endpoints, needed, case.required, case.settings.trust_env)
    found += diagnoses
    probes, diagnoses = await examine_models(case.endpoints, needed, served, case.settings, case.tools)
    found += diagnoses
    found += examine_contexts(served, case.prompt_tokens, case.reply_tokens)
    tiers = [tier for tier in FALLBACK_ORDER if tier in case.settings.allowed]
    found += await asyncio.to_thread(lambda: list(examine_adapters(case.models, case.base_model, case.settings)))
    first = next(iter(case.models), None)
    found += await examine_tiers(case.endpoints, tiers, first, case.base_model, served, case.settings, probes)
    return [*found, *examine_storage(case.out)]
