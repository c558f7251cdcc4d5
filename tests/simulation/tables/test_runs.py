"""Many runs as one: the same rows as each alone, lazily, with nothing left out in silence."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import orjson
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from agents.problems import SocietyError, UsageError
from simulation import load_run, load_runs
from simulation.sweep_values import FILE, written
from simulation.tables.columns import TABLES, TableName
from simulation.tables.parquet import arrow_schema
from simulation.tables.runs import Runs, SkippedRunsWarning

FIXTURES = Path(__file__).parents[2] / "fixtures" / "runs"
PRESENT = FIXTURES / "version_3"


def run_at(place: Path, **manifest: object) -> Path:
    """A copy of the stored run, with other entries in its manifest."""
    shutil.copytree(PRESENT, place)
    kept = orjson.loads((place / "manifest.json").read_bytes())
    (place / "manifest.json").write_bytes(orjson.dumps({**kept, **manifest}))
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs beside each other and two within a set."""
    for place in ("a", "b", "set/arm-1/x", "set/arm-2/y"):
        run_at(tmp_path / "runs" / place, seed=len(place))
    return tmp_path / "runs"


@pytest.mark.parametrize("name", list(TableName))
def test_load_runs_has_the_rows_of_every_run(folder: Path, name: TableName) -> None:
    table, alone = getattr(load_runs(folder), name.value), getattr(load_run(PRESENT), name.value)
    assert list(table.columns) == ["run", "scenario", "seed", *alone.columns]
    for path in ("a", "b", "set/arm-1/x", "set/arm-2/y"):
        rows = table[table["run"] == (folder / path).as_posix()].reset_index(drop=True)
        assert set(rows["seed"]) <= {len(path)}
        pd.testing.assert_frame_equal(rows[list(alone.columns)].astype(str), alone.astype(str))
    dtypes = [str(dtype) for dtype in table.dtypes[3:]]
    assert dtypes == [column.dtype for column in TABLES[name]]


def test_runs_are_found_by_folder_by_pattern_and_by_list(folder: Path) -> None:
    found = load_runs(folder).paths
    assert [path.relative_to(folder).as_posix() for path in found] == ["a", "b", "set/arm-1/x", "set/arm-2/y"]
    assert load_runs(f"{folder}/*").paths == found
    assert load_runs([folder / "a", str(folder / "set"), folder / "a"]).paths == (found[0], *found[2:])
    assert load_runs(folder / "b").paths == (found[1],)
    assert [run.path for run in load_runs(folder)] == list(found)


def test_old_runs_and_cut_ones_stand_beside_new_ones(folder: Path) -> None:
    shutil.rmtree(folder / "b" / "tables")
    runs = load_runs([folder, FIXTURES / "version_1_first"])
    assert len(runs.outcomes) == 5 * len(load_run(PRESENT).outcomes)
    assert runs.outcomes.groupby("run", observed=True).size().nunique() == 1


def test_a_scan_goes_through_the_same_rows_in_batches(folder: Path) -> None:
    shutil.rmtree(folder / "b" / "tables")
    runs = load_runs(folder)
    batches = list(runs.scan("messages"))
    assert len(batches) >= 4
    assert sum(batch.num_rows for batch in batches) == len(runs.messages)
    assert batches[0].schema.names == list(runs.messages.columns)


def test_a_filter_opens_only_the_runs_it_leaves(folder: Path) -> None:
    (folder / "b" / "tables" / "messages.parquet").write_bytes(b"no Parquet")
    runs = load_runs(folder)
    kept = runs.dataset("messages").to_table(filter=ds.field("seed") == len("set/arm-1/x"))
    assert kept.num_rows == 2 * len(load_run(PRESENT).messages)
    with pytest.raises(SocietyError, match="messages cannot be read"):
        _ = runs.messages


