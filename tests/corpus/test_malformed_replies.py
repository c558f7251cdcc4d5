"""A corpus of malformed answers of a server: each is read correctly or is one clear error, in bounded memory.

`malformed_replies.yaml` has the cases. Both server tiers get each of them over a real socket. On the tier camel a
library reads the answer first, so there only the kind of result is checked.
"""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from ruamel.yaml import YAML

from agents.inference.backend import Completion, InferenceSettings, Route
from agents.inference.errors import InferenceError
from agents.inference.provenance import Tier
from agents.inference.servers.camel import CamelBackend
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.http import HTTPBackend
from agents.inference.servers.slots import Slots
from agents.inference.servers.wire import LONGEST_BODY
from tests.agents.inference.conftest import make_request
from tests.support.raw_server import RawServer, http_answer

CORPUS = Path(__file__).parent / "malformed_replies.yaml"
LONGEST = 2.0  # seconds; most need about 10 ms, during which the event loop is blocked
LONGEST_ERROR = 2_000
MOST_MEMORY = 26 * LONGEST_BODY
"""A body is in memory in parts, as a whole, and decoded."""
BACKENDS = {Tier.HTTP: HTTPBackend, Tier.CAMEL: CamelBackend}
TIERS = pytest.mark.parametrize("tier", BACKENDS)


@dataclass(frozen=True)
class Case:
    name: str
    answer: bytes
    error: str = ""
    told: str = ""
    text: str | None = None
    reads: dict[str, Any] = field(default_factory=dict)


def pieces(spec: Any) -> bytes:
    if isinstance(spec, str):
        return spec.encode()
    return b"".join(_piece(each) for each in spec)


def _piece(spec: Any) -> bytes:
    match spec:
        case {"repeat": text, "times": times}:
            return str(text).encode() * int(times)
        case {"hex": digits}:
            return bytes.fromhex(str(digits))
        case _:
            return str(spec).encode()


def body_of(case: dict[str, Any]) -> bytes:
    """Return the body of a case, or a valid body with one part replaced by that of the case."""
    if not {"choice", "message", "usage", "model"} & set(case):
        return pieces(case.get("body", ""))
    message = pieces(case.get("message", '"content": "x"'))
    choice = pieces(case["choice"]) if "choice" in case else b'"message": {%b}' % message
    usage, model = pieces(case.get("usage", "{}")), pieces(case.get("model", '"a"'))
    return b'{"model": %b, "choices": [{%b}], "usage": %b}' % (model, choice, usage)


def corpus() -> list[Case]:
    rows = YAML(typ="safe").load(CORPUS.read_text(encoding="utf-8"))["cases"]
    return [_case(row) for row in rows]


def _case(row: dict[str, Any]) -> Case:
    name = str(row["name"])
    if "wire" in row:
        answer = pieces(row["wire"])
    else:
        body = body_of(row)
        for _ in range(row.get("gzip", 0)):
            body = gzip.compress(body, compresslevel=1, mtime=0)
        answer = http_answer(row.get("status", 200), body, row.get("headers"))
    return Case(name, answer, row.get("error", ""), row.get("told", ""), row.get("text"), row.get("reads", {}))


ALL = corpus()
CASES = {case.name: case for case in ALL}


@asynccontextmanager
async def asking(tier: Tier) -> AsyncIterator[tuple[RawServer, HTTPBackend | CamelBackend]]:
    settings = InferenceSettings(tiers=(tier,), timeout=5 * LONGEST, retries=0)
    async with RawServer(("a",)) as server:
        backend = BACKENDS[tier](Slots(EndpointRegistry([server.url], settings)))
        await backend.detect()
        yield server, backend
        await backend.aclose()


async def outcome(tier: Tier, answer: bytes) -> Completion | InferenceError:
    """Return the completion or the InferenceError for an answer; other exceptions are raised."""
    async with asking(tier) as (server, backend):
        server.says = answer
        try:
            return await backend.complete(make_request("a"), Route())
        except InferenceError as error:
            return error


def test_names_of_cases_are_unique() -> None:
    assert len(CASES) == len(ALL)


@TIERS
@pytest.mark.parametrize("name", CASES)
async def test_malformed_answer_is_read_or_refused(name: str, tier: Tier) -> None:
    case = CASES[name]
    began = time.monotonic()
    found = await outcome(tier, case.answer)
    assert time.monotonic() - began < LONGEST
    if case.text is not None:
        assert isinstance(found, Completion), found
        assert found.text == case.text
        orjson.dumps(found)  # it can be stored
        assert len(found.finish_reason) < LONGEST_ERROR
    else:
        assert isinstance(found, InferenceError), found
        assert len(str(found)) < LONGEST_ERROR
        assert "127.0.0.1" in str(found)  # it names the server
        str(found).encode()  # the message can be printed
    if tier is Tier.HTTP:
        assert case.error in ("", type(found).__name__), found
        assert case.told in str(found)
        assert {key: getattr(found, key) for key in case.reads} == case.reads


def is_large(case: Case) -> bool:
    return len(case.answer) > 90_000 or "bomb" in case.name


@TIERS
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if is_large(case)])
async def test_large_answer_needs_little_memory(name: str, tier: Tier) -> None:
    async with asking(tier) as (server, backend):
        server.says = CASES[name].answer
        tracemalloc.start()
        try:
            with suppress(InferenceError):
                await backend.complete(make_request("a"), Route())
            assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
        finally:
            tracemalloc.stop()
