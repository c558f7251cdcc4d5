"""docs/fingerprints.md shows the committed figures, and the figures are those of the shipped adapters."""

from __future__ import annotations

import re

import pytest

from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.embedded.model_sources import file_sha256
from benchmarks.fingerprints import DOCS, FIGURES, page
from simulation.metrics import behaviour
from simulation.studies.fingerprint.cells import CELLS
from simulation.studies.fingerprint.picture import picture
from simulation.studies.fingerprint.report import load_report

PUBLISHED = load_report(FIGURES)
PAGE = (DOCS / "fingerprints.md").read_text(encoding="utf-8")


def test_picture_and_tables_are_made_from_the_figures() -> None:
    assert (DOCS / "fingerprints.svg").read_text(encoding="utf-8") == picture(PUBLISHED)
    assert page(PAGE, PUBLISHED) == PAGE


def test_figures_are_of_a_real_model_and_the_shipped_adapters() -> None:
    assert PUBLISHED.tiers == ("embedded",)
    assert set(PUBLISHED.subjects) == {*shipped_adapters(), PUBLISHED.base}
    for name, folder in shipped_adapters().items():
        assert PUBLISHED.origin.weights[name] == f"sha256:{file_sha256(folder / WEIGHTS_FILE)}"


def test_page_names_the_command_that_made_the_figures() -> None:
    origin = PUBLISHED.origin
    command = (
        f"society study fingerprint {origin.roster} --tier embedded --episodes {origin.episodes} --seed {origin.seed}"
    )
    assert command in PAGE


@pytest.mark.parametrize("adapter", shipped_adapters())
def test_every_adapter_is_separable_from_its_base_model(adapter: str) -> None:
    (pair,) = (each for each in PUBLISHED.pairs if (each.first, each.second) == (adapter, PUBLISHED.base))
    assert pair.cells


def test_page_explains_every_cell_and_names_its_metric() -> None:
    explained = dict(re.findall(r"^\| `(\w+)` \|.*\| `(\w+)` \|$", PAGE, flags=re.MULTILINE))
    for cell in CELLS:
        function = getattr(cell.sums, "func", cell.sums)
        assert getattr(behaviour, explained[cell.name]) is function
