"""One row of a batch never changes another, whatever its adapter's weights are. On real tensors, without the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.adapter_folder import AdapterFolder, UnusableAdapterError, read_adapter_folder
from agents.inference.embedded.lora import AdapterBank
from agents.inference.embedded.model_sources import MODEL_ID
from tests.support.adapters import write_adapter

torch = pytest.importorskip("torch")
WIDTH, RANK = 4, 2
NAME = "model.layers.0.q_proj"
ODD = (0.0, 1.0, -2.5, 1e38, -1e38, 3e38)
WORST = (*ODD, math.nan, math.inf, -math.inf)


class Tiny(torch.nn.Module):  # type: ignore[misc]
    """One linear layer, named as a layer of the model is."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Module()
        self.model.layers = torch.nn.ModuleList([torch.nn.Module()])
        torch.manual_seed(0)
        self.model.layers[0].q_proj = torch.nn.Linear(WIDTH, WIDTH, bias=False)

    def get_output_embeddings(self) -> None:
        """It has no output layer."""

    def forward(self, states: Any) -> Any:
        return self.model.layers[0].q_proj(states)


def tiny() -> tuple[Any, AdapterBank]:
    model = Tiny()
    return model, AdapterBank(model, MODEL_ID)


def folder_of(place: Path, down: Any, up: Any, **config: Any) -> AdapterFolder:
    tensors = {f"base_model.model.{NAME}.lora_A.weight": down, f"base_model.model.{NAME}.lora_B.weight": up}
    return read_adapter_folder(write_adapter(place, base=MODEL_ID, rank=RANK, lora_alpha=4, tensors=tensors, **config))


def numbers(values: Sequence[float], size: int) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(values), min_size=size, max_size=size)


@given(
    downs=st.lists(numbers(WORST, RANK * WIDTH), min_size=1, max_size=3),
    ups=st.lists(numbers(ODD[:3], RANK * WIDTH), min_size=3, max_size=3),
    states=st.lists(numbers(WORST, WIDTH), min_size=6, max_size=6),
    owners=st.lists(st.integers(-1, 2), min_size=6, max_size=6),
)
def test_a_row_in_a_batch_is_the_row_alone(downs: Any, ups: Any, states: Any, owners: Any) -> None:
    """Bit for bit NaN where it is NaN alone, and the same number elsewhere: even with the check of values left out."""
    model, bank = tiny()
    adapters = [AdapterFolder(f"a{number}", Path("/a")) for number in range(len(downs))]
    for adapter, down, up in zip(adapters, downs, ups, strict=False):
        bank._loaded[adapter] = {NAME: (torch.tensor(down).reshape(RANK, WIDTH), torch.tensor(up).reshape(WIDTH, RANK))}
    rows = [adapters[owner] if 0 <= owner < len(adapters) else None for owner in owners]
    inputs = torch.tensor(states)[:, None, :]
    with torch.inference_mode():
        bank.activate(rows)
        together = model(inputs)
        for number, row in enumerate(rows):
            bank.activate([row])
            alone = model(inputs[number : number + 1])
            torch.testing.assert_close(together[number : number + 1], alone, equal_nan=True, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_load_refuses_weights_that_are_not_finite(tmp_path: Path, bad: float, side: int) -> None:
    pair = [np.ones((RANK, WIDTH)), np.ones((WIDTH, RANK))]
    pair[side][1, 1] = bad
    with pytest.raises(UnusableAdapterError, match="numbers that are not finite"):
        tiny()[1].load(folder_of(tmp_path, *pair))


def test_load_refuses_weights_that_the_scaling_makes_infinite(tmp_path: Path) -> None:
    pair = (np.ones((RANK, WIDTH)), np.full((WIDTH, RANK), 3e38))
    with pytest.raises(UnusableAdapterError, match=r"lora_B\.weight has numbers that are not finite"):
        tiny()[1].load(folder_of(tmp_path, *pair))


def test_load_warns_of_another_name_of_the_base(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = (np.ones((RANK, WIDTH)), np.ones((WIDTH, RANK)))
    folder = folder_of(tmp_path, *pair)
    write_adapter(
        tmp_path,
        base="/mine/base",
        rank=RANK,
        tensors={f"base_model.model.{NAME}.lora_{s}.weight": m for s, m in zip("AB", pair, strict=True)},
    )
    bank = tiny()[1]
    bank.load(folder)
    assert caplog.text == ""
    bank.load(read_adapter_folder(tmp_path))
    assert f"names the base model '/mine/base'; taken for {MODEL_ID}" in caplog.text


def versions(place: Path, count: int) -> list[AdapterFolder]:
    """Adapters that multiply their input by 1, 2, 3 ..."""
    eye = np.eye(RANK, WIDTH)
    return [folder_of(place / f"v{number}", eye, number * eye.T / 2) for number in range(1, count + 1)]


def test_the_bank_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    model, (first, second, third, fourth) = Tiny(), versions(tmp_path, 4)
    bank = AdapterBank(model, MODEL_ID, kept=3)
    for adapter in (first, second, third, first, fourth):
        bank.load(adapter)
    assert list(bank._loaded) == [third, first, fourth]


def test_the_bank_forgets_none_of_the_present_batch(tmp_path: Path) -> None:
    model, adapters = Tiny(), versions(tmp_path, 5)
    bank = AdapterBank(model, MODEL_ID, kept=2)
    bank.activate(adapters[:3])
    for adapter in adapters[3:]:
        bank.load(adapter)
    assert set(adapters[:3]) <= set(bank._loaded)
    bank.activate(adapters[:1])
    bank.load(adapters[4])
    bank.load(adapters[3])
    assert set(bank._loaded) == {adapters[0], adapters[3]}


def test_a_forgotten_adapter_is_read_again(tmp_path: Path) -> None:
    model, adapters = Tiny(), versions(tmp_path, 6)
    bank, inputs = AdapterBank(model, MODEL_ID, kept=1), torch.ones(1, 1, WIDTH)
    with torch.inference_mode():
        bank.activate([None])
        plain = model(inputs)
        for number in (1, 2, 3, 4, 5, 6, 1, 3):
            bank.activate([adapters[number - 1]])
            wanted = plain + number * torch.tensor([1.0] * RANK + [0.0] * (WIDTH - RANK))
            torch.testing.assert_close(model(inputs), wanted)
    assert len(bank._loaded) == 1


def test_an_adapter_that_cannot_be_read_again_fails_its_batch_alone(tmp_path: Path) -> None:
    """What was stacked before is not taken for it."""
    (first, second), model = versions(tmp_path, 2), Tiny()
    bank = AdapterBank(model, MODEL_ID)
    bank.activate([first])
    (second.path / "adapter_model.safetensors").unlink()
    for _ in range(2):
        with pytest.raises(UnusableAdapterError):
            bank.activate([second])
    bank.activate([first])
    assert bank._stack
