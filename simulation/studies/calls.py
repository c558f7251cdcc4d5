"""The report of `society study calls`: every figure of `simulation.metrics.calls` by tier, and by a group in a tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from agents.inference.provenance import CallStatus, Tier
from agents.problems import SocietyError
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.result_table import table_of

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from simulation.metrics.calls import Percentiles
    from simulation.metrics.registry import Interval
    from simulation.tables.run import Run


class By(str, Enum):
    """The groups within each tier."""

    TIER = "tier"
    ENDPOINT = "endpoint"
    ADAPTER = "adapter"
    MODEL = "model"


_COLUMNS = {By.ENDPOINT: "endpoint", By.ADAPTER: "adapter", By.MODEL: "model_id"}


@dataclass(frozen=True)
class CallGroup:
    """The calls of one tier, or of one endpoint, adapter or model at that tier.

    `simulation.metrics.calls` explains each figure; a figure is None where no attempt has data for it.

    Attributes:
        tier: The tier.
        name: The endpoint, adapter (`in place of NAME` where simulated) or model; empty for the whole tier.
        statuses: Attempts by how they ended.
        success_rate: ok / (ok + failed).
        latency: Seconds from sending to the whole reply.
        queue_time: Seconds spent waiting for a free place.
        tokens_per_second: Of single replies.
        wall_tokens_per_second: Of all callers together.
        prompt_tokens: Sum over replies.
        completion_tokens: Sum over replies.
        prefix_cache_hit_rate: Cached tokens / prompt tokens (0-1).
        moves: How often a call went to another endpoint of the tier.
        fallbacks: Replies that better tiers had failed to give, by the tiers that failed.
        failures: Failed attempts by the class of their error.
        faults: Failed attempts by whose fault it was: request, adapter or server.
    """

    tier: str
    name: str
    statuses: Mapping[str, int]
    success_rate: Interval | None
    latency: Percentiles | None
    queue_time: Percentiles | None
    tokens_per_second: Percentiles | None
    wall_tokens_per_second: float | None
    prompt_tokens: int
    completion_tokens: int
    prefix_cache_hit_rate: float | None
    moves: int
    fallbacks: Mapping[str, int]
    failures: Mapping[str, int]
    faults: Mapping[str, int]

    @property
    def attempts(self) -> int:
        """All attempts."""
        return sum(self.statuses.values())


@dataclass(frozen=True)
class CallReport(StudyResult):
    """A run's calls.

    Attributes:
        by: The groups within each tier.
        tier_mix: Share of replies by tier (0-1).
        wall_seconds: The duration of all episodes whose duration is known.
        groups: The best tier first.
        run: The name of the run's directory.
        counts: Where the texts of the run came from.
    """

    by: By
    tier_mix: Mapping[str, float]
    wall_seconds: float
    groups: tuple[CallGroup, ...]
    run: str
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the table and the picture."""
        mix = ", ".join(f"{tier} {share:.0%}" for tier, share in self.tier_mix.items()) or "none"
        return StudyBanner(f"{self.run}: calls", self.counts, (f"replies by tier: {mix}",))

    def table(self) -> pd.DataFrame:
        """One row per group: the fields of `CallGroup`; percentiles are `latency_p50` and so on, times are seconds."""
        return table_of(self.groups)

    def plot(self) -> Figure:
        """The 50th, 90th and 99th percentile of latency of each group, in seconds."""
        import plotly.express as px

        percentiles = [f"latency_{percentile}" for percentile in ("p50", "p90", "p99")]
        table = self.table().reindex(columns=["tier", "name", *percentiles]).dropna()
        long = table.melt(["tier", "name"], percentiles, "percentile", "seconds")
        y = "tier" if self.by is By.TIER else "name"
        labels = {"seconds": "latency in seconds"}
        figure = px.scatter(long, x="seconds", y=y, color="percentile", symbol="tier", log_x=True, labels=labels)
        return self.banner.above(figure.update_xaxes(tickformat="~s", ticksuffix="s"))


def report_calls(run: Run, by: By = By.TIER) -> CallReport:
    """Report the calls of a run, finished or not.

    Args:
        run: The run.
        by: The groups within each tier.

    Raises:
        SocietyError: The run made no call.
    """
    from simulation.metrics import calls as figures

    if run.calls.empty:
        raise SocietyError(
            f"{run.path} made no call: all its players are scripted, or it stopped before the first call"
        )
    calls = run.calls.assign(moved=figures.moved(run.calls))
    wall = float(run.episodes["duration"].sum())
    groups = tuple(_groups(calls, by, run.episodes))
    return CallReport(by, figures.tier_mix(calls), wall, groups, run.path.name, SourceCounts.of(run))


def _groups(calls: pd.DataFrame, by: By, episodes: pd.DataFrame) -> Iterator[CallGroup]:
    column = _COLUMNS.get(by)
    for tier in Tier:
        of_tier = calls[calls["tier"] == tier.value]
        if column is None and len(of_tier):
            yield _group(of_tier, tier, "", episodes)
        elif column is not None:
            for name, rows in of_tier.groupby(of_tier[column].astype(str), sort=True):
                stood_in = by is By.ADAPTER and tier is Tier.SIMULATED
                yield _group(rows, tier, f"in place of {name}" if stood_in else str(name), episodes)


def _group(rows: pd.DataFrame, tier: Tier, name: str, episodes: pd.DataFrame) -> CallGroup:
    from simulation.metrics import calls as figures

    ok = rows[rows["status"] == CallStatus.OK.value]
    return CallGroup(
        tier=tier.value,
        name=name,
        statuses={status.value: int((rows["status"] == status.value).sum()) for status in CallStatus},
        success_rate=figures.success_rate(rows),
        latency=figures.latency(rows),
        queue_time=figures.queue_time(rows),
        tokens_per_second=figures.tokens_per_second(rows),
        wall_tokens_per_second=figures.wall_tokens_per_second(rows, episodes),
        prompt_tokens=int(ok["prompt_tokens"].sum()),
        completion_tokens=int(ok["completion_tokens"].sum()),
        prefix_cache_hit_rate=figures.prefix_cache_hit_rate(rows),
        moves=int(rows["moved"].sum()),
        fallbacks=figures.fallbacks(rows),
        failures=figures.failures(rows),
        faults=figures.faults(rows),
    )
