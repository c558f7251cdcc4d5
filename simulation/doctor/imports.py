"""Do CAMEL, OASIS and the embedded tier's libraries import, and from where?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module

from simulation.doctor.finding import Diagnosis, failure, ok

AREA = "imports"
# our own modules, which contain what the libraries do at import
_MODULES = {
    "camel": ("agents.inference.servers.camel", "pip install camel-ai==0.2.78 'mcp<2'"),
    "oasis": ("simulation.engine.society", "pip install camel-oasis==0.2.5 'mcp<2'"),
    "transformers": ("agents.inference.embedded.model", "make install"),
}


def examine_imports() -> Iterator[Diagnosis]:
    """Import each in turn, as a run would; takes seconds the first time."""
    for name, (module, remedy) in _MODULES.items():
        started = time.perf_counter()
        try:
            import_module(module)
        except ImportError as error:
            yield failure(AREA, name, f"does not import: {error}", remedy)
        else:
            yield ok(AREA, name, f"imports, {time.perf_counter() - started:.1f} s")
