"""Threads of the embedded tier: they wait passively unless the user says otherwise, one per physical core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.inference.embedded.threads import PASSIVE, passive_waiting, usable_cores

IMPORTS = {
    "the model": "from agents.inference.embedded.threads import passive_waiting\nwith passive_waiting(): import torch",
    "OASIS": "import simulation.engine.society",
}
SHOW = "\nimport os, torch; print([os.environ.get(name) for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')])"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="torch has GNU's OpenMP on Linux")


def loaded(code: str, **variables: str) -> tuple[str, str]:
    """What a new process prints, and what GNU's OpenMP says of its settings as it is loaded."""
    inherited = {name: value for name, value in os.environ.items() if name not in PASSIVE}
    environment = {**inherited, "OMP_DISPLAY_ENV": "VERBOSE", **variables}
    done = subprocess.run(
        [sys.executable, "-c", code + SHOW], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1], done.stderr


@LINUX
@pytest.mark.parametrize("code", IMPORTS.values(), ids=IMPORTS)
def test_threads_wait_passively_by_default(code: str) -> None:
    left, settings = loaded(code)
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in settings
    assert "GOMP_SPINCOUNT = '0'" in settings
    assert left == "[None, None]"  # a server that is started from here does not get them


@LINUX
def test_the_users_wait_policy_stays() -> None:
    left, settings = loaded(IMPORTS["the model"], OMP_WAIT_POLICY="ACTIVE")
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in settings
    assert left == "['ACTIVE', None]"


def test_nothing_is_set_once_torch_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", sys)
    with passive_waiting():
        assert not PASSIVE.keys() & os.environ.keys()


def machine(root: Path, siblings: dict[int, str], **files: str) -> Path:
    for number, text in siblings.items():
        file = root / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"
        file.parent.mkdir(parents=True)
        file.write_text(f"{text}\n")
    for name, text in files.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


class TestUsableCores:
    TWO_THREADS_EACH = {number: f"{number % 4},{number % 4 + 4}" for number in range(8)}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _eight_processors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    def test_threads_of_one_core_count_once(self, tmp_path: Path) -> None:
        assert usable_cores(machine(tmp_path, self.TWO_THREADS_EACH)) == 4
        assert usable_cores(tmp_path / "nothing known") == 8

    def test_the_affinity_of_the_process_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4}, raising=False)
        assert usable_cores(machine(tmp_path, self.TWO_THREADS_EACH)) == 2

    @pytest.mark.parametrize(
        ("limit", "cores"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("900000 100000", 8)]
    )
    def test_the_quota_of_a_container_counts(self, tmp_path: Path, limit: str, cores: int) -> None:
        root = machine(tmp_path, {}, proc__self__cgroup="0::/\n")
        (root / "sys/fs/cgroup").mkdir(parents=True)
        (root / "sys/fs/cgroup/cpu.max").write_text(f"{limit}\n")
        assert usable_cores(root) == cores

    def test_the_quota_of_an_outer_group_counts(self, tmp_path: Path) -> None:
        root = machine(tmp_path, {}, proc__self__cgroup="0::/outer/inner\n")
        (root / "sys/fs/cgroup/outer/inner").mkdir(parents=True)
        (root / "sys/fs/cgroup/outer/inner/cpu.max").write_text("max 100000")
        (root / "sys/fs/cgroup/outer/cpu.max").write_text("300000 100000")
        assert usable_cores(root) == 3

    def test_the_quota_of_an_older_kernel_counts(self, tmp_path: Path) -> None:
        root = machine(tmp_path, {}, proc__self__cgroup="4:cpu:/\n")
        (root / "sys/fs/cgroup/cpu").mkdir(parents=True)
        (root / "sys/fs/cgroup/cpu/cpu.cfs_period_us").write_text("100000\n")
        (root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").write_text("-1\n")
        assert usable_cores(root) == 8
        (root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").write_text("200000\n")
        assert usable_cores(root) == 2
