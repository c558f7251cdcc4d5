"""The shipped notebooks: they have no outputs, use public names only, and every cell works."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
MAY_IMPORT = {"agents", "simulation", "pandas", "matplotlib", "networkx", *sys.stdlib_module_names}
SECONDS_PER_CELL = 60
JUPYTERS_FOLDERS = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
USERS_FOLDERS = (*JUPYTERS_FOLDERS, "MPLCONFIGDIR", "TMPDIR")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def nodes(path: Path) -> Iterator[ast.AST]:
    for cell in code_cells(read(path)):
        yield from ast.walk(ast.parse(cell.source))


def imported_modules(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or "."


def names_reached_into(path: Path) -> Iterator[str]:
    """Yield every attribute, every imported name and every part of a module's name that a notebook uses."""
    for module in imported_modules(path):
        yield from module.split(".")
    for node in nodes(path):
        if isinstance(node, ast.Attribute):
            yield node.attr
        if isinstance(node, ast.ImportFrom):
            yield from (name.name for name in node.names)


def pictures(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the figures that the cells have drawn."""
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    return [output for output in outputs if "image/png" in output.get("data", {})]


def test_first_notebook_exists() -> None:
    assert "01_first_run" in [path.stem for path in NOTEBOOKS]


@each_notebook
def test_notebook_has_no_outputs(path: Path) -> None:
    cells = code_cells(read(path))
    assert cells
    assert not [cell.id for cell in cells if cell.outputs or cell.execution_count is not None]


@each_notebook
def test_notebook_metadata_name_no_machine(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.nbformat == 4
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert not [cell.id for cell in notebook.cells if cell.metadata]


@each_notebook
def test_notebook_imports_only_installed_packages(path: Path) -> None:
    assert {module.split(".")[0] for module in imported_modules(path)} <= MAY_IMPORT


@each_notebook
def test_notebook_uses_no_private_names(path: Path) -> None:
    assert not [name for name in names_reached_into(path) if name.startswith("_")]


@pytest.fixture
def own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Jupyter, IPython and matplotlib folders of the test instead of the user's."""
    for name in USERS_FOLDERS:
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("JUPYTER_PATH", raising=False)


@pytest.mark.slow
@pytest.mark.usefixtures("own_jupyter")
@each_notebook
def test_notebook_runs_and_writes_nothing_to_its_folder(path: Path, tmp_path: Path) -> None:
    from nbclient import NotebookClient

    here = tmp_path / "here"
    here.mkdir()
    notebook, resources = read(path), {"metadata": {"path": str(here)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=SECONDS_PER_CELL, resources=resources)
    assert client.create_kernel_manager().format_kernel_cmd()[0] == sys.executable
    client.execute()
    assert all(cell.execution_count for cell in code_cells(notebook))
    assert list(here.iterdir()) == []
    assert pictures(notebook), "a tutorial without a picture"
