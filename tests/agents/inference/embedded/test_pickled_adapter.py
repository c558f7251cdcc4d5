"""Weights in a pickle are refused, with the way to convert them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.inference.adapter_folder import read_adapter_folder
from agents.problems import SocietyError


def test_a_pickled_adapter_is_refused_with_the_way_to_convert(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')
    (tmp_path / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(SocietyError, match=r"adapter_model.bin is a pickle.*safe_serialization=True"):
        read_adapter_folder(tmp_path)
