"""Answers of servers, read without trust: any JSON is a completion or one clear error."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.backend import Completion
from agents.inference.errors import BadReplyError, PermanentError, TransientError, UnknownAdapterError
from agents.inference.provenance import ChatMessage, ToolCall
from agents.inference.servers.reply import MOST_TOKENS, shown
from agents.inference.servers.wire import (
    chat_body,
    error_of,
    read_completion,
    read_json,
    retry_after,
    token_budget,
)
from tests.agents.inference.conftest import make_request
from tests.support.replies import completion

URL = "http://s/v1"
KEYS = ["choices", "message", "content", "tool_calls", "function", "name", "arguments", "usage", "model", "id"]
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=15,
)

FRAGMENTS = [b" ", b"\n"]
FRAGMENTS += b'[ ] { } : , " 1 -0 1e9 1e999 NaN Infinity null true \\ud800 \\u0041 \xff \xef\xbb\xbf'.split()


class TestCompletions:
    def test_read_completion_reads_text_counts_and_reason(self) -> None:
        payload = completion("hello", "a", prompt_tokens=9, cached_tokens=4)
        assert read_completion(payload, URL, "a") == Completion("hello", URL, 9, 2, "stop", cached_tokens=4)

    @given(payload=JSON)
    def test_any_json_is_a_completion_or_a_bad_reply(self, payload: Any) -> None:
        with suppress(BadReplyError):
            assert isinstance(read_completion(payload, URL, "a").text, str)

    @given(part=st.sampled_from(["message", "usage", "tool_calls", "content", "finish_reason"]), garbage=JSON)
    def test_a_reply_with_a_broken_part_is_read_or_refused(self, part: str, garbage: Any) -> None:
        payload = completion("hello", "a")
        choice = payload["choices"][0]
        holder = {"usage": payload, "tool_calls": choice["message"], "content": choice["message"]}.get(part, choice)
        holder[part] = garbage
        try:
            found = read_completion(payload, URL, "a")
        except BadReplyError:
            return
        assert isinstance(found.text, str)
        for count in (found.prompt_tokens, found.completion_tokens, found.cached_tokens):
            assert count is None or 0 <= count <= MOST_TOKENS

    @given(place=st.sampled_from(["model", "choices", "usage", "finish_reason", "tool_calls"]), depth=st.just(1000))
    def test_a_deeply_nested_reply_is_read_or_refused(self, place: str, depth: int) -> None:
        payload = completion("hello", "a")
        choice = payload["choices"][0]
        holder = {"finish_reason": choice, "tool_calls": choice["message"]}.get(place, payload)
        holder[place] = orjson.loads(b"[" * depth + b"]" * depth)
        with suppress(BadReplyError):
            assert read_completion(payload, URL, "a").finish_reason in ("", "stop")

    def test_an_answer_of_another_model_is_refused(self) -> None:
        with pytest.raises(BadReplyError, match="answered as model 'base' instead of 'a'"):
            read_completion(completion("hello", "base"), URL, "a")

    def test_two_answers_to_one_request_are_refused(self) -> None:
        payload = completion("one", "a")
        payload["choices"] *= 2
        with pytest.raises(BadReplyError, match="sent 2 answers to one request"):
            read_completion(payload, URL, "a")

    def test_an_empty_text_is_a_completion(self) -> None:
        assert read_completion(completion("", "a"), URL, "a").text == ""

    @pytest.mark.parametrize("calls", [None, [], [{"function": {"name": "f", "arguments": "{}"}, "id": "1"}]])
    def test_tool_calls_without_text_are_a_completion(self, calls: list[Any] | None) -> None:
        payload = completion(None, "a")
        payload["choices"][0]["message"] = {"content": None, "tool_calls": calls}
        if calls:
            assert read_completion(payload, URL, "a").tool_calls == (ToolCall("1", "f", "{}"),)
        else:
            with pytest.raises(BadReplyError, match="without text"):
                read_completion(payload, URL, "a")

    @pytest.mark.parametrize("calls", [5, "f", {"name": "f"}, [None], [{"function": {}}]])
    def test_malformed_tool_calls_are_refused(self, calls: Any) -> None:
        payload = completion("x", "a")
        payload["choices"][0]["message"]["tool_calls"] = calls
        with pytest.raises(BadReplyError, match="tool call"):
            read_completion(payload, URL, "a")

    @given(value=JSON | st.text(min_size=290, max_size=400))
    def test_shown_shortens_any_json(self, value: Any) -> None:
        assert 0 < len(shown(value)) <= 300 or value == ""

    @given(body=st.binary(max_size=50) | st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join))
    def test_any_bytes_are_json_or_a_bad_reply(self, body: bytes) -> None:
        with suppress(BadReplyError):
            assert read_json(body, URL) == orjson.loads(body)


class TestErrors:
    def error(self, status: int, body: bytes, **headers: str) -> Exception:
        return error_of(status, body, headers, adapter="a", endpoint=URL, served=("a", "base", "b"))

    @given(status=st.integers(300, 599), body=st.binary(max_size=40) | JSON.map(orjson.dumps))
    def test_error_of_names_the_server_and_the_status(self, status: int, body: bytes) -> None:
        error = self.error(status, body)
        assert URL in str(error)
        assert isinstance(error, UnknownAdapterError) or str(status) in str(error)
        assert len(str(error)) < 2000

    @pytest.mark.parametrize("body", [b"x" * 10**6, b'{"error": "%b"}' % (b"x" * 10**6), b"[" * 1000 + b"]" * 1000])
    def test_error_of_shortens_long_or_deep_messages(self, body: bytes) -> None:
        assert f"{URL} answered 500" in str(self.error(500, body))
        assert len(str(self.error(500, body))) < 2000

    @pytest.mark.parametrize(
        "body",
        [
            b'{"error": {"message": "out of blocks", "code": 500}}',
            b'{"error": "out of blocks"}',
            b'{"message": "out of blocks"}',
            b'{"detail": "out of blocks"}',
            b"out of blocks",
        ],
    )
    def test_server_message_finds_the_servers_message(self, body: bytes) -> None:
        assert str(self.error(500, body)) == f"{URL} answered 500: out of blocks"

    @pytest.mark.parametrize(
        ("status", "kind", "overload"),
        [
            (408, TransientError, True),
            (429, TransientError, True),
            (500, TransientError, False),
            (503, TransientError, True),
            (400, PermanentError, None),
            (302, PermanentError, None),
            (404, PermanentError, None),
        ],
    )
    def test_error_of_maps_statuses_to_errors(self, status: int, kind: type[Exception], overload: bool | None) -> None:
        error = self.error(status, b"{}")
        assert type(error) is kind
        assert getattr(error, "overload", None) is overload

    def test_an_unknown_adapter_names_the_first_of_many_models(self) -> None:
        served = [f"m{number:05}" for number in range(30_000)]
        body = b'{"error": {"message": "The model `a` does not exist."}}'
        text = str(error_of(404, body, {}, adapter="a", endpoint=URL, served=served))
        assert "m00049 and 29950 more" in text
        assert len(text) < 2000

    def test_a_404_of_the_adapter_is_an_unknown_adapter(self) -> None:
        error = self.error(404, b'{"error": {"message": "The model `a` does not exist."}}')
        assert isinstance(error, UnknownAdapterError)
        assert error.served == ("base", "b")


DATES = ["Mon,", "01", "31", "99", "Jan", "Foo", "0001", "2024", "9999", "99999", "00:00:00", "25:61:61"]
DATES += ["GMT", "+0000", "-9999", "+2359", ":", ",", "-", "٣", "nan"]


class TestRetryAfter:
    @given(header=st.text(max_size=40) | st.sampled_from(["inf", "nan", "1e999", "-5", "Wed, 99 Foo 2015", "0"]))
    def test_retry_after_of_any_header_is_finite_or_none(self, header: str) -> None:
        seconds = retry_after(header)
        assert seconds is None or 0 <= seconds < math.inf

    @given(parts=st.lists(st.sampled_from(DATES), max_size=8), between=st.sampled_from([" ", "", "-"]))
    def test_retry_after_of_any_date_is_finite_or_none(self, parts: list[str], between: str) -> None:
        seconds = retry_after(between.join(parts))
        assert seconds is None or 0 <= seconds < math.inf

    @pytest.mark.parametrize("header", ["inf", "nan", "1e999", "-inf"])
    def test_retry_after_is_never_infinite(self, header: str) -> None:
        assert retry_after(header) is None


class TestRequests:
    @given(
        choices=st.none() | st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=4, unique=True).map(tuple)
    )
    def test_chat_body_has_room_for_the_longest_choice(self, choices: tuple[str, ...] | None) -> None:
        request = make_request(choices=choices)
        body = orjson.loads(orjson.dumps(chat_body(request)))
        assert body["model"] == request.adapter
        assert body["max_tokens"] == token_budget(request)
        assert body.get("structured_outputs", {"choice": None})["choice"] == (list(choices) if choices else None)
        assert body["max_tokens"] > max((len(choice.encode()) for choice in choices or ()), default=0)

    def test_chat_body_names_the_call_that_a_tool_answers(self) -> None:
        call = ToolCall("1", "f", "{}")
        messages = (ChatMessage("assistant", "", (call,)), ChatMessage("tool", "done", tool_call_id="1"))
        body = chat_body(
            make_request(
                messages=messages, tools=({"type": "function", "function": {"name": "f"}},), must_use_tool=True
            )
        )
        assert body["messages"][0]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
        assert body["messages"][1]["tool_call_id"] == "1"
        assert body["tool_choice"] == "required"
