"""Checks of the imports: do CAMEL, OASIS and the libraries of the embedded tier import?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module

from simulation.doctor.finding import Diagnosis, failure, ok

AREA = "imports"
# our own modules: they undo the libraries' side effects at import
_MODULES = {
    "camel": ("agents.inference.servers.camel", "pip install camel-ai==0.2.78 'mcp<2'"),
    "oasis": ("simulation.engine.society", "pip install camel-oasis==0.2.5 'mcp<2'"),
    "transformers": ("agents.inference.embedded.model", "make install"),
}


def examine_imports() -> Iterator[Diagnosis]:
    """Import each in turn, as a run does. The first time takes seconds."""
    for name, (module, remedy) in _MODULES.items():
        started = time.perf_counter()
        try:
            import_module(module)
        except ImportError as error:
            yield failure(AREA, name, f"does not import: {error}", remedy)
        else:
            yield ok(AREA, name, f"imports, {time.perf_counter() - started:.1f} s")
