"""The one direction of dependency, who may import what, and that importing is free of side effects."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "agents").rglob("*.py"), *(ROOT / "simulation").rglob("*.py")])
HEAVY = {"torch", "transformers", "peft", "oasis", "camel", "pandas", "scipy", "networkx", "aiohttp", "numpy"}
OASIS_FILES = {"agents/lora_model.py", "simulation/engine/society.py", "simulation/engine/oasis_platform.py"}
CAMEL_FILES = {*OASIS_FILES, "agents/inference/servers/camel.py"}


def imported_roots(path: Path) -> set[str]:
    return set(_roots(ast.parse(path.read_text(encoding="utf-8"))))


def _roots(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def who_imports(package: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in SOURCES if package in imported_roots(path)}


def test_agents_know_nothing_of_the_simulation() -> None:
    assert not [path for path in who_imports("simulation") if path.startswith("agents/")]


@pytest.mark.parametrize(("package", "allowed"), [("oasis", OASIS_FILES), ("camel", CAMEL_FILES)])
def test_frameworks_are_imported_in_few_files(package: str, allowed: set[str]) -> None:
    assert who_imports(package) <= allowed


def test_games_and_modes_do_no_input_or_output() -> None:
    pure = [*(ROOT / "simulation/games").glob("*.py"), ROOT / "simulation/modes.py", ROOT / "agents/strategy.py"]
    assert not [path for path in pure if imported_roots(path) & {"asyncio", "os", "pathlib", "aiohttp", "time"}]


def test_files_stay_readable() -> None:
    long = {path.name: lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


def in_empty_folder(folder: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert list(folder.iterdir()) == []
    return done.stdout


def test_importing_everything_public_writes_no_file_and_prints_nothing(tmp_path: Path) -> None:
    code = (
        "import agents, simulation\n"
        "for package in (agents, simulation):\n"
        "    for name in package.__all__: getattr(package, name)\n"
        "import simulation.engine.society, logging\n"
        "logging.getLogger('social.agent').error('x')\n"
    )
    assert in_empty_folder(tmp_path, code) == ""


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from simulation.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print('LOADED', *(set(sys.modules) & " + repr(HEAVY) + "))"
    )
    assert in_empty_folder(tmp_path, code).splitlines()[-1] == "LOADED"


def test_public_names_are_the_documented_ones() -> None:
    import agents
    import simulation

    assert set(agents.__all__) == {"LoRAModel", "ModelConfig", "ModelRole", "Roster", "VLLMClient"}
    documented = {"MultiModelEnvironment", "Scenario", "TrainingMode", "TrainingTask", "run_scenario"}
    results = {"RunOptions", "load_run", "load_runs", "compare_runs"}
    studies = {"add_games", "hold_tournament", "measure_effect", "measure_fingerprints", "measure_population"}
    assert set(simulation.__all__) == documented | results | studies
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = agents.nothing_here
