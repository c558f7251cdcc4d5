"""Events -> tables, and `load_run`: a run directory as pandas DataFrames."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.problems import SocietyError
from agents.roster import Roster
from simulation.columns import SUMMARY_FIGURES, SUMMARY_KEYS, TABLES, TableName
from simulation.events import (
    CallMade,
    DecisionMade,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    EventLog,
    MessageSent,
    RunResumed,
    StepResolved,
    read_events,
)
from simulation.ledger import fallen

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
SCHEMA_VERSION = 1


class TableBuilder:
    """Collects the rows of every table from a run's events, in order."""

    def __init__(self) -> None:
        self.rows: dict[TableName, list[Row]] = {name: [] for name in TABLES}
        self._started: dict[int, EpisodeStarted] = {}
        self._tiers: dict[str, str] = {}  # of this step's decisions

    def add_roster(self, roster: Roster) -> None:
        for number, config in enumerate(roster.expand()):
            row = config.model_dump(mode="json")
            row = {column.name: row.get(column.name) for column in TABLES[TableName.AGENTS]}
            named = {name: row[name] or "" for name in ("model_name", "policy")}
            extra = {"base_model": roster.base_model or "", "oasis_agent_id": number}
            self.rows[TableName.AGENTS].append({**row, **named, **extra})

    def add(self, event: Event) -> None:
        match event:
            case EpisodeStarted():
                self._started[event.episode] = event
            case CallMade():
                self._put(TableName.CALLS, event.record.key.episode, _call_row(event))
            case MessageSent():
                self._put(TableName.MESSAGES, event.episode, asdict(event))
            case DecisionMade():
                self._tiers[event.model_id] = event.tier
                self._put(TableName.DECISIONS, event.episode, {**asdict(event), "valid": event.action is not None})
            case StepResolved():
                self._resolve(event)
            case EpisodeEnded():
                self._end(event)
            case RunResumed():
                self._forget(event.episode)
            case _:
                pass

    def _put(self, table: TableName, episode: int, row: Row) -> None:
        started = self._started.get(episode)  # none for a call outside of every episode
        self.rows[table].append({**row, "synthetic": started is not None and started.synthetic})

    def _resolve(self, event: StepResolved) -> None:
        common = {"episode": event.episode, "step": event.step, "duration": event.duration}
        for row in event.rows:
            tier = self._tiers.get(row.model_id, "none")
            self._put(TableName.STEPS, event.episode, {**common, **asdict(row), "tier": tier})
        self._tiers.clear()

    def _end(self, event: EpisodeEnded) -> None:
        started = asdict(self._started[event.episode])
        whole = {name: value for name, value in asdict(event).items() if name != "outcomes"}
        self.rows[TableName.EPISODES].append({**started, **whole})
        for outcome in event.outcomes:
            self.rows[TableName.OUTCOMES].append({**started, **whole, **asdict(outcome)})

    def _forget(self, episode: int) -> None:
        """An episode that a sitting left unfinished is played again; its paid calls stay."""
        for name in (TableName.MESSAGES, TableName.DECISIONS, TableName.STEPS):
            self.rows[name] = [row for row in self.rows[name] if row["episode"] != episode]

    def frames(self) -> dict[TableName, pd.DataFrame]:
        return {name: _frame(name, rows) for name, rows in self.rows.items()}


def _call_row(event: CallMade) -> Row:
    record = event.record
    key = record.key
    row = {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in ("key", "reply")}
    fell_from = fallen(record.reply.provenance) if record.reply else ""
    row.update(tier=record.tier.value, status=record.status.value, fell_from=fell_from)
    row.update(
        episode=key.episode,
        step=key.step,
        model_id=key.model_id,
        purpose=key.purpose.value,
        talk_round=key.talk_round,
        ask=key.attempt,
    )
    return row


