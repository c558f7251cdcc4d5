"""Runs from file to tables: shipped scenarios, repeatability, stopping and resuming."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.inference.provenance import Tier
from agents.problems import InvalidFileError, SocietyError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.folders import begun_runs
from simulation.runs.runner import RunStatus, RunStoppedError, resume_run, run_scenario
from simulation.scenario import shipped_scenarios
from simulation.store.events import CallMade, DecisionMade, EpisodeEnded, Event, StepResolved
from simulation.store.log import EventLog, read_events
from simulation.tables.columns import OPTIONAL_TABLES
from simulation.tables.run import Run, load_run

TIMES = ["completion_time", "latency", "duration", "queue_time"]
SIMULATED: dict[str, Any] = {"tier": Tier.SIMULATED}


def without_times(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=TIMES, errors="ignore")


def assert_same(first: Run, second: Run) -> None:
    for name in ("agents", "outcomes", "messages", "decisions", "steps", "episodes"):
        pd.testing.assert_frame_equal(without_times(getattr(first, name)), without_times(getattr(second, name)))


def oasis_messages(run: Run) -> list[tuple[int, int, str]]:
    rows = sqlite3.connect(run.path / "oasis.db").execute("SELECT message_id, group_id, content FROM group_messages")
    return rows.fetchall()


def told_messages(run: Run) -> list[tuple[int, int, str]]:
    frame = run.messages
    return list(zip(frame["oasis_message_id"], frame["oasis_group_id"], frame["text"], strict=True))


@pytest.mark.parametrize("name", shipped_scenarios())
def test_every_shipped_scenario_runs(name: str, runs: Path) -> None:
    plan = Plan.load(name)
    run = run_scenario(plan, **SIMULATED, out=runs)
    assert run.manifest["status"] == RunStatus.FINISHED.value
    players = list(plan.roster.expand())
    episodes = plan.scenario.episodes * len(plan.scenario.tasks)
    assert len(run.outcomes) == episodes * len(players)
    assert set(run.outcomes["tier"]) <= {"simulated", "scripted", "none"}  # none: a user that was never active
    pools = {task.task_id: task.reward_pool for task in plan.scenario.tasks}
    for (_, task_id), rows in run.outcomes.groupby(["episode", "task_id"], observed=True):
        assert rows["reward_earned"].sum() == pytest.approx(pools[task_id])
    assert run.decisions["valid"].all()


def test_shipped_scenarios_cover_the_modes_and_languages() -> None:
    scenarios = [Plan.load(name).scenario for name in shipped_scenarios()]
    assert {scenario.mode.value for scenario in scenarios} == {"cooperative", "competitive", "team_battle", "mixed"}
    assert {scenario.language.value for scenario in scenarios} == {"en", "zh"}
    assert "first_contact" in shipped_scenarios()


def test_the_same_seed_gives_the_same_tables(runs: Path) -> None:
    options = {"tier": Tier.SIMULATED, "seed": 7}
    first, second = (run_scenario("team_battle", **options, out=runs) for _ in range(2))
    assert first.path != second.path
    assert_same(first, second)


def test_another_seed_gives_other_messages(runs: Path) -> None:
    first, second = (run_scenario("team_battle", tier=Tier.SIMULATED, seed=seed, out=runs) for seed in (1, 2))
    assert list(first.messages["text"]) != list(second.messages["text"])


def test_a_run_directory_holds_what_it_promises(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    names = {path.name for path in run.path.iterdir()}
    assert names == {"manifest.json", "events.jsonl", "oasis.db", "prompts", "tables", ".lock"}
    assert {path.stem for path in (run.path / "tables").iterdir()} == set(run.describe()["table"]) - OPTIONAL_TABLES
    assert run.manifest["tier_mix"] == {"simulated": len(run.calls)}
    assert run.manifest["versions"]["camel-oasis"] == "0.2.5"
    assert oasis_messages(run) == told_messages(run)


def cut_after(number: int, kind: type[Event]) -> Callable[[Event], None]:
    """An observer that presses Ctrl-C at the `number`-th event of `kind`."""
    seen = itertools.count(1)

    def observe(event: Event) -> None:
        if isinstance(event, kind) and next(seen) == number:
            signal.raise_signal(signal.SIGINT)

    return observe


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1, CallMade), (3, CallMade), (9, CallMade), (2, DecisionMade), (1, StepResolved), (3, StepResolved)],
)
def test_a_run_that_was_cut_off_resumes_to_the_same_tables(
    make_plan: Callable[..., Plan], runs: Path, number: int, kind: type[Event]
) -> None:
    whole = run_scenario(make_plan(), out=runs)
    with pytest.raises(RunStoppedError, match="society resume") as stopped:
        run_scenario(make_plan(), out=runs, on_event=cut_after(number, kind))
    cut = load_run(stopped.value.path)
    assert cut.manifest["status"] == RunStatus.STOPPED.value
    resumed = resume_run(stopped.value.path)
    assert_same(whole, resumed)
    assert len(resumed.calls) == len(whole.calls)  # no finished call was made again
    assert oasis_messages(resumed) == told_messages(resumed)
    assert resumed.steps["duration"].isna().any()  # a step that was partly there already took no honest time


def test_a_run_cut_off_twice_resumes_to_the_same_tables(make_plan: Callable[..., Plan], runs: Path) -> None:
    plan = make_plan(6, episodes=4, mode="cooperative", communication={"inbox_limit": 2})
    whole = run_scenario(plan, out=runs)
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan, out=runs, on_event=cut_after(40, CallMade))
    with pytest.raises(RunStoppedError):
        resume_run(stopped.value.path, on_event=cut_after(25, CallMade))
    resumed = resume_run(stopped.value.path)
    assert_same(whole, resumed)
    assert len(resumed.calls) == len(whole.calls)
    assert oasis_messages(resumed) == told_messages(resumed) == told_messages(whole)


def test_nothing_stale_is_read_while_a_run_is_resumed(make_plan: Callable[..., Plan], runs: Path) -> None:
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(make_plan(episodes=3), out=runs, on_event=cut_after(3, CallMade))
    path = stopped.value.path
    seen: list[tuple[str, int]] = []

    def observe(event: Event) -> None:
        if isinstance(event, EpisodeEnded):
            run = load_run(path)
            seen.append((run.manifest["status"], len(run.episodes)))

    resume_run(path, on_event=observe)
    assert [status for status, _ in seen] == ["running"] * 3


def test_a_run_killed_without_a_last_word_resumes_too(make_plan: Callable[..., Plan], runs: Path) -> None:
    whole = run_scenario(make_plan(), out=runs)
    killed = run_scenario(make_plan(), out=runs)
    log = killed.path / EventLog.NAME
    body = log.read_bytes()
    log.write_bytes(body[: len(body) * 2 // 3])  # torn inside a line
    for table in (killed.path / "tables").iterdir():
        table.unlink()
    manifest = killed.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"finished"', '"running"'))
    assert len(load_run(killed.path).messages)  # readable as it lies
    assert_same(whole, resume_run(killed.path))


def test_a_finished_run_is_not_played_again(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    before = (run.path / EventLog.NAME).read_bytes()
    assert resume_run(run.path).path == run.path
    assert (run.path / EventLog.NAME).read_bytes() == before


def test_a_required_tier_that_fails_stops_the_run_resumably(make_plan: Callable[..., Plan], runs: Path) -> None:
    inference = {"endpoints": ["http://127.0.0.1:9/v1"], "require": "http", "retries": 0}
    with pytest.raises(RunStoppedError, match="tier http is required and failed") as stopped:
        run_scenario(make_plan(inference=inference), out=runs)
    run = load_run(stopped.value.path)
    assert run.manifest["status"] == "stopped"
    assert run.outcomes.empty
    assert set(run.calls["status"]) <= {"failed"}


def test_scripted_players_need_no_server(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(ModelConfig(model_id=f"p{i}", policy=name) for i, name in enumerate(("tit_for_tat", "always_defect")))
    task = {"task_id": "pd", "task_type": "prisoners_dilemma", "max_steps": 200}
    plan = make_plan(rows=rows, mode="competitive", tasks=[task], episodes=1, inference={"tiers": ["http"]})
    outcomes = run_scenario(plan, out=runs).outcomes.set_index("model_id")
    assert outcomes["payoff"].to_dict() == {"p0": 199.0, "p1": 204.0}  # Axelrod's tournament figures
    assert set(outcomes["tier"]) == {"scripted"}


def test_nothing_is_written_for_a_bad_scenario(runs: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nmode: cooperativ\n")
    with pytest.raises(InvalidFileError):
        run_scenario(bad, out=runs)
    assert not runs.exists()


def test_a_run_starts_from_a_running_event_loop_too(make_plan: Callable[..., Plan], runs: Path) -> None:
    async def notebook() -> Run:
        return run_scenario(make_plan(), out=runs)

    assert len(asyncio.run(notebook()).outcomes) == 8


def test_interrupt_in_a_notebook_ends_the_work_first(make_plan: Callable[..., Plan], runs: Path) -> None:
    events: list[Event] = []
    main = threading.main_thread().ident

    def interrupt(event: Event) -> None:
        events.append(event)
        if len(events) == 5:
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)

    async def notebook() -> None:
        with pytest.raises(RunStoppedError, match="interrupted") as stopped:
            run_scenario(make_plan(episodes=200), out=runs, on_event=interrupt)
        seen = len(events)
        await asyncio.sleep(0.1)
        assert len(events) == seen
        assert load_run(stopped.value.path).manifest["status"] == "stopped"

    loop = asyncio.new_event_loop()  # as in a notebook's kernel: asyncio.run would take the signal for itself
    loop.run_until_complete(notebook())
    loop.close()


def test_a_run_at_work_is_not_resumed_a_second_time(make_plan: Callable[..., Plan], runs: Path) -> None:
    refused: list[str] = []

    def resume_meanwhile(event: Event) -> None:
        if isinstance(event, StepResolved):
            (path,) = runs.iterdir()
            with pytest.raises(SocietyError, match="another process") as told:
                resume_run(path)
            refused.append(str(told.value))

    run_scenario(make_plan(episodes=1), out=runs, on_event=resume_meanwhile)
    assert len(refused) == 2


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(SocietyError, match="not a run directory"):
        load_run(tmp_path)


def test_every_event_of_a_run_can_be_read(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    assert sum(isinstance(event, StepResolved) for event in read_events(run.path / EventLog.NAME)) == 4


def test_what_was_killed_before_its_manifest_stood_is_no_run(make_plan: Callable[..., Plan], runs: Path) -> None:
    (runs / ".small-20260101-000000-abcdef.part").mkdir(parents=True)
    (runs / ".small-20260101-000000-abcdef.part" / "manifest.json").write_text("{}")
    run = run_scenario(make_plan(), out=runs)
    assert begun_runs(runs) == [run.path]
