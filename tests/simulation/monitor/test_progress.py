"""The progress line counts sent, failed and cached calls; the outcome table has a row per model or per kind."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from agents.inference.provenance import CallKey, Purpose, Tier
from agents.role import ModelRole
from agents.roster import ModelConfig
from simulation.monitor.outcomes import MOST_MODELS, outcome_tables
from simulation.monitor.progress import GenerationClock, LiveProgress
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.store.events import Event
from tests.support.faults import Fault
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM


def last_line(plan: Plan, runs: Path, cache: Path) -> str:
    written = io.StringIO()
    with LiveProgress(Console(file=written, width=200), 1) as progress:
        run_scenario(plan, out=runs, on_event=progress, cache=cache)
    return written.getvalue().splitlines()[-1]


def test_cached_reply_is_neither_a_call_nor_a_failure(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM()) as server:
        plan = make_plan(episodes=1, inference={"tiers": ["http"], "endpoints": [server.url], "retries": 3})
        server.script(Fault.SERVER_ERROR)
        first, again = (last_line(plan, runs, runs / "cache") for _ in range(2))
    assert "| 17 calls, 1 failed |" in first  # 4 models, 2 steps, a message and a decision each
    assert "http:16" in first
    assert "| 0 calls, 16 cached |" in again
    assert "http:16" in again


def moves(plan: Plan, runs: Path) -> list[float]:
    """How far the bar is after each event of a run."""
    console, places = Console(file=io.StringIO(), width=200, force_terminal=True), []
    with LiveProgress(console, plan.scenario.episodes, plan) as progress:

        def note(event: Event) -> None:
            progress(event)
            places.append(progress._progress.tasks[0].completed)

        run_scenario(plan, out=runs, on_event=note)
    return places


def test_bar_moves_at_every_call_and_never_back(make_plan: Callable[..., Plan], runs: Path) -> None:
    places = moves(make_plan(episodes=2), runs)
    assert places == sorted(places)
    assert places[-1] == 2
    assert len(set(places)) > 2 * 16  # 4 models, 2 steps, a message and a decision each: more places than calls
    assert 0 < places[2] < 0.2  # it moves with the first call


def test_generation_clock_counts_time_with_an_open_call(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("simulation.monitor.progress.time.monotonic", lambda: now[0])
    clock, first, second = GenerationClock(), CallKey(0, 0, "a", Purpose.TALK), CallKey(0, 0, "b", Purpose.TALK)
    for at, act, key in ((5, clock.begin, first), (6, clock.begin, second), (8, clock.end, first)):
        now[0] = at
        act(key)
    now[0] = 9
    assert clock.seconds == 4
    clock.end(second)
    now[0] = 100  # nothing is open: OASIS, or the game
    assert clock.seconds == 4


def test_replayed_run_has_no_rate_of_tokens(make_plan: Callable[..., Plan], runs: Path) -> None:
    run, written = run_scenario(make_plan(episodes=1), out=runs), io.StringIO()
    with LiveProgress(Console(file=written, width=200), 1) as progress:
        replay_run(run.path, out=runs / "again", on_event=progress)
    assert "tokens/s" not in written.getvalue()
    assert "simulated:16" in written.getvalue()


def test_progress_names_what_is_loaded_before_the_first_call() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with LiveProgress(console, 1) as progress:
        logging.getLogger("society.phase").info("starting OASIS")
        assert "starting OASIS" in progress._progress.tasks[0].description
    assert logging.getLogger("society.phase").propagate


def of_kind(adapter: str, count: int) -> tuple[ModelConfig, ...]:
    return tuple(
        ModelConfig(model_id=f"{adapter}_{number}", model_name=adapter, role=ModelRole.NEUTRAL)
        for number in range(1, count + 1)
    )


def shown_table(plan: Plan, runs: Path) -> str:
    run = run_scenario(plan, tier=Tier.SIMULATED, out=runs)
    console = Console(file=io.StringIO(), width=150, record=True)
    console.print(*outcome_tables(run))
    return console.export_text()


def test_outcome_table_of_many_models_is_by_kind(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = (*of_kind("ada", MOST_MODELS), *of_kind("ben", MOST_MODELS))
    text = shown_table(make_plan(rows=rows, episodes=1, mode="cooperative"), runs)
    assert f"{2 * MOST_MODELS} models, averaged by player, role and team" in text
    assert "ada" not in text.partition("replies by tier")[0]
    (row,) = [line.split("│") for line in text.splitlines() if "│ simulated neutral" in line]
    assert f"{2 * MOST_MODELS}" in [cell.strip() for cell in row]


def test_outcome_table_of_few_models_is_by_model(make_plan: Callable[..., Plan], runs: Path) -> None:
    text = shown_table(make_plan(rows=of_kind("ada", MOST_MODELS), episodes=1, mode="cooperative"), runs)
    assert all(f"ada_{number} " in text for number in range(1, MOST_MODELS + 1))


def test_outcome_table_of_a_network_says_where_to_look(make_plan: Callable[..., Plan], runs: Path) -> None:
    network = {"task_id": "feed", "task_type": "social_network", "max_steps": 2}
    talk = {"talk_rounds": 0}
    text = shown_table(make_plan(episodes=1, mode="cooperative", tasks=[network], communication=talk), runs)
    assert "nan" not in text
    assert "efficiency" not in text
    assert "what was posted and done in the social network: society report" in text


def test_outcome_table_is_by_model_if_every_kind_has_one(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(
        ModelConfig(model_id=f"m{number}", model_name="ada", role=ModelRole.NEUTRAL, team_id=f"t{number}")
        for number in range(MOST_MODELS + 1)
    )
    text = shown_table(make_plan(rows=rows, episodes=1, mode="cooperative"), runs)
    assert "averaged by" not in text
    assert f"m{MOST_MODELS} " in text
