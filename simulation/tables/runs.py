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

from agents.file_model import MAX_WHOLE
from agents.problems import SocietyError
from simulation.store.run_directory import RunStatus
from simulation.sweep_values import Value, sweep_values
from simulation.tables.base import Tables, table_name
from simulation.tables.builder import Row
from simulation.tables.columns import (
    CATEGORY,
    COUNT,
    FLAG,
    OPTIONAL_TABLES,
    REAL,
    RUN_COLUMNS,
    TABLES,
    Column,
    TableName,
)
from simulation.tables.parquet import arrow_schema, arrow_table, frame_from, stored_file
from simulation.tables.run import TRAINING, Run, read_manifest

if TYPE_CHECKING:
    import pandas as pd

SWEPT = "sweep."
"""The prefix of a sweep's columns; the key follows."""
_NAMED = 5  # runs that a warning names
_PARQUET = b"PAR1"


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
    identity: str

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
        facts, types = entry.facts(), {column.name: column.kind for column in self.leading}
        return {name: str(value) if types[name] == CATEGORY else value for name, value in facts.items()}

    def _columns(self, name: TableName) -> tuple[Column, ...]:
        return (*self.leading, *TABLES[name])

    def columns(self, table: TableName | str, names: Sequence[str]) -> pd.DataFrame:
        """Return some columns of a table of all runs; the others are not read."""
        return self._table(table_name(table), names)

    def _table(self, name: TableName, only: Sequence[str] | None = None) -> pd.DataFrame:
        import pyarrow as pa

        columns = [each for each in self._columns(name) if only is None or each.name in only]
        try:
            table = self.dataset(name).to_table(columns=[each.name for each in columns])
        except (pa.ArrowException, OSError, SocietyError) as error:
            if not self._leave_out_unreadable(name):
                raise SocietyError(f"a run's {name.value} cannot be read: {error}") from error
            return self._table(name, only)
        return frame_from(table, columns)

    def _leave_out_unreadable(self, name: TableName) -> bool:
        """Leave out the runs whose table cannot be read, with a warning that names them; False where all can be."""
        broken = {entry.path: why for entry in self._entries if (why := self._unreadable(entry, name))}
        skipped = [Skipped(path, why) for path, why in broken.items()]
        entries = tuple(entry for entry in self._entries if entry.path not in broken)
        if not skipped or not entries:
            return False
        _warn_of(skipped)
        self._entries, self.skipped = entries, (*self.skipped, *skipped)
        return True

    def _unreadable(self, entry: _Entry, name: TableName) -> str:
        """Return why a run's table cannot be read; empty where it can."""
        import pyarrow as pa

        try:
            Runs([entry], ()).dataset(name).to_table()
        except (pa.ArrowException, OSError, SocietyError) as error:
            return f"its {name.value} cannot be read: {str(error).splitlines()[0]}"
        return ""

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
            if entry.stored and (name not in OPTIONAL_TABLES or stored_file(entry.path, name).exists())
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

    The rollouts of a training are left out, unless its own folder is given.

    Args:
        where: Folders or patterns.
        unfinished: Load runs that were cut off, too.

    Returns:
        The runs. Those that were left out are named by one SkippedRunsWarning and in `Runs.skipped`.

    Raises:
        SocietyError: No run is left.
    """
    paths = dict.fromkeys(path.absolute() for path in _directories(where))
    found = list(_once(_training(path) or _entry(path, unfinished) for path in paths))
    entries = [each for each in found if isinstance(each, _Entry)]
    skipped = [each for each in found if isinstance(each, Skipped)]
    if skipped:
        _warn_of(skipped)
    if not entries:
        why = "".join(f"; {each}" for each in skipped[:_NAMED])
        raise SocietyError(f"no run to load in {_shown(where)}{why}")
    return Runs(entries, skipped)


def _warn_of(skipped: Sequence[Skipped]) -> None:
    named = "".join(f"\n  {each}" for each in skipped[:_NAMED])
    more = f"\n  and {len(skipped) - _NAMED} more: see .skipped" if len(skipped) > _NAMED else ""
    warnings.warn(f"{len(skipped)} runs are left out:{named}{more}", SkippedRunsWarning, stacklevel=3)


def _once(found: Iterable[_Entry | Skipped]) -> Iterator[_Entry | Skipped]:
    """Yield what was found; a copy of a run, a link to it or a replay of it is left out where it came before."""
    first: dict[str, Path] = {}
    for each in found:
        if isinstance(each, Skipped):
            yield each
        elif each.identity in first:
            yield Skipped(
                each.path, f"is the same run as {first[each.identity]} (a copy, a link or a replay); it counts once"
            )
        else:
            first[each.identity] = each.path
            yield each


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
    named = Path(where).exists()
    for folder in found:
        yield from [folder] if _is_training(folder) and not named else _below(folder)


def runs_below(folder: Path) -> Iterator[Path]:
    """Yield run directories, sorted; not within a run, not in hidden folders, and not in trainings below `folder`.

    A link to a folder above it is not followed: a warning names it.

    Raises:
        SocietyError: The folder cannot be listed.
    """
    return (path for path in _below(folder) if not _is_training(path))


def _is_training(folder: Path) -> bool:
    return (folder / TRAINING).is_file()


def _training(folder: Path) -> Skipped | None:
    reason = "is a training; its rollouts are loaded where its own folder is given"
    return Skipped(folder, reason) if _is_training(folder) else None


def _below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield run directories, and trainings below `folder`; `above` has the real paths of what contains it."""
    if (folder / "manifest.json").exists() or (above and _is_training(folder)):
        yield folder
        return
    real = os.path.realpath(folder)
    if real in above:
        warnings.warn(f"{folder} is a link to a folder that contains it; it is not followed", SkippedRunsWarning, 2)
    elif folder.is_dir():
        try:
            entries = sorted(each.path for each in os.scandir(folder) if _is_folder(each) and each.name[0] != ".")
        except OSError as error:
            raise SocietyError(f"{folder} cannot be listed: {error.strerror}") from error
        for below in entries:
            yield from _below(Path(below), above | {real})


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _stored_files(run: Path) -> Iterator[Path]:
    return (file for file in (stored_file(run, table) for table in TableName) if file.exists())


