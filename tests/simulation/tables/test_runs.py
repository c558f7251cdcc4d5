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
from simulation import load_run, load_runs, run_scenario
from simulation.sweep_values import FILE, written
from simulation.tables.columns import OPTIONAL_TABLES, TABLES, TableName
from simulation.tables.parquet import arrow_schema
from simulation.tables.runs import Runs, SkippedRunsWarning

FIXTURES = Path(__file__).parents[2] / "fixtures" / "runs"
PRESENT = FIXTURES / "version_5"


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
    (folder / "b" / "tables" / "messages.parquet").write_bytes(b"PAR1 no Parquet PAR1")
    runs = load_runs(folder)
    kept = runs.dataset("messages").to_table(filter=ds.field("seed") == len("set/arm-1/x"))
    assert kept.num_rows == 2 * len(load_run(PRESENT).messages)
    with pytest.warns(SkippedRunsWarning, match=r"1 runs are left out:\n.*b: its messages cannot be read"):
        assert set(runs.messages["run"]) == {str(folder / each) for each in ("a", "set/arm-1/x", "set/arm-2/y")}
    assert [each.path.name for each in runs.skipped] == ["b"]


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


def test_rollouts_of_a_training_are_no_runs_of_the_user(folder: Path) -> None:
    training = folder / "set" / "pd-training-1"
    rollout = training / "rollouts" / "0001" / "r"
    run_at(rollout)
    (training / "training.json").write_text("{}")
    whole = f"{training}: is a training; its rollouts are loaded where its own folder is given"
    for where in (folder, str(folder / "*"), str(folder / "set" / "*")):
        with pytest.warns(SkippedRunsWarning) as warned:
            runs = load_runs(where)
        assert [str(each) for each in runs.skipped] == [whole]
        assert len(warned) == 1
        assert rollout not in runs.paths
    for where in (training, training / "rollouts", [training]):
        assert load_runs(where).paths == (rollout,)


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


@pytest.mark.parametrize("name", [name for name in TableName if name not in OPTIONAL_TABLES])
def test_stored_tables_are_plain_typed_parquet(name: TableName) -> None:
    stored = pq.read_schema(PRESENT / "tables" / f"{name.value}.parquet")
    wanted = arrow_schema(TABLES[name])
    assert stored.names == wanted.names
    assert [str(t).replace("element", "item") for t in stored.types] == [str(t) for t in wanted.types]


def test_a_summary_of_many_runs_keeps_modes_and_tiers_apart(folder: Path) -> None:
    runs = load_runs(folder)
    assert isinstance(runs, Runs)
    assert set(runs.summary()["episodes"]) == {2 * 4}


class TestBadRuns:
    """One bad run is named and left out; it never spoils the tables of the others."""

    @pytest.mark.parametrize("seed", [2**63, 2**64, -1, 10**30])
    def test_a_seed_that_no_table_can_hold(self, folder: Path, seed: int) -> None:
        text = (folder / "b" / "manifest.json").read_text()
        (folder / "b" / "manifest.json").write_text(text.replace('"seed":1,', f'"seed":{seed},', 1))
        with pytest.warns(SkippedRunsWarning, match="its seed|cannot be read"):
            runs = load_runs(folder)
        assert [each.path.name for each in runs.skipped] == ["b"]
        assert len(runs) == len(runs.catalog) == 3
        assert len(runs.outcomes) == 3 * len(load_run(PRESENT).outcomes)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all", b"PAR1 cut of"])
    def test_a_torn_table(self, folder: Path, content: bytes) -> None:
        (folder / "b" / "tables" / "calls.parquet").write_bytes(content)
        with pytest.warns(SkippedRunsWarning, match=r"calls.parquet is damaged; remove the folder \S+tables to derive"):
            runs = load_runs(folder)
        assert len(runs.calls) == 3 * len(load_run(PRESENT).calls)

    def test_a_manifest_of_something_else(self, folder: Path) -> None:
        (folder / "b" / "manifest.json").write_text(
            '{"schema_version": 3, "status": "finished", "scenario": 3, "seed": "x"}'
        )
        with pytest.warns(SkippedRunsWarning, match="is not that of a run"):
            assert len(load_runs(folder)) == 3

    def test_events_that_cannot_be_read(self, folder: Path) -> None:
        shutil.rmtree(folder / "b" / "tables")
        (folder / "b" / "events.jsonl").write_bytes(b'{"what": 1}\n{}\n')
        runs = load_runs(folder)
        with pytest.warns(SkippedRunsWarning, match="b: its outcomes cannot be read"):
            assert set(runs.outcomes["run"]) == {str(folder / each) for each in ("a", "set/arm-1/x", "set/arm-2/y")}


class TestOneRunCountsOnce:
    def test_a_copy_is_named_and_left_out(self, folder: Path) -> None:
        run_at(folder / "c", id="one")
        shutil.copytree(folder / "c", folder / "copy of c")
        with pytest.warns(
            SkippedRunsWarning, match=r"copy of c: is the same run as \S+/c \(a copy, a link or a replay\)"
        ):
            assert len(load_runs(folder)) == 5

    def test_a_replay_is_named_and_left_out(self, folder: Path) -> None:
        run_at(folder / "c", id="one")
        run_at(folder / "d", id="two", replay_of=str(folder / "c"))
        run_at(folder / "e", id="three", replay_of=str(folder / "d"))
        run_at(folder / "f", id="four", replay_of=str(folder / "gone"))
        with pytest.warns(SkippedRunsWarning, match=r"d: is the same run as \S+/c \(a copy, a link or a replay\)"):
            assert len(load_runs(folder)) == 6  # what is replayed by `f` is gone, so `f` counts

    def test_a_link_is_named_and_left_out(self, folder: Path) -> None:
        (folder / "z").symlink_to(folder / "a")
        with pytest.warns(SkippedRunsWarning, match="is the same run as"):
            assert len(load_runs(folder)) == 4

    def test_new_runs_have_identities_of_their_own(self, tmp_path: Path) -> None:
        for _ in range(2):
            run_scenario("first_contact", tier="simulated", episodes=1, set={"tasks.0.max_steps": 1}, out=tmp_path)
        runs = load_runs(tmp_path)
        assert len({run.manifest["id"] for run in runs}) == 2


@pytest.mark.parametrize("to", ["..", ".", "loop"])
def test_a_loop_of_links_is_named_and_not_followed(folder: Path, to: str) -> None:
    (folder / "set" / "loop").symlink_to(to)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert len(load_runs(folder)) == 4
    assert [str(each.message) for each in said if "it is not followed" in str(each.message)] or to == "loop"


def test_loaded_runs_stay_readable_in_another_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    runs, run = load_runs("runs"), load_run("runs/a")
    monkeypatch.chdir("/")
    assert len(run.outcomes) == len(load_run(PRESENT).outcomes)
    assert set(runs.outcomes["run"]) == {str(path) for path in runs.paths}
    assert all(path.is_absolute() for path in runs.paths)
