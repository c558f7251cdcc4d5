"""The doctor asks each model what a run asks it: a masked adapter, a renamed one, a free constraint, acts."""

from __future__ import annotations

from typing import Any

import pytest

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.provenance import Tier
from agents.inference.servers.proof import NeededModel
from simulation.doctor.finding import Diagnosis, Verdict
from simulation.doctor.models import examine_models
from tests.support.odd_server import OddServer

LISTED: list[dict[str, Any]] = [{"id": "base"}, {"id": "ann", "parent": "base"}, {"id": "bo", "parent": "base"}]


async def examined(server: OddServer, *, tools: bool = False, require: Tier | None = None) -> dict[str, Diagnosis]:
    settings = InferenceSettings(require=require)
    needed = [NeededModel("ann", "base"), NeededModel("bo", "base")]
    async with server:
        _, found = await examine_models([EndpointSettings(server.url)], needed, {server.url: {}}, settings, tools)
    return {each.subject: each for each in found}


@pytest.mark.parametrize(("require", "verdict"), [(None, Verdict.WARNING), (Tier.HTTP, Verdict.FAILURE)])
async def test_a_masked_adapter_fails_where_a_server_is_required(require: Tier | None, verdict: Verdict) -> None:
    server = OddServer(LISTED, lambda model, _prompt: "base" if model == "ann" else model, knows=("base", "ann", "bo"))
    found = await examined(server, require=require)
    assert (found["ann"].verdict, found["bo"].verdict) == (verdict, Verdict.OK)
    assert "answers every prompt as the base model 'base' does" in found["ann"].finding


async def test_a_renamed_adapter_has_its_fix() -> None:
    found = await examined(OddServer(LISTED, replies_as=lambda model: f"x/{model}"))
    assert found["ann"].verdict is Verdict.WARNING
    assert "reply_names: {ann: x/ann}" in found["ann"].remedy


@pytest.mark.parametrize(("obeys", "verdict"), [((), Verdict.WARNING), (("grammar",), Verdict.OK)])
async def test_the_constraint_is_named(obeys: tuple[str, ...], verdict: Verdict) -> None:
    found = await examined(OddServer(LISTED, obeys=obeys))
    assert found["dialect"].verdict is verdict
    assert (obeys[0] if obeys else "obeys no constraint") in found["dialect"].finding
    assert ("a constrained choice" in found["ann"].finding) is bool(obeys)


async def test_acts_without_tool_calls_are_a_warning() -> None:
    assert "without a tool call" in (await examined(OddServer(LISTED), tools=True))["dialect"].finding
    assert "a tool call" in (await examined(OddServer(LISTED, tools=True), tools=True))["ann"].finding
