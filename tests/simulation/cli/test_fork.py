"""`society fork` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation import load_run
from simulation.tables.run import Run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

GOODS = ("--set", "tasks.0.task_type=public_goods", "--set", "tasks.0.max_steps=3", "--episodes", "2")


__all__ = ["_in_a_folder_of_its_own"]  # fixtures


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Run:
    """The run whose directory a command prints last."""
    code, out, err = society(capsys, *arguments)
    assert code == 0, err
    return load_run(Path(out.splitlines()[-1]))


def rules(run: Run) -> dict[tuple[int, int], str]:
    """The rules of the game that models read, by episode and step."""
    rows = run.prompts.groupby(["episode", "step"])["system"]
    return {moment: text for moment, (text,) in rows.unique().items()}


def test_event_that_sets_a_parameter_begins_at_its_step(capsys: pytest.CaptureFixture[str]) -> None:
    run = printed(capsys, "run", "first_contact", "--tier", "simulated", *GOODS)
    event = ("--event", "{set: {multiplier: 3.25}}", "--out", "forks")
    twin = printed(capsys, "fork", str(run.path), "--at", "1.2", *event)
    told = {moment for moment, text in rules(twin).items() if "3.25" in text}
    assert told == {(0, 1), (0, 2)}
    assert {moment for moment, text in rules(run).items() if text != rules(twin)[moment]} == told
    paid = [each.steps.set_index(["episode", "step", "model_id"])["payoff"] for each in (run, twin)]
    other = (paid[0] != paid[1]).groupby(["episode", "step"]).any()
    assert set(other[other].index) == told
    (row,) = twin.events.to_dict("records")
    assert (row["episode"], row["step"], row["kind"], row["detail"]) == (0, 1, "set", '{"multiplier":3.25}')