def test_what_is_left_out_is_named_once(folder: Path) -> None:
    (folder / "a" / "manifest.json").write_text("{torn")
    run_at(folder / "c", status="running")
    (folder / "d").mkdir()
    (folder / "d" / "manifest.json").write_text('{"schema_version": 2}')
    with pytest.warns(SkippedRunsWarning) as warned:
        runs = load_runs(folder)
    assert len(warned) == 1
    assert [each.path.name for each in runs.skipped] == ["a", "c", "d"]
    for each in runs.skipped:
        assert str(each) in str(warned[0].message)
    assert "society resume" in runs.skipped[1].reason
    with pytest.warns(SkippedRunsWarning):
        assert len(load_runs(folder, unfinished=True)) == len(runs) + 1


def test_nothing_skipped_is_no_warning(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_runs(folder).skipped == ()


@pytest.mark.parametrize(("where", "message"), [("none/*", "none/\\*: there is no"), ("", "no run to load in")])
def test_a_folder_without_runs_is_told(tmp_path: Path, where: str, message: str) -> None:
    with pytest.raises(SocietyError, match=message):
        load_runs(str(tmp_path / where))


def test_a_sweeps_runs_carry_what_it_set(folder: Path) -> None:
    arms = {
        "arm-1": {"mode": "cooperative", "seed": 1, "rate": 1},
        "arm-2": {"mode": ["a", "b"], "seed": 2, "rate": 0.5},
    }
    (folder / "set" / FILE).write_bytes(written(arms))
    swept = load_runs(folder / "set").outcomes
    found = swept.groupby("run", observed=True)[["sweep.mode", "sweep.seed", "sweep.rate"]].first()
    assert found.to_numpy().tolist() == [["cooperative", 1, 1.0], ['["a","b"]', 2, 0.5]]
    assert str(swept["sweep.seed"].dtype) == "int64"
    mixed = load_runs(folder)  # runs outside of the sweep have no value there
    assert mixed.catalog["sweep.mode"].isna().tolist() == [True, True, False, False]
    assert mixed.outcomes["sweep.seed"].isna().sum() == 2 * len(load_run(PRESENT).outcomes)
    assert "what the sweep set mode to" in set(mixed.describe("outcomes")["meaning"])


@pytest.mark.parametrize("many", [False, True])
def test_tables_join_by_their_keys(folder: Path, many: bool) -> None:
    run = load_runs(folder) if many else load_run(PRESENT)
    joined = run.join("messages", "agents")
    assert len(joined) == len(run.messages)
    roles = {row.model_id: row.role for row in run.agents.itertuples()}
    assert [roles[sender] for sender in joined["sender"]] == list(joined["role"])
    whole = run.join("decisions", "steps")
    assert whole["payoff"].notna().all()
    assert {"tier", "tier_steps"} <= set(whole.columns)
    assert run.join("outcomes", "episodes")["mode_reason"].notna().all()
    assert run.join("calls", "decisions")["action"].notna().all()


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ("outcomes", "decisions", "it can be to: agents, episodes"),
        ("steps", "calls", "cannot be joined to calls"),
        ("agents", "agents", "cannot be joined"),
        ("mesages", "agents", "did you mean messages"),
    ],
)
def test_a_join_that_would_multiply_rows_is_refused(left: str, right: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_run(PRESENT).join(left, right)


@pytest.mark.parametrize("name", list(TableName))
def test_stored_tables_are_plain_typed_parquet(name: TableName) -> None:
    stored = pq.read_schema(PRESENT / "tables" / f"{name.value}.parquet")
    wanted = arrow_schema(TABLES[name])
    assert stored.names == wanted.names
    assert [str(t).replace("element", "item") for t in stored.types] == [str(t) for t in wanted.types]


def test_a_summary_of_many_runs_keeps_modes_and_tiers_apart(folder: Path) -> None:
    runs = load_runs(folder)
    assert isinstance(runs, Runs)
    assert set(runs.summary()["episodes"]) == {2 * 4}
