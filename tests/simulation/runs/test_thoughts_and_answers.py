"""Whole runs on servers whose replies think, decide in sentences, call tools in odd forms, or say nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer import Exit

from agents.answers import ReaderVersion
from agents.problems import StopRequestedError
from agents.roster import ModelConfig, Roster
from simulation.answer.honesty import honesty_of
from simulation.cli.run import NO_DECISION, refuse_no_decision
from simulation.metrics.replies import ReplyShare, invalid_decisions, readings, reply_shares
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.runs.session import RunSession, finish
from simulation.scenario import Scenario
from simulation.store.events import CallMade
from simulation.store.run_directory import new_directory
from simulation.tables.run import Run, load_run
from tests.support.speaking_server import Reply, SpeakingServer, options_of, said, speaking_server

SECRET = "I promise to cooperate and then defect."
ROWS = (ModelConfig(model_id="ann", model_name="a"), ModelConfig(model_id="bo", model_name="b"))
TASK = {"task_id": "duel", "task_type": "prisoners_dilemma", "max_steps": 2, "required_models": 2}


def plan_of(url: str, rows: tuple[ModelConfig, ...] = ROWS, *, social: bool = False, **inference: Any) -> Plan:
    settings = {"endpoints": [url], "tiers": ["http"], "retries": 0, **inference}
    data: dict[str, Any] = {"name": "said", "mode": "cooperative", "roster": "pair", "seed": 1, "tasks": [TASK]}
    data["communication"] = {"social_actions": ["create_post", "do_nothing"]} if social else {}
    return Plan(
        Scenario.model_validate({**data, "inference": settings}), Roster(name="pair", base_model="base", models=rows)
    )


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., tuple[Run, SpeakingServer]]:
    """Play a run on a server with these replies; keywords are settings of inference."""

    def run(reply: Reply, rows: tuple[ModelConfig, ...] = ROWS, **keys: Any) -> tuple[Run, SpeakingServer]:
        usage = keys.pop("usage", None)
        with speaking_server(reply, usage=usage) as server:
            return run_scenario(plan_of(server.url, rows, **keys), out=tmp_path), server

    return run


def shares(run: Run) -> dict[str, ReplyShare]:
    return {each.name: each for each in reply_shares(run)}


# -- thoughts ------------------------------------------------------------------------------------------------


def answer(body: dict[str, Any]) -> str:
    return (options_of(body) or ["Let us work together."])[0]


THINKERS: dict[str, Reply] = {
    "tags": lambda body: said(f"<think>{SECRET}</think>\n\n{answer(body)}"),
    "closing tag only": lambda body: said(f"{SECRET}</think>{answer(body)}"),
    "reasoning_content": lambda body: said(answer(body), reasoning_content=SECRET),
    "reasoning": lambda body: said(answer(body), reasoning=SECRET),
    "parts": lambda body: said([{"type": "thinking", "thinking": SECRET}, {"type": "text", "text": answer(body)}]),
    "harmony": lambda body: said(
        f"<|channel|>analysis<|message|>{SECRET}<|end|><|channel|>final<|message|>{answer(body)}"
    ),
}


@pytest.mark.parametrize("tier", ["http", "camel"])
@pytest.mark.parametrize("name", THINKERS)
def test_a_thought_is_a_column_and_no_message(play: Callable[..., Any], name: str, tier: str) -> None:
    run, server = play(THINKERS[name], tiers=[tier])
    assert set(run.messages["text"]) == {"Let us work together."}
    assert run.decisions["valid"].all()
    for rows in (run.messages, run.decisions):
        assert set(rows["reasoning"]) == {SECRET}
    prompts = [message["content"] for body in server.bodies for message in body["messages"]]
    assert not any(SECRET in prompt for prompt in prompts)
    assert set(run.decisions["reading"]) <= {"constrained", "exact"}


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: said(None, reasoning_content=SECRET) | {"finish_reason": "length"},
        lambda _: said(f"<think>{SECRET}") | {"finish_reason": "length"},
        lambda _: said("") | {"finish_reason": "length"},
    ],
)
def test_replies_cut_within_the_thought_rest_no_server_and_are_counted(play: Callable[..., Any], reply: Reply) -> None:
    usage = {"completion_tokens_details": {"reasoning_tokens": 60}}
    run, _ = play(reply, usage=usage, tiers=["http", "simulated"])
    assert set(run.calls["status"]) == {"ok"}
    assert set(run.calls["tier"]) == {"http"}
    assert set(run.calls["reasoning_tokens"]) == {60}
    assert set(run.messages["text"]) == {""}
    found = shares(run)
    for name in ("invalid decisions", "empty", "cut"):
        assert found[name].share == 1
        assert "thought" in found[name].cause
        assert "inference.thinking" in found[name].fix
    assert not found["fell back"].exceeds


def test_a_choice_in_the_reasoning_counts_and_a_message_there_is_named(play: Callable[..., Any]) -> None:
    run, _ = play(lambda body: said(None, reasoning_content=(options_of(body) or [SECRET])[0]))
    assert set(run.decisions["reading"]) == {"constrained"}
    assert set(run.messages["text"]) == {""}
    assert "took the whole reply for a thought" in shares(run)["empty"].cause


def thinks_if_asked(body: dict[str, Any]) -> dict[str, Any]:
    """Answer as a template does that opens a thought where it is asked to; a constraint leaves no room for one."""
    asked = body.get("chat_template_kwargs", {}).get("enable_thinking", False)
    return said(f"{SECRET}</think>{answer(body)}" if asked and not options_of(body) else answer(body))


def asked_to_think(server: SpeakingServer) -> list[bool | None]:
    return [body.get("chat_template_kwargs", {}).get("enable_thinking") for body in server.bodies]


@pytest.mark.parametrize("tier", ["http", "camel"])
def test_thinking_on_notes_then_decides_without_a_thought(play: Callable[..., Any], tier: str) -> None:
    run, server = play(thinks_if_asked, tiers=[tier], thinking={"budget": 200}, max_tokens=30)
    assert set(run.messages["reasoning"]) == {SECRET}
    assert set(run.decisions["reading"]) == {"constrained"}
    assert set(run.decisions["note"]) == {"Let us work together."}
    assert set(run.decisions["reasoning"]) == {SECRET}
    assert list(run.calls["purpose"].value_counts().sort_index()) == [4, 4, 4]  # decide, note, talk
    for body, asked in zip(server.bodies, asked_to_think(server), strict=True):
        assert asked is not bool(options_of(body))
        assert body.get("max_tokens", body.get("max_completion_tokens")) == (30 if options_of(body) else 230)
    assert run.outcomes["real_share"].eq(1).all()


@pytest.mark.parametrize(("settings", "asked"), [({"thinking": "off"}, {False}), ({}, {None})])
def test_thinking_off_and_unset(play: Callable[..., Any], settings: dict[str, Any], asked: set[bool | None]) -> None:
    run, server = play(thinks_if_asked, **settings)
    assert set(asked_to_think(server)) == asked
    assert set(run.messages["reasoning"]) == set(run.decisions["note"]) == {""}
    assert set(run.calls["purpose"]) == {"talk", "decide"}


def test_a_rows_thinking_and_decide_override_the_scenarios(play: Callable[..., Any]) -> None:
    rows = (
        ModelConfig.model_validate({"model_id": "ann", "model_name": "a", "thinking": False}),
        ModelConfig.model_validate({"model_id": "bo", "model_name": "b", "decide": "reasoned"}),
    )
    run, server = play(thinks_if_asked, rows, thinking="on")
    thinking = {body["model"] for body, asked in zip(server.bodies, asked_to_think(server), strict=True) if asked}
    assert thinking == {"b"}
    notes = run.calls[run.calls["purpose"] == "note"]
    assert set(notes["model_id"]) == {"bo"}


def test_a_private_note_is_told_to_nobody_but_its_writer(play: Callable[..., Any]) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        asks_note = "private note that nobody" in body["messages"][-1]["content"]
        return said(f"{body['model']} plans in secret" if asks_note else answer(body))

    run, server = play(reply, decide="reasoned")
    assert set(run.decisions["note"]) == {"a plans in secret", "b plans in secret"}
    for body in server.bodies:
        prompt = body["messages"][-1]["content"]
        other = "b" if body["model"] == "a" else "a"
        assert f"{other} plans in secret" not in prompt
        assert (f"Your private note: {body['model']} plans in secret" in prompt) is bool(options_of(body))
    assert replay_run(run.path, out=run.path.parent / "again").log_identical


# -- answers -------------------------------------------------------------------------------------------------


def in_a_sentence(body: dict[str, Any]) -> dict[str, Any]:
    return said(f"I choose to {options_of(body)[0]}." if options_of(body) else "Hello")


def test_sentences_are_read_and_the_run_says_how(play: Callable[..., Any]) -> None:
    run, _ = play(in_a_sentence)
    assert set(run.decisions["reading"]) == {"extracted"}
    assert set(run.decisions["asks"]) == {1}
    assert readings(run) == {"extracted": 1.0}
    assert run.manifest["reader"] == ReaderVersion.SENTENCES
    refuse_no_decision(run)  # does not end the command


def test_a_run_of_the_first_reader_is_replayed_with_it(tmp_path: Path) -> None:
    """A recorded reply decides as it did when it was recorded, though it would be read otherwise today."""
    with speaking_server(in_a_sentence) as server:
        plan = plan_of(server.url)
        path = new_directory(tmp_path, plan, reader=ReaderVersion.EXACT_ONLY)
        run = finish(RunSession(path, plan, None))
    assert not run.decisions["valid"].any()
    manifest = {**run.manifest, "schema_version": 3}
    del manifest["reader"]  # as that version wrote it
    (path / "manifest.json").write_bytes(orjson.dumps(manifest))
    again = replay_run(path, out=tmp_path / "again")
    assert again.run.manifest["reader"] == ReaderVersion.EXACT_ONLY
    assert not again.run.decisions["valid"].any()
    assert set(again.run.decisions["asks"]) == {2}
    assert again.tables_identical


def test_an_interrupted_run_of_the_first_reader_goes_on_with_it(tmp_path: Path) -> None:
    from simulation.runs.runner import RunStoppedError, resume_run

    seen: list[object] = []

    def stop(event: object) -> None:
        if isinstance(event, CallMade) and event.record.key.attempt == 1 and not seen:
            seen.append(event)
            raise StopRequestedError("enough")

    with speaking_server(in_a_sentence) as server:
        plan = plan_of(server.url)
        path = new_directory(tmp_path, plan, reader=ReaderVersion.EXACT_ONLY)
        with pytest.raises(RunStoppedError):
            finish(RunSession(path, plan, stop))
        run = resume_run(path)
    assert not run.decisions["valid"].any()


# -- nothing empty is green ------------------------------------------------------------------------------------


def test_a_run_without_a_valid_decision_has_its_own_exit_code(
    play: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = play(lambda body: said("I cannot decide." if options_of(body) else "Hello"))
    assert invalid_decisions(run) == 1
    found = shares(run)["invalid decisions"]
    assert (found.count, found.of) == (4, 4)
    assert "did not constrain" in found.cause
    with pytest.raises(Exit) as ended:
        refuse_no_decision(run)
    assert ended.value.exit_code == NO_DECISION
    assert "none of the 4 decisions is valid" in capsys.readouterr().err
    assert load_run(run.path).manifest["status"] == "finished"  # nothing is lost


def test_a_run_that_scripted_policies_decided_has_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The server answers with nothing readable: every call falls back, and the decisions are no model's."""
    with speaking_server(lambda _: {"message": {"content": 5}}) as server:
        run = run_scenario(plan_of(server.url, tiers=["http", "simulated"]), out=tmp_path)
    assert run.decisions["valid"].all()
    assert shares(run)["fell back"].exceeds
    assert "content is missing" in shares(run)["fell back"].cause
    with pytest.raises(Exit):
        refuse_no_decision(run)
    assert "no language model gave a legal action" in capsys.readouterr().err
    simulated = run_scenario(plan_of("http://127.0.0.1:9/v1", tiers=["simulated"]), out=tmp_path)
    refuse_no_decision(simulated)  # no model was to answer


