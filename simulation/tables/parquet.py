"""Tables on disk: plain Parquet whose schema follows from the documented columns alone.

Any Parquet reader can read them: DuckDB, polars, pyarrow. A column's type does not depend on the run's content.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from agents.problems import SocietyError
from simulation.tables.columns import CATEGORY, COUNT, FLAG, NUMBERS, REAL, TEXT, TUPLE, Column

if TYPE_CHECKING:
    import pandas as pd

AnyTable = TypeVar("AnyTable", bound=Enum)
FOLDER = "tables"
LARGE = 100_000
"""Rows from which a table is packed closer, as it takes room."""
Part = Any
"""A part of a table: a DataFrame, or a pyarrow table."""


def stored_file(run: Path, name: Enum) -> Path:
    """Return the file of a run's table."""
    return run / FOLDER / f"{name.value}.parquet"


def arrow_schema(columns: Iterable[Column]) -> Any:
    """Return the columns as a pyarrow schema."""
    import pyarrow as pa

    types = {
        TEXT: pa.string(),
        CATEGORY: pa.dictionary(pa.int32(), pa.string()),
        COUNT: pa.int64(),
        REAL: pa.float64(),
        FLAG: pa.bool_(),
        TUPLE: pa.list_(pa.string()),
        NUMBERS: pa.list_(pa.float64()),
    }
    return pa.schema([(column.name, types[column.kind]) for column in columns])


def arrow_table(frame: pd.DataFrame, columns: Sequence[Column]) -> Any:
    """Return a DataFrame of these columns as a pyarrow table."""
    import pyarrow as pa

    return pa.Table.from_pandas(frame, schema=arrow_schema(columns), preserve_index=False)


def frame_from(table: Any, columns: Sequence[Column]) -> pd.DataFrame:
    """Return a pyarrow table as a typed DataFrame of these columns."""
    import pandas as pd

    texts = [column.name for column in columns if column.kind == CATEGORY]
    plain = table.replace_schema_metadata().select([column.name for column in columns])
    frame: pd.DataFrame = plain.to_pandas()
    for name in texts:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = _texts(frame[name])
    for column in columns:
        if column.dtype == TUPLE:
            frame[column.name] = [tuple(value.tolist()) for value in frame[column.name]]
    return frame.astype({column.name: column.dtype for column in columns})


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return categories as texts; equal ones are one object in memory."""
    import numpy as np
    import pandas as pd

    names = np.array([*column.cat.categories, pd.NA], dtype=object)
    return pd.Series(names[column.cat.codes], index=column.index, name=column.name, dtype="string")


def _as_arrow(part: Part, columns: Sequence[Column]) -> Any:
    return arrow_table(part, columns) if _is_frame(part) else part.cast(arrow_schema(columns))


def _is_frame(part: Part) -> bool:
    import pandas as pd

    return isinstance(part, pd.DataFrame)


def joined(parts: Sequence[Part], columns: Sequence[Column]) -> pd.DataFrame:
    """Return a table's parts as one DataFrame."""
    import pandas as pd

    frames = [part if _is_frame(part) else frame_from(part, columns) for part in parts]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def without(part: Part, episode: int) -> Part:
    """Return the rows of a part that belong to other episodes."""
    import pyarrow.compute as pc

    return part[part["episode"] != episode] if _is_frame(part) else part.filter(pc.field("episode") != episode)


def count(part: Part, column: str, value: str) -> int:
    """Return how many rows of a part have a text in a column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_frame(part):
        return int((part[column] == value).sum())
    return int(pc.sum(pc.equal(part.column(column).cast(pa.string()), value)).as_py() or 0)


def write_tables(
    folder: Path, tables: Mapping[AnyTable, Sequence[Part]], columns: Mapping[AnyTable, Sequence[Column]]
) -> None:
    """Write `folder`/<table>.parquet: all files appear at once, or none. Each part is a row group or more."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        for name, parts in tables.items():
            large = len(parts) > 1 or any(len(each) >= LARGE for each in parts)
            packed = {"compression": "zstd", "dictionary_pagesize_limit": 1 << 26} if large else {}
            with (part / f"{name.value}.parquet").open("wb") as file:
                _write_parts(file, (_as_arrow(each, columns[name]) for each in parts), packed)
                file.flush()
                os.fsync(file.fileno())  # before the manifest says that the run is finished
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)  # half of it is useless and takes room
        raise


def _write_parts(file: IO[bytes], parts: Iterator[Any], options: Mapping[str, Any]) -> None:
    """Write pyarrow tables one after the other, with what the first one says of itself."""
    import pyarrow.parquet as pq

    first = next(parts)
    with pq.ParquetWriter(file, first.schema, **options) as writer:
        for each in chain([first], parts):
            writer.write_table(each.replace_schema_metadata(first.schema.metadata))


def has_columns(file: Path, columns: Sequence[Column]) -> bool:
    """Return whether a Parquet file has the columns of this version; raises as pyarrow where it cannot be read."""
    import pyarrow.parquet as pq

    return set(pq.read_schema(file).names) == {column.name for column in columns}


def read_stored(file: Path, columns: Sequence[Column]) -> pd.DataFrame | None:
    """Return the table in a Parquet file; None if there is none, or another version wrote other columns.

    Raises:
        SocietyError: The file is not Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.exists():
        return None
    try:
        return frame_from(pq.ParquetFile(file).read(), columns) if has_columns(file, columns) else None
    except FileNotFoundError:  # a resumed run removed it meanwhile
        return None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SocietyError(f"{file} cannot be read: {error}; remove the folder {file.parent} to derive it") from error
