"""Other frameworks are compared in separate environments; the figures say if one cannot be installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import peer_environments, peer_steps
from benchmarks.page import peer_rows
from benchmarks.peer_environments import CONCORDIA, MESA, PEERS, NotInstalledError, Peer, interpreter
from benchmarks.peer_steps import Comparison


def test_every_package_of_a_peer_is_pinned() -> None:
    for peer in PEERS:
        assert all(package.count("==") == 1 for package in peer.packages)


def test_failed_installation_is_named_and_repeated_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_SOCIETY_CACHE", str(tmp_path))
    monkeypatch.setattr(peer_environments.venv, "create", lambda *_, **__: None)
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: no matching distribution\n")
    monkeypatch.setattr(peer_environments.subprocess, "run", lambda *_, **__: failed)
    for _ in range(2):
        with pytest.raises(NotInstalledError, match=r"nobody 1\.0 cannot be installed: ERROR: no matching"):
            interpreter(Peer("nobody", "1.0", ()))


def test_missing_peer_is_reported_on_stderr_and_in_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(peer: Peer) -> Path:
        raise NotInstalledError(f"{peer.label} cannot be installed")

    monkeypatch.setattr(peer_steps, "interpreter", missing)
    found = [comparison.as_json() for comparison in peer_steps.peer_steps(quick=True)]
    assert [row["not_run"] for row in found] == [
        f"not run: {peer.label} cannot be installed" for peer in (MESA, CONCORDIA)
    ]
    assert all(row["spread"] is None for row in found)
    assert "WAS NOT COMPARED" in capsys.readouterr().err
    assert any("not run: mesa" in line for line in peer_rows(json.loads(json.dumps(found))))


def test_ratio_is_of_one_repetition() -> None:
    row = Comparison("x 1", 10, (1.0, 2.0), (3.0, 2.0), "").as_json()
    assert row["ratios"] == (3.0, 1.0)
    assert row["spread"] == {"least": 1.0, "middle": 2.0, "most": 3.0}
    assert "| x 1 | 10 | 1.5 | 2.5 | 1 / 2 / 3 |  |" in peer_rows([row])


@pytest.mark.slow
def test_both_peers_do_the_work_of_a_step() -> None:
    """Installs the peers if they are missing. If that fails, the figures say so and have nothing else."""
    for row in peer_steps.peer_steps(quick=True):
        if row.not_run:
            assert "cannot be installed" in row.not_run
        else:
            assert min(row.ratios) > 0
