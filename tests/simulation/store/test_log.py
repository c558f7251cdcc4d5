"""The event log: what goes in comes out, and a crash costs at most a torn line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.provenance import CallKey, CallRecord, CallStatus, Provenance, Purpose, Reply, Tier
from simulation.store import log
from simulation.store.blocks import BlockError, EventBlock
from simulation.store.events import (
    EVENT_TYPES,
    CallMade,
    DecisionMade,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    MessageSent,
    Outcome,
    RunEnded,
    RunResumed,
    SocialActed,
    StepResolved,
    StepRow,
)
from simulation.store.intervention_events import EventHappened
from simulation.store.interviews import InterviewAnswered
from simulation.store.log import EventLog, EventLogError, decode, encode, read_events
from simulation.store.network_events import PostSeeded
from simulation.store.rows import Cells, Rows, Same

KEY = CallKey(0, 1, "ada", Purpose.DECIDE, attempt=1)
PROVENANCE = Provenance(Tier.HTTP, "coop", "http://x/v1", 2, 0.5, 10, 3, "stop", (Tier.CAMEL,))
RECORD = CallRecord(KEY, Tier.HTTP, "http://x/v1", "coop", 2, CallStatus.FAILED, 0.5, 0.1, "ab12", error="boom")
OUTCOME = Outcome("ada", "coop", "leader", None, "general", "http", 1.0, 3.0, 0.5, 1.0, None, 25.0, 1.5, 2, 0)
EXAMPLES: tuple[Event, ...] = (
    EpisodeStarted(0, "t", "commons", "cooperative", "set", 1.0, False, 100.0, 0.5, 0.5),
    CallMade(RECORD),
    CallMade(replace(RECORD, status=CallStatus.OK, error="", reply=Reply("合作", PROVENANCE, 0.9))),
    MessageSent(
        0,
        1,
        0,
        "ada",
        "red",
        ("ben", "cy"),
        ("ben",),
        "我们\nhear \u2028 me",
        "http",
        "coop",
        "http://x",
        0.5,
        "",
        7,
        2,
    ),
    SocialActed(0, 1, "ada", None, "", False, "no post", "{}", 2, "http", "coop", "http://x", 0.5, ""),
    SocialActed(
        0,
        1,
        "ada",
        "like_post",
        "{}",
        True,
        "",
        "{}",
        1,
        "http",
        "coop",
        "",
        0.5,
        "",
        "",
        "2026-01-01 08:00",
        (3, 1),
        4,
    ),
    PostSeeded(0, 0, "2026-01-01 08:00", 1, "ada", "the first"),
    EventHappened(0, 1, 0, "show", ("ada", "ben"), '"关门"', "scenario"),
    DecisionMade(0, 1, "ada", None, "??", 2, "http", "coop", "", 0.1, "camel", None),
    InterviewAnswered(
        *(0, 1, "ada", 0, "信任吗?", (1, 3), "2", 2, (0.25, 0.5, 0.25), "exact", 1, 1),
        *("embedded", "coop", "", 0.5, "", 10, 3),
    ),
    InterviewAnswered(0, 1, "ada", 1, "Why?", None, "so", None, (), "text", 0, 1, "http", "c", "", 0.5, "", None, 1),
    StepResolved(0, 1, 0.2, (StepRow("ada", 3.0, None, 6.0),)),
    EpisodeEnded(0, 2, None, "http", 1.0, 6.0, 0.0, 9.0, 2.0, (OUTCOME,)),
    RunResumed(1),
    RunEnded("finished"),
)


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event).__name__ for event in EXAMPLES} == set(EVENT_TYPES)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_survives_the_log(event: Event) -> None:
    line = encode(event)
    assert b"\n" not in line
    assert decode(line) == event


def test_a_log_gives_back_its_events_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for event in EXAMPLES:
            log.append(event)
    assert tuple(read_events(path)) == EXAMPLES


@given(cut=st.integers(min_value=0))
def test_a_log_cut_anywhere_keeps_every_whole_event(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    lines = [encode(event) + b"\n" for event in EXAMPLES]
    whole = b"".join(lines)
    cut %= len(whole) + 1
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert tuple(read_events(path)) == EXAMPLES[:kept]
    with EventLog(path) as log:  # the next session writes after the last whole line
        log.append(RunEnded("stopped"))
    assert tuple(read_events(path)) == (*EXAMPLES[:kept], RunEnded("stopped"))


@pytest.mark.parametrize("line", [b"{", b'{"type":"Nonsense"}', b'{"type":"RunResumed"}', b"[]", b"\xff"])
def test_a_broken_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(encode(RunResumed(0)) + b"\n" + line + b"\n")
    with pytest.raises(EventLogError, match=r"events\.jsonl:2: not an event"):
        list(read_events(path))


REST: dict[str, Cells] = {"cooperation": Same(None), "total_payoff": Same(3.0)}
SEEDED = {"episode": 0, "step": 1, "time": "", "author": "a", "text": "hi"}
ACTS = Rows(PostSeeded, 2, {**{name: Same(value) for name, value in SEEDED.items()}, "item": [1, 2]})
STEP = StepResolved(0, 1, None, Rows(StepRow, 2, {"model_id": ["a", "b"], "payoff": [1.0, 2.0], **REST}))


@pytest.mark.parametrize(("least", "files"), [(1, 1), (3, 0)])
def test_large_steps_are_files_and_small_ones_lines(
    least: int, files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LEAST", least)
    with EventLog(tmp_path / EventLog.NAME) as events:
        events.append(STEP)
        events.append(EventBlock(0, 1, ACTS))
    assert len(list((tmp_path / "blocks").glob("*Resolved*"))) == files
    assert list(read_events(tmp_path / EventLog.NAME)) == [STEP, *ACTS]


def test_a_block_that_is_lost_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LEAST", 1)
    with EventLog(tmp_path / EventLog.NAME) as events:
        events.append(STEP)
    next((tmp_path / "blocks").iterdir()).unlink()
    with pytest.raises(BlockError, match="the run has lost a part of its record"):
        list(read_events(tmp_path / EventLog.NAME))
