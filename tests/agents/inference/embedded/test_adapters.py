"""An adapter is found by folder, then by shipped name; an unusable one gives the reason; no pickle is loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agents.inference.adapter_folder import UnusableAdapterError
from agents.inference.embedded.adapters import (
    SHIPPED,
    SMALL_MODEL,
    read_adapter,
    resolve,
    shipped_adapters,
)
from agents.inference.embedded.backend import EmbeddedBackend
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.errors import UnknownAdapterError
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request
from tests.support.adapters import lora_pair, tensor_bytes

KEY = CallKey(episode=1, step=1, model_id="ada", purpose=Purpose.TALK)


def request(adapter: str, base: str | None = MODEL_ID, path: Path | None = None) -> Request:
    return Request(
        KEY,
        adapter,
        (ChatMessage("user", "Hello"),),
        base_model=base,
        adapter_path=str(path) if path else None,
    )


def adapter_folder(folder: Path, weights: str | None = "adapter_model.safetensors", **config: Any) -> Path:
    folder.mkdir()
    facts = {"peft_type": "LORA", "base_model_name_or_path": MODEL_ID, "r": 8, "lora_alpha": 16, **config}
    (folder / "adapter_config.json").write_text(json.dumps(facts), encoding="utf-8")
    if weights:
        (folder / weights).write_bytes(tensor_bytes(lora_pair(8)))
    return folder


def test_every_shipped_adapter_can_be_used() -> None:
    assert {"cooperator", "defector", "reciprocator"} <= shipped_adapters().keys()
    for name, folder in shipped_adapters().items():
        assert read_adapter(name, folder).path == folder.resolve()
        assert resolve(name) == read_adapter(name, folder)


def test_shipped_adapters_are_folders_with_an_adapter_config(tmp_path: Path) -> None:
    adapter_folder(tmp_path / "kind")
    (tmp_path / "notes").mkdir()
    assert shipped_adapters(tmp_path) == {"kind": tmp_path / "kind"}
    assert SHIPPED.name == "adapters"


@pytest.mark.parametrize("name", ["SmolLM2-135M-Instruct", MODEL_ID, "smollm2-135m-instruct"])
def test_resolve_takes_the_base_models_name_for_no_adapter(name: str) -> None:
    assert SMALL_MODEL.is_named(name)
    assert resolve(name) is None


def test_resolve_looks_in_the_requests_own_folder_first(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "mine")
    found = resolve("SmolLM2-135M-Instruct", folder)
    assert found is not None
    assert found.path == folder
    assert found.scale(8) == 2.0


def test_rank_stabilised_lora_divides_by_the_root_of_the_rank(tmp_path: Path) -> None:
    assert read_adapter("mine", adapter_folder(tmp_path / "mine", use_rslora=True)).scale(16) == 4.0


def test_an_unknown_adapter_error_lists_the_known_ones() -> None:
    with pytest.raises(UnknownAdapterError, match=r"adapter 'nobody' is not served at the embedded tier"):
        resolve("nobody")
    assert "smollm2-135m-instruct" in SMALL_MODEL.served_names


@pytest.mark.parametrize(
    ("config", "weights", "reason"),
    [
        ({"base_model_name_or_path": "Qwen/Qwen2-7B"}, "adapter_model.safetensors", "Qwen/Qwen2-7B.*SmolLM2"),
        ({}, "adapter_model.bin", r"pickle \(\.bin\), which is never loaded"),
        ({}, None, "no adapter_model.safetensors"),
        ({"peft_type": "IA3"}, "adapter_model.safetensors", "IA3"),
        ({"use_dora": True}, "adapter_model.safetensors", "use_dora"),
        ({"alpha_pattern": {"q_proj": 4}}, "adapter_model.safetensors", "alpha_pattern"),
        ({"init_lora_weights": "pissa"}, "adapter_model.safetensors", "pissa"),
        ({"r": "many"}, "adapter_model.safetensors", "adapter_config.json cannot be read"),
    ],
)
def test_an_unusable_folder_error_gives_the_reason(
    tmp_path: Path, config: dict[str, Any], weights: str | None, reason: str
) -> None:
    folder = adapter_folder(tmp_path / "odd", weights, **config)
    with pytest.raises(UnusableAdapterError, match=reason) as caught:
        resolve("odd", folder)
    assert str(folder) in str(caught.value)


def test_a_folder_without_an_adapter_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(UnusableAdapterError, match=r"no adapter_config\.json"):
        read_adapter("void", tmp_path / "void")


def test_a_base_at_a_local_path_is_known_by_its_folder_name(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "mine", base_model_name_or_path="/models/SmolLM2-135M-Instruct")
    assert read_adapter("mine", folder).path == folder


def test_refuses_another_base_model_and_names_both() -> None:
    refusal = EmbeddedBackend().refuses(request("poet", base="Qwen/Qwen2-7B-Instruct"))
    assert "Qwen/Qwen2-7B-Instruct" in refusal
    assert MODEL_ID in refusal


def test_refuses_neither_its_base_nor_an_unknown_adapter_of_it() -> None:
    backend = EmbeddedBackend()
    assert backend.refuses(request("SmolLM2-135M-Instruct")) == ""
    assert backend.refuses(request("nobody", base="smollm2-135m-instruct")) == ""


def test_refuses_unknown_names_of_requests_without_a_base() -> None:
    backend = EmbeddedBackend()
    assert "qwen-2" in backend.refuses(request("qwen-2", base=None))
    assert backend.refuses(request("SmolLM2-135M-Instruct", base=None)) == ""


async def test_an_unknown_adapter_fails_without_loading_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_SOCIETY_CACHE", str(tmp_path))
    with pytest.raises(UnknownAdapterError):
        await EmbeddedBackend().complete(request("nobody"))
    assert os.listdir(tmp_path) == []


async def test_detection_says_whether_the_model_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_SOCIETY_CACHE", str(tmp_path))
    (found,) = await EmbeddedBackend().detect()
    assert found.available
    assert "not stored yet and will be pulled" in found.detail
    assert found.base_models == (MODEL_ID,)
    assert os.listdir(tmp_path) == []
