"""Read safetensors files without torch: the header for every check, the values for the checks before a server loads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_HEADER = 100_000_000
"""The longest header in bytes that safetensors itself reads."""
_POINTERS = {b"version https://git-lfs": "git lfs pull", b"/annex/objects/": "git annex get"}
_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class TensorFileError(ValueError):
    """A file that has no tensors that can be read; the text says why and what to do."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: its number type, its shape, and where its bytes begin and end after the header."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def pointer_problem(start: bytes) -> str:
    """Return what to do about a file that begins with `start` and only stands for another; else an empty text."""
    for sign, command in _POINTERS.items():
        if start.startswith(sign):
            return f"is a pointer that Git stores in place of the file; get the file with: {command}"
    return ""


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Return the tensors of a safetensors file, by name.

    Raises:
        TensorFileError: The file is empty, cut short, a Git pointer, or no safetensors file.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(64)
        if not start:
            raise TensorFileError("is empty: save or download it again")
        if problem := pointer_problem(start):
            raise TensorFileError(problem)
        length = int.from_bytes(start[:8], "little")
        if size < 8 or length > min(size, MAX_HEADER):
            raise TensorFileError("is no safetensors file, or is cut short: save or download it again")
        file.seek(8)
        raw = file.read(length)
    tensors = _tensors(raw)
    ends = 8 + length + max((each.end for each in tensors.values()), default=0)
    if size != ends:
        raise TensorFileError(f"has {size} bytes in place of {ends}: save or download it again")
    return tensors


def _tensors(raw: bytes) -> dict[str, TensorInfo]:
    try:
        entries: dict[str, Any] = json.loads(raw)
        return {name: _tensor(entry) for name, entry in entries.items() if name != "__metadata__"}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TensorFileError(f"is no safetensors file ({error}): save or download it again") from error


def _tensor(entry: Mapping[str, Any]) -> TensorInfo:
    begin, end = (int(each) for each in entry["data_offsets"])
    if not 0 <= begin <= end:
        raise ValueError(f"data_offsets {begin}, {end}")
    return TensorInfo(str(entry["dtype"]), tuple(int(each) for each in entry["shape"]), begin, end)


@dataclass(frozen=True)
class TensorValues:
    """What the numbers of a tensor are: all `finite`, and whether any is not 0."""

    name: str
    finite: bool
    nonzero: bool


def read_values(path: Path, tensors: Mapping[str, TensorInfo]) -> Iterator[TensorValues]:
    """Yield what the numbers of each tensor are; one of a rare number type counts as finite and not 0."""
    import numpy as np

    with path.open("rb") as file:
        data_begins = 8 + int.from_bytes(file.read(8), "little")
        for name, tensor in tensors.items():
            file.seek(data_begins + tensor.begin)
            raw = file.read(tensor.end - tensor.begin)
            if tensor.kind not in _KINDS:
                yield TensorValues(name, finite=True, nonzero=True)
                continue
            numbers = np.frombuffer(raw, _KINDS[tensor.kind])
            if tensor.kind == "BF16":  # the upper half of a float32
                numbers = (numbers.astype("<u4") << 16).view("<f4")
            yield TensorValues(name, bool(np.isfinite(numbers).all()), bool(numbers.any()))
