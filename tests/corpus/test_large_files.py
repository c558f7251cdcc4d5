"""Files made to fill the memory: a process with little memory refuses each in one line and in time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.yaml_file import MAX_BYTES
from tests.corpus.test_malformed_files import BOMBS

ADDRESS_SPACE = 1_000  # MB; the libraries need about 300 of them
RESIDENT = 450  # MB
SECONDS = 120
"""The slowest needs about 10 on an idle machine."""

CHILD = f"""
import resource, sys
from agents.problems import InvalidFileError
from agents.roster import Roster
from simulation.plan import Plan
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE} * 10**6,) * 2)
try:
    {{"roster": Roster, "scenario": Plan}}[sys.argv[1]].load(sys.argv[2])
except InvalidFileError as error:
    print(error.problems[0])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))  # ru_maxrss begins at the parent's
print(int(status["VmHWM"].split()[0]) // 1000)
"""


def one_line(path: Path) -> None:
    path.write_text("name: " + "x" * 50_000_000)


def a_million_keys(path: Path) -> None:
    path.write_text("".join(f"k{n}: 1\n" for n in range(10**6)))


def as_many_values_as_fit(path: Path) -> None:
    text = "models: [" + "{a: 1}," * ((MAX_BYTES - 20) // 7) + "]\n"
    assert MAX_BYTES - 30 < len(text) <= MAX_BYTES
    path.write_text(text)


def zeros_without_an_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


def bomb(name: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(BOMBS[name])


FILES = {
    "billion laughs": (bomb("billion laughs"), ":1: has more than 100,000 values, aliases unfolded"),
    "merged billion laughs": (bomb("merged billion laughs"), "large.yaml:"),
    "one line of 50 MB": (one_line, ": is larger than 1,000,000 bytes"),
    "a million keys": (a_million_keys, ": is larger than 1,000,000 bytes"),
    "as many values as fit": (as_many_values_as_fit, "has more than 100,000 values"),
    "zeros without an end": (zeros_without_an_end, "there is no such"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["roster", "scenario"])
@pytest.mark.parametrize("name", FILES)
def test_large_file_is_refused_in_little_memory(name: str, kind: str, tmp_path: Path) -> None:
    write, message = FILES[name]
    write(tmp_path / "large.yaml")
    command = [sys.executable, "-c", CHILD, kind, str(tmp_path / "large.yaml")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert child.returncode == 0, child.stderr[-500:]
    first, resident = child.stdout.splitlines()
    assert message in first
    assert len(first) < 3_000
    assert int(resident) < RESIDENT
