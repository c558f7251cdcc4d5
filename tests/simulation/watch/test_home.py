"""The home page of a folder over real HTTP: what it lists, opens, compares and refuses."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from agents.yaml_file import display
from simulation.cli.view import comparison_page, report_page
from simulation.plan import Plan
from simulation.runs.folders import play_in
from simulation.runs.run_set import begin, plan_of
from simulation.runs.runner import run_scenario
from simulation.store.run_directory import RunStatus, locked, write_manifest
from simulation.studies.treatments import play_treatments
from simulation.sweep_values import FILE, written
from simulation.tables.run import Run
from simulation.training.run import begin_training, train
from simulation.treatment import Treatment
from simulation.watch.catalog import CatalogEntry, read_catalog
from simulation.watch.home import HomePage
from tests.simulation.training.conftest import small_plan

MakePlan = Callable[..., Plan]
SWEPT = {FILE: written({"a": {"seed": 1}, "b": {"seed": 2}})}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """The address of a folder's home page, and an HTTP session."""
    page = HomePage(folder, report_page, comparison_page)
    async with page.serve(0) as address, aiohttp.ClientSession() as session:
        yield address, session


async def text(session: aiohttp.ClientSession, address: str, status: int = 200) -> str:
    async with session.get(address) as response:
        assert response.status == status
        return await response.text()


@pytest.fixture
def two(make_plan: MakePlan, runs: Path) -> list[Run]:
    return [run_scenario(make_plan(seed=seed, episodes=1), out=runs) for seed in (1, 2)]


def test_catalog_has_runs_with_tiers_and_payoff(two: list[Run], runs: Path) -> None:
    found = {entry.path: entry for entry in read_catalog(runs)}
    assert set(found) == {run.path.name for run in two}
    mine = found[two[0].path.name]
    assert (mine.kind, mine.name, mine.state, mine.seed, mine.episodes) == ("run", "small", "finished", 1, 1)
    assert mine.tiers == two[0].manifest["tier_mix"]
    assert mine.simulated
    assert mine.payoff == pytest.approx(two[0].outcomes["payoff"].mean())


def test_catalog_reads_events_where_no_tables_are_stored(two: list[Run], runs: Path) -> None:
    shutil.rmtree(two[0].path / "tables")
    found = {entry.path: (entry.episodes, entry.payoff) for entry in read_catalog(runs)}
    assert found[two[0].path.name] == (1, pytest.approx(two[0].outcomes["payoff"].mean()))


def test_catalog_has_no_payoff_where_tiers_differ(make_plan: MakePlan, runs: Path) -> None:
    from agents.roster import ModelConfig

    rows = (ModelConfig(model_id="a", model_name="cooperator"), ModelConfig(model_id="b", policy="random"))
    run_scenario(make_plan(rows=rows, mode="cooperative", episodes=1), out=runs)
    (mine,) = read_catalog(runs)
    assert mine.payoff is None


def test_study_is_one_entry_and_not_its_runs(make_plan: MakePlan, two: list[Run], runs: Path) -> None:
    play_treatments(make_plan(mode="cooperative", episodes=2), [Treatment.SILENCED], out=runs / "older" / "deeper")
    found = [(entry.kind, entry.state) for entry in read_catalog(runs)]
    assert sorted(found) == [("effect", "cut off"), ("run", "finished"), ("run", "finished")]  # nobody read it yet


def test_live_runs_stand_on_top_and_dead_ones_do_not(two: list[Run], runs: Path) -> None:
    first, second = two
    for run in two:
        write_manifest(run.path, {**run.manifest, "status": RunStatus.RUNNING.value})
    lock = locked(first.path)
    try:
        states = [(entry.path, entry.state) for entry in read_catalog(runs)]
    finally:
        lock.release()
    assert states == [(first.path.name, "running"), (second.path.name, "cut off")]


def test_study_itself_is_opened_with_its_runs(make_plan: MakePlan, runs: Path) -> None:
    folder = begin("sweep", "two", {"a": make_plan(seed=1), "b": make_plan(seed=2)}, runs, SWEPT)
    assert [(entry.path, entry.state) for entry in read_catalog(folder)] == [("", "cut off")]
    for arm in ("a", "b"):
        assert read_catalog(runs)[0].state == "cut off"
        play_in(folder / arm, plan_of(folder, arm))
    kinds = {entry.path: (entry.kind, entry.state) for entry in read_catalog(folder)}
    assert kinds.pop("") == ("sweep", "finished")
    assert set(kinds.values()) == {("run", "finished")}
    assert {path.split("/")[0] for path in kinds} == {"a", "b"}
    assert [(entry.path, entry.kind) for entry in read_catalog(runs)] == [(folder.name, "sweep")]


