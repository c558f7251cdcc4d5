"""The shipped notebooks: they show outputs, use public names only, and every cell gives again what it shows."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from docs.builders.notebooks import executed, without_folder

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
MAY_IMPORT = {"agents", "simulation", "pandas", "matplotlib", "networkx", *sys.stdlib_module_names}
RUN_TO_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}|\d+\.\d+ s\b|0x[0-9a-f]+")
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


def shown_texts(output: NotebookNode) -> list[str]:
    """Return the texts of an output."""
    return [
        output.get("text", ""),
        *(text for kind, text in output.get("data", {}).items() if kind.startswith("text/")),
    ]


def told(cell: NotebookNode) -> list[str]:
    """Return what a cell prints, without what differs from run to run: ids, times, places of objects."""
    texts = ["".join(output.get("text", "") or output.get("data", {}).get("text/plain", "")) for output in cell.outputs]
    return [RUN_TO_RUN.sub("*", without_folder(text)) for text in texts if text]


def test_first_notebook_exists() -> None:
    assert "01_first_run" in [path.stem for path in NOTEBOOKS]


@each_notebook
def test_notebook_shows_outputs_of_no_machine(path: Path) -> None:
    notebook = read(path)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    texts = [text for output in outputs for text in shown_texts(output)]
    assert not re.findall(r"/(?:tmp|root|home|work|Users)/\S*", "\n".join(texts))
    assert pictures(notebook), "a tutorial without a picture"
    assert path.stat().st_size < 900_000


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
def test_notebook_gives_again_what_it_shows(path: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    notebook = executed(path, here)
    assert all(cell.execution_count for cell in code_cells(notebook))
    assert list(here.iterdir()) == []
    for shown, again in zip(code_cells(read(path)), code_cells(notebook), strict=True):
        assert told(again) == told(shown), shown.source
