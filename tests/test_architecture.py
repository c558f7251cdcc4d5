"""No import cycles, names that are found, and importing without side effects. `lint-imports` holds who imports whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import grimp
import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "agents").rglob("*.py"), *(ROOT / "simulation").rglob("*.py")])
HEAVY = {"torch", "transformers", "peft", "oasis", "camel", "pandas", "scipy", "networkx", "aiohttp", "numpy"}
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))
LONGEST_TEST_NAME = 69


def test_no_import_cycle_is_left() -> None:
    """Imports of every kind count: lazy ones, and those for types only. `lint-imports` holds the rooms apart."""
    imports = grimp.build_graph("agents", "simulation")
    graph = nx.DiGraph((name, to) for name in imports.modules for to in imports.find_modules_directly_imported_by(name))
    assert [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1] == []


def test_at_most_fourteen_files_are_directly_in_simulation() -> None:
    assert len(list((ROOT / "simulation").glob("*.py"))) <= 14


def test_no_class_name_is_defined_twice() -> None:
    classes = [node.name for path in SOURCES for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
    assert [name for name, count in Counter(classes).items() if count > 1] == []


def test_every_room_says_what_it_holds() -> None:
    rooms = [path for path in SOURCES if path.name == "__init__.py"]
    assert [path for path in rooms if not ast.get_docstring(_tree(path))] == []


def test_names_of_tests_fit_in_a_line() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = [node.name for path in TEST_FILES for node in ast.walk(_tree(path)) if isinstance(node, kinds)]
    assert [name for name in names if name.startswith("test_") and len(name) > LONGEST_TEST_NAME] == []


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_files_stay_readable() -> None:
    long = {path.name: lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


def in_empty_folder(folder: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert list(folder.iterdir()) == []
    return done.stdout


def test_public_imports_write_and_print_nothing(tmp_path: Path) -> None:
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


def test_public_packages_refuse_unknown_names() -> None:
    for package in ("agents", "simulation"):
        with pytest.raises(AttributeError, match="nothing_here"):
            _ = import_module(package).nothing_here
