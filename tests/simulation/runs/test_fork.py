"""Forks: the same history, then a twin of its own; without a change the twin is the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.problems import InvalidFileError, SocietyError, UsageError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.fork import fork_run
from simulation.runs.replay import replay_run
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import Event, StepResolved
from simulation.store.log import EventLog
from simulation.studies.compare.report import compare_runs
from simulation.tables.reconstruct import played_steps
from simulation.tables.run import Run
from tests.conftest import models
from tests.simulation.runs.test_replay import edited
from tests.support.played import played_lines, played_prompts
from tests.support.tiny_models import tiny_plan

ROWS = (*models(3), ModelConfig(model_id="tat", policy="tit_for_tat", team_id="red"))
SILENT: dict[str, object] = {"communication.treatment": "silenced"}


@pytest.fixture
def run(make_plan: Callable[..., Plan], runs: Path) -> Run:
    tasks = [{"task_id": "pd", "task_type": "public_goods", "max_steps": 3}]
    return run_scenario(make_plan(rows=ROWS, tasks=tasks, episodes=3, mode="cooperative"), out=runs)


def lines_before(run: Run, episode: int, step: int) -> list[bytes]:
    """The log's lines before a step (indices), as they are on the disk."""
    lines = (run.path / EventLog.NAME).read_bytes().splitlines()
    ends = [i for i, line in enumerate(lines) if line.startswith(b'{"type":"StepResolved"')]
    steps = episode * 3 + step
    return lines[: ends[steps - 1] + 1] if steps else []


@pytest.mark.parametrize("at", [(1, 1), (2, 1), (2, 3)])
def test_fork_without_a_change_is_the_run(run: Run, at: tuple[int, int], runs: Path) -> None:
    twin = fork_run(run.path, at=at, out=runs)
    assert played_lines(twin) == played_lines(run)
    assert played_prompts(twin) == played_prompts(run)
    before = lines_before(run, at[0] - 1, at[1] - 1)
    assert lines_before(twin, at[0] - 1, at[1] - 1) == before  # measured times too: they are those of the run
    manifest = twin.manifest
    assert (manifest["fork_of"], manifest["fork_at"], manifest["changed"]) == (
        str(run.path),
        [at[0] - 1, at[1] - 1],
        {},
    )


@pytest.mark.parametrize("at", [(1, 2), (2, 1), (3, 3)])
def test_prompts_are_equal_up_to_the_change(run: Run, at: tuple[int, int], runs: Path) -> None:
    twin = fork_run(run.path, at=at, set=SILENT, out=runs)
    start = (at[0] - 1, at[1] - 1)
    was, now = played_prompts(run), played_prompts(twin)
    assert was.keys() == now.keys()
    differ = {(key.episode, key.step) for key in was if was[key] != now[key]}
    assert min(differ) == start
    assert lines_before(twin, *start) == lines_before(run, *start)
    heard = twin.messages[twin.messages["audience"].str.len() > 0]
    assert set(zip(heard["episode"], heard["step"], strict=True)) == {
        (e, s) for e in range(3) for s in range(3) if (e, s) < start
    }


def test_fork_changes_a_game_within_an_episode(run: Run, runs: Path) -> None:
    twin = fork_run(run.path, at="2.2", set={"tasks.0.parameters": {"multiplier": 3.0}}, out=runs)
    was, now = (each.steps.set_index(["episode", "step", "model_id"])["payoff"] for each in (run, twin))
    differ = {(int(e), int(s)) for (e, s, _), same in (was == now).items() if not same}
    assert min(differ) == (1, 1)
    assert twin.manifest["changed"] == {"tasks.0.parameters": {"multiplier": 3.0}}


EVENT: dict[str, Any] = {"at": "*.2", "set": {"multiplier": 3.0}}
FOUR_STEPS: dict[str, Any] = {"task_id": "pd", "task_type": "public_goods", "max_steps": 4}


def with_multiplier(multiplier: float) -> dict[str, Any]:
    return {**FOUR_STEPS, "parameters": {"multiplier": multiplier}}


@pytest.fixture
def with_event(make_plan: Callable[..., Plan], runs: Path) -> Run:
    """A run with the multiplier 2, which its event sets to 3 before step 2 of each of its two episodes."""
    tasks = [with_multiplier(2.0)]
    return run_scenario(make_plan(rows=ROWS, tasks=tasks, mode="cooperative", events=[EVENT]), out=runs)


def multipliers(run: Run) -> list[float]:
    """The multiplier of each step, in the order of play; the payoffs of the log are those of these games."""
    names = [row.model_id for row in run.roster.expand()]
    paid = run.steps.pivot(index=["episode", "step"], columns="model_id", values="payoff")[names].to_numpy().tolist()
    steps = list(played_steps(run))
    assert [list(step.end.tally.last_payoff) for step in steps] == paid
    return [step.game.parameters.multiplier for step in steps]


