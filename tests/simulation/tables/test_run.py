"""The tables: documented column by column, and honest about where a figure comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.store.log import EventLog, read_events
from simulation.tables.builder import build_tables
from simulation.tables.columns import TABLES, TableName
from simulation.tables.run import Run, load_run
from tests.conftest import models

PARTS = [
    {"task_id": "goods", "task_type": "public_goods", "max_steps": 2},
    {"task_id": "words", "task_type": "strategy", "max_steps": 2},
]


EVENTS = [{"at": "*.1", "show": "Good evening."}]
SURVEYS = [{"at": "*.last", "ask": "How was it?", "scale": "1..7"}]


@pytest.fixture
def run(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(
        make_plan(tasks=PARTS, communication={"social_actions": ["create_post"]}, surveys=SURVEYS), out=runs
    )


@pytest.mark.parametrize("name", list(TableName))
def test_a_table_has_the_documented_columns_and_types(
    make_plan: Callable[..., Plan], runs: Path, name: TableName
) -> None:
    network = {"task_id": "evening", "task_type": "social_network", "max_steps": 2}
    run = run_scenario(make_plan(tasks=[*PARTS, network], episodes=1, surveys=SURVEYS, events=EVENTS), out=runs)
    frame = getattr(run, name.value)
    assert [(column, str(dtype)) for column, dtype in frame.dtypes.items()] == [
        (column.name, column.dtype) for column in TABLES[name]
    ]
    assert len(frame)


def test_every_column_is_described(run: Run) -> None:
    described = run.describe()
    assert described["meaning"].str.len().min() > 5
    assert list(run.describe("calls")["column"]) == [column.name for column in TABLES[TableName.CALLS]]


def test_the_tables_on_disk_are_those_of_the_events(run: Run) -> None:
    derived = build_tables(read_events(run.path / EventLog.NAME), run.roster)
    for name, frame in derived.items():
        assert frame.astype(str).equals(getattr(run, name.value).astype(str))


def test_outcomes_have_one_row_per_model_and_episode(run: Run) -> None:
    promised = {"mode", "role", "team_id", "specialization", "tier", "accuracy", "efficiency", "cooperation_score"}
    assert promised | {"reward_earned", "completion_time"} <= set(run.outcomes.columns)
    assert not run.outcomes.duplicated(["model_id", "episode"]).any()
    assert len(run.outcomes) == 4 * 2 * 2


def test_synthetic_outcomes_are_marked_and_left_out_of_the_summary(run: Run) -> None:
    marked = run.outcomes.groupby("task_type", observed=True)["synthetic"].unique()
    assert {game: list(flags) for game, flags in marked.items()} == {"public_goods": [False], "strategy": [True]}
    assert set(run.summary()["task_type"]) == {"public_goods"}
    assert set(run.summary(synthetic=True)["task_type"]) == {"strategy"}


def test_the_summary_never_averages_tiers_together(run: Run) -> None:
    frame = run.outcomes.astype({"tier": str})
    frame.loc[frame["episode"] == 0, "tier"] = "embedded"
    run.__dict__["outcomes"] = frame
    summary = run.summary()
    assert set(summary["tier"]) == {"embedded", "simulated"}
    assert set(summary["episodes"]) == {1}


def test_the_audience_is_a_tuple_of_model_ids(run: Run) -> None:
    ids = set(run.agents["model_id"])
    assert all(isinstance(audience, tuple) and set(audience) < ids for audience in run.messages["audience"])


def test_groupby_has_only_the_rows_that_were_played(runs: Path) -> None:
    run = run_scenario("team_battle", tier="simulated", episodes=1, set={"tasks.0.max_steps": 1}, out=runs)
    keys = ["model_id", "model_name", "role", "team_id", "tier"]
    grouped = run.outcomes.groupby(keys)["payoff"].sum()
    assert len(grouped) == len(run.agents)
    assert "category" not in set(map(str, run.outcomes.dtypes))
    assert set(run.agents["part"].fillna("none")) == {"none"}


def test_attributes_of_people_are_columns_of_agents(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(row.model_copy(update={"attributes": {"age": 20 + i}}) for i, row in enumerate(models(3)))
    run = run_scenario(make_plan(rows=rows), out=runs)
    assert list(load_run(run.path).agents["age"]) == [20, 21, 22]
