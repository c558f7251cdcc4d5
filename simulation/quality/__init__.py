"""Scorers of what models said and decided. One scorer is one function in a file of its own, registered by name.

    @scorer("where it is defined", measures=(POLITE,))
    def politeness(material: Material) -> Iterator[Mark]: ...

A scorer marks texts; `simulation.quality.report` makes means of the marks, with intervals, never over tiers.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from agents.problems import SocietyError, nearest
from simulation.quality.scorer import REGISTERED, Scorer


@cache
def scorers() -> Mapping[str, Scorer]:
    """Every scorer by name, sorted."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(REGISTERED.items()))


def find_scorer(name: str) -> Scorer:
    """The scorer of that name. Raises SocietyError with the nearest name where there is none."""
    if name not in scorers():
        raise SocietyError(f"unknown scorer {name!r} ({nearest(name, tuple(scorers()))})")
    return scorers()[name]
