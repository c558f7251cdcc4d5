"""The soak compares quarters, and samples a real run in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import Snapshot, quarters

ROOT = Path(__file__).parents[2]


def test_quarters_show_a_leak_and_a_slowing_run() -> None:
    """Memory doubles, open files stay, and the second half makes half the calls per second."""
    snapshots = [
        Snapshot(
            seconds=float(i),
            resident=int(1e6 * (1 + i / 7)),
            files=9,
            calls=100 * min(i, 4) + 50 * max(0, i - 4),
            cpu=float(min(i, 4)) + max(0, i - 4) / 2,
            watcher=10**6,
        )
        for i in range(8)
    ]
    found = quarters(snapshots)
    assert found["resident MB"].ratio == pytest.approx((1 + 6.5 / 7) / (1 + 0.5 / 7))
    assert found["open files"].ratio == found["watcher's resident MB"].ratio == 1
    assert found["calls a second"].ratio == pytest.approx(0.5)
    assert found["calls a CPU second"].ratio == pytest.approx(1)


@pytest.mark.slow
def test_short_soak_samples_a_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.04", "--pause", "0.2", "--models", "4"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "soak.json")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "open files" in done.stdout
    snapshots = json.loads((tmp_path / "soak.json").read_bytes())["snapshots"]
    assert len(snapshots) >= 9
    assert snapshots[-1]["calls"] > snapshots[0]["calls"] > 0
    assert snapshots[-1]["cpu"] > snapshots[0]["cpu"]
