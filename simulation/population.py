"""The two kinds of table a focal player is measured at; `simulation/studies/population/tables.py` seats them."""

from __future__ import annotations

from enum import Enum


class Population(str, Enum):
    RESIDENT = "resident"
    VISITOR = "visitor"
