"""`load_runs`: the tables of many runs as one, read lazily; a table too large for memory is scanned in batches."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.problems import SocietyError
from simulation.store.run_directory import RunStatus
from simulation.sweep_values import Value, sweep_values
from simulation.tables.base import Tables
from simulation.tables.columns import CATEGORY, COUNT, FLAG, REAL, RUN_COLUMNS, TABLES, Column, TableName
from simulation.tables.parquet import arrow_schema, arrow_table, frame_from, stored_file
from simulation.tables.run import Row, Run, read_manifest

if TYPE_CHECKING:
    import pandas as pd

SWEPT = "sweep."
"""The prefix of a sweep's columns; the key follows."""
_NAMED = 5  # runs that a warning names


class SkippedRunsWarning(UserWarning):
    """Some directories hold runs that were left out."""


@dataclass(frozen=True)
class Skipped:
    """A run directory that was left out, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class _Entry:
    """A run that is loaded, by its manifest's facts; `stored` if it has tables of this version."""

    path: Path
    scenario: str
    seed: int
    stored: bool
    swept: Mapping[str, Value]

    def facts(self) -> dict[str, Value]:
        return {"run": self.path.as_posix(), "scenario": self.scenario, "seed": self.seed, **self.swept}


class Runs(Tables):
    """Many runs' tables. Their first columns are `run`, `scenario`, `seed` and, of a sweep, `sweep.<key>`.

    A property reads one table of all runs into memory when it is first used; `scan` reads it in batches and `dataset`
    gives it to pyarrow, with filters. `skipped` names the runs that were left out. Iterating yields each `Run`.
    """

    def __init__(self, entries: Sequence[_Entry], skipped: Sequence[Skipped]) -> None:
        self._entries = tuple(entries)
        self.skipped = tuple(skipped)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the directories of the runs, in order."""
        return tuple(entry.path for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Run]:
        return (Run(path) for path in self.paths)

    def __repr__(self) -> str:
        return f"Runs({len(self)} runs, {len(self.skipped)} skipped)"

    @cached_property
    def leading(self) -> tuple[Column, ...]:
        """Return the columns that tell the runs apart."""
        keys = dict.fromkeys(key for entry in self._entries for key in entry.swept)
        swept = (Column(key, self._dtype(key), f"what the sweep set {key.removeprefix(SWEPT)} to") for key in keys)
        return (*RUN_COLUMNS, *swept)

    def _dtype(self, key: str) -> str:
        kinds = {type(entry.swept[key]) if key in entry.swept else type(None) for entry in self._entries}
        if kinds <= {int, float, type(None)}:
            return COUNT if kinds == {int} else REAL
        return FLAG if kinds == {bool} else CATEGORY

    @property
    def catalog(self) -> pd.DataFrame:
        """Return one row per run, with what tells it apart."""
        import pandas as pd

        frame = pd.DataFrame([self._facts(entry) for entry in self._entries], columns=[c.name for c in self.leading])
        return frame.astype({column.name: column.dtype for column in self.leading})

    def _facts(self, entry: _Entry) -> dict[str, Value]:
        """Return an entry's leading columns in their types, without those that have no value."""
        facts, types = entry.facts(), {column.name: column.dtype for column in self.leading}
        return {name: str(value) if types[name] == CATEGORY else value for name, value in facts.items()}

    def _columns(self, name: TableName) -> tuple[Column, ...]:
        return (*self.leading, *TABLES[name])

    def _table(self, name: TableName) -> pd.DataFrame:
        import pyarrow as pa

        try:
            table = self.dataset(name).to_table()
        except (pa.ArrowException, OSError) as error:
            raise SocietyError(f"a run's {name.value} cannot be read: {error}") from error
        return frame_from(table, self._columns(name))

    def dataset(self, table: TableName | str) -> Any:
        """Return a table of all runs as a lazy `pyarrow.dataset.Dataset`: `dataset("messages").to_table(filter=...)`.

        A filter by `run`, `seed` or a sweep's key opens only the files of matching runs. Runs whose tables must be
        derived from their events (cut off, or of an older version) come last and are held in memory; `scan` does not
        hold them.
        """
        import pyarrow.dataset as ds

        name = TableName(table)
        derived = [ds.dataset(self._derived(entry, name)) for entry in self._entries if not entry.stored]
        stored = self._stored(name)
        return ds.dataset([stored, *derived]) if derived else stored

    def scan(self, table: TableName | str) -> Iterator[Any]:
        """Yield a table of all runs in `pyarrow.RecordBatch`es, run by run; only a few are in memory at a time."""
        name = TableName(table)
        yield from self._stored(name).to_batches(fragment_readahead=2, batch_readahead=2)
        for entry in self._entries:
            if not entry.stored:
                yield from self._derived(entry, name).to_batches()

    def _stored(self, name: TableName) -> Any:
        import pyarrow.dataset as ds
        from pyarrow.fs import LocalFileSystem

        files, parquet = LocalFileSystem(), ds.ParquetFileFormat()
        fragments = [
            parquet.make_fragment(str(stored_file(entry.path, name)), files, self._expression(entry))
            for entry in self._entries
            if entry.stored
        ]
        return ds.FileSystemDataset(fragments, arrow_schema(self._columns(name)), parquet, files)

    def _expression(self, entry: _Entry) -> Any:
        """Return what holds for all rows of a run: its leading columns, which its files do not repeat."""
        import pyarrow.dataset as ds

        first, *others = (ds.field(key) == value for key, value in self._facts(entry).items())
        for other in others:
            first = first & other
        return first

    def _derived(self, entry: _Entry, name: TableName) -> Any:
        frame = Run(entry.path)._table(name)
        facts = self._facts(entry)
        leading = {column.name: facts.get(column.name) for column in self.leading}
        return arrow_table(frame.assign(**leading), self._columns(name))


