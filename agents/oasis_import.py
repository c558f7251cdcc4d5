"""Keeps OASIS quiet: importing it opens log files under `./log` of the working directory.

`contained_import` lets that happen in a folder that is gone afterwards; `log_to` sends OASIS's logs into a
run's own folder for as long as the run lasts. Neither imports OASIS.
"""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

OASIS_LOGGERS = ("social.agent", "social.twitter", "social.rec", "oasis.env", "table")


@contextmanager
def contained_import() -> Iterator[None]:
    """For `import oasis`: what the import writes lands in a temporary folder and is removed.

    What it brings (a million objects) lives as long as the process, so the garbage collector is kept from looking
    through it, which would take half a second each time.
    """
    home, level = Path.cwd(), logging.root.level
    before = list(logging.root.handlers)
    collecting = gc.isenabled()
    gc.disable()
    with TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm, in a notebook without widgets
        os.chdir(scratch)
        (Path(scratch) / "log").mkdir()
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


def _drop_handlers() -> None:
    for name in OASIS_LOGGERS:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = False


@contextmanager
def log_to(folder: Path) -> Iterator[None]:
    """OASIS's loggers write warnings and errors to `folder`/oasis.log while this lasts."""
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
