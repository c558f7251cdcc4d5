"""What happens before a step: to those addressed, from that step on, in the log, and again in replay and resume."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulation import fork_run, replay_run
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import Event, StepResolved
from simulation.tables.run import Run
from tests.conftest import models
from tests.simulation.runs.test_runner import assert_same
from tests.support.tiny_models import tiny_plan

MakePlan = Callable[..., Plan]
GOODS = {"task_id": "goods", "task_type": "public_goods", "max_steps": 3}
SQUARE = {
    "task_id": "square",
    "task_type": "social_network",
    "max_steps": 3,
    "parameters": {"posts": [{"author": "m0", "text": "the first"}], "actions": ["create_comment", "like_post"]},
}


def played(make_plan: MakePlan, runs: Path, *events: dict[str, Any], **keys: Any) -> Run:
    plan = make_plan(4, **{"tasks": [GOODS], "episodes": 1, "mode": "cooperative", "events": events, **keys})
    return run_scenario(plan, out=runs)


def asked(run: Run, text: str) -> set[tuple[int, str]]:
    """Step and model of every prompt that has a text."""
    rows = run.prompts[run.prompts["user"].str.contains(text, regex=False)]
    return set(zip(rows["step"], rows["model_id"], strict=True))


def test_shown_text_is_in_the_prompts_of_that_step_alone(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, {"at": "1.2", "to": ["m1", "m2"], "show": "The lake closes."})
    assert asked(run, "Announcement: The lake closes.") == {(1, "m1"), (1, "m2")}
    (row,) = run.events.to_dict("records")
    assert (row["kind"], row["to"], row["detail"], row["source"]) == (
        "show",
        ("m1", "m2"),
        '"The lake closes."',
        "scenario",
    )


EVERYTHING_ASKED: dict[str, Any] = {
    "memory": {"window": 3, "summary": {"every": 1}},
    "communication": {"addressing": "chosen", "talk_rounds": 2},
    "surveys": [{"at": "*.*", "ask": "How are you?", "scale": (1, 3)}],
    "inference": {"tiers": ["simulated"], "decide": "reasoned"},
}


def test_text_shown_to_some_is_in_no_prompt_of_others(make_plan: MakePlan, runs: Path) -> None:
    shown = [
        {"at": "*.2", "to": ["m1"], "show": "Secret one."},
        {"at": "*.2", "to": {"team": "blue"}, "show": "Secret two."},
        {"at": "*.3", "to": 0.25, "show": "Secret three."},
    ]
    run = played(make_plan, runs, *shown, tasks=[GOODS, SQUARE], **EVERYTHING_ASKED)
    assert set(run.prompts["purpose"]) == {"address", "talk", "note", "decide", "summary", "interview", "act"}
    assert len(run.events) == 6
    rows = run.prompts.assign(told=run.prompts["system"] + run.prompts["user"] + run.prompts["reply"].fillna(""))
    for episode, step, to, text in zip(
        *(run.events[name] for name in ("episode", "step", "to", "detail")), strict=True
    ):
        holds = rows[(rows["episode"] == episode) & rows["told"].str.contains(text.strip('"'), regex=False)]
        assert set(holds["model_id"]) == set(to)
        assert set(holds["step"]) == {step}


def test_event_of_a_team_or_a_share_reaches_so_many(make_plan: MakePlan, runs: Path) -> None:
    events = [{"at": "1.1", "to": {"team": "red"}, "show": "A"}, {"at": "*.2", "to": 0.5, "show": "B"}]
    first, again = (played(make_plan, runs, *events) for _ in range(2))
    team, half = first.events["to"]
    assert team == ("m0", "m2")
    assert len(half) == 2
    assert list(first.events["to"]) == list(again.events["to"])


def test_parameter_set_counts_from_its_step_on(make_plan: MakePlan, runs: Path) -> None:
    plain = played(make_plan, runs)
    run = played(make_plan, runs, {"at": "1.2", "set": {"multiplier": 3.0}})
    before, after = (each.steps.pivot(index="step", columns="model_id", values="payoff") for each in (plain, run))
    assert before.loc[0].equals(after.loc[0])
    assert not before.loc[1].equals(after.loc[1])
    assert "3" in run.prompts[run.prompts["step"] == 2]["system"].iloc[0]
    assert run.prompts[run.prompts["step"] == 0]["system"].iloc[0] == plain.prompts["system"].iloc[0]


def test_muted_models_say_nothing_until_they_may(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, {"at": "1.2", "to": "m1", "mute": True}, {"at": "1.3", "to": "m1", "mute": False})
    said = {step: set(rows["sender"]) for step, rows in run.messages.groupby("step")}
    assert said == {0: {"m0", "m1", "m2", "m3"}, 1: {"m0", "m2", "m3"}, 2: {"m0", "m1", "m2", "m3"}}
    assert len(run.decisions) == 12


def test_muted_users_do_not_act_in_a_network(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, {"at": "1.2", "to": "m1", "mute": True}, tasks=[SQUARE])
    assert set(run.acts.query("model_id == 'm1'")["step"]) <= {0}


def test_swapped_adapter_is_asked_from_its_step_on(make_plan: MakePlan, runs: Path) -> None:
    rows = (*models(3), models(4)[3].model_copy(update={"model_name": "defector"}))
    run = played(make_plan, runs, {"at": "1.2", "to": "m1", "adapter": "defector"}, rows=rows)
    asked_for = run.decisions.query("model_id == 'm1'").set_index("step")["adapter"].to_dict()
    assert asked_for == {0: "cooperator", 1: "defector", 2: "defector"}
    assert set(run.decisions.query("model_id == 'm0'")["adapter"]) == {"cooperator"}


def test_post_and_votes_are_in_feeds_tables_and_database(make_plan: MakePlan, runs: Path) -> None:
    post = {"at": "1.2", "post": {"author": "m2", "text": "Breaking news."}}
    votes = {"at": "1.3", "vote": {"item": 1, "likes": 7, "dislikes": 2}}
    run = played(make_plan, runs, post, votes, tasks=[SQUARE])
    shown = run.posts[run.posts["text"] == "Breaking news."].to_dict("records")[0]
    assert (shown["author"], shown["step"], shown["tier"]) == ("m2", 1, "none")
    assert asked(run, "Breaking news.")
    first = run.posts.iloc[0]
    liked = int((run.acts["action"] == "like_post").sum())
    assert 7 <= first["likes"] <= 7 + liked
    assert first["dislikes"] == 2
    database = sqlite3.connect(run.path / "oasis.db")
    assert database.execute("SELECT num_dislikes FROM post WHERE content = 'the first'").fetchall() == [(2,)]
    assert database.execute("SELECT user_id FROM post WHERE content = 'Breaking news.'").fetchall() == [(2,)]


def test_votes_for_an_item_that_is_not_there_are_left_out(
    make_plan: MakePlan, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = played(make_plan, runs, {"at": "1.1", "vote": {"item": 9, "likes": 3}}, tasks=[SQUARE])
    assert run.manifest["status"] == "finished"
    assert run.events.empty
    assert "there is no item 9, the newest is 1; the event is left out" in caplog.text


def test_set_that_does_not_fit_what_was_set_is_left_out(
    make_plan: MakePlan, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    talk = {"task_id": "talk", "task_type": "opinion", "max_steps": 3, "parameters": {"low": 0, "high": 10}}
    events = ({"at": "1.2", "set": {"high": 4}}, {"at": "1.3", "set": {"low": 6}})
    run = played(make_plan, runs, *events, tasks=[talk])
    assert list(run.events["step"]) == [1]
    assert "the event is left out" in caplog.text


EVENTS = (
    {"at": "*.2", "to": 0.5, "show": "Look out."},
    {"at": "1.2", "set": {"multiplier": 3.0}},
    {"at": "2.2", "post": {"author": "m3", "text": "news"}},
    {"at": "2.3", "vote": {"item": 1, "dislikes": 3}},
    {"at": "2.3", "to": "m1", "mute": True},
)


def test_replay_of_events_is_the_same_bytes(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, *EVENTS, tasks=[GOODS, SQUARE])
    replay = replay_run(run.path, out=runs)
    assert replay.log_identical
    assert replay.tables_identical


@pytest.mark.parametrize("stop", [(0, 1), (1, 1), (2, 1)])
def test_resumed_run_with_events_is_that_of_an_unbroken_one(
    make_plan: MakePlan, runs: Path, stop: tuple[int, int]
) -> None:
    keys: dict[str, Any] = {"tasks": [GOODS, SQUARE], "episodes": 2}
    whole = played(make_plan, runs, *EVENTS, **keys)

    def interrupt(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == stop:
            raise KeyboardInterrupt

    plan = make_plan(4, mode="cooperative", events=EVENTS, **keys)
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan, out=runs, on_event=interrupt)
    assert_same(resume_run(stopped.value.path), whole)


def swapped(run: Run) -> dict[tuple[int, int], set[str]]:
    """The models that were asked for the adapter `defector`, by episode and step."""
    asked_for = run.decisions.groupby(["episode", "step"])[["model_id", "adapter"]]
    return {moment: set(rows[rows["adapter"] == "defector"]["model_id"]) for moment, rows in asked_for}


def swaps_half(make_plan: MakePlan) -> Plan:
    """A plan in which half of the models, drawn by the seed, are asked for another adapter from step 2 on."""
    rows = (*models(5), models(6)[5].model_copy(update={"model_name": "defector"}))
    events = [{"at": "*.2", "to": 0.5, "adapter": "defector"}]
    return make_plan(rows=rows, tasks=[{**GOODS, "max_steps": 4}], mode="cooperative", events=events)


@pytest.mark.parametrize("stop", [(0, 1), (0, 2), (1, 0), (1, 2)])
def test_resumed_run_swaps_the_adapters_of_the_same_half(
    make_plan: MakePlan, runs: Path, stop: tuple[int, int]
) -> None:
    whole = run_scenario(swaps_half(make_plan), out=runs)
    assert len(swapped(whole)[0, 1] - {"m5"}) in {2, 3}
    assert swapped(whole)[0, 1] != swapped(whole)[1, 1]  # each episode draws anew

    def interrupt(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == stop:
            raise KeyboardInterrupt

    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(swaps_half(make_plan), out=runs, on_event=interrupt)
    resumed = resume_run(stopped.value.path)
    assert swapped(resumed) == swapped(whole)
    assert_same(resumed, whole)


@pytest.mark.parametrize("at", ["1.2", "1.3", "2.1", "2.4"])
def test_fork_swaps_the_adapters_of_the_same_half(make_plan: MakePlan, runs: Path, at: str) -> None:
    run = run_scenario(swaps_half(make_plan), out=runs)
    silent = fork_run(run.path, at=at, set={"communication.treatment": "silenced"}, out=runs)
    shown = fork_run(run.path, at=at, event={"show": "The lake closes.", "to": 0.5}, out=runs)
    assert swapped(silent) == swapped(shown) == swapped(run)


def test_fork_with_one_event_has_the_same_prompts_up_to_it(make_plan: MakePlan, runs: Path) -> None:
    run = played(make_plan, runs, {"at": "1.1", "show": "Good morning."})
    twin = fork_run(run.path, at="1.3", event={"show": "The lake closes.", "to": ["m1"]}, out=runs)
    before, after = (each.prompts.query("step < 2")["user"].tolist() for each in (run, twin))
    assert before == after
    assert asked(twin, "The lake closes.") == {(2, "m1")}
    assert list(twin.events["detail"]) == ['"Good morning."', '"The lake closes."']
    assert twin.manifest["changed"]["events"][-1]["at"] == "1.3"


@pytest.mark.embedded
def test_embedded_fork_with_one_event_has_the_same_prompts_up_to_it(runs: Path) -> None:
    run = run_scenario(tiny_plan(), out=runs)
    twin = fork_run(run.path, at="1.2", event={"show": "Everyone will be paid twice."}, out=runs)
    before, after = (each.prompts.query("step < 1")["user"].tolist() for each in (run, twin))
    assert before == after
    assert set(twin.calls["tier"]) == {"embedded"}
    assert {step for step, _ in asked(twin, "paid twice")} == {1}
