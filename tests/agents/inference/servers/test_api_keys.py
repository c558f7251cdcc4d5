"""API keys: sent where they belong, and found nowhere else."""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.errors import FloorReachedError
from agents.inference.provenance import CallRecord, Tier
from agents.inference.servers.api_key import HIDDEN, without_key
from tests.agents.inference.conftest import make_request
from tests.support import faults
from tests.support.raw_server import RawServer, http_answer
from tests.support.replies import completion
from tests.support.scripted_vllm import ScriptedVLLM

VARIABLE, KEY = "SOCIETY_TEST_KEY", "sk-planted-7f3a9c"
TIERS = pytest.mark.parametrize("tier", [Tier.CAMEL, Tier.HTTP])


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedVLLM]:
    """A server that wants the key, which the environment holds."""
    monkeypatch.setenv(VARIABLE, KEY)
    async with ScriptedVLLM(api_key=KEY) as server:
        yield server


def client_of(server: ScriptedVLLM, tier: Tier, records: list[CallRecord], **changes: Any) -> VLLMClient:
    settings = InferenceSettings(tiers=(tier,), timeout=5.0, retries=0)
    endpoint = EndpointSettings(server.url, **({"api_key_env": VARIABLE} | changes))
    return VLLMClient(endpoints=[endpoint], model_name="cooperator", settings=settings, on_call=records.append)


@TIERS
async def test_the_key_is_sent_and_stored_nowhere(
    server: ScriptedVLLM, tier: Tier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    records: list[CallRecord] = []
    async with client_of(server, tier, records) as client:
        detections = await client.detect()
        reply = await client.generate(make_request())
        assert client.connection_available
        model = client.camel_model
    assert reply.text == "hello from cooperator"
    assert KEY not in caplog.text
    assert KEY not in repr((records, detections, client.settings, client._registry.endpoints, reply))
    assert KEY not in orjson.dumps(records).decode()
    assert model._async_client.api_key == KEY


@TIERS
async def test_a_key_repeated_in_a_servers_error_is_removed(
    server: ScriptedVLLM, tier: Tier, caplog: pytest.LogCaptureFixture
) -> None:
    async def repeat(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": f"no: {request.headers['Authorization']}"}}, status=400)

    caplog.set_level(logging.DEBUG, "society")
    server.mishaps.append(repeat)
    records: list[CallRecord] = []
    async with client_of(server, tier, records) as client:
        with pytest.raises(FloorReachedError) as caught:
            await client.generate(make_request())
    assert "no: Bearer (API key)" in str(caught.value)
    assert KEY not in str(caught.value) + repr(records)
    assert KEY not in "".join(each.getMessage() for each in caplog.records if each.name.startswith("society"))


@TIERS
@pytest.mark.parametrize("value", [None, "", "wrong"])
async def test_a_missing_or_wrong_key_is_reported(
    server: ScriptedVLLM, tier: Tier, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    told = "answered 401: it wants an API key" if value else f"the environment variable {VARIABLE}, which is not set"
    async with client_of(server, tier, []) as client:
        with pytest.raises(FloorReachedError, match=told):
            await client.generate(make_request())
        assert not client.connection_available
    assert server.bodies == []


@TIERS
async def test_a_server_that_wants_a_key_says_how_to_give_it(server: ScriptedVLLM, tier: Tier) -> None:
    async with client_of(server, tier, [], api_key_env=None) as client:
        with pytest.raises(FloorReachedError, match="name the variable that holds it: api_key_env"):
            await client.generate(make_request())


@TIERS
@pytest.mark.parametrize(
    "spelt", ["sk/planted+7f", r"sk\/planted+7f", r"sk\u002fplanted\u002b7f", r"\u0073k/planted+7f"]
)
async def test_a_key_repeated_with_json_escapes_is_removed_too(
    tier: Tier, spelt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk/planted+7f"
    monkeypatch.setenv(VARIABLE, key)
    reply = completion("you sent HERE", "cooperator")
    records: list[CallRecord] = []
    async with ScriptedVLLM(api_key=key) as server, client_of(server, tier, records) as client:
        server.mishaps.append(faults.raw(orjson.dumps(reply).replace(b"HERE", spelt.encode())))
        assert (await client.generate(make_request())).text == "you sent (API key)"
        error = orjson.dumps({"error": {"message": "no: HERE"}}).replace(b"HERE", spelt.encode())
        server.mishaps.append(faults.raw(error, status=400))
        with pytest.raises(FloorReachedError, match=r"no: \(API key\)"):
            await client.generate(make_request())
    assert key.encode() not in orjson.dumps(records)


@TIERS
@pytest.mark.parametrize("status", [302, 307, 308])
async def test_a_redirected_call_does_not_send_the_key(
    tier: Tier, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    async with RawServer(["cooperator"]) as first, RawServer(["cooperator"]) as other:
        first.says = http_answer(status, b"", {"Location": f"{other.url}/chat/completions"})
        other.says = http_answer(200, orjson.dumps(completion("from elsewhere", "cooperator")))
        settings = InferenceSettings(tiers=(tier,), timeout=5.0, retries=0)
        endpoint = EndpointSettings(first.url, api_key_env=VARIABLE)
        async with VLLMClient(endpoints=[endpoint], model_name="cooperator", settings=settings) as client:
            await client.generate(make_request())
    assert any(KEY.encode() in head for head in first.heads)
    assert other.heads
    assert not [head for head in other.heads if KEY.encode() in head]


# -- a key in what a server says, whatever that is ------------------------------------------------------------

CHARACTERS = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


@given(key=st.text(CHARACTERS, min_size=8, max_size=40), data=st.data())
def test_without_key_removes_every_json_spelling_of_the_key(key: str, data: st.DataObject) -> None:
    def spelt(character: str) -> str:
        ways = [orjson.dumps(character).decode()[1:-1], f"\\u{ord(character):04x}", f"\\u{ord(character):04X}"]
        return data.draw(st.sampled_from([*ways, *(["\\/"] if character == "/" else [])]))

    said = "".join(map(spelt, key)).encode()
    for before, after in ((b'{"error": "', b'"}'), (b"<p>", b"</p>"), (b'{"x": NaN, "y": "', b"")):
        assert without_key(before + said + after, {"Authorization": f"Bearer {key}"}) == before + HIDDEN + after


@given(st.binary(max_size=300))
def test_without_key_leaves_other_bodies_as_they_are(body: bytes) -> None:
    assert without_key(body, {"Authorization": "Bearer sk-of-thirty-or-more-characters"}) == body


def test_without_key_takes_bounded_memory() -> None:
    hostile = b"[" * (4 * 2**20) + b'"\\u0041\\n"' + b"]" * (4 * 2**20)
    began = time.perf_counter()
    tracemalloc.start()
    without_key(hostile, {"Authorization": f"Bearer {KEY}"})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 * len(hostile)
    assert time.perf_counter() - began < 5  # a hang, not slowness
