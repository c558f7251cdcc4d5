"""A separate environment for each peer that cannot be installed in ours, made once per machine.

    python -m benchmarks.peer_environments            # makes all and prints where they are

They are in the user's cache under peers/. PIP_ARGS are extra arguments for pip, as for `make install`.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from agents.inference.embedded.model_store import cache_root

STAMP = ".society-peer"


class NotInstalledError(RuntimeError):
    """The peer cannot be installed on this machine; the message is pip's."""


@dataclass(frozen=True)
class Peer:
    """A package and everything it imports, pinned; requirements that are never imported here are left out."""

    name: str
    version: str
    needs: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def packages(self) -> tuple[str, ...]:
        return (f"{self.name}=={self.version}", *self.needs)

    @property
    def folder(self) -> Path:
        return cache_root() / "peers" / f"{self.name}-{self.version}"

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def digest(self) -> str:
        """A hash of the requirements and of the Python version."""
        return hashlib.sha256("\n".join((sys.version, *self.packages)).encode()).hexdigest()


COMMON = ("numpy==2.4.6", "pandas==3.1.1", "python-dateutil==4.0.0")
MESA = Peer("mesa", "3.3.1", (*COMMON, "scipy==1.17.1", "tqdm==4.70.1", "networkx==3.6.1"))
CONCORDIA = Peer(
    "gdm-concordia",
    "2.1.0",
    (
        *COMMON,
        "absl-py==2.5.1",
        "contourpy==1.3.3",
        "cycler==0.12.1",
        "fonttools==4.68.0",
        "kiwisolver==1.5.1",
        "matplotlib==3.11.2",
        "networkx==3.6.1",
        "packaging==26.3",
        "pillow==13.0.0",
        "pyparsing==3.3.3",
        "termcolor==3.3.0",
        "typing-extensions==4.16.0",
    ),
)
PEERS = (MESA, CONCORDIA)


def interpreter(peer: Peer) -> Path:
    """Return the Python of the peer's environment; install the peer if it is missing.

    Raises:
        NotInstalledError: It cannot be installed.
    """
    peer.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{peer.folder}.lock"):
        stamp = peer.folder / STAMP
        if not (stamp.is_file() and stamp.read_text() == peer.digest):
            _install(peer)
    return peer.python


def _install(peer: Peer) -> None:
    """Make the environment. The stamp is written last, so an interrupted installation is repeated."""
    sys.stderr.write(f"installing {peer.label} into {peer.folder}\n")
    shutil.rmtree(peer.folder, ignore_errors=True)
    venv.create(peer.folder, with_pip=True)
    # without dependencies: the list is complete, and Concordia requires a gigabyte of clients that are never imported
    command = [str(peer.python), "-m", "pip", "install", "--quiet", "--no-deps", *peer.packages]
    command += shlex.split(os.environ.get("PIP_ARGS", ""))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalledError(f"{peer.label} cannot be installed: {' '.join(errors) or done.stderr[-500:]}")
    (peer.folder / STAMP).write_text(peer.digest)


def main() -> None:
    for peer in PEERS:
        try:
            sys.stdout.write(f"{interpreter(peer)}\n")
        except NotInstalledError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
