"""The tables that a run, and many runs together, have: by name, with the meaning of each column, joins and means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agents.problems import UsageError, nearest
from simulation.tables.columns import KEYS, SUMMARY_FIGURES, SUMMARY_KEYS, TABLES, Column, TableName
from simulation.tables.players import player_names
from simulation.tables.views import view_of

if TYPE_CHECKING:
    import pandas as pd


class Tables:
    """The tables as DataFrames, each read when it is first used."""

    def _table(self, name: TableName) -> pd.DataFrame:
        raise NotImplementedError

    @property
    def leading(self) -> Sequence[Column]:
        """Return the columns before a table's own: none for one run, the ones that tell runs apart for many."""
        return ()

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
    def acts(self) -> pd.DataFrame:
        """One row per action in the social network, where the scenario allows any."""
        return self._table(TableName.ACTS)

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

    @cached_property
    def posts(self) -> pd.DataFrame:
        """One row per post, repost, quote and comment of a social network."""
        return self._table(TableName.POSTS)

    @cached_property
    def network(self) -> pd.DataFrame:
        """One row per model and episode of a social network: reach, reactions received, influence."""
        return self._table(TableName.NETWORK)

    @cached_property
    def interviews(self) -> pd.DataFrame:
        """One row per answer to a question outside of the play: a survey's, or one that was asked afterwards."""
        return self._table(TableName.INTERVIEWS)

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row per event that happened to a run: of its scenario, or from outside (`society say`)."""
        return self._table(TableName.EVENTS)

    def columns(self, table: TableName | str, names: Sequence[str]) -> pd.DataFrame:
        """Return some columns of a table."""
        frame: pd.DataFrame = getattr(self, table_name(table).value)
        return frame[list(names)]

    @property
    def plot(self) -> Any:
        """Return the pictures: `plot.payoffs()`, `plot.cooperation()`, `plot.course()`, `plot.network()`."""
        return view_of(self, "plot")

    def describe(self, table: TableName | str | None = None) -> pd.DataFrame:
        """Return the meaning of every column, of one table or of all."""
        import pandas as pd

        names = [table_name(table)] if table else list(TABLES)
        every = [(name, column) for name in names for column in (*self.leading, *TABLES[name])]
        rows = [(name.value, column.name, column.dtype, column.meaning) for name, column in every]
        return pd.DataFrame(rows, columns=["table", "column", "dtype", "meaning"])

    def join(self, left: TableName | str, right: TableName | str) -> pd.DataFrame:
        """Return every row of `left` with the row of `right` that it belongs to: `run.join("messages", "agents")`.

        Rows are matched by the key of `right` (`simulation.tables.columns.KEYS`; a message's `sender` is its model_id).
        Columns that both have keep `left`'s values; `right`'s get its name as a suffix.

        Raises:
            UsageError: The rows of `left` do not name one row of `right`.
        """
        first, second = table_name(left), table_name(right)
        frame, other = getattr(self, first.value), getattr(self, second.value)
        run = [column.name for column in self.leading]
        keys = KEYS.get(second, ())
        own = tuple("sender" if key == "model_id" and "model_id" not in frame else key for key in keys)
        if first is second or not keys or not set(own) <= set(frame.columns):
            possible = ", ".join(name.value for name in TableName if _joins(first, name)) or "none"
            raise UsageError(f"{first.value} cannot be joined to {second.value}; it can be to: {possible}")
        on = (*run[:1], *own)
        other = other.drop(columns=run[1:]).rename(columns=dict(zip(keys, own, strict=True)))
        other = other.astype({key: frame[key].dtype for key in on})
        joined: pd.DataFrame = frame.merge(
            other, how="left", on=list(on), suffixes=("", f"_{second.value}"), validate="many_to_one"
        )
        return joined

    def summary(self, synthetic: bool = False) -> pd.DataFrame:
        """Return the mean outcome per model, one row per game, mode and tier; these are never averaged together.

        `player` says who played: the adapter, or the stand-in where replies were simulated.

        Args:
            synthetic: Return the synthetic outcomes in place of the others.
        """
        rows = self.outcomes[self.outcomes["synthetic"] == synthetic]
        grouped = rows.groupby(list(SUMMARY_KEYS), observed=True, dropna=False, sort=False)
        means = grouped[list(SUMMARY_FIGURES)].mean()
        means.insert(0, "episodes", grouped["episode"].count())
        counts = grouped[["simulated", "texts"]].sum()
        found = means.reset_index()
        found["model_name"] = player_names(found, counts)
        return found.rename(columns={"model_name": "player"})


def _joins(left: TableName, right: TableName) -> bool:
    names = {column.name for column in TABLES[left]} | ({"model_id"} if left is TableName.MESSAGES else set())
    return left is not right and right in KEYS and set(KEYS[right]) <= names


def table_name(name: TableName | str) -> TableName:
    """Return the table of that name. Raises UsageError with the nearest name."""
    names = [each.value for each in TableName]
    if name not in names:
        raise UsageError(f"there is no table {name!r} ({nearest(name, names)})")
    return TableName(name)
