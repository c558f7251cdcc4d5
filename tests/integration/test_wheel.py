"""The wheel, installed away from the clone, has all it needs: scenarios, rosters, schemas, adapters, assets.

The environment is new but for the dependencies, which it borrows from this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel installed."""
    folder = tmp_path_factory.mktemp("wheel")
    source, venv = folder / "source", folder / "venv"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    for name in (*_changed(), "setup.py", "MANIFEST.in"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "--target", str(packages), str(wheel)], check=True)
    # a plain path, so that the editable installation of this clone is not found through it
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return venv


def _changed() -> list[str]:
    """Files that this working tree has in another state than its last commit."""
    asked = ["git", "ls-files", "--modified", "--others", "--exclude-standard"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture
def society(environment: Path, tmp_path: Path) -> Command:
    """Runs a line of Python of the wheel's environment in an empty folder."""

    def run(code: str, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        line = [str(environment / "bin" / "python"), "-c", code, *arguments]
        done = subprocess.run(line, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, done.stderr
        return done

    return run


COMMAND = "from simulation.cli.start import main; main()"


def test_wheel_is_not_the_clone(society: Command) -> None:
    where = society("import agents, simulation; print(agents.__file__, simulation.__file__)").stdout.split()
    assert all("site-packages" in path and str(ROOT) not in path for path in where)


def test_wheel_lists_the_shipped_files(society: Command) -> None:
    listed = society(COMMAND, "ls", "shipped").stdout
    for name in ("first_contact", "team_battle", "two_teams", "prisoners_dilemma", "tit_for_tat"):
        assert f"  {name}\n" in listed


def test_wheel_plays_a_scenario_in_another_directory(society: Command, tmp_path: Path) -> None:
    society(COMMAND, "run", "first_contact", "--tier", "simulated", "--episodes", "1")
    (run,) = (tmp_path / "runs").iterdir()
    page = tmp_path / "report.html"
    society(COMMAND, "report", str(run), "--out", str(page))
    assert "first_contact" in page.read_text(encoding="utf-8")


def test_wheel_writes_a_roster_and_a_scenario(society: Command) -> None:
    society(COMMAND, "new", "roster", "mine.yaml", "--base", "SmolLM2-135M-Instruct", "--adapter", "cooperator")
    society(COMMAND, "new", "scenario", "play.yaml", "--game", "commons", "--roster", "first_contact")
    assert society(COMMAND, "validate", "mine.yaml", "play.yaml").stdout.count("ok:") == 2


def test_wheel_imports_every_public_name(society: Command) -> None:
    code = "import agents, simulation; [getattr(p, n) for p in (agents, simulation) for n in p.__all__]; print('all')"
    assert society(code).stdout.split() == ["all"]


def test_wheel_finds_a_foreign_package_called_agents(society: Command, environment: Path) -> None:
    (init,) = environment.glob("lib/python*/site-packages/agents/__init__.py")
    ours = init.read_text(encoding="utf-8")
    init.write_text("from .agent import Agent\n", encoding="utf-8")
    try:
        done = society(COMMAND, "ls", "shipped", ok=False)
    finally:
        init.write_text(ours, encoding="utf-8")
    assert done.returncode == 1
    assert "pip uninstall openai-agents" in done.stderr
