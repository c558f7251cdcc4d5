"""The results of a tournament: `write_results` writes its tables and report, `load_tournament` reads them.

result = load_tournament("runs/tournament-prisoners_dilemma-...")
result.matrix  # a pandas table; result.describe() explains every column
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.problems import SocietyError
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.result_table import COLOURS, interval_plot
from simulation.store.files import replace_file
from simulation.studies.tournament.columns import TABLES, ResultTable
from simulation.studies.tournament.figures import Figures
from simulation.studies.tournament.matchups import Format
from simulation.studies.tournament.tournament import read_tournament
from simulation.tables.parquet import write_tables

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


REPORT = "report.json"
_RENAMED = {"lineup": "matchup"}
"""Columns of version 1 under their names of today."""


def write_results(folder: Path, figures: Figures, counts: SourceCounts) -> TournamentResult:
    """Write report.json and the tables; the result that reads them."""
    tables = figures.tables()
    write_tables(folder / "tables", {name: [frame] for name, frame in tables.items()}, TABLES)
    listed = {name.value: table.to_dict("records") for name, table in tables.items() if name is not ResultTable.MATCHES}
    report = {**figures.facts(), "counts": asdict(counts), **listed}
    replace_file(folder / REPORT, orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return TournamentResult(folder)


class TournamentResult(StudyResult):
    """A tournament that was played. Its tables are read when they are first used.

    Raises:
        SocietyError: The folder is no tournament, or one that is not finished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tournament = read_tournament(path)
        if not (path / REPORT).exists():
            raise SocietyError(f"{path} is not finished; finish it with: society study tournament {path}")
        self.report: Mapping[str, Any] = orjson.loads((path / REPORT).read_bytes())

    @property
    def banner(self) -> StudyBanner:
        """What stands above the tables and the picture."""
        report = self.report
        title = f"{report['game']}, {report['mode']}: tournament of {report['form']} (seed {report['seed']})"
        return StudyBanner(title, SourceCounts.from_json(report.get("counts")), tuple(report["notes"]), report["tiers"])

    def _table(self, name: ResultTable) -> pd.DataFrame:
        import pandas as pd

        file = self.path / "tables" / f"{name.value}.parquet"
        if not file.exists():
            raise SocietyError(f"a tournament of {self.tournament.form.value} has no table {name.value}")
        frame = pd.read_parquet(file).rename(columns=_RENAMED)
        return frame[[column.name for column in TABLES[name]]].astype({each.name: each.dtype for each in TABLES[name]})

    @cached_property
    def matches(self) -> pd.DataFrame:
        """One row per player and episode."""
        return self._table(ResultTable.MATCHES)

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """Pairs: one row per two models, row against column."""
        return self._table(ResultTable.MATRIX)

    @cached_property
    def standings(self) -> pd.DataFrame:
        """Pairs: one row per model, the best first."""
        return self._table(ResultTable.STANDINGS)

    @cached_property
    def compositions(self) -> pd.DataFrame:
        """Teams: one row per composition and worth."""
        return self._table(ResultTable.COMPOSITIONS)

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """Teams: one row per member and worth, its Shapley value."""
        return self._table(ResultTable.CONTRIBUTIONS)

    @cached_property
    def synergies(self) -> pd.DataFrame:
        """One row per two models."""
        return self._table(ResultTable.SYNERGIES)

    @cached_property
    def ratings(self) -> pd.DataFrame:
        """One row per rated model, the best first."""
        return self._table(ResultTable.RATINGS)

    def table(self) -> pd.DataFrame:
        """Pairs: the standings. Teams: what each member adds, for the worth that the report is about."""
        if self.tournament.form is Format.PAIRS:
            return self.standings
        return self.contributions.query(f"worth == '{self.report['worth']}'")

    def plot(self) -> Figure:
        """Pairs: the matrix of payoffs, row against column. Teams: what each member adds, with its interval."""
        if self.tournament.form is Format.TEAMS:
            x = f"{self.report['worth']} that each member adds"
            return interval_plot(self.table(), "model_id", self.banner, x=x, color="team")
        import plotly.express as px

        names = list(dict.fromkeys(self.matrix["row"].astype(str)))
        payoffs = self.matrix.astype({"row": str, "column": str}).pivot(index="row", columns="column", values="value")
        look = {"color_continuous_scale": ["#f2efe8", COLOURS[0]], "template": "plotly_white"}
        labels = {"color": "payoff of row", "x": "against", "y": "payoff of"}
        return self.banner.above(px.imshow(payoffs.loc[names, names], text_auto=".2f", labels=labels, **look))

    def describe(self) -> pd.DataFrame:
        """The meaning of every column of every table this tournament has."""
        import pandas as pd

        names = [name for name in TABLES if (self.path / "tables" / f"{name.value}.parquet").exists()]
        rows = [(name.value, *column) for name in names for column in TABLES[name]]
        return pd.DataFrame(rows, columns=["table", "column", "dtype", "meaning"])


def load_tournament(path: str | Path) -> TournamentResult:
    """The tournament in a folder.

    Raises:
        SocietyError: The folder is no tournament, or one that is not finished.
    """
    return TournamentResult(Path(path))