def _frame(name: TableName, rows: list[Row]) -> pd.DataFrame:
    import pandas as pd

    columns = TABLES[name]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return frame.astype({column.name: column.dtype for column in columns})


def build_tables(events: Iterable[Event], roster: Roster) -> dict[TableName, pd.DataFrame]:
    """Every table of a run, from its events."""
    builder = TableBuilder()
    builder.add_roster(roster)
    for event in events:
        builder.add(event)
    return builder.frames()


def write_tables(folder: Path, tables: Mapping[TableName, pd.DataFrame]) -> None:
    """Write `folder`/<table>.parquet: all of them appear at once, or none."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name, frame in tables.items():
        frame.to_parquet(part / f"{name.value}.parquet", index=False)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


class Run:
    """One run directory. Tables are read when first asked for; a run that was cut off is read from its events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: Row = read_manifest(path)
        self.roster = Roster.model_validate(self.manifest["roster"])

    def _table(self, name: TableName) -> pd.DataFrame:
        import pandas as pd

        path = self.path / "tables" / f"{name.value}.parquet"
        if not path.exists():
            return self._derived[name]
        frame = pd.read_parquet(path)
        if any(column.name not in frame for column in TABLES[name]):  # an older version's: the events tell it all
            return self._derived[name]
        for column in ("addressees", "audience") if name is TableName.MESSAGES else ():
            frame[column] = frame[column].map(tuple)
        return frame.astype({column.name: column.dtype for column in TABLES[name]})

    @cached_property
    def _derived(self) -> dict[TableName, pd.DataFrame]:
        return build_tables(read_events(self.path / EventLog.NAME), self.roster)

    @cached_property
    def agents(self) -> pd.DataFrame:
        """One row per model."""
        return self._table(TableName.AGENTS)

    @cached_property
    def episodes(self) -> pd.DataFrame:
        """One row per finished episode."""
        return self._table(TableName.EPISODES)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """One row per model and step."""
        return self._table(TableName.STEPS)

    @cached_property
    def messages(self) -> pd.DataFrame:
        """One row per strategy message."""
        return self._table(TableName.MESSAGES)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """One row per decision."""
        return self._table(TableName.DECISIONS)

    @cached_property
    def calls(self) -> pd.DataFrame:
        """One row per attempt of a generation."""
        return self._table(TableName.CALLS)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per model and finished episode."""
        return self._table(TableName.OUTCOMES)

    def describe(self, table: TableName | str | None = None) -> pd.DataFrame:
        """The meaning of every column, of one table or of all."""
        import pandas as pd

        names = [TableName(table)] if table else list(TABLES)
        rows = [(name.value, *column) for name in names for column in TABLES[name]]
        return pd.DataFrame(rows, columns=["table", "column", "dtype", "meaning"])

    def summary(self, synthetic: bool = False) -> pd.DataFrame:
        """Mean outcome per model, one row per game, mode and tier: none of these is averaged together.

        Synthetic outcomes are left out unless asked for.
        """
        rows = self.outcomes[self.outcomes["synthetic"] == synthetic]
        grouped = rows.groupby(list(SUMMARY_KEYS), observed=True, dropna=False, sort=False)
        means = grouped[list(SUMMARY_FIGURES)].mean()
        means.insert(0, "episodes", grouped["episode"].count())
        return means.reset_index()

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def load_run(path: str | Path) -> Run:
    """The run in directory `path`. Raises SocietyError where there is none."""
    return Run(Path(path))


def read_manifest(path: Path) -> Row:
    """A run's manifest.json. Raises SocietyError where it is missing, torn or of a later version."""
    file = path / "manifest.json"
    if not file.exists():
        raise SocietyError(f"{path} is not a run directory: it has no manifest.json")
    try:
        manifest: Row = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise SocietyError(f"{file}: {error}") from error
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SocietyError(f"{file}: schema_version {version}; this version of lora-society reads {SCHEMA_VERSION}")
    return manifest
