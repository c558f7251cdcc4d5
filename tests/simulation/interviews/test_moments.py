"""Moments as users write them: EPISODE.STEP, both counted from 1."""

from __future__ import annotations

import pytest

from simulation.interviews.moments import Moment, moment_of


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1.3", Moment(0, 2)),
        ("2.10", Moment(1, 9)),
        ("*.1", Moment(None, 0)),
        ("*.last", Moment(None, None, last=True)),
        ("3.*", Moment(2, None)),
    ],
)
def test_moment_counts_from_one(text: str, moment: Moment) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize("value", ["", "1", "0.1", "1.0", "1.2.3", "last.1", "1.-1", None, 7])
def test_moment_refuses_what_is_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"EPISODE\.STEP"):
        moment_of(value)


def test_moment_refuses_a_number_as_1_1_is_not_1_10() -> None:
    with pytest.raises(ValueError, match="write it in quotes"):
        moment_of(1.3)


def test_last_means_the_last_step_whichever_it_is() -> None:
    moment = moment_of("*.last")
    assert moment.is_at(4, 2, last=True)
    assert not moment.is_at(4, 2, last=False)
    assert moment_of("1.3").is_at(0, 2, last=True)
    assert not moment_of("1.3").is_at(1, 2, last=True)
