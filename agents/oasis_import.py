"""Keep OASIS quiet: importing it opens log files under `./log` of the working directory.

`contained_import` lets that happen in a temporary folder; `log_to` sends OASIS's logs into a run's own folder for as
long as the run lasts. Neither imports OASIS.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from threading import RLock
from types import SimpleNamespace
from typing import Any

from agents.deferred_import import deferred_names
from agents.inference.embedded.threads import passive_waiting

OASIS_LOGGERS = ("social.agent", "social.twitter", "social.rec", "oasis.env", "table")
_importing = RLock()
_LATER = {
    "sentence_transformers": ("SentenceTransformer",),
    "transformers": ("AutoModel", "AutoTokenizer"),
    "sklearn.feature_extraction.text": ("TfidfVectorizer",),
    "sklearn.metrics.pairwise": ("cosine_similarity",),
    "neo4j": ("GraphDatabase",),
    "cairocffi": (),
    "matplotlib.pyplot": (),
}
"""What OASIS takes from large packages for some of its recommendations and graph stores, and what igraph draws with:
more than half of its import's time."""

_DRAWN_WITH = tuple(f"matplotlib.{name}" for name in ("artist", "collections", "colors", "patches", "path", "text"))
"""What igraph takes of matplotlib as it is imported. It gets them from pyplot, which is imported later."""


@contextmanager
def contained_import() -> Iterator[None]:
    """Use around `import oasis`: what the first import writes goes to a temporary folder that is then removed.

    The working directory of the whole process is another one while this lasts (about two seconds, once). There is no
    other way: four modules of OASIS 0.2.5 open `./log/<name>-<time>.log` as they are imported, and no setting changes
    that. A lock keeps other threads that import OASIS through here from seeing the wrong directory as their own.

    The packages that only some of OASIS's recommendations use, or that igraph draws with, are imported when these are
    used.

    The import creates a million objects that live as long as the process. `gc.freeze` keeps the garbage collector from
    looking through them, which would take half a second each time.
    """
    with _importing:
        if "oasis" in sys.modules:
            _drop_handlers()
            yield
            return
        home, level, before = Path.cwd(), logging.root.level, list(logging.root.handlers)
        collecting = gc.isenabled()
        gc.disable()
        for name in _DRAWN_WITH:
            with suppress(ImportError):  # igraph then draws without matplotlib, as always
                import_module(name)
        with (
            TemporaryDirectory() as scratch,
            warnings.catch_warnings(),
            passive_waiting(),
            deferred_names(*_later()),
        ):
            warnings.filterwarnings("ignore", "IProgress not found")  # tqdm, in a notebook without widgets
            (Path(scratch) / "log").mkdir()
            os.chdir(scratch)
            try:
                yield
            finally:
                os.chdir(home)
                _drop_handlers()
                logging.root.handlers[:] = before
                logging.root.setLevel(level)
                gc.freeze()
                if collecting:
                    gc.enable()


def _later() -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, Any]]]:
    """Return what is imported later, and what is known of it already.

    OASIS asks torch, as it is imported, whether there is a GPU. Only a torch that was built without them answers that
    unasked; any other is imported at once.
    """
    if not _built_for_cpu("torch"):
        return _LATER, {}
    no_gpu = SimpleNamespace(is_available=lambda: False)
    return {**_LATER, "torch": ("device", "no_grad")}, {"torch": {"cuda": no_gpu}}


def _built_for_cpu(package: str) -> bool:
    """Tell whether a torch's own file of its version says that it was built for no GPU, without importing it."""
    spec = find_spec(package)
    try:
        said = run_path(str(Path(str(spec and spec.origin)).with_name("version.py")))
    except (OSError, SyntaxError):
        return False
    return "cuda" in said and said["cuda"] is None and said.get("hip") is None


def _drop_handlers() -> None:
    for name in OASIS_LOGGERS:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = False


@contextmanager
def log_to(folder: Path) -> Iterator[None]:
    """Make OASIS's loggers write warnings and errors to `folder`/oasis.log while this lasts."""
    handler = logging.FileHandler(folder / "oasis.log", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.setLevel(logging.WARNING)
    loggers = [logging.getLogger(name) for name in OASIS_LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
