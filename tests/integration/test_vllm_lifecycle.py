"""Loading and unloading adapters of a running vLLM: new weights, new name, no old cache."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.inference.vllm.lifecycle import LifecycleError, LoraLifecycle
from simulation.serving.vllm_server import VLLMServer
from tests.integration.test_vllm_server import chat, text
from tests.integration.vllm.servers import BASE
from tests.integration.vllm.tiny_model import NAMES, TinyModel, make_adapter
from tests.simulation.cli.test_app import society
from tests.support.adapters import write_adapter

pytestmark = pytest.mark.vllm


@pytest.fixture
async def lifecycle(vllm_server: VLLMServer) -> AsyncIterator[LoraLifecycle]:
    """Unload after each test what it has loaded."""
    async with LoraLifecycle(vllm_server.url) as lifecycle:
        yield lifecycle
        for name in set((await lifecycle.served()).names) - set(NAMES):
            await lifecycle.unload(name)


async def test_served_adapters_are_listed(lifecycle: LoraLifecycle, tiny: TinyModel) -> None:
    served = await lifecycle.served()
    assert [(base.name, base.root) for base in served.bases] == [(BASE, str(tiny.base))]
    assert {each.name: each.root for each in served.adapters} == {n: str(tiny.adapters / n) for n in NAMES}
    assert {each.base for each in served.adapters} == {BASE}


async def test_new_version_uses_its_own_weights_despite_the_cache(
    lifecycle: LoraLifecycle, vllm_server: VLLMServer, tiny: TinyModel, tmp_path: Path
) -> None:
    long = [{"role": "user", "content": "We share what we have, and keep what we promised. " * 12}]
    folder = make_adapter(tiny, tmp_path / "eve", seed=50)
    first = await lifecycle.load(folder)
    old = text(vllm_server, first.name, messages=long)
    assert text(vllm_server, first.name, messages=long) == old  # from the cache now

    make_adapter(tiny, folder, seed=51)  # trained further, in the same folder
    second = await lifecycle.load(folder, replace=True)
    assert (first.name, second.replaced) == ("eve", ("eve",))
    assert (await lifecycle.served()).names == (*NAMES, second.name)
    reply = chat(vllm_server, second.name, messages=long)
    assert reply["usage"]["prompt_tokens_details"]["cached_tokens"] == 0

    fresh = await lifecycle.load(make_adapter(tiny, tmp_path / "fresh", seed=51))
    new = reply["choices"][0]["message"]["content"]
    assert new == text(vllm_server, fresh.name, messages=long)
    assert new != old


async def test_errors_of_the_server_name_the_fix(lifecycle: LoraLifecycle, tiny: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(LifecycleError, match=r"LoRA rank 32 is greater than max_lora_rank 8.*--max-lora-rank 32"):
        await lifecycle.load(make_adapter(tiny, tmp_path / "wide", seed=1, rank=32))
    with pytest.raises(LifecycleError, match="belongs to base model Llama-3"):
        await lifecycle.load(write_adapter(tmp_path / "other", base="Llama-3"))
    with pytest.raises(LifecycleError, match="did not load 'broken'"):
        await lifecycle.load(write_adapter(tmp_path / "broken", base=str(tiny.base)))
    with pytest.raises(LifecycleError, match="serves no adapter 'adda': did you mean ada"):
        await lifecycle.unload("adda")
    assert (await lifecycle.served()).names == NAMES


def test_adapters_command_lists_loads_and_unloads(
    capsys: pytest.CaptureFixture[str], vllm_server: VLLMServer, tiny: TinyModel, tmp_path: Path
) -> None:
    folder = make_adapter(tiny, tmp_path / "fay", seed=60)
    assert society(capsys, "serve", "adapters", "load", vllm_server.url, str(folder))[:2] == (0, "fay\n")
    code, out, _ = society(capsys, "serve", "adapters", "list", vllm_server.command.root)
    assert (code, len(out.splitlines())) == (0, 6)
    assert f"fay  on {BASE}  {folder}" in out
    assert society(capsys, "serve", "adapters", "unload", vllm_server.url, "fay")[0] == 0
    code, _, err = society(capsys, "serve", "adapters", "unload", vllm_server.url, "fay")
    assert (code, "serves no adapter 'fay'" in err) == (1, True)
