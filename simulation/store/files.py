"""Writing files whole or not at all, and a system error as a sentence for the user: which file, why, and the fix."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from agents.problems import SocietyError, UsageError

_FULL = "make room on its disk"
_CLOSED = "name a folder that can be written to, or change this one"
_OTHER = "name another folder"
_FIXES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: _CLOSED,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.ENOTDIR: _OTHER,
    errno.EEXIST: _OTHER,
    errno.ENOTEMPTY: _OTHER,
}
_NO_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
_SHOWN = 200


def refusal(error: OSError) -> str:
    """Return why a file could not be written, and what to do about it where that is known."""
    why = os.strerror(error.errno) if error.errno else str(error)
    place = f" ({error.filename})" if error.filename else ""
    fix = _FIXES.get(error.errno or 0, "")
    return f"{why}{place}; {fix}" if fix else f"{why}{place}"


def replace_file(file: Path, content: bytes) -> None:
    """Write a file whole or not at all. On OSError what was there stays."""
    with replace_stream(file) as stream:
        stream.write(content)


@contextmanager
def replace_stream(file: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content becomes a file when the block ends: whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())  # without it a power cut may leave the new name with nothing in it
        os.replace(part, file)
    except OSError:
        with suppress(OSError):  # the first error is the one to report
            part.unlink()
        raise


@contextmanager
def translating_os_errors(file: Path) -> Iterator[None]:
    """Raise SocietyError in place of an OSError from the block, which writes `file`."""
    try:
        yield
    except OSError as error:
        raise SocietyError(f"{file} cannot be written: {refusal(error)}") from error


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes `folder` when the block ends: whole or not at all.

    Raises:
        UsageError: No folder can be at that place.
        SocietyError: The system refuses, or another process makes a folder of that name.
    """
    part = folder.with_name(f".{folder.name}.part")
    with translating_os_errors(folder):
        _make(part)
        try:
            yield part
            os.replace(part, folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _make(part: Path) -> None:
    try:
        part.mkdir(parents=True)
    except (OSError, ValueError) as error:  # a ValueError for a null byte
        if isinstance(error, OSError) and error.errno not in _NO_PLACE:
            raise
        why = (getattr(error, "strerror", None) or str(error)).lower()
        place = str(part.parent)[:_SHOWN]
        raise UsageError(f"no run can be kept in {place!r}: {why}; name another folder: --out") from error


def drop_torn_line(path: Path) -> None:
    """Cut off a last line that was not written whole."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            cut = file.read(end - start).rfind(b"\n")
            if cut >= 0:
                end = start + cut + 1
                break
            end = start
        if end < size:
            file.truncate(end)
