"""All known answers of learning that `society study verify --learning` computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulation.studies.verify.figures import LearnedFigure
from simulation.studies.verify.league import league_figures
from simulation.studies.verify.learning import CASES
from simulation.studies.verify.shaping import shaping_figures

LEARNING_CASES: tuple[Callable[[], Iterator[LearnedFigure]], ...] = (*CASES, shaping_figures, league_figures)
"""Each trains from nothing and yields its figures."""
