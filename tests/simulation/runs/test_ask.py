"""Surveys in a run and questions after it: answers are measured, and what is played stays the same bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.inference.provenance import Purpose, Tier
from agents.problems import InvalidFileError, SocietyError, UsageError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.asked import FILE
from simulation.store.events import Event
from simulation.store.interviews import InterviewAnswered
from simulation.store.log import EventLog, read_events
from simulation.store.prompts import read_prompts
from simulation.tables.run import Run, load_run
from tests.conftest import models
from tests.support.played import played_lines, played_prompts
from tests.support.tiny_models import tiny_plan

TRUST = "How far do you trust the others?"
SURVEYS: list[dict[str, Any]] = [
    {"at": ["*.1", "*.last"], "ask": TRUST, "scale": "1..7"},
    {"at": "2.last", "ask": "Why did you choose so?", "who": ["m0", "m2"]},
]
ROWS = (*models(3), ModelConfig(model_id="tat", policy="tit_for_tat", team_id="red"))


def assert_same_play(first: Run, second: Run) -> None:
    assert played_lines(first) == played_lines(second)
    assert played_prompts(first) == played_prompts(second)


@pytest.mark.parametrize("budget", [None, 1])
def test_survey_leaves_events_and_prompts_as_they_are(
    make_plan: Callable[..., Plan], runs: Path, budget: int | None
) -> None:
    keys: dict[str, Any] = {
        "rows": ROWS,
        "communication": {"message_budget": budget, "inbox_limit": 2, "treatment": "shuffled"},
    }
    plain = run_scenario(make_plan(**keys), out=runs)
    asked = run_scenario(make_plan(**keys, surveys=SURVEYS), out=runs)
    assert len(asked.interviews) == 2 * 2 * 4 + 2
    assert_same_play(plain, asked)
    assert plain.outcomes.drop(columns="completion_time").equals(asked.outcomes.drop(columns="completion_time"))


@pytest.mark.parametrize(
    "scenario",
    [
        "social_network",
        pytest.param("mixed", marks=pytest.mark.slow),
        pytest.param("cooperative_zh", marks=pytest.mark.slow),
    ],
)
def test_survey_leaves_shipped_scenarios_as_they_are(scenario: str, runs: Path) -> None:
    survey = [{"at": "*.*", "ask": TRUST, "scale": "1..7"}, {"at": "*.*", "ask": TRUST}]
    options: dict[str, Any] = {"tier": Tier.SIMULATED, "episodes": 1, "out": runs}
    plain = run_scenario(scenario, **options)
    asked = run_scenario(scenario, set={"surveys": survey}, **options)
    assert len(asked.interviews) == 2 * len(plain.steps)
    assert_same_play(plain, asked)


def test_survey_row_says_who_answered_and_how(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(rows=ROWS, surveys=SURVEYS), out=runs)
    rows = run.interviews
    scaled = rows[rows["scale"] == "1..7"]
    assert set(rows["source"]) == {"survey"}
    assert dict(Counter(zip(scaled["model_id"], scaled["tier"], scaled["measured"], strict=True))) == {
        **{(f"m{i}", "simulated", "rule"): 4 for i in range(3)},
        ("tat", "scripted", "rule"): 4,
    }
    assert all(sum(shares) == pytest.approx(1) and len(shares) == 7 for shares in scaled["shares"])
    assert (scaled["mean"] == scaled["point"]).all()
    free = rows[rows["scale"] == ""]
    assert list(free["model_id"]) == ["m0", "m2"]
    assert list(free["measured"]) == ["text", "text"]
    assert free["mean"].isna().all()
    calls = run.calls[run.calls["purpose"] == Purpose.INTERVIEW.value]
    assert len(calls) == 3 * 4 + 2  # a scripted player costs no call


def test_survey_prompt_is_the_last_one_with_the_question(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(surveys=SURVEYS), out=runs)
    prompts = read_prompts(run.path)
    asked = {key: prompt for key, prompt in prompts.items() if key.purpose is Purpose.INTERVIEW}
    assert asked
    for key, prompt in asked.items():
        [decide] = [
            each
            for other, each in prompts.items()
            if (other.episode, other.step, other.model_id) == (key.episode, key.step, key.model_id)
            and other.purpose is Purpose.DECIDE
        ]
        assert prompt.part("system") == decide.part("system")
        kept = decide.part("user").splitlines()[:-1]
        assert prompt.part("user").splitlines()[: len(kept)] == kept
        assert decide.part("user").splitlines()[-1] not in prompt.part("user")
    texts = " ".join(prompt.text for key, prompt in prompts.items() if key.purpose is not Purpose.INTERVIEW)
    assert TRUST not in texts


def test_run_with_surveys_is_replayed_to_the_byte(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(rows=ROWS, surveys=SURVEYS), out=runs)
    replay = replay_run(run.path, out=runs / "again")
    assert replay.log_identical
    assert replay.tables_identical
    assert replay.run.interviews.equals(run.interviews)


def test_resume_asks_no_survey_twice(make_plan: Callable[..., Plan], runs: Path) -> None:
    seen: list[Event] = []

    def interrupt(event: Event) -> None:
        seen.append(event)
        if isinstance(event, InterviewAnswered) and sum(isinstance(each, InterviewAnswered) for each in seen) == 13:
            raise SocietyError("cut off")

    plan = make_plan(surveys=SURVEYS)
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan, out=runs, on_event=interrupt)
    resumed, whole = resume_run(stopped.value.path), run_scenario(plan, out=runs)
    calls = resumed.calls[resumed.calls["purpose"] == Purpose.INTERVIEW.value]
    assert len(calls) == len(whole.calls[whole.calls["purpose"] == Purpose.INTERVIEW.value])
    assert resumed.interviews.drop(columns="latency").equals(whole.interviews.drop(columns="latency"))


def test_question_afterwards_has_the_answer_of_a_survey(make_plan: Callable[..., Plan], runs: Path) -> None:
    plan = make_plan(rows=ROWS, surveys=[{"at": "2.1", "ask": TRUST, "scale": "1..7"}])
    run = run_scenario(plan, out=runs)
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    rows = run.ask(at=(2, 1), question=TRUST, scale=(1, 7))
    assert {file for file in run.path.rglob("*") if file.is_file()} == {*before, run.path / FILE}
    assert all(file.read_bytes() == content for file, content in before.items())
    same = ["episode", "step", "model_id", "answer", "shares", "tier", "measured", "question"]
    assert rows[same].equals(run.interviews.iloc[:4][same])
    assert list(load_run(run.path).interviews["source"]) == ["survey"] * 4 + ["ask"] * 4
    assert list(load_run(run.path).interviews["survey"]) == [0] * 4 + [-1] * 4
    assert len(run.calls) == len(load_run(run.path).calls)
    assert not any(isinstance(event, InterviewAnswered) and event.survey < 0 for event in events_of(run))


def events_of(run: Run) -> list[Event]:
    return list(read_events(run.path / EventLog.NAME))


def test_question_afterwards_names_what_is_wrong(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(episodes=1), out=runs)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("no model of the run is called 'm9'", {"who": "m9", "at": "1.1", "question": "?"}),
        ("the run has no step 1.3; it has 1.1 to 1.2", {"at": (1, 3), "question": "?"}),
        ("write EPISODE.STEP", {"at": "first", "question": "?"}),
        ("in quotes", {"at": 1.2, "question": "?"}),
        ("the question is empty", {"at": "1.1", "question": " "}),
        ("7..1 does not count up", {"at": "1.1", "question": "?", "scale": (7, 1)}),
    ]
    for message, arguments in wrong:
        with pytest.raises(UsageError, match=message):
            run.ask(**arguments)
    assert not (run.path / FILE).exists()


def test_survey_findings_name_place_value_and_fix(make_plan: Callable[..., Plan]) -> None:
    survey = {"at": ["*.1", "3.1", "1.9", "soon"], "ask": "?", "scale": "7..1", "who": ["m0", "mO"]}
    with pytest.raises(InvalidFileError) as refused:
        run_scenario(
            {**make_plan().scenario.model_dump(mode="json", exclude_unset=True), "surveys": [survey]},
            roster=make_plan().roster,
        )
    found = [str(problem) for problem in refused.value.problems]
    for words in (
        "surveys.0.at.1: '3.1': there is no episode 3",
        "surveys.0.at.2: '1.9': there is no step 9",
        "surveys.0.at.3: 'soon' is not understood",
        "surveys.0.scale: '7..1' is not understood (7..1 does not count up)",
        "surveys.0.who.1: no model is called 'mO'",
    ):
        assert [text for text in found if words in text], (words, found)


@pytest.mark.embedded
def test_embedded_answer_is_exact_and_leaves_the_run(tmp_path: Path) -> None:
    survey = [{"at": "*.*", "ask": TRUST, "scale": "1..7"}, {"at": "*.1", "ask": TRUST}]
    plain = run_scenario(tiny_plan(), out=tmp_path)
    asked = run_scenario(tiny_plan(surveys=survey), out=tmp_path)
    assert_same_play(plain, asked)
    rows = asked.interviews[asked.interviews["scale"] != ""]
    assert set(rows["measured"]) == {"exact"}
    assert all(sum(shares) == pytest.approx(1) and min(shares) > 0 for shares in rows["shares"])
    assert (rows["low"] == rows["mean"]).all()
    again = plain.ask("ada", at="1.last", question=TRUST, scale="1..7")
    [surveyed] = [row for row in rows.itertuples() if row.model_id == "ada" and row.step == 1]
    assert again["shares"][0] == pytest.approx(surveyed.shares, rel=1e-6)
