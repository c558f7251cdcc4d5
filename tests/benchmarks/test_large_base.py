"""What learners of a large base cost: measured on a small one here; the page has the figures of the stored file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import large_base
from benchmarks.measure import ROOT
from tests.integration.vllm.tiny_model import tiny_model

STORED = ROOT / "benchmarks" / "results" / "large_base.json"
PAGE = ROOT / "docs" / "explanation" / "hundred_learners.md"


def test_every_piece_of_an_update_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    small = {
        "num_hidden_layers": 1,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    }
    monkeypatch.setattr(large_base, "SHAPE", small)
    out = tmp_path / "found.json"
    line = ["--tokenizer", str(tiny_model().base), "--layers", "1", "--learners", "1", "2", "--out", str(out)]
    assert large_base.main(line) == 0
    found = json.loads(out.read_text())
    assert [row["learners"] for row in found["rows"]] == [1, 2]
    assert [row["prompts"] for row in found["rows"]] == [16, 32]
    assert all(value > 0 for row in found["rows"] for name, value in row.items() if name.endswith("_s"))
    assert {*found["rows"][0]} == {*json.loads(STORED.read_text())["rows"][0]}


def test_the_page_has_the_stored_figures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    stored = json.loads(STORED.read_text())
    assert "H100" in stored["device"]
    for row in stored["rows"]:
        pieces = (row[f"{name}_s"] for name in ("forward_backward", "optim_step", "probabilities", "save_weights"))
        figures = " | ".join(f"{each:.2f}" for each in pieces)
        assert f"| {row['learners']} | {figures} | {row['peak_bytes'] / 1e9:.1f} |" in page
    last = stored["rows"][-1]
    play, learn = 5 * last["probabilities_s"], 5 * last["forward_backward_s"]
    together = play + learn + last["optim_step_s"] + last["save_weights_s"]
    assert all(f"| {each:.1f} |" in page for each in (play, learn, together))
    assert f"{last['version_bytes'] / 1e6:.0f} MB" in page
    assert f"{last['forward_backward_s'] / stored['rows'][0]['forward_backward_s']:.1f} times" in page
