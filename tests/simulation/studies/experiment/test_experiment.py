"""Experiments: arms with the same seeds are twins, a planted difference is found, and a planted null is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.problems import InvalidFileError, UsageError
from agents.yaml_file import read_yaml
from simulation import measure_experiment
from simulation.plan import Settings
from simulation.studies.experiment.definition import read_experiment, shipped_experiments
from simulation.studies.experiment.play import begin_experiment, play_experiment
from simulation.studies.experiment.report import REPORT, read_experiment_report
from simulation.tables.runs import load_runs

ROSTER = """\
name: two_and_two
models:
  - {model_id: ada, policy: bounded_confidence_30}
  - {model_id: ben, policy: bounded_confidence_30}
  - {model_id: cleo, policy: stubborn}
  - {model_id: dan, policy: stubborn}
"""
SCENARIO = """\
name: meeting
mode: cooperative
roster: roster.yaml
seed: 3
tasks:
  - task_id: talk
    task_type: opinion
    max_steps: 3
    parameters: {low: 0, high: 100, initial: [0, 20, 60, 100]}
"""
EXPERIMENT = """\
name: closeness
description: does talk bring opinions together
scenario: scenario.yaml
control: alone
seeds: 2
arms:
  alone: {communication.talk_rounds: 0}
  together: {communication.topology: complete}
  again: {communication.talk_rounds: 0}
measures: [opinion_course.polarisation, opinion_course.mean]
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    for name, text in (("roster", ROSTER), ("scenario", SCENARIO), ("experiment", EXPERIMENT)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "experiment.yaml"


def test_experiment_finds_a_planted_difference_and_no_other(experiment: Path, runs: Path) -> None:
    report = measure_experiment(experiment, seeds=6, tier="simulated", out=runs)
    name = "opinion_course.polarisation"
    alone, together, again = (report.find(name, arm) for arm in ("alone", "together", "again"))
    assert together.difference
    assert again.difference
    assert not alone.difference
    assert together.difference.value < -0.01  # talk brings the two who listen together
    assert together.p_value == pytest.approx(2 / 2**6)
    assert again.difference.value == 0
    assert again.p_value == 1


def test_experiment_gives_every_arm_the_same_seeds(experiment: Path, runs: Path) -> None:
    folder = play_experiment(begin_experiment(experiment, Settings(tier="simulated"), out=runs))
    found = load_runs(folder)
    seeds = {str(arm): set(rows["seed"]) for arm, rows in found.outcomes.groupby("sweep.arm")}
    assert seeds == {"alone": {3, 4}, "together": {3, 4}, "again": {3, 4}}


def test_experiment_report_is_written_beside_the_runs(experiment: Path, runs: Path) -> None:
    folder = play_experiment(begin_experiment(experiment, Settings(tier="simulated"), out=runs))
    report = read_experiment_report(folder)
    stored = orjson.loads((folder / REPORT).read_bytes())
    assert len(stored["figures"]) == len(report.figures) == 6
    assert "too few seeds: 2, need 6" in " ".join(report.notes)


def test_play_experiment_finishes_what_is_missing(experiment: Path, runs: Path) -> None:
    folder = begin_experiment(experiment, Settings(tier="simulated"), out=runs)
    told: list[tuple[int, int]] = []
    play_experiment(folder)
    play_experiment(folder, watch=lambda done, most: told.append((done, most)))
    assert told == [(6, 6)]


def test_play_experiment_refuses_another_folder(runs: Path) -> None:
    runs.mkdir()
    with pytest.raises(UsageError, match="not an experiment's folder"):
        play_experiment(runs)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("control: alone", "control: alnoe", 4, "did you mean alone"),
        ("opinion_course.mean", "opinion_corse.mean", 10, "did you mean opinion_course"),
        ("talk_rounds: 0}\n  tog", "talk_rounds: many}\n  tog", 7, "many"),
        ("scenario: scenario.yaml", "scenario: scene", 3, "no scenario of this name"),
        ("  together", "  a/b", 8, "cannot name a folder"),
        ("communication.topology: complete", "seed: 3", 8, "every arm has the same seeds"),
    ],
)
def test_experiment_file_names_line_and_fix(
    experiment: Path, runs: Path, old: str, new: str, line: int, said: str
) -> None:
    experiment.write_text(experiment.read_text().replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidFileError) as caught:
        begin_experiment(experiment, Settings(tier="simulated"), out=runs)
    assert any(said in f"{each.message} {each.suggestion}" and each.line == line for each in caught.value.problems)
    assert not runs.exists()


def test_experiment_names_the_parts_of_a_metric(experiment: Path, runs: Path) -> None:
    experiment.write_text(experiment.read_text().replace("opinion_course.mean", "opinion_course.median"))
    with pytest.raises(UsageError, match=r"opinion_course\.polarisation.*\n.*correct measures in"):
        measure_experiment(experiment, seeds=1, tier="simulated", out=runs)
    (folder,) = runs.iterdir()
    file = folder / "experiment.json"
    file.write_text(file.read_text().replace("opinion_course.median", "opinion_course.mean"))
    assert len(read_experiment_report(folder).figures) == 6  # nothing is played again


@pytest.mark.parametrize("name", shipped_experiments())
def test_shipped_experiment_measures_on_simulated(name: str, runs: Path) -> None:
    few: dict[str, Any] = {"seeds": 2, "tier": "simulated", "out": runs}
    report = measure_experiment(name, **few)
    asked, _ = read_experiment(name)
    assert {each.arm for each in report.figures} == set(asked.arms)
    assert {each.measure for each in report.figures} == set(asked.measures)
    assert read_yaml(shipped_experiments()[name]).data["name"] == name
    if name != "polarisation":  # its arms have other links, and with them another echo
        assert {each.difference.value for each in report.figures if each.difference} == {0}  # nobody reads anything
        assert len({each.interval.value for each in report.figures}) > 1
