"""Tables that are built from blocks are those that are built row by row."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.store import log
from simulation.store.blocks import FOLDER, read_table, rows_of, write_rows
from simulation.store.events import DecisionMade
from simulation.store.log import EventLog, read_events, read_log
from simulation.store.rows import Rows
from simulation.tables import parquet
from simulation.tables.builder import build_tables
from simulation.tables.columns import TableName
from simulation.tables.run import Run, load_run
from tests.support.two_ways import roster_of, scenario_of

COMMUNICATION = {"topology": "ring", "talk_rounds": 2, "message_budget": 3}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run of two episodes whose steps are all in blocks."""
    monkeypatch.setattr(log, "LEAST", 1)
    tasks = [{"task_id": "task", "task_type": "public_goods", "max_steps": 3, "noise": 0.3}]
    scenario = scenario_of(prompts="off", episodes=2, mode="team_battle", communication=COMMUNICATION, tasks=tasks)
    return run_scenario(scenario, roster=roster_of(8), out=tmp_path)


def test_blocks_and_rows_give_the_same_tables(run: Run) -> None:
    path = run.path / EventLog.NAME
    of_blocks, of_rows = (build_tables(read(path), run.roster) for read in (read_log, read_events))
    for name in TableName:
        pd.testing.assert_frame_equal(of_blocks[name], of_rows[name])
        pd.testing.assert_frame_equal(getattr(run, name.value).drop(columns=[]), of_rows[name])


def test_blocks_of_an_earlier_version_have_no_noise(run: Run) -> None:
    before = run.decisions.astype({"played": object})
    assert before["played"].notna().any()
    for file in (run.path / FOLDER).glob("*DecisionMade*"):
        rows = rows_of(read_table(file), DecisionMade)
        columns = {name: cells for name, cells in rows.columns.items() if name != "played"}
        write_rows(file, Rows(DecisionMade, len(rows), columns))
    shutil.rmtree(run.path / "tables")
    found = load_run(run.path).decisions
    assert found["played"].isna().all()
    pd.testing.assert_frame_equal(found.drop(columns="played"), before.drop(columns="played"))


def test_closely_packed_tables_are_read_the_same(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parquet, "LARGE", 1)
    packed = run_scenario(scenario_of(mode="competitive"), roster=roster_of(8), out=tmp_path / "packed")
    plain = build_tables(read_events(packed.path / EventLog.NAME), packed.roster)
    for name in (TableName.MESSAGES, TableName.OUTCOMES, TableName.CALLS):
        pd.testing.assert_frame_equal(getattr(packed, name.value), plain[name])


def test_a_run_in_blocks_is_replayed_to_the_byte(run: Run, tmp_path: Path) -> None:
    replay = replay_run(run.path, out=tmp_path / "replays")
    assert replay.log_identical
    assert replay.tables_identical
