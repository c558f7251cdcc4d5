"""Sweeps: every combination once, refused with its line where it cannot be, played by workers, finished after a cut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from agents.inference.provenance import Tier
from agents.problems import InvalidFileError, SocietyError, UsageError
from simulation import load_runs
from simulation.cli.many import grid_of
from simulation.metrics.intervals import mean_interval
from simulation.plan import Settings
from simulation.runs.engines import Engine
from simulation.runs.folders import begun_runs
from simulation.runs.runner import run_scenario
from simulation.runs.sweep import Arm, begin_sweep, play_sweep, sweep_arms
from simulation.sweep_values import swept
from simulation.tables.run import load_run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.simulation.studies.tournament.test_killed_tournaments import gone, workers_of
from tests.support.scripted_process import ROOT, ScriptedProcess, scripted_process

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

SCENARIO = """\
name: modes
mode: cooperative
roster: first_contact
episodes: 1
tasks:
  - task_id: goods
    task_type: public_goods
    max_steps: 2
inference: {tiers: [simulated]}
"""
SWEEP = """\
sweep:
  mode: [cooperative, competitive]
  seed: [1..2, 7]
  tasks.0.max_steps: [2, 3]
"""
ERRORS = Path("errors.txt")


def scenario(text: str = SCENARIO + SWEEP) -> Path:
    path = Path("modes.yaml")
    path.write_text(text, encoding="utf-8")
    return path


# -- what a sweep says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("1..3", (1, 2, 3)),
        (["1..2", 7], (1, 2, 7)),
        (["-1 .. 1"], (-1, 0, 1)),
        (["4..4"], (4,)),
        (["a", 1.5, {"mixed": {}}], ("a", 1.5, {"mixed": {}})),
        (["1.0..2.0"], ("1.0..2.0",)),  # no range of whole numbers: a text
    ],
)
def test_ranges_are_counted_out(written: object, values: tuple[object, ...]) -> None:
    assert swept(written) == values


def test_every_combination_is_an_arm_of_its_own() -> None:
    arms = sweep_arms(scenario())
    told = [tuple(arm.values.values()) for arm in arms.values()]
    assert told == [(m, s, t) for m in ("cooperative", "competitive") for s in (1, 2, 7) for t in (2, 3)]
    assert next(iter(arms)) == "01-mode_cooperative-seed_1-max_steps_2"
    for arm in arms.values():
        plan = arm.plan.scenario
        assert (plan.mode.value, plan.seed, plan.tasks[0].max_steps) == tuple(arm.values.values())
        assert not plan.sweep


def test_sweep_settings_apply_to_every_arm() -> None:
    arms = sweep_arms(scenario(), Settings(tier=Tier.SIMULATED, episodes=3, set={"language": "zh"}))
    assert {(a.plan.scenario.episodes, a.plan.scenario.language.value) for a in arms.values()} == {(3, "zh")}
    assert {a.plan.scenario.seed for a in arms.values()} == {1, 2, 7}


def test_sweep_from_a_setting_varies_structures_and_rosters() -> None:
    Path("mine.yaml").write_text(
        "name: mine\nbase_model: b\nmodels: [{model_id: a, model_name: x}, {model_id: b, model_name: y}]\n"
    )
    sweep = "{mode: [{mixed: {policy: exp3}}], roster: [mine.yaml, first_contact], communication.topology: [ring]}"
    arms = list(sweep_arms(scenario(SCENARIO), Settings(set={"sweep": sweep})).values())
    assert [len(arm.plan.roster.models) for arm in arms] == [2, 4]
    assert {arm.plan.scenario.mixing.policy.value for arm in arms} == {"exp3"}
    assert not any(arm.plan.scenario.sweep for arm in arms)  # each is one run, so it can be played


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("{mode: [coperative, competitive]}", r"modes.yaml:10: sweep.mode: 'coperative' is not known \(did you mean"),
        ("{seed: [-1..2]}", "modes.yaml:10: sweep.seed: -1 is below 0"),
        ("{seed: [3..1]}", r"sweep.seed.0: '3..1' counts down \(write 1..3\)"),
        ("{seed: [1..1000000000]}", "has more than 100,000 values"),
        ("{seed: [1..1000], tasks.0.max_steps: [1..1000]}", "has 1,000,000 combinations"),
        ("{seed: 5}", r"sweep.seed: 5 is neither a list nor a range such as 1..10 \(write \[5\]\)"),
        ("{seed: []}", "sweep.seed: has no value"),
        ("{seed: [1..3, 2]}", "the value 2 is there twice"),
        ('{description: ["\\ud800"]}', "is no value that a file can keep"),
        ("{seed: [73786976294838206464]}", "is no value that a file can keep"),
        ("{sweep.seed: [1]}", "cannot be swept"),
        ("{tasks.4.max_steps: [1]}", r"modes.yaml:10: sweep.tasks.4.max_steps: there is no entry '4'"),
        ("{mode: [team_battle]}", "team_battle needs two teams"),
        ("{nonsense: [1]}", "unknown key 'nonsense'"),
        ("[1, 2]", "sweep: .* is not a mapping"),
    ],
)
def test_sweep_reports_an_unplayable_value_with_its_line(sweep: str, message: str) -> None:
    with pytest.raises(InvalidFileError, match=message):
        sweep_arms(scenario(f"{SCENARIO}sweep: {sweep}\n"))


def test_a_sweep_is_not_one_run_and_one_run_is_no_sweep() -> None:
    with pytest.raises(UsageError, match=r"sweeps mode, seed, tasks\.0\.max_steps: play all of it with: society run"):
        run_scenario(scenario())
    with pytest.raises(UsageError, match="first_contact has no sweep; add one"):
        sweep_arms("first_contact")
    assert not Path("runs").exists()


def test_validate_checks_every_combination(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a sweep of 12 runs" in society(capsys, "validate", str(scenario()))[1]
    code, _, err = society(capsys, "validate", str(scenario(f"{SCENARIO}sweep: {{mode: [wrong]}}\n")))
    assert (code, "modes.yaml:10: sweep.mode" in err) == (2, True)


def test_an_engine_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "run", str(scenario()), "--engine", "rey")
    assert (code, "did you mean ray?" in err) == (2, True)


# -- played -----------------------------------------------------------------------------------------------


def small() -> dict[str, Arm]:
    return dict(sweep_arms(scenario(f"{SCENARIO}sweep: {{mode: [cooperative, competitive], seed: 1..2}}\n")))


def test_a_sweep_is_played_and_loaded_with_what_it_set() -> None:
    seen: list[tuple[int, int]] = []
    runs = play_sweep(begin_sweep("modes", small(), "runs"), watch=lambda done, most: seen.append((done, most)))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    outcomes = runs.outcomes
    assert list(outcomes.columns[:5]) == ["run", "scenario", "seed", "sweep.mode", "sweep.seed"]
    assert (outcomes["sweep.mode"].astype(str) == outcomes["mode"].astype(str)).all()
    assert (outcomes["sweep.seed"] == outcomes["seed"]).all()


def test_a_sweep_that_was_cut_plays_only_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin_sweep("modes", small(), "runs")

    def interrupt(done: int, _most: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(SocietyError, match=f"to go on: society resume {folder}"):
        play_sweep(folder, watch=interrupt)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*/events.jsonl")}
    assert len(before) == 2
    assert len(play_sweep(folder)) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_command_shows_the_means_and_ends_with_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    path = scenario(f"{SCENARIO}sweep: {{mode: [cooperative, competitive], seed: 1..2}}\n")
    code, out, err = society(capsys, "run", str(path), "--jobs", "1")
    assert code == 0
    assert "run 4/4" in err
    assert "SIMULATED" in out
    folder = out.splitlines()[-1]
    code, out, _ = society(capsys, "resume", folder, "--jobs", "1", "--json")
    told = json.loads(out)
    assert (code, told["runs"]) == (0, 4)
    assert [(row["sweep.mode"], row["runs"]) for row in told["means"]] == [("cooperative", 2), ("competitive", 2)]
    code, out, _ = society(capsys, "study", "compare", folder, "--by", "mode")
    assert (code, "cooperative against competitive" in out) == (0, True)
    code, _, err = society(capsys, "resume", str(Path(folder).parent))
    assert (code, "is not a run directory" in err) == (1, True)
    (Path(folder).parent / "training.json").touch()
    code, _, err = society(capsys, "resume", str(Path(folder).parent))
    assert (code, f"goes on with: society train {Path(folder).parent}" in err) == (1, True)


def test_seeds_and_grid_print_means_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("run", str(scenario(SCENARIO)), "--seed", "4", "--seeds", "6", "--grid", "mode=cooperative,competitive")
    asked += ("--episodes", "2")  # a run is one unit, whatever its episodes
    code, out, err = society(capsys, *asked, "--jobs", "1", "--json")
    assert code == 0, err
    told = json.loads(out)
    runs = load_runs(told["sweep"])
    assert (len(runs), sorted(set(runs.outcomes["seed"]))) == (12, list(range(4, 10)))
    (row,) = (each for each in told["models"] if (each["swept_mode"], each["name"]) == ("cooperative", "ada"))
    own = runs.outcomes.query("mode == 'cooperative' and model_id == 'ada'").groupby("seed")["payoff"].mean()
    expected = mean_interval(own.to_numpy(), unit="runs")
    found = (row["payoff_low"], row["payoff"], row["payoff_high"])
    assert found == pytest.approx((expected.low, expected.value, expected.high))
    cooperative = [each["payoff"] for each in told["models"] if each["swept_mode"] == "cooperative" and each["name"]]
    assert cooperative == sorted(cooperative, reverse=True)
    code, _, err = society(capsys, *asked, "--cache", "here")
    assert (code, "--cache" in err) == (2, True)


def test_grid_refuses_what_is_no_list(capsys: pytest.CaptureFixture[str]) -> None:
    for pair, message in (("mode", "write key=a,b"), ("mode=coperative", "did you mean cooperative?")):
        code, _, err = society(capsys, "run", str(scenario(SCENARIO)), "--grid", pair)
        assert (code, message in err) == (2, True)
    assert grid_of(["seed=1..3,7", "communication.topology=[[[a, b]], ring]"]) == {
        "seed": ["1..3", 7],
        "communication.topology": [[["a", "b"]], "ring"],
    }


def test_a_run_is_played_again_with_another_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    first = society(capsys, "run", "first_contact", "--tier", "simulated", "--seed", "5")[1].splitlines()[-1]
    code, out, err = society(capsys, "run", first, "--replace", "ada=defector", "--replace", "ben=policy:grim")
    assert code == 0, err
    before, after = load_run(first), load_run(out.splitlines()[-1])
    players = dict(zip(after.agents["model_id"], after.outcomes["model_name"].iloc[: len(after.agents)], strict=True))
    assert (players["ada"], players["ben"]) == ("defector", "policy:grim")
    assert after.manifest["scenario"] == {**before.manifest["scenario"], "roster": after.roster.name}
    for pair, message in (("adda=x", "did you mean ada?"), ("ada", "write MODEL=ADAPTER"), ("ada=policy:gri", "grim")):
        code, _, err = society(capsys, "run", first, "--replace", pair)
        assert (code, message in err) == (2, True), err


# -- workers that die -------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[ScriptedProcess]:
    with scripted_process(
        ("cooperator", "reciprocator", "defector"), "--base", "SmolLM2-135M-Instruct", "--delay", "0.2"
    ) as found:
        yield found


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(server: ScriptedProcess) -> Iterator[Start]:
    """Starts `society run` on a late server as a process of its own: 6 runs, two at a time."""
    begun: list[subprocess.Popen[str]] = []
    text = SCENARIO.replace("tiers: [simulated]", f"tiers: [http], endpoints: ['{server.url}']")
    scenario(f"{text}sweep: {{mode: [cooperative, competitive], seed: 1..3}}\n")

    def command(*arguments: str) -> subprocess.Popen[str]:
        whole = [
            sys.executable,
            "-c",
            "from simulation.cli.app import main; main()",
            *arguments,
            "--jobs",
            "2",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with ERRORS.open("w") as errors:
            begun.append(subprocess.Popen(whole, text=True, env=environment, stdout=subprocess.PIPE, stderr=errors))
        return begun[-1]

    yield command
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def killed(workers: Callable[[], list[int]]) -> bool:
    """Kill a worker; whether that was noticed (not where it had just nothing in hand)."""
    os.kill(until(workers)[0], signal.SIGKILL)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if "a worker process died" in ERRORS.read_text():
            return True
        time.sleep(0.01)
    return False


def finished() -> list[Path]:
    return sorted(Path().glob("runs/sweep-*/*/*/tables/outcomes.parquet"))


def each_arm_has_one_run_and_no_call_was_made_twice(folder: Path) -> None:
    arms = [path.parent for path in folder.glob("*/plan.json")]
    assert len(arms) == 6
    for arm in arms:
        (run,) = begun_runs(arm)
        calls = load_run(run).calls
        answered = calls[calls["status"] == "ok"]
        assert not answered.duplicated(["episode", "step", "model_id", "purpose", "talk_round", "ask"]).any()
    outcomes = load_runs(folder).outcomes
    assert len(outcomes) == 6 * 4
    assert not outcomes.duplicated(["sweep.mode", "sweep.seed", "episode", "model_id"]).any()


def same_as_unbroken(folder: Path) -> None:
    arms = {name.parent.name: Arm({}, _plan(name)) for name in folder.glob("*/plan.json")}
    whole = play_sweep(begin_sweep("whole", arms, "whole")).outcomes
    broken = load_runs(folder).outcomes
    keep = ["seed", "mode", "model_id", "payoff", "reward_earned", "messages_sent", "tier"]
    told = [frame.astype({"mode": str})[keep].astype(str).reset_index(drop=True) for frame in (broken, whole)]
    pd.testing.assert_frame_equal(*told)


def _plan(file: Path) -> Any:
    from simulation.plan import Plan

    return Plan.of(orjson.loads(file.read_bytes()))


@pytest.mark.slow
def test_killed_worker_and_interrupt_lose_nothing(start: Start) -> None:
    process = start("run", "modes.yaml")
    until(finished)
    until(lambda: killed(lambda: workers_of(process)))
    hands = workers_of(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    folder = next(Path("runs").glob("sweep-*"))
    assert process.returncode == 1
    assert f"to go on: society resume {folder}" in ERRORS.read_text()
    assert gone(hands), "workers outlived the sweep"
    play_sweep(folder)
    each_arm_has_one_run_and_no_call_was_made_twice(folder)
    same_as_unbroken(folder)


def ray_workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Processes in the middle of a work, below the command's own Ray."""
    found: dict[int, tuple[int, str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = path.read_text().split(" (", 1)
        except OSError:
            continue
        name, numbers = rest.rsplit(") ", 1)
        found[int(pid)] = (int(numbers.split()[1]), name)

    def below(pid: int) -> bool:
        while pid in found:
            pid = found[pid][0]
            if pid == process.pid:
                return True
        return False

    return [pid for pid, (_, name) in found.items() if name.startswith("ray::attempt") and below(pid)]


@pytest.mark.slow
def test_a_lost_ray_workers_run_is_gone_on_with_by_another(start: Start) -> None:
    pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[ray]'")
    process = start("run", "modes.yaml", "--engine", Engine.RAY.value)
    until(finished)
    until(lambda: killed(lambda: ray_workers_of(process)))
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, ERRORS.read_text()
    folder = Path(out.splitlines()[-1])
    each_arm_has_one_run_and_no_call_was_made_twice(folder)
    same_as_unbroken(folder)
