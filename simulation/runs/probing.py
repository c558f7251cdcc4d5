"""Probing the servers of a run: what is found is logged, and written to the run's manifest."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.inference.backend import Detection
from agents.inference.servers.proof import refuse_unproved
from agents.inference.tiers import SERVER_TIERS
from agents.needed_models import needed_models
from simulation.engine.environment import MultiModelEnvironment
from simulation.plan import Plan
from simulation.store.run_directory import write_manifest
from simulation.tables.run import read_manifest

logger = logging.getLogger("society.runner")


async def probe_servers(path: Path, plan: Plan, environment: MultiModelEnvironment) -> None:
    """Probe the servers for what a run needs of them.

    Args:
        path: The run's directory.
        plan: What it plays.
        environment: Its environment, whose servers were detected.

    Raises:
        UnprovedError: A server tier is required, and a server answers for a model with another one.
    """
    thinking = plan.scenario.inference.thinking is not None
    needed = needed_models(environment.models, plan.roster.base_model, thinking=thinking)
    found = await environment.client.probe(needed, tools=plan.scenario.needs_tools)
    for probe in found:
        for warning in probe.warnings():
            logger.warning("%s", warning)
    manifest = read_manifest(path)
    before = manifest.get("probes") or {}
    probes = {**before, **{probe.url: _with_earlier(probe.record(), before.get(probe.url)) for probe in found}}
    write_manifest(path, {**manifest, "probes": probes})
    if plan.scenario.inference.require in SERVER_TIERS:
        refuse_unproved(found)


def without_server(detections: Sequence[Detection]) -> tuple[str, ...]:
    """Return why no server can answer; empty where one can, or none was to be asked."""
    servers = [each for each in detections if each.tier in SERVER_TIERS]
    return () if any(each.available for each in servers) else tuple(dict.fromkeys(each.detail for each in servers))


def _with_earlier(record: dict[str, Any], earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a server's record with the warnings of earlier sessions of the run too, whose texts are in the tables."""
    told = (earlier or {}).get("warnings", ())
    return {**record, "warnings": list(dict.fromkeys((*told, *record["warnings"])))}
