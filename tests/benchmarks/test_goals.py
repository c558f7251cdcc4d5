"""The benchmarks of the goals judge as they say, and docs/performance.md is made from the committed figures."""

from __future__ import annotations

import asyncio

from benchmarks.goals import Result
from benchmarks.page import PAGE, committed, page
from benchmarks.societies import play


def test_the_middle_of_the_repetitions_decides() -> None:
    assert Result("faster", "x", (1.0, 120.0, 130.0), 100, False, "").met
    assert not Result("slower", "x", (1.0, 1.3, 1.4), 1.2, True, "").met


def test_a_society_is_timed_step_by_step() -> None:
    watched = asyncio.run(play(3, 2))
    assert watched.messages == 6
    assert len(watched.steps) == 2
    assert min(watched.steps) > 0


def test_the_page_is_made_from_the_figures() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(*committed())
