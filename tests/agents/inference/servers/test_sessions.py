"""Programs that never close their client leave nothing on stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

SETUP = """
import asyncio, gc
from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import Tier
settings = InferenceSettings(tiers=(Tier.{tier},), require=Tier.{tier})
def made():
    return VLLMClient({url!r}, "cooperator", settings=settings)
"""
PROGRAMS = {
    "a client that outlives its loop": "client = made(); print(asyncio.run(client.ask('hi')).text)",
    "a client of a function": "async def main(): print((await made().ask('hi')).text)\nasyncio.run(main())",
    "a client that is forgotten while its loop goes on": (
        "async def main():\n    print((await made().ask('hi')).text)\n    gc.collect()\n    await asyncio.sleep(0.05)\n"
        "asyncio.run(main())"
    ),
    "a loop that nobody closes": (
        "loop = asyncio.new_event_loop(); client = made(); print(loop.run_until_complete(client.ask('hi')).text)"
    ),
    "synchronous code": "client = made(); print(client.wait_for(client.ask('hi')).text)",
    "two loops": "client = made()\nfor _ in range(2): print(asyncio.run(client.ask('hi')).text)",
}


@pytest.mark.parametrize(
    "program",
    [pytest.param(name, marks=[pytest.mark.slow] if number > 1 else []) for number, name in enumerate(PROGRAMS)],
)
def test_a_program_that_closes_nothing_is_quiet(stub_in_thread: str, program: str) -> None:
    check(stub_in_thread, "HTTP", program)


@pytest.mark.slow
@pytest.mark.parametrize("program", ["a client that outlives its loop", "synchronous code"])
def test_a_program_on_camel_that_closes_nothing_is_quiet(stub_in_thread: str, program: str) -> None:
    check(stub_in_thread, "CAMEL", program)


def check(url: str, tier: str, program: str) -> None:
    code = SETUP.format(tier=tier, url=url) + PROGRAMS[program]
    ended = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert "hello from cooperator" in ended.stdout
    assert ended.stderr == ""
