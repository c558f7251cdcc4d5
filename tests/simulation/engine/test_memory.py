"""What a prompt holds of earlier steps: the last ones, oldest first, and nothing that was hidden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language import Language
from simulation import replay_run
from simulation.engine.memory import EpisodeMemory, StepMemory
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.sections.memory import MemoryConfig, MemoryPart
from simulation.tables.run import Run

MakePlan = Callable[..., Plan]


def played(make_plan: MakePlan, runs: Path, **keys: Any) -> Run:
    dilemma = {"task_id": "pd", "task_type": "prisoners_dilemma", "max_steps": 4}
    return run_scenario(make_plan(2, **{"tasks": [dilemma], "episodes": 1, "mode": "cooperative", **keys}), out=runs)


def prompts(run: Run, step: int, model: str = "m0", purpose: str = "decide") -> str:
    rows = run.prompts
    rows = rows[(rows["step"] == step) & (rows["model_id"] == model) & (rows["purpose"] == purpose)]
    return str(rows["user"].iloc[-1])


def test_prompt_holds_the_last_steps_oldest_first(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, memory={"window": 2})
    first, last = prompts(run, 0), prompts(run, 3)
    assert "remember" not in first
    lines = [line for line in last.split("\n") if line.startswith("Step ") and ": " in line]
    assert [line.split(":")[0] for line in lines] == ["Step 2", "Step 3"]
    said = run.messages.query("step == 2 and sender == 'm0'")["text"].iloc[0].removesuffix(".")
    assert f'you wrote "{said}"' in lines[1]
    chosen = run.decisions.query("step == 2 and model_id == 'm0'")["text"].iloc[0]
    assert f"you did {chosen}" in lines[1]


def test_memory_comes_before_what_changes_in_every_step(make_plan: MakePlan, runs: Path) -> None:
    last = prompts(played(make_plan, runs, memory={"window": 4}), 2)
    assert last.index("You are m0") < last.index("What you remember") < last.index("Step 3 of 4")
    assert last.index("Step 3 of 4") < last.index("Messages heard")


def test_prompts_without_memory_are_as_before(make_plan: MakePlan, runs: Path) -> None:
    plain, none = played(make_plan, runs), played(make_plan, runs, memory={"window": 0})
    assert list(plain.prompts["user"]) == list(none.prompts["user"])
    assert not plain.prompts["user"].str.contains("remember").any()


@pytest.mark.parametrize(
    ("parts", "there", "away"),
    [(["own"], "you did", "you heard"), (["heard"], "you heard", "you did"), (["outcomes"], "then:", "you wrote")],
)
def test_only_the_parts_asked_for_are_remembered(
    make_plan: MakePlan, runs: Path, parts: list[str], there: str, away: str
) -> None:
    last = prompts(played(make_plan, runs, memory={"window": 3, "of": parts}), 3)
    assert there in last
    assert away not in last


def test_users_of_a_network_remember_what_they_did(make_plan: MakePlan, runs: Path) -> None:
    task = {"task_id": "net", "task_type": "social_network", "max_steps": 3}
    run = played(make_plan, runs, tasks=[task], memory={"window": 3})
    act = run.acts.query("step == 1 and model_id == 'm0'")["action"].iloc[0]
    assert f"you did {act}" in prompts(run, 2, purpose="act")


def test_replay_with_memory_is_the_same_bytes(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, memory={"window": 2}, episodes=2)
    assert replay_run(run.path, out=runs).log_identical


@pytest.mark.parametrize("language", list(Language))
def test_line_of_a_step_names_every_part(language: Language) -> None:
    line = StepMemory(2, ("hello.",), ("- ben: hi",), "give 5", "You got 3.").line(list(MemoryPart), language)
    assert all(part in line for part in ("2", "hello", "ben: hi", "give 5", "You got 3"))
    assert "\n" not in line


@given(window=st.integers(1, 6), steps=st.integers(1, 20))
def test_memory_never_holds_more_than_its_window(window: int, steps: int) -> None:
    memory = EpisodeMemory(MemoryConfig(window=window), Language.EN)
    for step in range(1, steps + 1):
        memory.add(0, StepMemory(step, action=f"act {step}"), shown="")
        numbers = [int(line.split()[1].rstrip(":")) for line in memory.lines(0)]
        assert numbers == list(range(max(1, step - window + 1), step + 1))


def test_model_sums_up_every_so_many_steps(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, memory={"window": 2, "summary": {"every": 2}})
    calls = run.calls[run.calls["purpose"] == "summary"]
    assert set(zip(calls["step"], calls["model_id"], strict=True)) == {(2, "m0"), (2, "m1")}
    rows = run.prompts
    asked = rows[(rows["purpose"] == "summary") & (rows["model_id"] == "m0")].iloc[0]
    assert "Step 1: you wrote" in asked["user"]
    assert "Step 2: you wrote" in asked["user"]
    last = prompts(run, 3)
    written = str(asked["reply"]).removesuffix(".")
    assert f"Your summary of the steps up to 2: {written}." in last
    assert "Step 2: you wrote" not in last
    assert "Step 3: you wrote" in last


def test_replay_with_summaries_is_the_same_bytes(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, memory={"window": 3, "summary": {"every": 2}})
    assert replay_run(run.path, out=runs).log_identical


def test_summary_beyond_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="above the window"):
        MemoryConfig.model_validate({"window": 2, "summary": {"every": 3}})
