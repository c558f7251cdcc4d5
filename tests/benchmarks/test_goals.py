"""The benchmarks with goals compare as documented, and docs/performance.md is made from the committed figures."""

from __future__ import annotations

import asyncio

from benchmarks.goals import Result
from benchmarks.page import PAGE, committed, page
from benchmarks.societies import play
from benchmarks.stored_prompts import measure


def test_median_of_the_repetitions_decides() -> None:
    assert Result("faster", "x", (1.0, 120.0, 130.0), 100, False, "").met
    assert not Result("slower", "x", (1.0, 1.3, 1.4), 1.2, True, "").met


def test_play_times_every_step() -> None:
    watched = asyncio.run(play(3, 2))
    assert watched.messages == 6
    assert len(watched.steps) == 2
    assert min(watched.steps) > 0


def test_stored_prompts_are_measured_against_none() -> None:
    (cost,) = measure(8, 1)
    assert 0.2 < cost.time < 5
    assert 0 < cost.size < 1


def test_page_is_made_from_the_figures() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(*committed())
