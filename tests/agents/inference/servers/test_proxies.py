"""Servers behind a proxy: found and asked through it where `trust_env` is on, with a hint where it is off."""

from __future__ import annotations

import pytest

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import Tier
from agents.inference.servers.proxies import proxy_hint
from simulation.doctor.endpoints import examine_endpoints
from simulation.doctor.finding import Verdict
from tests.agents.inference.conftest import make_request
from tests.support.scripted_vllm import ScriptedVLLM

HIDDEN = "http://model.invalid/v1"
"""A server that only the proxy knows: the name has no address."""


@pytest.fixture
def proxy(stub: ScriptedVLLM, monkeypatch: pytest.MonkeyPatch) -> ScriptedVLLM:
    """A server that answers for every host: what an HTTP proxy is for a client."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", stub.url.removesuffix("/v1"))
    return stub


def client(tier: Tier, trust_env: bool) -> VLLMClient:
    settings = InferenceSettings(tiers=(tier,), require=tier, retries=0, deadline=5.0, trust_env=trust_env)
    return VLLMClient(endpoints=[HIDDEN], settings=settings)


@pytest.mark.parametrize("tier", [Tier.HTTP, Tier.CAMEL])
async def test_a_call_goes_through_the_proxy(proxy: ScriptedVLLM, tier: Tier) -> None:
    async with client(tier, trust_env=True) as asking:
        assert (await asking.generate(make_request())).text == "hello from cooperator"
        assert asking.connection_available
    assert len(proxy.bodies) == 1


@pytest.mark.parametrize("tier", [Tier.HTTP, Tier.CAMEL])
async def test_no_proxy_is_honoured(proxy: ScriptedVLLM, tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "model.invalid")
    async with client(tier, trust_env=True) as asking:
        [found] = await asking.detect()
    assert not found.available
    assert proxy.asked_models == 0


async def test_without_trust_env_there_is_a_hint(proxy: ScriptedVLLM) -> None:
    async with client(Tier.HTTP, trust_env=False) as asking:
        [found] = await asking.detect()
    assert not found.available
    assert "HTTP_PROXY names a proxy, which is not used; inference.trust_env: true uses it" in found.detail
    assert proxy.asked_models == 0


@pytest.mark.parametrize(("trust_env", "verdict"), [(True, Verdict.OK), (False, Verdict.WARNING)])
async def test_doctor_asks_through_the_proxy_or_hints(proxy: ScriptedVLLM, trust_env: bool, verdict: Verdict) -> None:
    _, [found] = await examine_endpoints([EndpointSettings(HIDDEN)], [], False, trust_env)
    assert found.verdict is verdict
    assert ("trust_env" in found.remedy) is not trust_env


@pytest.mark.parametrize(
    ("url", "hint"), [(HIDDEN, True), ("http://localhost:8001/v1", False), ("http://127.0.0.1/v1", False), ("x", False)]
)
@pytest.mark.usefixtures("proxy")
async def test_proxy_hint_leaves_out_this_machine(url: str, hint: bool) -> None:
    assert bool(proxy_hint(url)) is hint
