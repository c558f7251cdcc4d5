"""Base and adapters asked together on a real vLLM: each answers as alone, or the client does not ask for the base."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import Request, Sampling, Tier
from agents.inference.servers.proof import Company, EndpointProbe, NeededModel, Proof
from simulation.serving.vllm_server import VLLMServer
from tests.integration.test_vllm_server import chat
from tests.integration.vllm.servers import BASE, STARTUP, tiny_server
from tests.integration.vllm.tiny_model import TinyModel

pytestmark = pytest.mark.vllm

PROMPTS = [f"Round {number}: what do you say to the other players?" for number in range(12)]


def replies(server: VLLMServer, models: Sequence[str], workers: int) -> dict[tuple[str, str], str]:
    """Return what each model says to each prompt at temperature 0, with so many calls at a time."""
    asked = [(model, prompt) for prompt in PROMPTS for model in models]

    def one(each: tuple[str, str]) -> str:
        messages = [{"role": "user", "content": each[1]}]
        return str(chat(server, each[0], messages=messages)["choices"][0]["message"]["content"])

    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(asked, pool.map(one, asked), strict=True))


async def probed(server: VLLMServer, tiny: TinyModel) -> tuple[EndpointProbe, str]:
    """Return what probing finds, and why a call to the base falls back, if it does."""
    needed = [NeededModel(name, BASE) for name in (BASE, *tiny.names)]
    settings = InferenceSettings(tiers=(Tier.HTTP, Tier.SIMULATED))
    async with VLLMClient(server.url, settings=settings) as client:
        await client.detect()
        [probe] = await client.probe(needed, tools=False)
        request = Request(client.next_key("base"), BASE, (), sampling=Sampling(0))
        reply = await client.generate(request)
    return probe, reply.provenance.tier.value


async def test_base_and_adapters_together_answer_as_alone(tiny: TinyModel, tmp_path: Path) -> None:
    """`society serve --cpu` leaves one slot empty. A server of its own: adapters loaded later would fill the slot."""
    models = (BASE, *tiny.names)
    with tiny_server(tiny, tmp_path, max_loras=len(models)) as server:
        server.wait_ready(STARTUP)
        alone: dict[tuple[str, str], str] = {}
        for model in models:
            alone |= replies(server, [model], workers=1)
        together = replies(server, models, workers=len(PROMPTS) * len(models))
        assert [each for each in alone if alone[each] != together[each]] == []
        probe, _ = await probed(server, tiny)
    assert {each.adapter: each.proof for each in probe.adapters} == dict.fromkeys(tiny.names, Proof.CANARY)
    assert (probe.company, probe.checks_names, probe.refused) == (Company.UNCHANGED, True, {})
    assert (probe.dialect.kind, probe.dialect.constraint.name) == ("vllm", "structured_outputs")
    assert list(probe.warnings()) == []


async def test_base_is_not_asked_where_adapters_change_it(tiny: TinyModel, tmp_path: Path) -> None:
    """Without an empty slot, vLLM on CPU gives base rows an adapter's weights."""
    with tiny_server(tiny, tmp_path, max_loras=len(tiny.names)) as server:
        server.wait_ready(STARTUP)
        alone = replies(server, [BASE], workers=1)
        together = replies(server, (BASE, *tiny.names), workers=60)
        changed = [each for each in alone if alone[each] != together[each]]
        probe, tier = await probed(server, tiny)
    assert changed, "this vLLM mixes nothing up: the empty slot is not needed any more"
    assert probe.company is Company.CHANGED
    assert "--max-loras one above" in probe.refused[BASE]
    assert tier == "simulated"
    assert {each.proof for each in probe.adapters} == {Proof.CANARY}