def _is_whole(file: Path) -> bool:
    """Tell whether a Parquet file begins and ends as one; a torn one does not and would spoil the tables of all."""
    with file.open("rb") as stream:
        begins = stream.read(len(_PARQUET))
        stream.seek(0, os.SEEK_END)
        if stream.tell() < 3 * len(_PARQUET):
            return False
        stream.seek(-len(_PARQUET), os.SEEK_END)
        return begins == _PARQUET == stream.read()


def _entry(path: Path, unfinished: bool) -> _Entry | Skipped:
    try:
        raw: Row = orjson.loads((path / "manifest.json").read_bytes())
        manifest = read_manifest(path)
        status, name, seed = manifest["status"], str(manifest["scenario"]["name"]), int(manifest["seed"])
        if not 0 <= seed <= MAX_WHOLE:
            return Skipped(path, f"its seed, {seed}, is not between 0 and {MAX_WHOLE}")
        damaged = next((file for file in _stored_files(path) if not _is_whole(file)), None)
        if damaged is not None:
            return Skipped(path, f"{damaged.name} is damaged; remove the folder {damaged.parent} to derive it again")
    except (SocietyError, OSError, orjson.JSONDecodeError) as error:
        return Skipped(path, f"cannot be read: {error}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return Skipped(path, f"its manifest.json is not that of a run: {type(error).__name__} {error}")
    if status != RunStatus.FINISHED.value and not unfinished:
        return Skipped(path, f"is not finished ({status}); finish it with: society resume {path}")
    swept = {f"{SWEPT}{key}": value for key, value in sweep_values(path).items()}
    current = raw["schema_version"] == manifest["schema_version"]
    stored = current and all(stored_file(path, table).exists() for table in TableName if table not in OPTIONAL_TABLES)
    return _Entry(path, name, seed, stored, swept, _identity(path, manifest))


def _identity(path: Path, manifest: Row) -> str:
    """Return what is the same for a run, its copies and its replays: the run's id, or its place where it has none."""
    original = manifest.get("replay_of")
    if not original:
        return str(manifest.get("id") or path.resolve())
    try:
        return _identity(Path(original), orjson.loads((Path(original) / "manifest.json").read_bytes()))
    except (OSError, ValueError, AttributeError, RecursionError):  # the run is gone
        return str(Path(original).resolve())
