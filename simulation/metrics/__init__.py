"""Statistics of runs. A metric is one registered function in a file of this folder; nothing else is needed to show it.

    @metric("Piatti et al. (GovSim), NeurIPS 2024", LIFETIMES)
    def survival_rate(lives: Sequence[Lifetime]) -> float: ...

`society study metrics RUN` and `society report RUN` compute every metric that applies to a run. Functions that studies
use (intervals, p-values, figures of a player's behaviour, ratings) are not registered; their docstrings name their
sources.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from simulation.metrics.registry import REGISTERED, Metric


@cache
def metrics() -> Mapping[str, Metric]:
    """Every registered metric by name, sorted."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(REGISTERED.items()))