def load_runs(where: str | Path | Iterable[str | Path], *, unfinished: bool = False) -> Runs:
    """Load the runs in a folder, of a pattern such as "runs/*", or in each of several of these; also in sets of runs.

    Args:
        where: Folders or patterns.
        unfinished: Load runs that were cut off, too.

    Returns:
        The runs. Those that were left out are named by one SkippedRunsWarning and in `Runs.skipped`.

    Raises:
        SocietyError: No run is left.
    """
    found = [_entry(path, unfinished) for path in dict.fromkeys(_directories(where))]
    entries = [each for each in found if isinstance(each, _Entry)]
    skipped = [each for each in found if isinstance(each, Skipped)]
    if skipped:
        named = "".join(f"\n  {each}" for each in skipped[:_NAMED])
        more = f"\n  and {len(skipped) - _NAMED} more: see .skipped" if len(skipped) > _NAMED else ""
        warnings.warn(f"{len(skipped)} runs are left out:{named}{more}", SkippedRunsWarning, stacklevel=2)
    if not entries:
        raise SocietyError(f"no run to load in {_shown(where)}")
    return Runs(entries, skipped)


def _shown(where: str | Path | Iterable[str | Path]) -> str:
    return str(where) if isinstance(where, (str, Path)) else ", ".join(map(str, where))


def _directories(where: str | Path | Iterable[str | Path]) -> Iterator[Path]:
    if not isinstance(where, (str, Path)):
        for each in where:
            yield from _directories(each)
        return
    found = [Path(where)] if Path(where).exists() else [Path(each) for each in sorted(glob.glob(str(where)))]
    if not found:
        raise SocietyError(f"{where}: there is no such folder, and no folder of this pattern")
    for folder in found:
        yield from runs_below(folder)


def runs_below(folder: Path) -> Iterator[Path]:
    """Yield run directories, sorted; not within a run, and not in hidden folders."""
    if (folder / "manifest.json").exists():
        yield folder
        return
    if folder.is_dir():
        for below in sorted(entry.path for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."):
            yield from runs_below(Path(below))


def _entry(path: Path, unfinished: bool) -> _Entry | Skipped:
    try:
        raw: Row = orjson.loads((path / "manifest.json").read_bytes())
        manifest = read_manifest(path)
        status, name, seed = manifest["status"], str(manifest["scenario"]["name"]), int(manifest["seed"])
    except (SocietyError, OSError, orjson.JSONDecodeError) as error:
        return Skipped(path, f"cannot be read: {error}")
    except (KeyError, TypeError, AttributeError) as error:
        return Skipped(path, f"its manifest.json lacks {error}")
    if status != RunStatus.FINISHED.value and not unfinished:
        return Skipped(path, f"is not finished ({status}); finish it with: society resume {path}")
    swept = {f"{SWEPT}{key}": value for key, value in sweep_values(path).items()}
    current = raw["schema_version"] == manifest["schema_version"]
    stored = current and all(stored_file(path, table).exists() for table in TableName)
    return _Entry(path, name, seed, stored, swept)
