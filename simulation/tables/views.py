"""What rooms above the tables add to a run, found by name as an entry point is: its pictures, its answer."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

VIEWS: dict[str, str] = {
    "answer": "simulation.answer.answer:answer_of",
    "ask": "simulation.runs.ask:asker_of",
    "answer_html": "simulation.answer.render:answer_html",
    "plot": "simulation.pictures.run_pictures:RunPictures",
}
"""The name of a view -> module:function that takes a `Run` (or `Runs`) and returns the view."""


def view_of(tables: Any, name: str) -> Any:
    """Return the view of that name of a run, or of many."""
    return resolve_name(VIEWS[name])(tables)
