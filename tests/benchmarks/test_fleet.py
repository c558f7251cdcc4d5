"""The fleet benchmark measures what it documents, on scripted servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import Spread, turns

ROOT = Path(__file__).parents[2]


def test_turns_let_each_contender_go_first() -> None:
    assert list(turns("ab", 3)) == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


def test_spread_is_minimum_median_and_maximum() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(1.0, 2.0, 3.0)
    assert str(Spread.of([0.51234])) == "0.512 / 0.512 / 0.512"


@pytest.mark.slow
def test_affinity_keeps_adapters_together_and_raises_cache_hits(tmp_path: Path) -> None:
    out = tmp_path / "fleet.json"
    options = ["--scripted", "--repetitions", "1", "--steps", "2", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "benchmarks.fleet", *options], cwd=ROOT, check=True, capture_output=True)
    report = json.loads(out.read_text())
    assert [(turn["policy"], turn["calls"]) for turn in report["turns"]] == [
        ("adapter_affinity", 256),
        ("least_pending", 256),
    ]
    loyalty, hits = report["summary"]["loyalty"], report["summary"]["hit rate"]
    assert loyalty["least_pending"]["middle"] < 0.8 < loyalty["adapter_affinity"]["middle"]
    assert hits["least_pending"]["middle"] < hits["adapter_affinity"]["middle"]
    assert report["machine"]["cores"] >= 1
