"""Choices are legal and their probabilities exact; draws depend on the row's seed and key alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.embedded.sampling import (
    ChoiceTree,
    Floats,
    Tokens,
    choice_probabilities,
    choice_tree,
    draw_choice,
    draw_token,
    row_generator,
    softmax,
)
from agents.inference.errors import PermanentError
from agents.inference.provenance import CallKey, Purpose

END = 0
KEY = CallKey(episode=1, step=2, model_id="ada", purpose=Purpose.DECIDE)


def spell(text: str) -> list[int]:
    """A tokenizer of one token a character."""
    return [ord(letter) for letter in text]


def tree_of(*options: str) -> ChoiceTree:
    return choice_tree(options, spell, END)


def flat(tree: ChoiceTree) -> dict[Tokens, Floats]:
    return {prefix: np.zeros(len(ways)) for prefix, ways in tree.branches.items()}


def test_choice_tree_branches_only_where_options_differ() -> None:
    tree = tree_of("1", "10", "2")
    assert tree.branches == {(): (ord("1"), ord("2")), (ord("1"),): (END, ord("0"))}


def test_an_option_that_begins_another_differs_by_the_end_token() -> None:
    tree = tree_of("1", "10")
    logits = {(ord("1"),): np.log([3.0, 1.0])}
    assert choice_probabilities(tree, logits) == pytest.approx({"1": 0.75, "10": 0.25})


def test_an_only_option_is_certain() -> None:
    assert choice_probabilities(tree_of("wait"), {}) == {"wait": 1.0}


def test_equal_logits_share_by_branch_and_not_by_option() -> None:
    tree = tree_of("ab", "ac", "d")
    assert choice_probabilities(tree, flat(tree)) == pytest.approx({"ab": 0.25, "ac": 0.25, "d": 0.5})


@given(
    st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=12, unique=True),
    st.integers(0, 2**32 - 1),
)
def test_probabilities_cover_exactly_the_options_and_sum_to_one(options: list[str], seed: int) -> None:
    tree, rng = tree_of(*options), np.random.default_rng(seed)
    logits = {prefix: rng.normal(size=len(ways)) * 5 for prefix, ways in tree.branches.items()}
    shares = choice_probabilities(tree, logits)
    assert list(shares) == options
    assert sum(shares.values()) == pytest.approx(1)
    assert draw_choice(shares, 1.0, rng) in options


@pytest.mark.parametrize("options", [(), ("yes", "yes")])
def test_no_options_or_the_same_twice_is_an_error(options: tuple[str, ...]) -> None:
    with pytest.raises(PermanentError, match="choices must be"):
        choice_tree(options, spell, END)


def test_temperature_zero_takes_the_most_probable_option() -> None:
    shares = {"rare": 0.2, "often": 0.5, "some": 0.3}
    assert {draw_choice(shares, 0.0, row_generator(seed, KEY)) for seed in range(20)} == {"often"}


def test_temperature_one_draws_options_as_often_as_they_are_probable() -> None:
    shares, rng = {"rare": 0.2, "never": 0.0, "often": 0.8}, np.random.default_rng(7)
    drawn = Counter(draw_choice(shares, 1.0, rng) for _ in range(4000))
    assert drawn["never"] == 0
    assert drawn["often"] / 4000 == pytest.approx(0.8, abs=0.03)


def test_a_low_temperature_sharpens_and_a_high_one_flattens() -> None:
    shares = {"a": 0.3, "b": 0.7}

    def often_b(temperature: float) -> float:
        rng = np.random.default_rng(7)
        return sum(draw_choice(shares, temperature, rng) == "b" for _ in range(2000)) / 2000

    assert often_b(0.5) == pytest.approx(0.7**2 / (0.7**2 + 0.3**2), abs=0.03)
    assert often_b(2.0) == pytest.approx(0.7**0.5 / (0.7**0.5 + 0.3**0.5), abs=0.03)


def test_greedy_is_the_largest_logit() -> None:
    assert draw_token(np.array([0.1, 3.0, 2.9]), 0.0, 1.0, row_generator(1, KEY)) == 1


def test_top_p_leaves_the_fewest_tokens_that_reach_it() -> None:
    logits = np.log(np.array([0.05, 0.5, 0.15, 0.3]))
    rng = np.random.default_rng(3)
    assert {draw_token(logits, 1.0, 0.75, rng) for _ in range(300)} == {1, 3}
    assert {draw_token(logits, 1.0, 0.5, rng) for _ in range(300)} == {1}
    assert {draw_token(logits, 1.0, 1.0, rng) for _ in range(300)} == {0, 1, 2, 3}


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    logits, rng = np.array([1.0, 0.0, -1.0]), np.random.default_rng(11)
    drawn = Counter(draw_token(logits, 0.5, 1.0, rng) for _ in range(4000))
    assert [drawn[i] / 4000 for i in range(3)] == pytest.approx(list(softmax(logits / 0.5)), abs=0.03)


@given(st.integers(), st.integers(0, 5))
def test_the_same_seed_and_key_draw_the_same(seed: int, step: int) -> None:
    key = replace(KEY, step=step)
    assert row_generator(seed, key).random(3).tolist() == row_generator(seed, key).random(3).tolist()


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, episode=2),
        replace(KEY, step=3),
        replace(KEY, model_id="bob"),
        replace(KEY, purpose=Purpose.TALK),
        replace(KEY, talk_round=1),
        replace(KEY, attempt=1),
    ],
)
def test_every_part_of_the_key_gives_another_stream(other: CallKey) -> None:
    assert row_generator(5, KEY).random() != row_generator(5, other).random()


def test_without_a_seed_each_stream_is_fresh() -> None:
    assert row_generator(None, KEY).random() != row_generator(None, KEY).random()