def test_shares_of_a_good_run_are_within_their_bounds(play: Callable[..., Any]) -> None:
    run, _ = play(lambda body: said(answer(body)))
    assert not any(each.exceeds or each.cause for each in reply_shares(run))
    assert [(each.name, each.of) for each in reply_shares(run)] == [
        ("invalid decisions", 4),
        ("empty", 8),
        ("cut", 8),
        ("fell back", 8),
    ]


TOOL = {"id": "1", "type": "function", "function": {"name": "create_post", "arguments": {"content": "hi"}}}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"content": None, "tool_calls": [TOOL]}, ""),
        ({"content": '```json\n{"name": "create_post", "arguments": {"content": "hi"}}\n```'}, ""),
        ({"content": None, "function_call": {"name": "create_post", "arguments": '{"content": "hi"}'}}, ""),
        ({"content": "I will post: hi"}, "the reply calls no tool"),
    ],
)
def test_acts_are_read_or_say_why_not(play: Callable[..., Any], message: dict[str, Any], error: str) -> None:
    run, _ = play(lambda body: {"message": message} if body.get("tools") else said(answer(body)), social=True)
    assert len(run.acts) == 4
    assert set(run.acts["error"]) == {error}
    found = shares(run)["invalid acts"]
    assert found.exceeds is bool(error)
    assert honesty_of(run).invalid_acts == found.count
    if error:
        assert found.cause == error
