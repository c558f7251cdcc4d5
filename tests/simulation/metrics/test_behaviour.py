"""The figures of a fingerprint, from hand-made steps to sums and numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.metrics import behaviour
from simulation.metrics.intervals import ratio


def steps(*episodes: list[dict[str, Any]]) -> pd.DataFrame:
    """A table as `watch` makes it, from rows with the relevant columns only."""
    empty = {"own": np.nan, "others": np.nan, "payoff": 0.0, "others_payoff": 0.0, "punished": 0, "asks": 1.0}
    blank = {**empty, "announced": np.nan, "spoke": False, "short": 0.0, "nash": 1.0}
    rows = [
        {**blank, "cluster": number, "step": step, **row}
        for number, episode in enumerate(episodes)
        for step, row in enumerate(episode)
    ]
    frame = pd.DataFrame(rows)
    for name in ("own", "others"):
        frame[f"{name}_last"] = frame.groupby("cluster")[name].shift(1)
    return frame


def pairs(*episodes: str) -> pd.DataFrame:
    """Episodes of the dilemma as text: "CD DD" is own C against D, then both D."""
    level = {"C": 1.0, "D": 0.0, "-": np.nan}
    return steps(
        *[[{"own": level[own], "others": level[other]} for own, other in episode.split()] for episode in episodes]
    )


def total(sums: np.ndarray) -> list[float]:
    return list(sums.sum(axis=0))


def test_reactions_depend_on_the_last_step_of_both() -> None:
    seen = pairs("CC CD DC CC", "DD DD CC")
    assert total(behaviour.opening_move(seen)) == [1, 2]
    assert total(behaviour.reaction(seen, 1.0, 1.0)) == [1, 1]
    assert total(behaviour.reaction(seen, 1.0, 0.0)) == [0, 1]
    assert total(behaviour.reaction(seen, 0.0, 1.0)) == [1, 1]
    assert behaviour.reaction(seen, 0.0, 0.0).tolist() == [[1, 2]]  # the episode without such a step is left out


def test_invalid_decisions_are_in_no_reaction() -> None:
    seen = pairs("CC -C CC")
    assert total(behaviour.reaction(seen, 1.0, 1.0)) == [0, 0]
    assert total(behaviour.opening_move(pairs("-C CC"))) == [0, 0]


def test_no_data_has_no_rows() -> None:
    seen = pairs("DD DD")
    for sums in (behaviour.reaction(seen, 1.0, 1.0), behaviour.contribution(seen, 0.9, 2), behaviour.word_sums(seen)):
        assert len(sums) == 0


def test_contribution_is_cut_by_thirds() -> None:
    gifts = [{"own": 0.5, "others": 0.25}, {"own": 0.25, "others": 0.5}, {"own": 0.75, "others": 1.0}, {"own": 1.0}]
    seen = steps(gifts)
    cuts = [(0.0, behaviour.LOW), (behaviour.LOW, behaviour.HIGH), (behaviour.HIGH, np.inf)]
    assert [total(behaviour.contribution(seen, *cut)) for cut in cuts] == [[0.25, 1], [0.75, 1], [1.0, 1]]


@given(st.lists(st.floats(0, 1), min_size=3, max_size=10), st.floats(-1, 1), st.floats(0, 1))
def test_slope_of_a_line(others: list[float], gradient: float, start: float) -> None:
    rows = [{"own": start, "others": others[0]}]
    rows += [{"own": start + gradient * before, "others": now} for before, now in itertools.pairwise(others)]
    sums = behaviour.contribution_sums(steps(rows))
    (found,) = behaviour.slope(sums.sum(axis=0, keepdims=True))
    if np.ptp(others[:-1]) > 0.05:
        assert found == pytest.approx(gradient, abs=1e-6)


def test_a_slope_needs_two_levels() -> None:
    sums = behaviour.contribution_sums(steps([{"own": 0.5, "others": 0.5}] * 3))
    assert np.isnan(behaviour.slope(sums.sum(axis=0, keepdims=True))[0])


def test_punishment_response_is_the_change_of_gift() -> None:
    punished = [{"own": 0.25}, {"own": 0.9, "punished": 2}, {"own": 1.0}]  # gives, punishes, gives
    spared = [{"own": 0.5}, {"own": 0.1}, {"own": 0.25}, {"own": 0.0}, {"own": 0.25}]
    seen = steps(punished, spared)
    assert total(behaviour.punishment_response(seen, True)) == [0.75, 1]
    assert total(behaviour.punishment_response(seen, False)) == [-0.25, 2]
    (effect,) = behaviour.difference_of_means(behaviour.punishment_sums(seen).sum(axis=0, keepdims=True))
    assert effect == pytest.approx(0.75 + 0.125)


def test_exploitability_is_earned_beyond_the_equilibrium() -> None:
    seen = steps([{"others_payoff": 5.0}, {"others_payoff": 1.0}], [{"others_payoff": 1.0}, {"others_payoff": 1.0}])
    assert behaviour.exploitability(seen).tolist() == [[4, 2], [0, 2]]


def test_second_requests_count_as_unreadable() -> None:
    seen = steps([{"asks": 2.0}, {"asks": 1.0}, {"asks": np.nan}])  # nan: no decision
    assert total(behaviour.unreadable(seen)) == [1, 2]


def said(*words: tuple[str, str]) -> pd.DataFrame:
    """(announced, done) step by step; "-": names no option, or an invalid decision."""
    level = {"C": 1.0, "D": 0.0, "-": np.nan}
    return steps([{"spoke": True, "announced": level[word], "own": level[deed]} for word, deed in words])


def test_word_kept_where_the_decision_was_announced() -> None:
    seen = said(("C", "C"), ("C", "D"), ("-", "D"), ("D", "-"))
    assert total(behaviour.announces(seen)) == [3, 4]
    assert total(behaviour.word_kept(seen)) == [1, 3]


def beyond(*words: tuple[str, str]) -> float:
    return float(behaviour.beyond_chance(behaviour.word_sums(said(*words)).sum(axis=0, keepdims=True))[0])


def test_agreement_beyond_chance() -> None:
    assert beyond(("C", "C"), ("D", "D")) == pytest.approx(0.5)  # says what it does, and varies
    assert beyond(("C", "C"), ("C", "C")) == 0.0  # always says and does the same: chance would agree, too
    assert beyond(("C", "D"), ("D", "C")) == pytest.approx(-0.5)
    assert beyond(("C", "C"), ("C", "D"), ("D", "C"), ("D", "D")) == pytest.approx(0.0)


@given(st.lists(st.tuples(st.sampled_from("CD"), st.sampled_from("CD")), min_size=1, max_size=20))
def test_agreement_beyond_chance_is_bounded(words: list[tuple[str, str]]) -> None:
    assert -0.5 - 1e-9 <= beyond(*words) <= 0.5 + 1e-9


@given(st.lists(st.text("CD", min_size=2, max_size=2), min_size=2, max_size=12))
def test_every_step_after_the_first_is_in_one_reaction(play: list[str]) -> None:
    seen = pairs(" ".join(play))
    cells = [behaviour.reaction(seen, own, other) for own in (0.0, 1.0) for other in (0.0, 1.0)]
    assert sum(float(cell[:, 1].sum()) for cell in cells) == len(play) - 1


def test_together_keeps_episodes_of_runs_apart() -> None:
    both = behaviour.together([pairs("CC"), pairs("DD")])
    assert behaviour.opening_move(both).tolist() == [[1, 1], [0, 1]]
    assert ratio(behaviour.opening_move(both).sum(axis=0, keepdims=True)).tolist() == [0.5]


def test_behaviour_figures_name_their_sources() -> None:
    for name in ("opening_move", "reaction", "contribution", "punishment_response", "exploitability", "word_kept"):
        assert "Source:" in (getattr(behaviour, name).__doc__ or "")
