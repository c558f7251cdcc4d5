"""What a run, and many runs together, offer: the tables by name, what their columns mean, joins and means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from agents.problems import UsageError, nearest
from simulation.tables.columns import KEYS, SUMMARY_FIGURES, SUMMARY_KEYS, TABLES, Column, TableName

if TYPE_CHECKING:
    import pandas as pd


class Tables:
    """The tables as DataFrames, each read when first asked for and kept."""

    def _table(self, name: TableName) -> pd.DataFrame:
        raise NotImplementedError

    @property
    def leading(self) -> Sequence[Column]:
        """Columns that stand before a table's own: none for one run, what tells the runs apart for many."""
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

    def describe(self, table: TableName | str | None = None) -> pd.DataFrame:
        """The meaning of every column, of one table or of all."""
        import pandas as pd

        names = [table_name(table)] if table else list(TABLES)
        rows = [(name.value, *column) for name in names for column in (*self.leading, *TABLES[name])]
        return pd.DataFrame(rows, columns=["table", "column", "dtype", "meaning"])

    def join(self, left: TableName | str, right: TableName | str) -> pd.DataFrame:
        """Every row of `left` with the row of `right` it belongs to: `run.join("messages", "agents")`.

        Rows are matched by the key of `right` (`simulation.tables.columns.KEYS`; a message's `sender` is its model_id).
        Columns that both have keep `left`'s values, and `right`'s get its name as an ending. Raises UsageError where
        the rows of `left` do not name one row of `right`.
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
        """Mean outcome per model, one row per game, mode and tier: none of these is averaged together.

        Synthetic outcomes are left out unless asked for.
        """
        rows = self.outcomes[self.outcomes["synthetic"] == synthetic]
        grouped = rows.groupby(list(SUMMARY_KEYS), observed=True, dropna=False, sort=False)
        means = grouped[list(SUMMARY_FIGURES)].mean()
        means.insert(0, "episodes", grouped["episode"].count())
        return means.reset_index()


def _joins(left: TableName, right: TableName) -> bool:
    names = {column.name for column in TABLES[left]} | ({"model_id"} if left is TableName.MESSAGES else set())
    return left is not right and right in KEYS and set(KEYS[right]) <= names


def table_name(name: TableName | str) -> TableName:
    """The table of that name. Raises UsageError with the nearest one."""
    names = [each.value for each in TableName]
    if name not in names:
        raise UsageError(f"there is no table {name!r} ({nearest(name, names)})")
    return TableName(name)