@pytest.mark.parametrize(
    "change",
    [
        {"tasks.0.parameters.multiplier": 1.5},
        {"tasks.0.parameters.multiplier": "1.5"},
        {"tasks.0.parameters": "{multiplier: 1.5}"},
        {"tasks": [with_multiplier(1.5)]},
    ],
)
def test_value_of_a_fork_wins_over_an_earlier_set(with_event: Run, runs: Path, change: dict[str, object]) -> None:
    assert multipliers(with_event) == [2, 3, 3, 3, 2, 3, 3, 3]
    twin = fork_run(with_event.path, at="1.3", set=change, out=runs)
    assert multipliers(twin) == [2, 3, 1.5, 1.5, 1.5, 3, 3, 3]
    assert lines_before(twin, 0, 2) == lines_before(with_event, 0, 2)
    assert replay_run(twin.path, out=runs / "again").tables_identical


def test_fork_undoes_a_set_with_the_value_before_it(with_event: Run, runs: Path) -> None:
    twin = fork_run(with_event.path, at="1.3", set={"tasks.0.parameters.multiplier": 2.0}, out=runs)
    assert multipliers(twin)[:4] == [2, 3, 2, 2]


def test_set_stands_in_a_fork_that_gives_another_parameter(with_event: Run, runs: Path) -> None:
    twin = fork_run(with_event.path, at="1.3", set={"tasks.0.parameters.endowment": 40}, out=runs)
    assert multipliers(twin) == multipliers(with_event)


def test_set_from_the_step_of_a_fork_on_wins(with_event: Run, runs: Path) -> None:
    own = {"tasks.0.parameters.multiplier": 1.5}
    assert multipliers(fork_run(with_event.path, at="1.2", set=own, out=runs))[:4] == [2, 3, 3, 3]
    twin = fork_run(with_event.path, at="1.3", set=own, event={"set": {"multiplier": 2.5}}, out=runs)
    assert multipliers(twin)[:4] == [2, 3, 2.5, 2.5]


@pytest.mark.parametrize("at", ["1.3", "1.4"])
def test_fork_of_a_fork_keeps_its_value_over_a_set(with_event: Run, runs: Path, at: str) -> None:
    first = fork_run(with_event.path, at="1.3", set={"tasks.0.parameters.multiplier": 1.5}, out=runs)
    second = fork_run(first.path, at=at, set=SILENT, out=runs)
    assert multipliers(second) == multipliers(first)
    third = fork_run(second.path, at="1.4", set={"tasks.0.parameters.multiplier": 1.25}, out=runs)
    assert multipliers(third) == [2, 3, 1.5, 1.25, 1.25, 3, 3, 3]


def test_fork_that_does_not_fit_an_earlier_set_stops(make_plan: Callable[..., Plan], runs: Path) -> None:
    talk = {"task_id": "talk", "task_type": "opinion", "max_steps": 3, "parameters": {"low": 0, "high": 10}}
    event = {"at": "1.2", "set": {"high": 4}}
    run = run_scenario(make_plan(tasks=[talk], mode="cooperative", events=[event]), out=runs)
    with pytest.raises(RunStoppedError, match=r"events set \{'high': 4\} before, which does not fit"):
        fork_run(run.path, at="1.3", set={"tasks.0.parameters.low": 6, "events": []}, out=runs)


def test_resumed_fork_keeps_its_value_over_a_set(with_event: Run, runs: Path) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (0, 2):
            raise SocietyError("cut off")

    own = {"tasks.0.parameters.multiplier": 1.5}
    with pytest.raises(RunStoppedError) as stopped:
        fork_run(with_event.path, at="1.3", set=own, out=runs, on_event=interrupt)
    assert multipliers(resume_run(stopped.value.path)) == [2, 3, 1.5, 1.5, 1.5, 3, 3, 3]


def test_fork_of_a_fork_has_both_changes(run: Run, runs: Path) -> None:
    first = fork_run(run.path, at="2.2", set=SILENT, out=runs)
    second = fork_run(first.path, at="3.2", set={"communication.talk_rounds": 0}, out=runs)
    assert lines_before(second, 2, 1) == lines_before(first, 2, 1)
    silent = second.messages.groupby(["episode", "step"]).size()
    assert max(silent.index) == (2, 0)
    with pytest.raises(UsageError, match=r"itself a fork at 2\.2"):
        fork_run(first.path, at="1.2", out=runs)


