"""Named random streams: repeatable, and none moves another."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from simulation.seeds import derive_seed, derive_seeds, stream

names = st.lists(st.one_of(st.integers(0, 2**31), st.text(max_size=12)), max_size=4)


@given(seed=st.integers(0, 2**40), names=names)
def test_a_seed_is_a_function_of_seed_and_names_in_32_bits(seed: int, names: list[str | int]) -> None:
    assert derive_seed(seed, *names) == derive_seed(seed, *names)
    assert 0 <= derive_seed(seed, *names) < 2**32


def test_seeds_are_stable_over_versions() -> None:
    assert derive_seed(0) == 2968811710
    assert derive_seed(7, "game", 3) == 1815967440
    assert derive_seed(7, "player", 0, 2, "alice") == 1947154786


def test_other_names_orders_and_kinds_are_other_streams() -> None:
    keys = [(), ("game",), ("game", 0), ("game", 1), (0, "game"), ("player", 1), ("1",), (1,), ("a", "b"), ("ab",)]
    seeds = {derive_seed(seed, *key) for seed, key in itertools.product((0, 1), keys)}
    assert len(seeds) == 2 * len(keys)


def test_neighbouring_streams_do_not_look_alike() -> None:
    first = [stream(1, "player", number).random() for number in range(2000)]
    assert len(set(first)) == 2000
    # the mean of 2,000 uniform draws has a standard deviation of 0.0065; five of them
    assert abs(sum(first) / 2000 - 0.5) < 0.033
    pairs = itertools.pairwise(first)
    assert abs(sum((a - 0.5) * (b - 0.5) for a, b in pairs) / 1999 * 12) < 5 / 1999**0.5  # correlation


def test_a_draw_in_one_stream_shifts_nothing_in_another() -> None:
    lone = stream(3, "game").random()
    stream(3, "inbox").random()
    assert stream(3, "game").random() == lone


@given(
    st.integers(0, 2**140),
    st.lists(st.one_of(st.integers(0, 2**70), st.text(max_size=5)), max_size=5),
    st.lists(st.text(max_size=6), min_size=1, max_size=5),
)
def test_many_seeds_at_once_are_those_one_by_one(seed: int, names: list[int | str], last: list[str]) -> None:
    one_by_one = [derive_seed(seed, *names, each) for each in last]
    assert derive_seeds(seed, *names, last=last) == one_by_one
    assert derive_seeds(seed, *names, last=10 * last) == 10 * one_by_one


def test_a_last_name_may_be_a_number() -> None:
    assert derive_seeds(7, "inbox", 0, last=[*range(9), 2**32 - 1]) == [
        derive_seed(7, "inbox", 0, number) for number in (*range(9), 2**32 - 1)
    ]
