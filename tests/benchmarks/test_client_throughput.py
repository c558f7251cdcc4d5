"""The client benchmark makes the documented calls, and its lean server answers like vLLM."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.inference.provenance import Tier
from benchmarks.client_throughput import ADAPTERS, PEERS, RAW, Sample, make_calls, our_client, requests, summary
from benchmarks.lean_server import lean_server
from benchmarks.measure import Spread

ROOT = Path(__file__).parents[2]


def test_ratios_are_within_a_repetition() -> None:
    samples = [Sample(RAW, 0, 10, 1.0, 0.1), Sample("x", 0, 10, 2.0, 0.2), Sample(RAW, 1, 10, 4.0, 0.1)]
    found = summary([*samples, Sample("x", 1, 10, 4.0, 0.1)])
    assert found["x"][f"rate : {RAW}"] == Spread(0.5, 0.75, 1.0)
    assert found["x"]["CPU ms a call"] == Spread(10.0, 15.0, 20.0)


def test_requests_have_distinct_keys_and_alternating_adapters() -> None:
    asked = requests(300)
    assert len({request.key for request in asked}) == 300
    assert {request.adapter for request in asked} == set(ADAPTERS)


async def test_reply_of_another_server_is_not_counted() -> None:
    async def wrong(_request: object) -> str:
        return "something else"

    with pytest.raises(RuntimeError, match="the client brought 'something else'"):
        await make_calls(wrong, requests(2), 2)


def test_our_client_makes_every_call_on_the_named_tier() -> None:
    async def ask(url: str) -> None:
        async with our_client(url, Tier.HTTP) as ask:
            await make_calls(ask, requests(50), 16)

    with lean_server(0.0, *ADAPTERS) as url:
        asyncio.run(ask(url))


@pytest.mark.slow
def test_all_peers_are_measured(tmp_path: Path) -> None:
    out = tmp_path / "client.json"
    options = ["--calls", "64", "--repetitions", "1", "--delay", "0", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "benchmarks.client_throughput", *options], cwd=ROOT, check=True, timeout=120)
    report = json.loads(out.read_text())
    assert {turn["peer"] for turn in report["turns"]["0"]} == set(PEERS)
    assert set(report["summary"]["0"]) == set(PEERS)
    assert report["machine"]["cores"] >= 1
