"""Requests and sampling are checked as they are made, so that no tier is asked what it cannot answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from agents.inference.provenance import InvalidRequestError, Sampling
from agents.network import SocialActionName
from agents.problems import SocietyError
from agents.social import social_tools
from tests.agents.inference.conftest import make_request

TOOL = {"type": "function", "function": {"name": "like_post", "parameters": {"type": "object"}}}


class TestSampling:
    @pytest.mark.parametrize(
        "values",
        [
            {"temperature": 0.0},
            {"temperature": 2},
            {"top_p": 1},
            {"top_p": 1e-9},
            {"max_tokens": 1},
            {"max_tokens": 10**6},
        ],
    )
    def test_sampling_accepts_the_ends_of_its_ranges(self, values: dict[str, Any]) -> None:
        assert Sampling(**values)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"temperature": -0.1}, r"temperature is -0\.1; it must be between 0 and 2"),
            ({"temperature": 2.1}, "temperature is 2.1"),
            ({"temperature": math.nan}, "temperature is nan"),
            ({"temperature": math.inf}, "temperature is inf"),
            ({"temperature": "hot"}, "temperature is 'hot'"),
            ({"temperature": None}, "temperature is None"),
            ({"top_p": 0}, "top_p is 0; it must be above 0 and at most 1"),
            ({"top_p": 1.1}, "top_p is 1.1"),
            ({"top_p": math.nan}, "top_p is nan"),
            ({"max_tokens": 0}, "max_tokens is 0; it must be a whole number of at least 1"),
            ({"max_tokens": 2.5}, "max_tokens is 2.5"),
            ({"max_tokens": True}, "max_tokens is True"),
            ({"max_tokens": "9"}, "max_tokens is '9'"),
        ],
    )
    def test_sampling_refuses_values_out_of_range(self, values: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidRequestError, match=message):
            Sampling(**values)

    def test_replace_checks_the_new_values_too(self) -> None:
        with pytest.raises(InvalidRequestError):
            replace(Sampling(), top_p=2.0)

    def test_the_error_is_ours_and_a_value_error(self) -> None:
        assert issubclass(InvalidRequestError, SocietyError)
        assert issubclass(InvalidRequestError, ValueError)


class TestRequest:
    @pytest.mark.parametrize(
        ("choices", "message"),
        [
            ((), "choices is empty; leave it out for free text"),
            (("a", "b", "a"), "choices has 'a' twice"),
            (("a", ""), "choices has an empty text"),
            (("a", 1), "choices has 1, which is not text"),
            (("a", None), "choices has None, which is not text"),
            ("yes", "choices is 'yes'; give a tuple of texts"),
            (7, "choices is 7; give a tuple of texts"),
        ],
    )
    def test_request_refuses_unusable_choices(self, choices: Any, message: str) -> None:
        with pytest.raises(InvalidRequestError, match=message):
            make_request(choices=choices)

    def test_request_accepts_choices_that_differ_in_case(self) -> None:
        assert make_request(choices=("A", "a")).choices == ("A", "a")

    @pytest.mark.parametrize(
        ("tools", "message"),
        [
            (("like_post",), r"tools\[0\] is 'like_post'; give a function schema in the OpenAI shape"),
            (({"type": "function"},), r"tools\[0\] has no function with a name"),
            ((TOOL, {"type": "function", "function": {"name": ""}}), r"tools\[1\] has no function with a name"),
            (({"function": {"name": 5}},), r"tools\[0\] has no function with a name"),
            (({"function": {"name": "f", "parameters": []}},), r"tools\[0\]: the parameters of 'f' are no mapping"),
            ((TOOL, TOOL), "tools offers 'like_post' twice"),
            (TOOL, "tools is a single schema; give a tuple of them"),
        ],
    )
    def test_request_refuses_malformed_tools(self, tools: Any, message: str) -> None:
        with pytest.raises(InvalidRequestError, match=message):
            make_request(tools=tools)

    def test_request_accepts_tools_with_and_without_parameters(self) -> None:
        own = social_tools([SocialActionName.CREATE_POST, SocialActionName.DO_NOTHING], [], 0)
        assert make_request(tools=own, must_use_tool=True).tools == own
        assert make_request(tools=({"type": "function", "function": {"name": "ping"}},))
