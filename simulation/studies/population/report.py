"""What focal players earn in each population: per-capita returns with intervals over episodes.

population-<scenario>-<time>-<id>/visitor/<focal>/<background>/<run>
population-<scenario>-<time>-<id>/resident/<background>/<run>
population-<scenario>-<time>-<id>/population.json
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from agents.inference.provenance import Tier
from agents.problems import SocietyError, UsageError
from agents.role import PopulationPart
from simulation.answer.standings import named_outcomes
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.comparable import comparable_rows, tiers
from simulation.metrics.intervals import cluster_interval, missing_intervals, ratio
from simulation.metrics.registry import LEVEL, Interval
from simulation.metrics.result_table import interval_plot, table_of
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.runs.runner import Observer
from simulation.store.files import replace_file
from simulation.studies.population.tables import Declaration, Population, population_plans

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from simulation.metrics.arrays import Matrix
    from simulation.tables.run import Run

COMMAND = "society study population"
REPORT = "population.json"
EVERYONE = "all"


@dataclass(frozen=True)
class Return:
    """Mean payoff of an episode per player.

    Attributes:
        population: The kind of population.
        focal: The focal model that visits; `all` in a resident population.
        background: The background.
        task_id: The task.
        task_type: Its game.
        part: The part of the players whose return it is.
        model: Their served model; `all` for all players of the part.
        players: How many they are.
        interval: The return in the game's units; `n` counts episodes.
    """

    population: Population
    focal: str
    background: str
    task_id: str
    task_type: str
    part: PopulationPart
    model: str
    players: int
    interval: Interval


@dataclass(frozen=True)
class PopulationReport(StudyResult):
    """All returns of a set of population runs.

    Attributes:
        scenario: Its name.
        seed: The seed of all runs.
        tiers: The tiers that replies came from.
        returns: All returns.
        notes: What a reader must know of them.
        counts: Where the texts of all runs came from.
    """

    scenario: str
    seed: int
    tiers: tuple[str, ...]
    returns: tuple[Return, ...]
    notes: tuple[str, ...]
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the table and the picture."""
        title = f"{self.scenario}: per-capita return, mean payoff of an episode per player (seed {self.seed})"
        return StudyBanner(title, self.counts, self.notes)

    def table(self) -> pd.DataFrame:
        """One row per return: the fields of `Return`, its interval as `value`, `low`, `high` and `episodes`."""
        return table_of(self.returns, count="episodes")

    def plot(self) -> Figure:
        """The returns of all players of a part with their intervals, each kind of population in its own picture."""
        table = self.table().query(f"model == '{EVERYONE}'")
        table = table.assign(met=table["focal"] + " with " + table["background"])
        keys = {"color": "part", "symbol": "task_id"}
        return interval_plot(table, "met", self.banner, x="payoff per player", facet_col="population", **keys)


def play_populations(
    plan: Plan,
    declared: Declaration,
    *,
    out: str | Path = "runs",
    on_event: Observer | None = None,
    at_once: int | None = None,
) -> Path:
    """Play every population that is declared; the folder of the runs.

    Args:
        plan: The scenario and its roster.
        declared: Who is focal, and in which backgrounds.
        out: The folder in which the new folder is made.
        on_event: Called with every event of every run.
        at_once: Runs at a time; by default 4 with a server, else 1.

    Raises:
        UsageError: The declaration does not fit the scenario, or there are fewer than 2 episodes.
        InvalidFileError: A population cannot play the game.
        SocietyError: A run stopped.
    """
    if plan.scenario.episodes < 2:
        raise UsageError("an interval needs at least 2 episodes; add: --episodes 20 (or more)")
    plans = population_plans(plan, declared)
    folder = run_set.begin("population", plan.scenario.name, plans, out)
    return run_set.play(folder, COMMAND, on_event=on_event, at_once=at_once)


def read_populations(folder: Path, *, level: float = LEVEL, mix_tiers: bool = False) -> PopulationReport:
    """The report of a folder of `play_populations`; it is also written to population.json there.

    Args:
        folder: The folder.
        level: Confidence level of the intervals, in (0, 1).
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        SocietyError: A run is missing or unfinished, or all episodes are synthetic.
        MixedTiersError: Replies came from several tiers.
    """
    runs = run_set.finished_runs(folder, COMMAND)
    outcomes = {arm: _outcomes(run) for arm, run in runs.items()}
    found = [each for arm, rows in outcomes.items() for each in _returns(arm, rows, level)]
    if not found:
        raise SocietyError("nothing to measure: every episode is synthetic (a formula over words, not play)")
    everything = _tiers(outcomes, mix_tiers)
    manifest = next(iter(runs.values())).manifest
    report = PopulationReport(
        scenario=manifest["scenario"]["name"],
        seed=int(manifest["seed"]),
        tiers=everything,
        returns=tuple(found),
        notes=(*_notes(everything), *missing_intervals(each.interval for each in found)),
        counts=SourceCounts.of_runs(run.path for run in runs.values()),
    )
    facts = {"title": report.banner.title, **asdict(report)}
    replace_file(folder / REPORT, orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
    return report


def _tiers(outcomes: Mapping[str, pd.DataFrame], mix_tiers: bool) -> tuple[str, ...]:
    """The tiers behind all rows together: populations are compared, so their tiers must be the same."""
    import pandas as pd

    return tiers(comparable_rows(pd.concat(outcomes.values()), mix_tiers=mix_tiers))


def _outcomes(run: Run) -> pd.DataFrame:
    """The outcomes of a run with the part of each player; tiers are checked over all runs."""
    named = named_outcomes(run)  # a group of simulated rows is not an adapter's
    rows = comparable_rows(named.assign(model_name=named["adapter"]), mix_tiers=True)
    names = ["task_id", "task_type", "model_id", "model_name", "tier"]
    parts = run.agents.set_index("model_id")["part"].astype(str)
    rows = rows.astype(dict.fromkeys(names, str))
    return rows.assign(part=rows["model_id"].map(parts))


def _returns(arm: str, rows: pd.DataFrame, level: float) -> Iterator[Return]:
    population, *middle, background = arm.split("/")
    focal = middle[0] if middle else EVERYONE
    for (task_id, task_type, part), members in rows.groupby(["task_id", "task_type", "part"], sort=True):
        groups = [(EVERYONE, members)]
        if members["model_name"].nunique() > 1:
            groups += [(str(name), own) for name, own in members.groupby("model_name", sort=True)]
        for model, own in groups:
            interval = per_capita_return(_sums(own), level=level)
            players = int(own["model_id"].nunique())
            facts = (
                Population(population),
                focal,
                background,
                str(task_id),
                str(task_type),
                PopulationPart(part),
                model,
            )
            yield Return(*facts, players, interval)


def per_capita_return(sums: Matrix, *, level: float = LEVEL) -> Interval:
    """Mean payoff per player; columns: summed payoff and number of players, a row per episode.

    Source:
        Leibo et al. (Melting Pot), ICML 2021: focal per-capita return.
    """
    return cluster_interval(ratio, sums, level=level)


def _sums(rows: pd.DataFrame) -> Matrix:
    return rows.groupby("episode")["payoff"].agg(["sum", "count"]).to_numpy(dtype="float64")


def _notes(found: tuple[str, ...]) -> Iterator[str]:
    if Tier.SIMULATED.value in found:
        yield "SIMULATED replies follow a policy of the role: these returns say nothing about an adapter"
