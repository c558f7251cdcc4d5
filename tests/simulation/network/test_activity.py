"""Who is active in a step, and when a step is."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simulation.network.setting import ActivityRule, ClockRule
from tests.simulation.network.worlds import CLOCK

NOON = datetime(2026, 1, 1, 12)
USERS = 5000


def test_a_share_of_users_is_active() -> None:
    active = ActivityRule(chance=0.1).active(USERS, NOON, 0, 1)
    assert 400 < len(active) < 600  # 500 expected, standard deviation 21
    assert active == ActivityRule(chance=0.1).active(USERS, NOON, 0, 1)
    assert active != ActivityRule(chance=0.1).active(USERS, NOON, 1, 1)


def test_hours_decide_who_is_active() -> None:
    night = ActivityRule(hours=(0.0,) * 12 + (1.0,) * 12)
    assert night.active(4, NOON, 0, 1) == [0, 1, 2, 3]
    assert night.active(4, datetime(2026, 1, 1, 11, 59), 0, 1) == []


@given(users=st.integers(1, 40), each=st.integers(1, 50), seed=st.integers(0, 99))
def test_users_in_turn_act_equally_often(users: int, each: int, seed: int) -> None:
    rule = ActivityRule(in_turn=each)
    steps = [rule.active(users, NOON, step, seed) for step in range(users)]
    acted = Counter(user for step in steps for user in step)
    assert set(acted.values()) == {min(each, users)}
    assert {len(step) for step in steps} == {min(each, users)}


def test_users_in_turn_come_in_an_order_of_the_seed() -> None:
    rule = ActivityRule(in_turn=1)
    orders = {tuple(rule.active(6, NOON, step, seed)[0] for step in range(6)) for seed in range(20)}
    assert len(orders) > 10


def test_each_step_is_later_by_the_minutes_of_the_clock() -> None:
    clock = ClockRule(start="2026-02-28 23:30", minutes=45).clock
    assert [clock.text(step) for step in range(2)] == ["2026-02-28 23:30", "2026-03-01 00:15"]
    assert CLOCK.seconds(1) - CLOCK.seconds(0) == 3600


@pytest.mark.parametrize(
    ("rule", "values", "said"),
    [
        (ActivityRule, {"chance": 1.5}, "less than or equal to 1"),
        (ActivityRule, {"hours": [0.5] * 23}, "at least 24"),
        (ActivityRule, {"chance": 0.1, "hours": [0.5] * 24}, "not chance and hours"),
        (ActivityRule, {"chance": 0.1, "in_turn": 1}, "not chance and in_turn"),
        (ActivityRule, {"in_turn": 0}, "greater than or equal to 1"),
        (ClockRule, {"start": "yesterday"}, "2026-01-01 08:00"),
        (ClockRule, {"minutes": 0}, "greater than 0"),
    ],
)
def test_values_out_of_range_are_refused(rule: type, values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        rule.model_validate(values)
