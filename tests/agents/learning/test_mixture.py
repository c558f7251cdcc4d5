"""A mixture changes every layer by the weighted sum of what its adapters change it by."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agents.learning.adapters import TrainableAdapter, read_adapter
from agents.learning.mixture import mixed
from agents.problems import SocietyError
from tests.integration.vllm.tiny_model import make_adapter, tiny_model

WEIGHTS = (0.7, -0.4)


def change(adapter: TrainableAdapter, layer: str) -> torch.Tensor:
    down, up = adapter.pairs[layer]
    return adapter.scale * (up @ down)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("adapters")
    return [make_adapter(tiny_model(), place / str(rank), seed=rank, rank=rank) for rank in (2, 5)]


def test_mixture_is_the_weighted_sum_of_changes(folders: list[Path]) -> None:
    adapters = [read_adapter(folder) for folder in folders]
    mixture = mixed(adapters, WEIGHTS)
    assert mixture.rank == sum(adapter.rank for adapter in adapters) == 7
    for layer in mixture.pairs:
        wanted = sum(weight * change(each, layer) for weight, each in zip(WEIGHTS, adapters, strict=True))
        torch.testing.assert_close(change(mixture, layer), wanted)


def test_mixture_equals_that_of_peft(folders: list[Path]) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_model().base)
    model = PeftModel.from_pretrained(base, folders[0], adapter_name="a")
    model.load_adapter(folders[1], adapter_name="b")
    weights = [0.7, 0.4]  # of this kind PEFT takes weights above 0 only
    model.add_weighted_adapter(["a", "b"], weights, "both", combination_type="cat")
    mixture = mixed([read_adapter(folder) for folder in folders], weights)
    layers = dict(model.named_modules())
    for layer in mixture.pairs:
        peft = layers[f"base_model.model.{layer}"].get_delta_weight("both")
        torch.testing.assert_close(change(mixture, layer), peft)


def test_adapter_without_a_layer_does_not_change_it(folders: list[Path]) -> None:
    one, other = (read_adapter(folder) for folder in folders)
    layer = next(iter(one.pairs))
    less = TrainableAdapter(one.rank, one.alpha, {name: pair for name, pair in one.pairs.items() if name != layer})
    torch.testing.assert_close(change(mixed([less, other], (3.0, 1.0)), layer), change(other, layer))


def test_adapters_of_other_bases_are_refused(folders: list[Path]) -> None:
    one, other = (read_adapter(folder) for folder in folders)
    layer = next(iter(one.pairs))
    down, up = one.pairs[layer]
    wider = TrainableAdapter(one.rank, one.alpha, {layer: (torch.zeros(one.rank, down.shape[1] + 1), up)})
    with pytest.raises(SocietyError, match="other bases"):
        mixed([wider, other], (1.0, 1.0))
