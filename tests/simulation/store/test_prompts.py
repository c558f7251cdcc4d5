"""What models were asked is stored with the run: whole, shared, and readable after a kill."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request
from agents.problems import SocietyError
from simulation.store.prompts import FOLDER, MAX_TEXTS, PromptLog, read_prompts

SYSTEM = "You play a game.\nIts rules are simple."


def asked(user: str, step: int = 0, model: str = "ada", system: str = SYSTEM, **more: object) -> Request:
    messages = (ChatMessage("system", system), ChatMessage("user", user))
    return Request(CallKey(0, step, model, Purpose.DECIDE), "cooperator", messages, **more)  # type: ignore[arg-type]


def store(run: Path, requests: Sequence[Request], *, close: bool = True) -> Path:
    log = PromptLog(run)
    for request in requests:
        log.add(request)
        log.flush()
    if close:
        log.close()
    else:
        log.abandon()
    return run / FOLDER / "1.jsonl.gz"


def messages_of(run: Path) -> list[tuple[ChatMessage, ...]]:
    return [prompt.messages for prompt in read_prompts(run).values()]


@given(st.lists(st.text(max_size=60), min_size=1, max_size=12))
def test_prompts_come_back_as_they_were_asked(tmp_path_factory: pytest.TempPathFactory, users: list[str]) -> None:
    run = tmp_path_factory.mktemp("run")
    requests = [asked(user.encode(errors="replace").decode(), step) for step, user in enumerate(users)]
    store(run, requests)
    assert messages_of(run) == [request.messages for request in requests]


def test_prompts_keep_choices_and_tools(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "like_post"}}
    store(tmp_path, [asked("now", choices=("a", "b"), tools=(tool,)), asked("then", 1)])
    first, second = read_prompts(tmp_path).values()
    assert (first.choices, orjson.loads(first.tools)) == (("a", "b"), [tool])
    assert (second.choices, second.tools) == ((), "")


def test_prompts_store_a_shared_text_once(tmp_path: Path) -> None:
    line = "ben said: let us all cooperate"
    path = store(tmp_path, [asked(f"you are {name}\n{line}", model=name) for name in ("ada", "cyd", "dan")])
    text = gzip.decompress(path.read_bytes()).decode()
    assert text.count(line) == text.count("Its rules are simple.") == 1


def test_prompts_of_a_killed_process_are_read_up_to_the_cut(tmp_path: Path) -> None:
    path = store(tmp_path, [asked(f"step {step}", step) for step in range(4)], close=False)
    whole, found = path.read_bytes(), []
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        found.append([key.step for key in read_prompts(tmp_path)])
    assert all(steps == list(range(len(steps))) for steps in found)
    assert sorted(map(len, found)) == list(map(len, found))
    assert found[-1] == [0, 1, 2, 3]


def test_prompts_of_a_second_session_are_a_second_file(tmp_path: Path) -> None:
    store(tmp_path, [asked("before", 0), asked("cut off", 1)], close=False)
    store(tmp_path, [asked("again", 1), asked("after", 2)])
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == ["1.jsonl.gz", "2.jsonl.gz"]
    assert [prompt.part("user") for prompt in read_prompts(tmp_path).values()] == ["before", "again", "after"]


def test_prompts_hold_a_bounded_number_of_texts(tmp_path: Path) -> None:
    log = PromptLog(tmp_path)
    for step in range(3):
        log.add(asked("\n".join(f"{step} {number}" for number in range(MAX_TEXTS)), step))
        log.flush()
        assert len(log._texts) <= MAX_TEXTS
    log.close()
    assert [key.step for key in read_prompts(tmp_path)] == [0, 1, 2]


def test_prompts_that_nobody_asked_make_no_file(tmp_path: Path) -> None:
    PromptLog(tmp_path).close()
    assert list(tmp_path.iterdir()) == []
    assert read_prompts(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"no json\n"), gzip.compress(b'{"asked": [[1]]}\n')],
    ids=["no gzip", "no json", "no prompt"],
)
def test_prompts_that_cannot_be_read_name_their_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "1.jsonl.gz").write_bytes(content)
    with pytest.raises(SocietyError, match=r"1\.jsonl\.gz cannot be read"):
        read_prompts(tmp_path)
