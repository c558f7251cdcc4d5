"""The page of learning curves: what it says is what the trainings hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from agents.problems import SocietyError
from benchmarks.learned import CURVES, PAGE, groups_of, picture_of, write
from simulation.training.start import train_scenario
from simulation.training.tables import Training

SVG = "{http://www.w3.org/2000/svg}"


def trained(folder: Path, seed: int, **keys: object) -> Training:
    return train_scenario("dilemma_tables", seed=seed, updates=3, out=folder, set=keys)


def test_page_has_expected_and_measured_values_of_all_seeds(tmp_path: Path) -> None:
    trainings = [trained(tmp_path, seed, **{"training.episodes": 4}) for seed in (1, 2)]
    text = write(groups_of([each.path for each in trainings]), tmp_path).read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| `dilemma_tables`"))
    last = [value for each in trainings for value in each.updates.query("update == 3")["value"]]
    assert row.split(" | ")[1:8] == [
        "reinforce",
        "2 tables",
        "1, 2",
        "3",
        "equilibrium 1",
        row.split(" | ")[6],
        f"{round(min(last), 3):g} to {round(max(last), 3):g}",
    ]
    assert picture_of("dilemma_tables") not in text  # no episode is computed, so situations are not known
    lines = ET.parse(tmp_path / CURVES).getroot().findall(f".//{SVG}polyline")
    assert len(lines) == 2 * 2 + 1
    assert [line.get("stroke-dasharray") is not None for line in lines] == [False] * 4 + [True]


def test_heat_map_shows_the_probabilities_of_the_first_learner(tmp_path: Path) -> None:
    training = trained(tmp_path, 1, **{"training.method": "exact"})
    text = write(groups_of([training.path]), tmp_path).read_text()
    assert f"](../{picture_of('dilemma_tables')})" in text
    assert (tmp_path / PAGE).read_text() == text
    shown = [each.text for each in ET.parse(tmp_path / picture_of("dilemma_tables")).getroot().iter(f"{SVG}text")]
    mine = training.cells.query("learner == 'ann' and choice == 'cooperate'")
    assert set(mine["situation"]) <= set(shown)
    assert sorted(each for each in shown if each and each.startswith("0.")) == sorted(
        f"{each:.2f}" for each in mine["probability"]
    )


def test_folder_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SocietyError, match="holds no training"):
        groups_of([tmp_path])
