"""Loading and unloading adapters at a scripted server; tests/integration does it with a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.adapter_folder import UnusableAdapterError
from agents.inference.vllm.lifecycle import LifecycleError, LoraLifecycle, version_name, versions
from tests.support.adapters import lora_pair, write_adapter
from tests.support.faults import Fault
from tests.support.scripted_vllm import Route, ScriptedVLLM

UNUSED = "http://127.0.0.1:9"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedVLLM]:
    async with ScriptedVLLM(adapters=()) as server:
        yield server


@pytest.fixture
async def lifecycle(server: ScriptedVLLM) -> AsyncIterator[LoraLifecycle]:
    async with LoraLifecycle(server.url) as lifecycle:
        yield lifecycle


class TestNames:
    def test_version_name_is_plain_first_and_then_has_a_digest(self) -> None:
        assert version_name("a", "0123abcd", []) == "a"
        assert version_name("a", "0123abcd", ["a"]) == "a-0123abcd"
        assert version_name("a", "0123abcd", ["a-99999999"]) == "a-0123abcd"  # the plain name had other weights
        assert version_name("a", "0123abcd", ["ab", "b", "a-b", "a-0123abcdef"]) == "a"

    @given(st.text("ab-0", min_size=1, max_size=4), st.lists(st.text("ab-0", min_size=1, max_size=12)))
    def test_version_name_is_never_reused_for_other_weights(self, name: str, served: list[str]) -> None:
        given_name = version_name(name, "0" * 8, served)
        assert given_name in (name, f"{name}-00000000")
        assert given_name == f"{name}-00000000" or given_name not in served
        assert set(versions(name, served)) <= set(served)


class TestLoad:
    async def test_load_serves_a_folder_under_its_name(
        self, server: ScriptedVLLM, lifecycle: LoraLifecycle, tmp_path: Path
    ) -> None:
        folder = write_adapter(tmp_path / "negotiator")
        assert (await lifecycle.load(folder)).name == "negotiator"
        [adapter] = (await lifecycle.served()).adapters
        assert (adapter.name, adapter.base, adapter.root) == ("negotiator", "base", str(folder))

    async def test_load_serves_other_weights_under_another_name(
        self, server: ScriptedVLLM, lifecycle: LoraLifecycle, tmp_path: Path
    ) -> None:
        folder = write_adapter(tmp_path / "a")
        first = await lifecycle.load(folder)
        write_adapter(folder, weights=b"trained on")
        second = await lifecycle.load(folder)
        assert second.name.startswith("a-")
        again = await lifecycle.load(folder)
        assert (again.name, again.already, second.already) == (second.name, True, False)
        assert server.adapters == [first.name, second.name]

    async def test_load_separates_versions_by_their_config_too(self, lifecycle: LoraLifecycle, tmp_path: Path) -> None:
        folder = write_adapter(tmp_path / "a", lora_alpha=8)
        names = {(await lifecycle.load(folder)).name}
        for alpha in (16, 32):
            write_adapter(folder, lora_alpha=alpha)
            names.add((await lifecycle.load(folder)).name)
        assert len(names) == 3

    async def test_load_with_replace_leaves_only_the_new_version(
        self, server: ScriptedVLLM, lifecycle: LoraLifecycle, tmp_path: Path
    ) -> None:
        await lifecycle.load(write_adapter(tmp_path / "b"))
        for weights in (b"one", b"two", b"three"):
            loaded = await lifecycle.load(write_adapter(tmp_path / "a", weights=weights), replace=True)
            assert server.adapters == ["b", loaded.name]
        assert len(loaded.replaced) == 1
        assert loaded.replaced[0].startswith("a-")

    async def test_load_replaces_nothing_if_the_new_one_does_not_answer(
        self, server: ScriptedVLLM, lifecycle: LoraLifecycle, tmp_path: Path
    ) -> None:
        await lifecycle.load(write_adapter(tmp_path / "a"))
        server.script(Fault.SERVER_ERROR, route=Route.COMPLETIONS)
        with pytest.raises(LifecycleError, match=r"does not answer \(500.*the earlier versions are still served"):
            await lifecycle.load(write_adapter(tmp_path / "a", weights=b"new"), replace=True)
        assert server.adapters == ["a"]


class TestRefusals:
    async def test_load_refuses_an_adapter_of_another_base(self, lifecycle: LoraLifecycle, tmp_path: Path) -> None:
        with pytest.raises(LifecycleError, match=r"belongs to base model Llama-3; .* serves base \(/models/tiny\)"):
            await lifecycle.load(write_adapter(tmp_path / "a", base="Llama-3"))

    async def test_load_knows_a_base_by_its_folder_too(self, lifecycle: LoraLifecycle, tmp_path: Path) -> None:
        assert await lifecycle.load(write_adapter(tmp_path / "a", base="/elsewhere/tiny"))
        assert await lifecycle.load(write_adapter(tmp_path / "b", base=None))

    async def test_load_takes_the_users_word_for_the_base(
        self, lifecycle: LoraLifecycle, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = write_adapter(tmp_path / "a", base="/models/run-7")
        with pytest.raises(LifecycleError, match="same model under another name, say so with --base"):
            await lifecycle.load(folder)
        with pytest.raises(LifecycleError, match=r"--base other: .* serves base"):
            await lifecycle.load(folder, base="other")
        assert await lifecycle.load(folder, base="org/base")
        assert "names the base model '/models/run-7'; taken for base" in caplog.text

    async def test_load_refuses_what_vllm_would_load_wrongly(
        self, server: ScriptedVLLM, lifecycle: LoraLifecycle, tmp_path: Path
    ) -> None:
        tensors = lora_pair(8)
        next(iter(tensors.values()))[0, 0] = float("inf")
        with pytest.raises(UnusableAdapterError, match="are not finite"):
            await lifecycle.load(write_adapter(tmp_path / "a", tensors=tensors))
        with pytest.raises(UnusableAdapterError, match="use_dora is not supported"):
            await lifecycle.load(write_adapter(tmp_path / "b", use_dora=True))
        assert server.adapters == []

    async def test_load_warns_of_an_adapter_that_changes_nothing(
        self, lifecycle: LoraLifecycle, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        tensors = {name: 0 * each for name, each in lora_pair(8).items()}
        assert await lifecycle.load(write_adapter(tmp_path / "a", tensors=tensors))
        assert "adapter 'a' changes nothing" in caplog.text

    async def test_load_names_the_option_for_a_larger_rank(self, lifecycle: LoraLifecycle, tmp_path: Path) -> None:
        with pytest.raises(LifecycleError, match=r"LoRA rank 24 is greater .* with --max-lora-rank 32"):
            await lifecycle.load(write_adapter(tmp_path / "a", rank=24))

    async def test_load_refuses_a_folder_without_an_adapter(self, lifecycle: LoraLifecycle, tmp_path: Path) -> None:
        with pytest.raises(UnusableAdapterError, match=r"there is no adapter_config\.json"):
            await lifecycle.load(tmp_path)

    async def test_load_names_the_variable_that_allows_loading(self, tmp_path: Path) -> None:
        async with ScriptedVLLM(adapters=("b",), runtime_lora=False) as server, LoraLifecycle(server.url) as lifecycle:
            with pytest.raises(LifecycleError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
                await lifecycle.load(write_adapter(tmp_path / "a"))
            with pytest.raises(LifecycleError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
                await lifecycle.unload("b")

    async def test_unload_of_an_unknown_name_gives_the_nearest(
        self, server: ScriptedVLLM, lifecycle: LoraLifecycle
    ) -> None:
        server.adapters.append("negotiator")
        with pytest.raises(LifecycleError, match="serves no adapter 'negotiater': did you mean negotiator"):
            await lifecycle.unload("negotiater")

    async def test_lifecycle_sends_the_key(self) -> None:
        async with ScriptedVLLM(api_key="s3cret") as server:
            async with LoraLifecycle(server.url) as lifecycle:
                with pytest.raises(LifecycleError, match="wants its key: --api-key-env"):
                    await lifecycle.served()
            async with LoraLifecycle(server.url, "s3cret") as lifecycle:
                assert (await lifecycle.served()).names == ("cooperator", "defector")

    async def test_lifecycle_reports_a_missing_server(self, server: ScriptedVLLM, lifecycle: LoraLifecycle) -> None:
        async with LoraLifecycle(UNUSED) as nobody:
            with pytest.raises(LifecycleError, match=f"nothing answers at {UNUSED}/v1"):
                await nobody.served()
        async with server.faulty(Fault.SERVER_ERROR, Route.MODELS):
            with pytest.raises(LifecycleError, match="answered 500"):
                await lifecycle.served()
