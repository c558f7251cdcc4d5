"""The adaptive limit: bounded, quick to fall, sure to come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.inference.servers.limits import CUT, AdaptiveLimit

SLOW = 10.0
Event = tuple[str, float, int]
EVENTS = st.lists(st.tuples(st.sampled_from(["whole", "overload"]), st.floats(0, 20), st.integers(0, 80)), max_size=200)


@given(most=st.integers(1, 64), events=EVENTS)
def test_the_limit_stays_between_one_and_its_maximum(most: int, events: list[Event]) -> None:
    limit, now = AdaptiveLimit(most, SLOW), 0.0
    for kind, took, in_flight in events:
        began, now = now, now + took
        if kind == "whole":
            limit.returned(began, now, in_flight)
        else:
            limit.overloaded(began, now)
        assert 1 <= limit.value <= most


@given(most=st.integers(1, 64), events=EVENTS)
def test_calls_in_time_raise_the_limit_again(most: int, events: list[Event]) -> None:
    limit, now = AdaptiveLimit(most, SLOW), 0.0
    for _, took, _ in events:
        now += took
        limit.overloaded(now, now)
    for _ in range(most * (most + 1)):
        limit.returned(now, now + 1, limit.value)
    assert limit.value == most


def test_one_burst_of_failures_is_one_cut() -> None:
    limit = AdaptiveLimit(64, SLOW)
    for _ in range(64):
        limit.overloaded(began=0.0, now=5.0)
    assert limit.value == int(64 * CUT)


def test_a_call_that_took_too_long_counts_as_overload() -> None:
    limit = AdaptiveLimit(10, SLOW)
    limit.returned(0.0, SLOW + 1, 10)
    assert limit.value == 7


def test_the_limit_rises_by_one_per_limits_worth_of_calls() -> None:
    limit = AdaptiveLimit(64, SLOW)
    for moment in range(3):
        limit.overloaded(moment, moment)
    before = limit.level
    for _ in range(limit.value + 1):
        limit.returned(5.0, 6.0, limit.value)
    assert before + 0.9 < limit.level < before + 1.1


def test_calls_that_do_not_use_the_limit_do_not_raise_it() -> None:
    limit = AdaptiveLimit(64, SLOW)
    limit.overloaded(0.0, 0.0)
    level = limit.level
    for _ in range(1000):
        limit.returned(1.0, 2.0, 3)
    assert limit.level == level