async def test_report_and_live_page_of_the_folder_itself(make_plan: MakePlan, runs: Path) -> None:
    folder = begin("sweep", "one", {"a": make_plan(seed=1)}, runs, {FILE: written({"a": {"seed": 1}})})
    play_in(folder / "a", plan_of(folder, "a"))
    async with opened(folder) as (address, session):
        assert "All runs" in await text(session, f"{address}report/")
        assert "society view" in await text(session, f"{address}watch//")
        assert "EventSource" in await text(session, f"{address}watch//page.js")


def test_cut_off_training_is_not_finished(tmp_path: Path) -> None:
    folder = begin_training(small_plan(training={"updates": 3}), tmp_path)
    states = [read_catalog(tmp_path)[0].state]
    for updates in (2, 3):
        train(folder, updates=updates)
        states.append(read_catalog(tmp_path)[0].state)
    assert states == ["cut off", "cut off", "finished"]


async def test_one_that_cannot_be_read_leaves_the_others(
    two: list[Run], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest(two[0].path, {**two[0].manifest, "scenario": [1]})
    for name in ("closed", os.fsdecode(b"not-\xff-text")):
        (runs / name).mkdir()
        write_manifest(runs / name, two[1].manifest)
    listed = Path.is_file

    def refused(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(path)
        return listed(path)

    monkeypatch.setattr(Path, "is_file", refused)  # the tests may be run as root, who may read all
    async with opened(runs) as (address, session):
        async with session.get(f"{address}catalog") as response:
            found = {entry["path"]: entry["state"] for entry in (await response.json())["entries"]}
        await text(session, f"{address}report/{two[0].path.name}", status=400)
    assert found.pop(two[1].path.name) == "finished"
    assert set(found) == {two[0].path.name, "closed", "not-?-text"}
    assert set(found.values()) == {"cannot be read"}


async def test_report_is_made_on_demand_and_links_back(two: list[Run], runs: Path) -> None:
    async with opened(runs) as (address, session):
        page = await text(session, f"{address}report/{two[0].path.name}")
        home = address[address.index("/", 8) :]
        assert f'<a href="{home}"' in page
        assert "<title>small</title>" in page


async def test_chosen_runs_are_compared(two: list[Run], runs: Path) -> None:
    async with opened(runs) as (address, session):
        query = "&".join(f"run={run.path.name}" for run in two)
        page = await text(session, f"{address}compare?{query}")
        assert f"{two[0].path.name} against {two[1].path.name}" in page
        refused = await text(session, f"{address}compare?run={two[0].path.name}", status=400)
        assert "All runs" in refused


async def test_folder_is_read_once_a_request_beside_the_loop(
    two: list[Run], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def read(folder: Path) -> list[CatalogEntry]:
        threads.append(threading.get_ident())
        return read_catalog(folder)

    monkeypatch.setattr("simulation.watch.home.read_catalog", read)
    async with opened(runs) as (address, session):
        await text(session, f"{address}compare?{'&'.join(f'run={run.path.name}' for run in two)}")
        await text(session, f"{address}watch/no-such-run/events", status=404)
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_live_page_of_a_run_streams_its_views(two: list[Run], runs: Path) -> None:
    async with opened(runs) as (address, session):
        watch = f"{address}watch/{two[0].path.name}/"
        assert "society view" in await text(session, watch)
        assert "EventSource" in await text(session, f"{watch}page.js")
        async with session.get(f"{watch}events") as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    assert b'"whole":true' in line
                    break


@pytest.mark.parametrize("path", ["../secret", "no-such-run", "%2e%2e/secret", "."])
async def test_what_the_catalog_lacks_is_not_served(two: list[Run], runs: Path, path: str) -> None:
    (runs.parent / "secret").mkdir()
    async with opened(runs) as (address, session):
        for what in (f"report/{path}", f"watch/{path}/events", f"compare?run={path}&run={path}"):
            async with session.get(f"{address}{what}") as response:
                assert response.status in (400, 403, 404)


async def test_page_without_its_token_is_refused(two: list[Run], runs: Path) -> None:
    async with opened(runs) as (address, session):
        host = address.split("/")[2]
        assert "society view" in await text(session, f"http://{host}/catalog", status=403)
        assert await text(session, f"http://{host}/report/{two[0].path.name}", status=403)


async def test_catalog_over_http_names_the_folder(two: list[Run], runs: Path) -> None:
    async with opened(runs) as (address, session), session.get(f"{address}catalog") as response:
        found = await response.json()
    assert found["folder"] == display(runs)
    assert {entry["path"] for entry in found["entries"]} == {run.path.name for run in two}
