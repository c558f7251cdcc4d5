"""The adapter folders of a roster's rows: refused, warned of, or good, by base model and by the tiers of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.adapter_checks import RowCheck, check_rows
from agents.inference.backend import InferenceSettings
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.provenance import FALLBACK_ORDER, Tier
from agents.roster import ModelConfig
from tests.support.adapters import lora_pair, write_adapter


def check(folder: Path, tiers: tuple[Tier, ...] = FALLBACK_ORDER, base: str = MODEL_ID, **row: Any) -> RowCheck:
    mine = ModelConfig(model_id="a", model_name="a", adapter=str(folder), **row)
    [found] = check_rows([mine], base, InferenceSettings(tiers))
    return found


def test_a_plain_adapter_of_the_base_has_no_finding(tmp_path: Path) -> None:
    found = check(write_adapter(tmp_path, base=MODEL_ID))
    assert (found.error, found.warnings) == ("", [])


def test_a_row_without_a_folder_is_not_checked() -> None:
    assert not list(check_rows([ModelConfig(model_id="a", model_name="a")], MODEL_ID))


def test_another_base_is_an_error_unless_the_row_names_its_base(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path, base="/models/run-7")
    assert "belongs to base model /models/run-7" in check(folder).error
    assert "say so by base_model in its row" in check(folder).error
    insisted = check(folder, base_model=MODEL_ID)
    assert (insisted.error, len(insisted.warnings)) == ("", 1)


@pytest.mark.parametrize(
    ("tiers", "errors", "warnings"),
    [((Tier.EMBEDDED,), 1, 0), ((Tier.HTTP, Tier.EMBEDDED), 0, 1), ((Tier.CAMEL, Tier.HTTP), 0, 0)],
)
def test_what_one_tier_cannot_load_is_a_warning_if_another_can(
    tmp_path: Path, tiers: tuple[Tier, ...], errors: int, warnings: int
) -> None:
    found = check(write_adapter(tmp_path, base=MODEL_ID, alpha_pattern={"q_proj": 2}), tiers)
    assert (bool(found.error), len(found.warnings)) == (bool(errors), warnings)


def test_the_embedded_tier_has_no_say_on_another_base(tmp_path: Path) -> None:
    found = check(write_adapter(tmp_path, base="qwen2-7b", alpha_pattern={"q_proj": 2}), base="qwen2-7b")
    assert (found.error, found.warnings) == ("", [])


@pytest.mark.parametrize(
    ("factor", "error", "warning"), [(0.0, "", "changes nothing"), (float("nan"), "not finite", "")]
)
def test_the_weights_themselves_are_read(tmp_path: Path, factor: float, error: str, warning: str) -> None:
    tensors = {name: each * (factor if "lora_B" in name else 1) for name, each in lora_pair(8).items()}
    found = check(write_adapter(tmp_path, base=MODEL_ID, tensors=tensors))
    assert error in found.error
    assert bool(error) == bool(found.error)
    assert warning in " ".join(found.warnings)
