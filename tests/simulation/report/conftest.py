"""Runs to report on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def small_run(make_plan: Callable[..., Plan], runs: Path) -> Run:
    """Two episodes of a team battle with four models."""
    return run_scenario(make_plan(), out=runs)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from tests.support.browser import chromium

    with chromium() as running:
        yield running
