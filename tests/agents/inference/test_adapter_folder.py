"""The one examination of an adapter's folder: what is refused with which fix, what is only said, what stays good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.inference.adapter_folder import PREFIX, AdapterFolder, UnusableAdapterError, read_adapter_folder
from agents.inference.adapter_limits import EMBEDDED_LIMITS, VLLM_LIMITS
from agents.inference.backend import base_name, same_base
from tests.support.adapters import MODULE, lora_pair, tensor_bytes, write_adapter

V_PROJ = MODULE.replace("q_proj", "v_proj")


def read(folder: Path, **how: Any) -> AdapterFolder:
    return read_adapter_folder(write_adapter(folder, **how), "ada")


def refusal(folder: Path) -> str:
    with pytest.raises(UnusableAdapterError) as caught:
        read_adapter_folder(folder, "ada")
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return caught.value.reason


class TestConfig:
    @pytest.mark.parametrize(
        "config",
        [
            {"target_modules": "all-linear"},
            {"target_modules": r".*\.(gate|up)_proj$"},
            {"use_rslora": True},
            {"lora_alpha": 5.5},
            {"layers_to_transform": [0, 3]},
            {"modules_to_save": []},
            {"init_lora_weights": "gaussian"},
            {"init_lora_weights": "EVA"},
            {"a_key_of_a_later_peft": {"nested": [1, None]}, "use_qalora": False, "layer_replication": None},
            {"lora_dropout": float("nan")},
        ],
    )
    def test_a_plain_lora_is_good(self, tmp_path: Path, config: dict[str, Any]) -> None:
        assert read(tmp_path, **config).rank == 8

    def test_a_type_in_small_letters_is_the_same_type(self, tmp_path: Path) -> None:
        assert read(tmp_path, peft_type="lora").largest_rank == 8

    def test_a_key_that_is_not_known_is_a_caution(self, tmp_path: Path) -> None:
        benign = {
            "revision": "main",
            "eva_config": {"rho": 2.0},
            "peft_version": "0.30",
            "new_key": None,
            "other": False,
        }
        assert read(tmp_path / "a", **benign).cautions() == []
        [caution] = read(tmp_path / "b", **benign, rotate_weights={"angle": 3}).cautions()
        assert "rotate_weights" in caution

    def test_null_means_not_given(self, tmp_path: Path) -> None:
        names = ("alpha_pattern", "rank_pattern", "use_dora", "use_rslora", "init_lora_weights", "peft_type", "bias")
        folder = read(tmp_path, base=None, lora_alpha=16, **dict.fromkeys(names))
        assert (folder.rank, folder.alpha, folder.base) == (8, 16, None)
        assert folder.notes == ('vLLM refuses `bias: null` in adapter_config.json; write "none" or leave the key out',)

    @pytest.mark.parametrize("key", ["r", "lora_alpha"])
    def test_a_null_number_is_one_line_with_file_and_key(self, tmp_path: Path, key: str) -> None:
        write_adapter(tmp_path, **{key: None})
        assert refusal(tmp_path).startswith(f"adapter_config.json: {key} is null; write the number")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_every_encoding_of_json_is_read(self, tmp_path: Path, encoding: str, newline: str) -> None:
        write_adapter(tmp_path)
        config = json.dumps({"r": 8, "base_model_name_or_path": "größe"}, ensure_ascii=False, indent=1)
        (tmp_path / "adapter_config.json").write_bytes(config.replace("\n", newline).encode(encoding))
        found = read_adapter_folder(tmp_path)
        assert (found.base, found.rank) == ("größe", 8)
        assert bool(found.notes) == (encoding != "utf-8")

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            ({"r": "many"}, "cannot be read: r: 'many' is not a whole number"),
            ({"r": 0}, "cannot be read: r: 0 is below 1"),
            ({"lora_alpha": float("inf")}, "lora_alpha: inf is not a finite number"),
            ({"rank_pattern": {"q_proj": 0}}, "rank_pattern: .*'q_proj': 0 is below 1"),
            ({"rank_pattern": {"q_(": 4}}, "'q_\\(' is no regular expression"),
            ({"rank_pattern": [1]}, "rank_pattern: .* is not a mapping"),
            ({"peft_type": "IA3"}, "its kind is IA3; only LORA"),
            ({"use_dora": True}, "use_dora is not supported; train it without"),
            ({"modules_to_save": ["lm_head"]}, "modules_to_save is not supported"),
            ({"bias": "all"}, "bias='all' is not supported"),
            ({"lora_bias": True}, "lora_bias is not supported"),
            ({"use_qalora": True}, "use_qalora is not supported"),
            ({"layer_replication": [[0, 4]]}, "layer_replication is not supported"),
            ({"trainable_token_indices": [1]}, "trainable_token_indices is not supported"),
            ({"init_lora_weights": "pissa_niter_4"}, "changes the base model; save it as a plain LoRA with PEFT"),
            ({"init_lora_weights": "olora"}, "changes the base model"),
        ],
    )
    def test_what_nothing_can_serve_is_one_line(self, tmp_path: Path, config: dict[str, Any], reason: str) -> None:
        write_adapter(tmp_path, **config)
        with pytest.raises(UnusableAdapterError, match=reason):
            read_adapter_folder(tmp_path)
        refusal(tmp_path)

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"", "it is not JSON"),
            (b"[1]", r"\[1\] is not a mapping of keys to values"),
            (b'{"model_type": "llama"}', "describes a base model and no adapter"),
            (b"version https://git-lfs.github.com/spec/v1\n", "get the file with: git lfs pull"),
            (b"\xff\xfe\xff", "it is not JSON"),
        ],
    )
    def test_a_file_that_is_no_config_is_named(self, tmp_path: Path, raw: bytes, reason: str) -> None:
        (write_adapter(tmp_path) / "adapter_config.json").write_bytes(raw)
        with pytest.raises(UnusableAdapterError, match=f"adapter_config.json .*{reason}"):
            read_adapter_folder(tmp_path)

    def test_the_subfolder_with_the_adapter_is_named(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "checkpoint-80")
        assert refusal(tmp_path) == "there is no adapter_config.json; name its subfolder checkpoint-80"


class TestWeights:
    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"", "is empty: save or download it again"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "get the file with: git lfs pull"),
            (b"/annex/objects/SHA256E-s1--0\n", "get the file with: git annex get"),
            (b"abc", "is no safetensors file, or is cut short"),
            (b"<html>404 not found</html>", "is no safetensors file, or is cut short"),
            ((9).to_bytes(8, "little") + b"not json!", "is no safetensors file"),
            (tensor_bytes(lora_pair(8))[:-4], "bytes in place of"),
            (tensor_bytes({}), "has no LoRA weights"),
        ],
    )
    def test_a_file_without_weights_is_named(self, tmp_path: Path, raw: bytes, reason: str) -> None:
        (write_adapter(tmp_path) / "adapter_model.safetensors").write_bytes(raw)
        assert f"adapter_model.safetensors {reason}" in refusal(tmp_path) or reason in refusal(tmp_path)

    def test_names_without_the_prefix_of_peft_are_refused(self, tmp_path: Path) -> None:
        write_adapter(tmp_path, tensors=lora_pair(8, MODULE.removeprefix(PREFIX)))
        assert "without 'base_model.model.' in front, so PEFT would not load it; rename" in refusal(tmp_path)

    def test_names_with_the_adapters_own_name_are_refused(self, tmp_path: Path) -> None:
        tensors = {name.replace(".weight", ".default.weight"): each for name, each in lora_pair(8).items()}
        write_adapter(tmp_path, tensors=tensors)
        assert "which a plain LoRA has not; save it with PEFT's save_pretrained" in refusal(tmp_path)

    @pytest.mark.parametrize(
        "extra", [f"{PREFIX}lm_head.weight", f"{MODULE}.lora_magnitude_vector", f"{V_PROJ}.lora_A.weight"]
    )
    def test_weights_beside_pairs_of_matrices_are_refused(self, tmp_path: Path, extra: str) -> None:
        write_adapter(tmp_path, tensors={**lora_pair(8), extra: np.ones((8, 3))})
        assert "plain LoRA" in refusal(tmp_path)

    def test_a_rank_that_differs_between_the_files_is_refused(self, tmp_path: Path) -> None:
        write_adapter(tmp_path, rank=1024, tensors=lora_pair(8))
        assert "has rank 8 in adapter_model.safetensors and 1024 by r" in refusal(tmp_path)

    @pytest.mark.parametrize("key", ["q_proj", r"layers\.0\.self_attn\.q_proj", "self_attn.q.*"])
    def test_rank_pattern_gives_modules_their_own_rank(self, tmp_path: Path, key: str) -> None:
        tensors = {**lora_pair(20), **lora_pair(8, V_PROJ)}
        found = read(tmp_path, rank=8, rank_pattern={key: 20}, tensors=tensors)
        assert (found.rank, found.largest_rank) == (8, 20)


class TestLimits:
    def test_the_largest_rank_of_vllm_is_512(self, tmp_path: Path) -> None:
        read(tmp_path / "a", rank=512).refuse_beyond(VLLM_LIMITS)
        large = read(tmp_path / "b", rank=513)
        with pytest.raises(UnusableAdapterError, match="it has rank 513, and vLLM loads 512 at most"):
            large.refuse_beyond(VLLM_LIMITS)
        large.refuse_beyond(EMBEDDED_LIMITS)

    def test_alpha_pattern_is_beyond_the_embedded_tier_only(self, tmp_path: Path) -> None:
        found = read(tmp_path, alpha_pattern={"q_proj": 4})
        assert "alpha_pattern is not supported by the embedded tier" in found.beyond(EMBEDDED_LIMITS)
        assert not found.beyond(VLLM_LIMITS)

    def test_lora_of_parameters_is_beyond_the_embedded_tier_only(self, tmp_path: Path) -> None:
        adapter = read(tmp_path, target_parameters=["mlp.experts.gate_up_proj"])
        assert "target_parameters" in adapter.beyond(EMBEDDED_LIMITS)
        assert adapter.beyond(VLLM_LIMITS) == ""

    def test_lora_of_embeddings_is_beyond_the_embedded_tier_only(self, tmp_path: Path) -> None:
        names = (f"{PREFIX}model.embed_tokens.lora_embedding_{side}" for side in "AB")
        found = read(tmp_path, tensors={**lora_pair(8), **dict.fromkeys(names, np.ones((8, 3)))})
        assert "inner layers only" in found.beyond(EMBEDDED_LIMITS)
        assert not found.beyond(VLLM_LIMITS)


class TestBase:
    LABELS = (
        "/home/ada/models/Qwen2-7B",
        "/home/ada/models/Qwen2-7B/",
        "C:\\models\\Qwen2-7B",
        "./Qwen2-7B",
        "/cache/hub/models--Qwen--Qwen2-7B/snapshots/0123456789abcdef",
        "unsloth/Qwen2-7B-bnb-4bit",
        "unsloth/Qwen2-7B-unsloth-bnb-4bit",
        "mlx-community/Qwen2-7B-4bit-DWQ",
        "acme/Qwen2-7B-FP8-dynamic",
        "acme/Qwen2-7B-NVFP4",
        "acme/Qwen2-7B-GPTQ-Int4",
        "acme/Qwen2-7B-quantized.w4a16",
        "/models/Qwen2-7B.Q4_K_M.gguf",
        "acme/Qwen2-7B-GGUF:Q8_0",
        "/home/u/.cache/modelscope/hub/Qwen/Qwen2-7B",
        "TheBloke/Qwen2-7B-GPTQ",
        "neuralmagic/Qwen2-7B-quantized.w8a8",
    )

    @pytest.mark.parametrize("label", LABELS)
    def test_the_same_base_under_another_label_is_a_warning(self, tmp_path: Path, label: str) -> None:
        warning = read(tmp_path, base=label).check_base(("Qwen/Qwen2-7B",), "there is Qwen2-7B")
        assert warning == (
            f"adapter 'ada': its adapter_config.json names the base model {label!r}; taken for Qwen/Qwen2-7B"
        )

    def test_a_name_in_the_cache_of_modelscope_is_read(self) -> None:
        assert same_base("/home/u/.cache/modelscope/hub/Qwen/Qwen2___5-7B", "Qwen/Qwen2.5-7B")

    @pytest.mark.parametrize("label", ["Qwen/Qwen2-7B", "qwen2-7b", "other/Qwen2-7B", None, ""])
    def test_a_hub_name_of_the_base_says_nothing(self, tmp_path: Path, label: str | None) -> None:
        assert read(tmp_path, base=label).check_base(("qwen2-7b",), "there is qwen2-7b") == ""

    @pytest.mark.parametrize("label", ["Qwen/Qwen2-0.5B", "Qwen/Qwen2-7B-Instruct", "/models/checkpoint-3", "4bit"])
    def test_another_base_is_refused_unless_the_user_insists(self, tmp_path: Path, label: str) -> None:
        found = read(tmp_path, base=label)
        with pytest.raises(UnusableAdapterError, match=r"and there is Qwen2-7B; if that is the same model, say so"):
            found.check_base(("Qwen2-7B",), "there is Qwen2-7B")
        assert "taken for Qwen2-7B" in found.check_base(("Qwen2-7B",), "", stated=True)

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_base_name_is_total_and_same_base_symmetric(self, one: str, other: str) -> None:
        assert base_name(base_name(one)) == base_name(one)
        assert same_base(one, other) is same_base(other, one)
        assert same_base(one, one)


class TestValues:
    @given(
        arrays("f4", (2, 3), elements=st.floats(-4, 4, width=32)),
        arrays("f4", (3, 2), elements=st.floats(-4, 4, width=32)),
    )
    def test_an_adapter_changes_something_if_a_pair_has_no_zero_matrix(
        self, tmp_path_factory: pytest.TempPathFactory, down: Any, up: Any
    ) -> None:
        names = (f"{MODULE}.lora_A.weight", f"{MODULE}.lora_B.weight")
        found = read(tmp_path_factory.mktemp("a"), rank=2, tensors=dict(zip(names, (down, up), strict=True)))
        assert found.check_values() == bool(down.any() and up.any())

    def test_an_alpha_of_zero_changes_nothing(self, tmp_path: Path) -> None:
        assert not read(tmp_path, lora_alpha=0).check_values()

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("side", ["A", "B"])
    def test_a_weight_that_is_not_finite_is_refused(self, tmp_path: Path, bad: float, side: str) -> None:
        tensors = lora_pair(8)
        tensors[f"{MODULE}.lora_{side}.weight"][1, 1] = bad
        with pytest.raises(UnusableAdapterError, match=rf"q_proj\.lora_{side}\.weight has numbers that are not finite"):
            read(tmp_path, tensors=tensors).check_values()

    @pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "float64"])
    def test_every_number_type_of_safetensors_is_read(self, tmp_path: Path, kind: str) -> None:
        import torch
        from safetensors.torch import save_file

        for value, finite, changes in ((0.0, True, False), (1.5, True, True), (float("nan"), False, True)):
            pair = {
                f"{MODULE}.lora_A.weight": torch.ones(8, 3, dtype=getattr(torch, kind)),
                f"{MODULE}.lora_B.weight": torch.full((3, 8), value, dtype=getattr(torch, kind)),
            }
            save_file(pair, write_adapter(tmp_path) / "adapter_model.safetensors")
            found = read_adapter_folder(tmp_path)
            if finite:
                assert found.check_values() is changes
            else:
                with pytest.raises(UnusableAdapterError):
                    found.check_values()


def test_a_folder_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    assert read(tmp_path, rank=8).largest_rank == 8
    assert read(tmp_path, rank=16).largest_rank == 16
