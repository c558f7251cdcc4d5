"""A mixed training: its bandit over modes goes on from update to update, and each mode's part is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulation.games.measures import welfare_ratio
from simulation.report import write_report
from simulation.tables.run import Run
from simulation.training.ledger import Ledger
from simulation.training.methods.reinforce import tasks_of
from simulation.training.run import train
from simulation.training.start import train_scenario
from simulation.training.tables import load_training
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.simulation.report.test_report import unpacked

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

Begin = Callable[..., Path]
UPDATES, EPISODES = 3, 5


@pytest.fixture
def folder(begin: Begin) -> Path:
    folder = begin(
        mode={"mixed": {"policy": "ucb1"}},
        training={"method": "reinforce", "updates": UPDATES, "episodes": EPISODES},
    )
    train(folder)
    return folder


def runs_of(folder: Path) -> list[Run]:
    return [Run(folder / line.run) for line in Ledger(folder).lines if line.run]


def test_a_bandit_goes_on_where_the_last_update_left_it(folder: Path) -> None:
    plays: dict[str, int] = {}
    welfare: dict[str, float] = {}
    for line, run in zip(Ledger(folder).lines[1:], runs_of(folder), strict=True):
        for row in run.episodes.to_dict("records"):
            mode = str(row["mode"])
            plays[mode] = plays.get(mode, 0) + 1
            welfare[mode] = welfare.get(mode, 0.0) + welfare_ratio(row["welfare"], row["optimum"])
        noted = line.experience["dilemma"]
        assert {mode: each["plays"] for mode, each in noted.items()} == plays
        assert {mode: each["welfare"] for mode, each in noted.items()} == pytest.approx(welfare)
    assert sum(plays.values()) == UPDATES * EPISODES
    later = [reason for run in runs_of(folder)[1:] for reason in run.episodes["mode_reason"]]
    assert not any("not played yet" in reason for reason in later)


def test_a_mixed_training_that_was_stopped_ends_in_the_same(folder: Path, begin: Begin) -> None:
    stopped = begin(
        mode={"mixed": {"policy": "ucb1"}},
        training={"method": "reinforce", "updates": UPDATES, "episodes": EPISODES},
    )
    train(stopped, updates=2)
    train(stopped)
    ours, theirs = Ledger(stopped).lines, Ledger(folder).lines
    assert [(line.learners, line.experience, line.modes) for line in ours] == [
        (line.learners, line.experience, line.modes) for line in theirs
    ]


def test_the_part_of_each_mode_is_told(folder: Path) -> None:
    modes = load_training(folder).modes
    parts = modes.groupby(["update", "learner"])[["share", "weight"]].sum()
    assert len(parts) == UPDATES * 2
    assert parts.to_numpy() == pytest.approx(1.0)
    first = runs_of(folder)[0]
    steps = first.steps.merge(first.episodes[["episode", "mode"]], on="episode").astype({"model_id": str, "mode": str})
    paid = steps.groupby(["mode", "model_id"])["payoff"].mean()
    told = modes[modes["update"] == 1].set_index(["mode", "learner"])["value"]
    assert told["competitive", "ann"] == pytest.approx(paid["competitive", "ann"])
    assert told["cooperative", "bo"] == pytest.approx(paid["cooperative"].mean())


def test_replies_are_compared_within_a_mode(folder: Path) -> None:
    run = runs_of(folder)[0]
    assert set(tasks_of(run, by_mode=True).values()) == {"dilemma/cooperative", "dilemma/competitive"}
    assert set(tasks_of(run, by_mode=False).values()) == {"dilemma"}


def test_report_and_command_tell_the_modes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = write_report([folder], tmp_path / "report.html").read_text(encoding="utf-8")
    (found,) = unpacked(page, "summary")["trainings"]
    assert {(row["mode"], row["learner"]) for row in found["modes"]} == {
        (mode, learner) for mode in ("cooperative", "competitive") for learner in ("ann", "bo")
    }
    code, out, _ = society(capsys, "train", "show", str(folder))
    assert code == 0
    assert "the share of episodes, and of all that was learned" in out
    assert out.count("competitive") == 2


def test_a_bandit_and_tables_learn_together(tmp_path: Path) -> None:
    """Shared payoffs make tables cooperate, own ones make them defect, and the bandit finds the mode that pays."""
    training = train_scenario("mixed_tables", set={"training.episodes": 16}, updates=14, out=tmp_path)
    last = training.modes[(training.modes["update"] > 7) & (training.modes["learner"] == "ann")]
    by_mode = last.groupby("mode")[["episodes", "value"]].agg({"episodes": "sum", "value": "mean"})
    assert by_mode["episodes"]["cooperative"] > 0.9 * by_mode["episodes"].sum()
    assert by_mode["value"]["cooperative"] > 2.9
    assert by_mode["value"]["competitive"] < 1.6


def test_other_modes_have_no_such_rows(begin: Begin) -> None:
    folder = begin(training={"method": "reinforce", "updates": 1})
    train(folder)
    assert load_training(folder).modes.empty
    assert Ledger(folder).lines[-1].experience == {}
