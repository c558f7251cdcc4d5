"""The cycle collector's pace: rarer within an episode, and what it was when the last one is over."""

from __future__ import annotations

import gc
from contextlib import ExitStack

import pytest

from simulation.engine.gc_tuning import reduced_gc


def test_reduced_gc_restores_after_the_last_block() -> None:
    before = gc.get_threshold()
    first, second = ExitStack(), ExitStack()
    first.enter_context(reduced_gc())
    within = gc.get_threshold()
    second.enter_context(reduced_gc())
    assert within[0] > before[0]
    first.close()
    assert gc.get_threshold() == within
    second.close()
    assert gc.get_threshold() == before


def test_one_that_is_off_or_that_somebody_else_sets_is_left_alone() -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(0)
        with reduced_gc():
            assert gc.get_threshold()[0] == 0
        gc.set_threshold(*before)
        with reduced_gc():
            gc.set_threshold(900, 9, 9)
        assert gc.get_threshold() == (900, 9, 9)
    finally:
        gc.set_threshold(*before)


def test_an_error_within_ends_it_too() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), reduced_gc():
        raise KeyError
    assert gc.get_threshold() == before