def test_fork_of_a_fork_changes_twice_in_one_episode(run: Run, runs: Path) -> None:
    first = fork_run(run.path, at="2.2", set=SILENT, out=runs)
    second = fork_run(first.path, at="2.3", set={"communication.talk_rounds": 0}, out=runs)
    assert lines_before(second, 1, 2) == lines_before(first, 1, 2)
    spoken = set(second.messages[second.messages["episode"] == 1]["step"])
    assert spoken == {0, 1}


def test_fork_is_replayed_and_asked_as_any_run(run: Run, runs: Path) -> None:
    twin = fork_run(run.path, at="2.2", set=SILENT, out=runs)
    replay = replay_run(twin.path, out=runs / "again")
    assert replay.log_identical
    assert replay.tables_identical
    assert len(twin.ask(at="2.2", question="How are you?", scale=(1, 7))) == 4


def test_fork_that_was_cut_off_is_resumed(run: Run, runs: Path) -> None:
    whole = fork_run(run.path, at="2.2", set=SILENT, out=runs)

    def interrupt(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (2, 0):
            raise SocietyError("cut off")

    with pytest.raises(RunStoppedError) as stopped:
        fork_run(run.path, at="2.2", set=SILENT, out=runs, on_event=interrupt)
    resumed = resume_run(stopped.value.path)
    columns = ["episode", "step", "model_id", "action", "text"]
    assert resumed.decisions[columns].equals(whole.decisions[columns])
    assert resumed.messages["audience"].equals(whole.messages["audience"])


def test_fork_cut_off_within_the_history_is_not_resumed(run: Run, runs: Path) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, StepResolved):
            raise SocietyError("cut off")

    with pytest.raises(RunStoppedError) as stopped:
        fork_run(run.path, at="2.2", out=runs, on_event=interrupt)
    with pytest.raises(UsageError, match="fork it again"):
        resume_run(stopped.value.path)


def test_fork_refuses_what_a_twin_cannot_change(run: Run, runs: Path) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        (r"has no step 4\.1 that was played to its end; the last is 3\.3", {"at": "4.1"}),
        ("a fork begins at one step", {"at": "*.1"}),
        ("seed cannot change", {"at": "2.1", "set": {"seed": 9}}),
        ("mode can change at the start of an episode only", {"at": "2.2", "set": {"mode": "competitive"}}),
        (r"topology can change at the start", {"at": "2.2", "set": {"communication.topology": "ring"}}),
        (r"tasks\.0\.reward_pool can change at the start", {"at": "2.2", "set": {"tasks.0.reward_pool": 3.0}}),
    ]
    before = set(runs.iterdir())
    for message, arguments in wrong:
        with pytest.raises(UsageError, match=message):
            fork_run(run.path, out=runs, **arguments)
    with pytest.raises(InvalidFileError, match="talk_round"):
        fork_run(run.path, at="2.2", set={"communication.talk_round": 2}, out=runs)
    assert set(runs.iterdir()) == before


def test_mode_and_topology_change_at_the_start_of_an_episode(run: Run, runs: Path) -> None:
    twin = fork_run(run.path, at="2.1", set={"mode": "competitive", "communication.topology": "ring"}, out=runs)
    assert list(twin.episodes["mode"]) == ["cooperative", "competitive", "competitive"]
    assert lines_before(twin, 1, 0) == lines_before(run, 1, 0)


def test_history_that_comes_out_otherwise_ends_the_fork(run: Run, runs: Path) -> None:
    edited(run.path / EventLog.NAME, lambda line: line.update(text="forged"), "MessageSent")
    with pytest.raises(RunStoppedError, match="text was 'forged'"):
        fork_run(run.path, at="2.1", out=runs)


def test_fork_falls_to_no_lower_tier_than_the_run(run: Run, runs: Path) -> None:
    manifest = run.path / "manifest.json"
    text = manifest.read_text().replace('"tier_mix": {\n    "simulated"', '"tier_mix": {\n    "http"')
    manifest.write_text(
        text.replace('"tiers": [\n        "simulated"', '"tiers": [\n        "http",\n        "simulated"')
    )
    with pytest.raises(RunStoppedError, match="http"):
        fork_run(run.path, at="3.1", out=runs)
    assert fork_run(run.path, at="3.1", tier="simulated", out=runs).manifest["changed"] == {"tier": "simulated"}


def test_twins_are_pairs_of_a_comparison(run: Run, runs: Path) -> None:
    twin = fork_run(run.path, at="2.1", set=SILENT, out=runs)
    text = str(compare_runs([run.path], [twin.path]))
    assert "pair" in text


@pytest.mark.embedded
def test_embedded_fork_without_a_change_is_the_run(tmp_path: Path) -> None:
    run = run_scenario(tiny_plan(), out=tmp_path)
    twin = fork_run(run.path, at="1.2", out=tmp_path)
    assert played_lines(twin) == played_lines(run)
    assert played_prompts(twin) == played_prompts(run)
