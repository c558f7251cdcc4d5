"""Many runs in one folder: whole or not at all, side by side like one by one, finished after a cut."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from agents.problems import SocietyError, StopRequestedError
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.runs.session import RunStoppedError
from simulation.store.events import DecisionMade, EpisodeStarted, Event
from simulation.tables.run import load_run

MakePlan = Callable[..., Plan]
COMMAND = "society trial"


@pytest.fixture
def plans(make_plan: MakePlan) -> dict[str, Plan]:
    return {f"deep/seed_{seed}": make_plan(5, seed=seed) for seed in range(4)}  # one of the five plays at random


def payoffs(folder: Path) -> dict[str, list[float]]:
    return {arm: list(run.outcomes["payoff"]) for arm, run in run_set.finished_runs(folder, COMMAND).items()}


def test_a_begun_set_knows_what_it_is_to_play(plans: dict[str, Plan], runs: Path) -> None:
    folder = run_set.begin("trial", "a name/with:signs", plans, runs, {"note.txt": b"beside"})
    assert folder.name.startswith("trial-a_name_with_signs-")
    assert run_set.arms_of(folder) == tuple(sorted(plans))
    for arm, plan in plans.items():
        assert run_set.plan_of(folder, arm) == plan
    assert (folder / "note.txt").read_bytes() == b"beside"
    assert list(runs.iterdir()) == [folder]  # the part it was written in is gone


def test_set_of_an_earlier_version_keeps_its_plans(plans: dict[str, Plan], runs: Path) -> None:
    """An arm's plan is stored without a schema version; settings that were removed since are dropped."""
    folder = run_set.begin("trial", "a", plans, runs)
    for arm, plan in plans.items():
        file = folder / arm / run_set.PLAN
        parts = orjson.loads(file.read_bytes())
        parts["scenario"]["inference"] |= {"hedge": None, "balancing": "power_of_two"}
        file.write_bytes(orjson.dumps(parts))
        assert run_set.plan_of(folder, arm).roster == plan.roster


def test_side_by_side_is_the_same_as_one_by_one(
    plans: dict[str, Plan], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = run_set.play(run_set.begin("trial", "a", plans, runs), COMMAND, at_once=1)
    beside = run_set.play(run_set.begin("trial", "b", plans, runs), COMMAND, at_once=3)
    assert payoffs(beside) == payoffs(alone)
    assert len({tuple(each) for each in payoffs(alone).values()}) > 1
    print("still heard")  # noqa: T201  OASIS prints, and is kept from it by turns
    assert "still heard" in capsys.readouterr().out


def cut_at(number: int, kind: type[Event]) -> Callable[[Event], None]:
    seen = itertools.count(1)

    def observe(event: Event) -> None:
        if isinstance(event, kind) and next(seen) == number:
            raise KeyboardInterrupt

    return observe


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_cut_stops_all_and_what_is_missing_is_played_later(plans: dict[str, Plan], runs: Path, at_once: int) -> None:
    whole = payoffs(run_set.play(run_set.begin("trial", "a", plans, runs), COMMAND, at_once=1))
    folder = run_set.begin("trial", "b", plans, runs)
    with pytest.raises(SocietyError, match=f"interrupted(.|\n)*to finish all of them: {COMMAND} {folder}"):
        run_set.play(folder, COMMAND, on_event=cut_at(5, DecisionMade), at_once=at_once)
    with pytest.raises(SocietyError, match="is not finished; finish it with: society trial"):
        run_set.finished_runs(folder, COMMAND)
    assert payoffs(run_set.play(folder, COMMAND, at_once=at_once)) == whole


def test_ctrl_c_while_runs_go_side_by_side_stops_them_resumably(plans: dict[str, Plan], runs: Path) -> None:
    seen = itertools.count(1)

    def observe(event: Event) -> None:
        if isinstance(event, DecisionMade) and next(seen) == 5:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # what Ctrl-C does

    folder = run_set.begin("trial", "a", plans, runs)
    with pytest.raises(SocietyError, match=f"interrupted\nto finish all of them: {COMMAND} {folder}"):
        run_set.play(folder, COMMAND, on_event=observe, at_once=2)
    statuses = [load_run(path).manifest["status"] for arm in plans for path in run_set.run_folders(folder, arm)]
    assert "stopped" in statuses
    assert len(payoffs(run_set.play(folder, COMMAND, at_once=2))) == len(plans)


def test_run_set_reports_the_failure_that_stopped_others(plans: dict[str, Plan], runs: Path) -> None:
    seen = itertools.count(1)

    def observe(event: Event) -> None:
        if isinstance(event, EpisodeStarted) and next(seen) == 2:
            raise SocietyError("the disk is full")

    folder = run_set.begin("trial", "a", plans, runs)
    with pytest.raises(SocietyError, match="the disk is full"):
        run_set.play(folder, COMMAND, on_event=observe, at_once=3)


def test_servers_are_asked_side_by_side_and_nothing_else_is(make_plan: MakePlan) -> None:
    assert run_set._side_by_side(make_plan(inference={"tiers": ["http", "simulated"]})) == run_set.SIDE_BY_SIDE
    assert run_set._side_by_side(make_plan(inference={"tiers": ["embedded"]})) == 1


def test_a_folder_that_is_no_set_is_refused(tmp_path: Path) -> None:
    for ask in (run_set.play, run_set.finished_runs):
        with pytest.raises(SocietyError, match="start with: society trial"):
            ask(tmp_path, COMMAND)


def test_no_interrupt_of_the_main_thread_is_raised_in_another(plans: dict[str, Plan], runs: Path) -> None:
    """An event loop ends at once where a KeyboardInterrupt passes it, and leaves its tasks behind."""
    seen: list[BaseException] = []
    gate = run_set._Gate(cut_at(1, DecisionMade))

    def observe(event: Event) -> None:
        try:
            gate(event)
        except BaseException as error:
            seen.append(error)
            raise

    folder = run_set.begin("trial", "a", plans, runs)
    arm = run_set.arms_of(folder)[0]
    with pytest.raises(RunStoppedError, match=r"^interrupted") as stopped:
        run_set._play_one(folder, arm, observe)
    assert {type(error) for error in seen} == {StopRequestedError}
    assert isinstance(stopped.value.__cause__, StopRequestedError)
    gate.shut.set()
    with pytest.raises(RunStoppedError, match=r"^interrupted"):
        run_set._play_one(folder, run_set.arms_of(folder)[1], observe)
    assert {type(error) for error in seen} == {StopRequestedError}
