"""Run directories of every version the project has written load alike, and what an old one left can be finished.

The stored runs are one plan (`first_contact`, seed 3, the simulated tier), each played by the code of its time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest

from agents.inference.backend import EndpointSettings
from agents.inference.servers.balancing import Balancing
from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import resume_run
from simulation.store.events import CallMade, EpisodeEnded
from simulation.store.log import EventLog, decode, read_events
from simulation.store.migrations import MIGRATIONS, SCHEMA_VERSION, bring_up_to_date, version_of
from simulation.tables.builder import build_tables
from simulation.tables.columns import TableName
from simulation.tables.run import Run, load_run

FIXTURES = Path(__file__).parents[2] / "fixtures" / "runs"
OLD = ("version_1_first", "version_1_later", "version_2", "version_3", "version_4")
PRESENT = f"version_{SCHEMA_VERSION}"
OTHERWISE = ("latency", "duration", "time", "prompt_hash", "reading")


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """What the play came to: without times, without the hash of prompts, whose words have changed since, and without
    how decisions were read, which earlier versions do not say."""
    return frame.drop(columns=[name for name in frame if name.endswith(OTHERWISE)]).astype(str)


def derived(run: Run) -> dict[TableName, pd.DataFrame]:
    return build_tables(read_events(run.path / EventLog.NAME), run.roster)


def test_there_is_a_step_from_every_older_version() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("name", [*OLD, PRESENT])
def test_a_stored_run_of_any_version_has_the_tables_of_this_one(name: str) -> None:
    run, present = load_run(FIXTURES / name), load_run(FIXTURES / PRESENT)
    assert run.schema_version == SCHEMA_VERSION
    assert Plan.of(run.manifest).scenario.seed == 3
    for table, frame in derived(run).items():
        pd.testing.assert_frame_equal(comparable(frame), comparable(derived(present)[table]))
        pd.testing.assert_frame_equal(comparable(getattr(run, table.value)), comparable(frame))


BY_FIRST_READER = [(name, "", 1) for name in OLD if name != "version_4"]


@pytest.mark.parametrize(
    ("name", "reading", "reader"), [*BY_FIRST_READER, ("version_4", "exact", 2), (PRESENT, "exact", 2)]
)
def test_a_run_says_which_reader_read_its_answers(name: str, reading: str, reader: int) -> None:
    run = load_run(FIXTURES / name)
    assert set(run.decisions["reading"]) == {reading}
    assert run.manifest["reader"] == reader


def plain(values: pd.Series) -> list[str]:
    """Values without regard to how pandas keeps a tuple or nothing."""
    lists = (tuple(value) if isinstance(value, (tuple, np.ndarray)) else value for value in values)
    return ["" if not isinstance(value, tuple) and pd.isna(value) else str(value) for value in lists]


@pytest.mark.parametrize("name", OLD)
def test_what_the_old_code_tabled_is_what_its_events_say_today(name: str) -> None:
    run = load_run(FIXTURES / name)
    for file in sorted((run.path / "tables").glob("*.parquet")):
        then, now = pd.read_parquet(file), derived(run)[TableName(file.stem)]
        shared = [column for column in then if column in now]
        assert len(shared) >= len(then.columns) - 2  # `attempts` is `asks` now, `fell_from` is `fallback_from`
        for column in shared:
            assert plain(then[column]) == plain(now[column]), (file.stem, column)


def test_the_first_shape_tells_what_a_message_fell_from(tmp_path: Path) -> None:
    """Its messages did not say so themselves; their replies did."""
    shutil.copytree(FIXTURES / "version_1_first", tmp_path / "run")
    log = tmp_path / "run" / EventLog.NAME
    log.write_bytes(log.read_bytes().replace(b'"fell_from":[]', b'"fell_from":["camel","http"]'))
    shutil.rmtree(tmp_path / "run" / "tables")
    run = load_run(tmp_path / "run")
    assert set(run.messages["fallback_from"]) == set(run.decisions["fallback_from"]) == {"camel>http"}


def test_cut_run_of_version_1_is_finished_in_this_version(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(FIXTURES / "version_1_first", run)
    lines = (run / EventLog.NAME).read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"EpisodeEnded"' in line]
    (run / EventLog.NAME).write_bytes(b"".join(lines[: ends[0] + 1]) + b'{"type":"CallM')  # torn in the next episode
    manifest = orjson.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_bytes(orjson.dumps({**manifest, "status": "stopped"}))
    finished = resume_run(run)
    assert version_of(run) == SCHEMA_VERSION
    assert all(decode(line) for line in (run / EventLog.NAME).read_bytes().splitlines())
    whole = load_run(FIXTURES / PRESENT)
    pd.testing.assert_frame_equal(comparable(finished.outcomes), comparable(whole.outcomes))
    pd.testing.assert_frame_equal(comparable(finished.messages), comparable(whole.messages))


REMOVED = {
    "hedge": 20.0,
    "balancing": "power_of_two",
    "endpoints": ["http://a/v1", {"url": "http://b/v1", "api_key_env": None, "weight": 2.0, "adapters": None}],
}


@pytest.mark.parametrize("name", ["version_1_later", "version_2"])
def test_settings_that_were_removed_are_dropped_from_old_manifests(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(FIXTURES / name, run)
    manifest = orjson.loads((run / "manifest.json").read_bytes())
    manifest["scenario"]["inference"] |= REMOVED
    (run / "manifest.json").write_bytes(orjson.dumps(manifest))
    inference = Plan.of(load_run(run).manifest).scenario.inference
    assert inference.balancing is Balancing.LEAST_PENDING
    assert inference.servers() == (EndpointSettings("http://a/v1"), EndpointSettings("http://b/v1"))


def test_a_cut_run_with_removed_settings_is_resumed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(FIXTURES / "version_2", run)
    lines = (run / EventLog.NAME).read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"EpisodeEnded"' in line]
    (run / EventLog.NAME).write_bytes(b"".join(lines[: ends[0] + 1]))
    manifest = orjson.loads((run / "manifest.json").read_bytes())
    manifest["scenario"]["inference"] |= REMOVED
    (run / "manifest.json").write_bytes(orjson.dumps({**manifest, "status": "stopped"}))
    finished = resume_run(run)
    pd.testing.assert_frame_equal(comparable(finished.outcomes), comparable(load_run(FIXTURES / PRESENT).outcomes))
    assert "hedge" not in orjson.loads((run / "manifest.json").read_bytes())["scenario"]["inference"]


def test_kill_inside_a_migration_does_no_harm(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(FIXTURES / "version_1_first", run)
    manifest = (run / "manifest.json").read_bytes()
    bring_up_to_date(run, EventLog.NAME)
    log = (run / EventLog.NAME).read_bytes()
    (run / "manifest.json").write_bytes(manifest)  # the log was rewritten, the manifest was not
    bring_up_to_date(run, EventLog.NAME)
    assert (run / EventLog.NAME).read_bytes() == log
    assert version_of(run) == SCHEMA_VERSION


def test_migration_invents_no_missing_reply(tmp_path: Path) -> None:
    lines = (FIXTURES / "version_1_first" / EventLog.NAME).read_bytes().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if b'"ReplyReceived"' in line)
    (tmp_path / EventLog.NAME).write_bytes(b"".join(lines[:cut]))
    (tmp_path / "manifest.json").write_text('{"schema_version": 1}')
    calls = [event for event in read_events(tmp_path / EventLog.NAME) if isinstance(event, CallMade)]
    assert [call.record.reply for call in calls] == [None]


def test_loading_an_old_run_writes_nothing(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "version_1_first", tmp_path / "run")
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    assert len(load_run(tmp_path / "run").steps)
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("version", "hint"), [("99", "update it"), ("0", "reads 1 to"), ('"two"', "schema_version two")]
)
def test_a_version_nobody_knows_is_refused(tmp_path: Path, version: str, hint: str) -> None:
    (tmp_path / "manifest.json").write_text(f'{{"schema_version": {version}}}')
    with pytest.raises(SocietyError, match=hint):
        load_run(tmp_path)


def test_a_broken_line_of_an_old_log_is_named(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "version_1_first", tmp_path / "run")
    log = tmp_path / "run" / EventLog.NAME
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:4], b'{"type":"Nonsense"}\n', *lines[4:]]))
    with pytest.raises(SocietyError, match=r"events\.jsonl:5: not an event"):
        list(read_events(log))


def test_the_tier_of_an_old_episode_is_that_of_its_texts() -> None:
    for name in OLD:
        ended = [e for e in read_events(FIXTURES / name / EventLog.NAME) if isinstance(e, EpisodeEnded)]
        assert {(each.tier, each.real_share) for each in ended} == {("simulated", 0.0)}
