"""Scorers of messages and decisions. A scorer is one registered function in a file of its own.

    @scorer("where it is defined", measures=(POLITE,))
    def politeness(material: Material) -> Iterator[Mark]: ...

A scorer marks texts; `simulation.quality.report` averages the marks of one tier, with intervals.
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
    """The scorer of that name.

    Raises:
        SocietyError: There is none; the message gives the nearest name.
    """
    if name not in scorers():
        raise SocietyError(f"unknown scorer {name!r} ({nearest(name, tuple(scorers()))})")
    return scorers()[name]
