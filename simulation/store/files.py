"""What the machine has against a file being written, as a sentence for the user: which file, why, and the mend."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agents.problems import SocietyError, UsageError

_FULL = "make room on its disk"
_CLOSED = "name a folder that can be written to, or let this one be"
_OTHER = "name another folder"
_MENDS = {
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
    """Why a file could not be written, and what to do about it where that is known."""
    why = os.strerror(error.errno) if error.errno else str(error)
    place = f" ({error.filename})" if error.filename else ""
    mend = _MENDS.get(error.errno or 0, "")
    return f"{why}{place}; {mend}" if mend else f"{why}{place}"


def replace_file(file: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises OSError, and leaves what was there."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())  # else a power cut may leave the new name with nothing in it
        os.replace(part, file)
    except OSError:
        with suppress(OSError):  # the first refusal is the one to tell
            part.unlink()
        raise


@contextmanager
def translating_os_errors(file: Path) -> Iterator[None]:
    """While `file` is written. Raises SocietyError where the machine refuses."""
    try:
        yield
    except OSError as error:
        raise SocietyError(f"{file} cannot be written: {refusal(error)}") from error


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """A folder to fill, which stands as `folder` afterwards: whole or not at all. Raises UsageError where no folder can
    be at that place, SocietyError where the machine refuses or another process makes a folder of that name."""
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
