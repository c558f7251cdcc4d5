"""Tables as files for other programs: CSV, Parquet, Excel. No text of a model runs as a formula there."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.problems import SocietyError
from agents.sanitize import sanitize_lines
from simulation.store.files import translating_os_errors
from simulation.tables.columns import TableName

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.base import Tables

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\n")
"""How a text begins that Excel and other programs may run as a formula."""
_MOST_ROWS, _MOST_LETTERS = 1_048_575, 32_767
"""What a sheet and a cell of Excel hold."""


class FileKind(str, Enum):
    """Kinds of files that tables are written as."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"


def export_tables(tables: Tables, kind: FileKind, folder: Path) -> list[Path]:
    """Write every table that has rows into a folder, one file each, or one workbook with a sheet each.

    In CSV and Excel a text that begins like a formula has a ' before it, and several names of one cell are separated by
    spaces.

    Raises:
        SocietyError: A file cannot be written, or no writer for Excel is installed, or a table is too large for it.
    """
    frames = {name.value: getattr(tables, name.value) for name in TableName}
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    _refuse_others(folder, kind, set(frames))
    with translating_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if kind is FileKind.XLSX:
            return [_workbook(frames, folder / "tables.xlsx")]
        return [_file(frame, kind, folder / f"{name}.{kind.value}") for name, frame in frames.items()]


def _refuse_others(folder: Path, kind: FileKind, names: set[str]) -> None:
    """Raise SocietyError where a folder has tables of another export, which would stand beside these."""
    left = [each.value for each in TableName if (folder / f"{each.value}.{kind.value}").exists()]
    if others := sorted(set(left) - names):
        raise SocietyError(f"{folder} has {others[0]}.{kind.value} of another export; name an empty folder")


def _file(frame: pd.DataFrame, kind: FileKind, path: Path) -> Path:
    if kind is FileKind.PARQUET:
        frame.to_parquet(path, index=False)
    else:
        plain_cells(frame).to_csv(path, index=False, encoding="utf-8-sig")  # with the mark by which Excel knows UTF-8
    return path


def _workbook(frames: dict[str, pd.DataFrame], path: Path) -> Path:
    import pandas as pd

    for name, frame in frames.items():
        if len(frame) > _MOST_ROWS:
            raise SocietyError(f"{name} has {len(frame):,} rows, and a sheet {_MOST_ROWS:,}: use --csv or --parquet")
    try:
        with pd.ExcelWriter(path) as writer:
            for name, frame in frames.items():
                _fitting(plain_cells(frame), name).to_excel(writer, sheet_name=name, index=False)
    except ModuleNotFoundError as error:
        raise SocietyError(
            f"no writer for Excel is installed ({error.name}): pip install openpyxl, or use --csv"
        ) from None
    return path


def _fitting(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    for column in frame.select_dtypes(["object", "string"]):
        longest = int(frame[column].astype(str).str.len().max())
        if longest > _MOST_LETTERS:
            raise SocietyError(
                f"{name}.{column} has a text of {longest:,} letters, and a cell holds {_MOST_LETTERS:,}: use --csv"
            )
    return frame


def plain_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts are harmless in a sheet: no formula, no control character."""
    plain = frame.copy()
    for column in frame.select_dtypes(["object", "string"]):
        plain[column] = frame[column].map(_plain, na_action="ignore")
    return plain


def _plain(value: Any) -> Any:
    text = " ".join(map(str, value)) if isinstance(value, (tuple, list)) else value
    if not isinstance(text, str):
        return text
    text = sanitize_lines(text)
    return f"'{text}" if text.startswith(FORMULA) else text
