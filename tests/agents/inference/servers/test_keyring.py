"""API keys from the system's keyring, where the environment has none: found, and hidden like others."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import orjson
import pytest

from agents.inference.errors import FloorReachedError
from agents.inference.provenance import CallRecord, Tier
from agents.inference.servers import api_key
from agents.inference.servers.api_key import SERVICE, MissingKeyError, find_key
from agents.inference.vllm.serve_command import ServeCommand
from agents.problems import UsageError
from simulation.runs.runner import run_scenario
from tests.agents.inference.conftest import make_request
from tests.agents.inference.servers.test_api_keys import TIERS, VARIABLE, client_of
from tests.integration.fleet import plan_for
from tests.integration.test_api_key_run import written
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.in_thread import in_thread
from tests.support.keyrings import BrokenKeyring, LockedKeyring, MemoryKeyring, in_use
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

KEY = "sk-in-the-ring-41d0"
HOW = f"export {VARIABLE}=... or: python -m keyring set lora-society {VARIABLE}"


@pytest.fixture(autouse=True)
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryKeyring]:
    """A keyring that has the key; the environment does not."""
    monkeypatch.delenv(VARIABLE, raising=False)
    backend = MemoryKeyring()
    with in_use(backend):
        keyring.set_password(SERVICE, VARIABLE, KEY)
        yield backend


class TestFindKey:
    def test_find_key_asks_the_keyring_without_a_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert find_key(VARIABLE) == KEY
        monkeypatch.setenv(VARIABLE, "")
        assert find_key(VARIABLE) == KEY

    def test_find_key_takes_the_environment_first(self, ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
        assert find_key(VARIABLE) == KEY
        monkeypatch.setenv(VARIABLE, "sk-of-the-environment")
        assert find_key(VARIABLE) == "sk-of-the-environment"

    def test_find_key_asks_once_for_a_key_the_keyring_has(self, ring: MemoryKeyring) -> None:
        assert [find_key(VARIABLE) for _ in range(3)] == [KEY] * 3
        assert ring.asked == 1

    def test_find_key_asks_again_for_a_key_that_was_missing(self, ring: MemoryKeyring) -> None:
        keyring.delete_password(SERVICE, VARIABLE)
        with pytest.raises(MissingKeyError):
            find_key(VARIABLE)
        keyring.set_password(SERVICE, VARIABLE, KEY)
        assert find_key(VARIABLE) == KEY

    def test_find_key_without_a_key_names_both_ways(self) -> None:
        with pytest.raises(MissingKeyError) as caught:
            find_key("OTHER")
        assert str(caught.value) == f"the keyring does not have it; {HOW.replace(VARIABLE, 'OTHER')}"

    def test_a_locked_keyring_is_reported_on_one_line(self) -> None:
        with in_use(LockedKeyring()), pytest.raises(MissingKeyError) as caught:
            find_key(VARIABLE)
        assert str(caught.value) == f"the keyring cannot be asked (the person said no); {HOW}"

    def test_a_broken_keyring_is_reported_on_one_line(self) -> None:
        with in_use(BrokenKeyring()), pytest.raises(MissingKeyError) as caught:
            find_key(VARIABLE)
        assert str(caught.value) == f"the keyring cannot be asked (Empty module name); {HOW}"

    def test_a_missing_keyring_library_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(MissingKeyError, match=r"no keyring is installed \(pip install 'lora-society\[keyring\]'\)"):
            find_key(VARIABLE)

    def test_keyring_is_imported_only_when_needed(self) -> None:
        code = (
            f"import os, sys; os.environ['{VARIABLE}'] = 'k'; from agents.inference.servers.api_key import find_key; "
        )
        code += f"find_key('{VARIABLE}'); print('keyring' in sys.modules)"
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert asked.stdout.strip() == "False"


@TIERS
async def test_a_key_from_the_keyring_is_sent_and_stored_nowhere(tier: Tier, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    records: list[CallRecord] = []
    async with ScriptedVLLM(api_key=KEY, says=f"you sent {KEY}") as server, client_of(server, tier, records) as client:
        await client.detect()
        reply = await client.generate(make_request())
    assert reply.text == "you sent (API key)"
    assert KEY not in caplog.text + repr((records, client.settings)) + orjson.dumps(records).decode()


@TIERS
async def test_a_call_without_a_key_fails_and_names_both_ways(tier: Tier) -> None:
    keyring.delete_password(SERVICE, VARIABLE)
    async with ScriptedVLLM(api_key=KEY) as server, client_of(server, tier, []) as client:
        with pytest.raises(FloorReachedError) as caught:
            await client.generate(make_request())
    assert f"{VARIABLE}, which is not set, and the keyring does not have it; {HOW}" in str(caught.value)
    assert server.bodies == []


@TIERS
async def test_a_slow_keyring_does_not_block_the_event_loop(tier: Tier, ring: MemoryKeyring) -> None:
    async with ScriptedVLLM(api_key=KEY) as server, client_of(server, tier, []) as client:
        await client.generate(make_request())
    assert len(ring.threads) == 1
    assert threading.current_thread() not in ring.threads


@pytest.mark.parametrize("tier", ["http", "camel"])
async def test_the_key_is_in_no_file_of_a_run(tier: str, tmp_path: Path) -> None:
    async with ScriptedVLLM(api_key=KEY, says=f"you sent {KEY}") as server:
        plan = plan_for([{"url": server.url, "api_key_env": VARIABLE}], tier, episodes=1, steps=1, require=tier)
        run = await asyncio.to_thread(run_scenario, plan, out=tmp_path)
    assert set(run.messages["text"]) == {"you sent (API key)"}
    assert [path for path in written(tmp_path) if KEY.encode() in path.read_bytes()] == []


class TestCommands:
    def test_adapters_list_takes_a_key_from_the_keyring(self, capsys: pytest.CaptureFixture[str]) -> None:
        with in_thread(ScriptedVLLM(api_key=KEY)) as server:
            code, out, err = society(capsys, "serve", "adapters", "list", server.url, "--api-key-env", VARIABLE)
        assert (code, "cooperator" in out, KEY in out + err) == (0, True, False)

    def test_adapters_list_without_a_key_names_both_ways(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = society(capsys, "serve", "adapters", "list", "http://127.0.0.1:9", "--api-key-env", "OTHER")
        assert code == 2
        assert HOW.replace(VARIABLE, "OTHER") in err

    def test_serve_takes_a_key_from_the_keyring(self) -> None:
        command = ServeCommand("127.0.0.1", 8001, ("vllm",), {}, VARIABLE)
        assert command.whole_environment({})["VLLM_API_KEY"] == KEY
        api_key._from_keyring.clear()
        keyring.delete_password(SERVICE, VARIABLE)
        with pytest.raises(UsageError, match=f"the environment has no {VARIABLE}, and the keyring does not have it"):
            command.whole_environment({})
