"""Executes the notebooks and stores their outputs, so that they show results where nobody has run them.

    python -m docs.builders.notebooks [NAME ...]

A plotly figure gets a PNG beside it, for pages that run no script. Nothing of the machine is stored: no times of cells,
no paths; a temporary folder is written `FOLDER`.
"""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "notebooks"
PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"
SECONDS_PER_CELL = 120
_TEMPORARY = re.compile(r"/[\w./-]*?society-[\w]{8}")


def executed(path: Path, folder: Path) -> NotebookNode:
    """Return a notebook with the outputs of its cells, run in `folder`.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", timeout=SECONDS_PER_CELL, resources=resources).execute()
    return notebook


def stored(notebook: NotebookNode) -> NotebookNode:
    """Return an executed notebook as it is kept: outputs without what is a machine's, pictures as PNG."""
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = [_output(each) for each in cell.outputs if each.get("name") != "stderr"]
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    return notebook


def _output(output: NotebookNode) -> NotebookNode:
    if "text" in output:
        output.text = without_folder(output.text)
    data = output.get("data", {})
    if PLOTLY in data:
        data[PNG] = _drawn(data.pop(PLOTLY))
        data.pop("text/html", None)  # plotly.js once more
    for kind, text in data.items():
        if kind.startswith("text/"):
            data[kind] = without_folder(text)
    return output


def without_folder(text: str) -> str:
    """Return a text in which a temporary folder has no name of its own."""
    return _TEMPORARY.sub("FOLDER", text)


def _drawn(figure: dict[str, Any]) -> str:
    """Return a plotly figure as a PNG in base64."""
    from plotly.graph_objects import Figure

    from simulation import save_picture

    with TemporaryDirectory() as folder:
        drawn = Figure({key: figure[key] for key in ("data", "layout")})
        return base64.b64encode(save_picture(drawn, Path(folder) / "figure.png", width=720).read_bytes()).decode()


def main(names: list[str]) -> None:
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        with TemporaryDirectory() as folder:
            nbformat.write(stored(executed(path, Path(folder))), path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
