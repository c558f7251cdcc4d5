"""Statistics of runs. One metric is one function, registered by name with its source.

    find_metric("iqm").function(matrix)

Functions of numbers are pure. Functions of a run (`scores`, `commons`, `messages`) leave synthetic rows out and
refuse to mix tiers unless asked. A new metric is one decorated function in a file of this folder.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from agents.problems import SocietyError, nearest
from simulation.metrics.registry import REGISTERED, Metric


@cache
def metrics() -> Mapping[str, Metric]:
    """Every metric by name, sorted."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(REGISTERED.items()))


def find_metric(name: str) -> Metric:
    """The metric of that name. Raises SocietyError with the nearest name where there is none."""
    if name not in metrics():
        raise SocietyError(f"unknown metric {name!r} ({nearest(name, tuple(metrics()))})")
    return metrics()[name]
