"""How a run's inference went: figures of rows of its `calls` table, one row per attempt.

| status    | success rate   | latency, tokens | queue time | moves and fallbacks                                  |
|-----------|----------------|-----------------|------------|---------------------------------------------------|
| ok        | counts for it  | yes             | yes        | yes                                               |
| failed    | counts against | no              | yes        | yes                                               |
| cancelled | left out       | no              | no         | no: the run was stopped                           |
| cached    | left out       | no              | no         | no: no call was made                              |

Figures of time and tokens refuse rows of more than one tier; counts do not. Times are seconds. Attempts of one episode
may fail together, so the interval of the success rate is over episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from agents.inference.provenance import FALLBACK_ORDER, CallStatus
from simulation.metrics.comparable import comparable_rows
from simulation.metrics.intervals import UNIT, cluster_interval, ratio
from simulation.metrics.registry import Interval, MetricInput, metric

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

HERE = "defined in simulation.metrics.calls"
_CALL = ["episode", "step", "model_id", "purpose", "talk_round", "ask"]


@dataclass(frozen=True)
class Percentiles:
    """Percentiles (linear between neighbours) of `n` values."""

    p50: float
    p90: float
    p99: float
    n: int


def _joined(runs: Sequence[Run], table: Callable[[Run], pd.DataFrame]) -> pd.DataFrame:
    """Return one table of all runs, as if their episodes were of one run."""
    import pandas as pd

    counts = (run.manifest["scenario"]["episodes"] * len(run.manifest["scenario"]["tasks"]) for run in runs)
    tables = zip(map(table, runs), accumulate(counts, initial=0), strict=False)
    return pd.concat([rows.assign(episode=rows["episode"] + first) for rows, first in tables], ignore_index=True)


def _calls(runs: Sequence[Run]) -> pd.DataFrame:
    return _joined(runs, lambda run: run.calls)


def _by_tier(runs: Sequence[Run], _mix_tiers: bool) -> Mapping[str, tuple[pd.DataFrame]]:
    calls = _calls(runs)
    rows = {tier.value: calls[calls["tier"].astype(str) == tier.value] for tier in FALLBACK_ORDER}
    return {tier: (own,) for tier, own in rows.items() if len(own)}


def _timed_by_tier(runs: Sequence[Run], mix_tiers: bool) -> Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]:
    episodes = _joined(runs, lambda run: run.episodes)
    return {tier: (rows, episodes) for tier, (rows,) in _by_tier(runs, mix_tiers).items()}


def _all_calls(runs: Sequence[Run], _mix_tiers: bool) -> Mapping[str, tuple[pd.DataFrame]]:
    calls = _calls(runs)
    return {"": (calls,)} if len(calls) else {}


CALLS = MetricInput(_by_tier)
"""For metrics of calls: one value per tier."""
TIMED_CALLS = MetricInput(_timed_by_tier)
"""For metrics of calls and the durations of episodes: one value per tier."""
ALL_CALLS = MetricInput(_all_calls)
"""For metrics of the calls of all tiers together."""


@metric(HERE, CALLS)
def success_rate(calls: pd.DataFrame) -> Interval | None:
    """Share of attempts that brought a reply, of those that were not cancelled: ok / (ok + failed)."""
    rows = comparable_rows(calls, synthetic=True)
    rows = rows[rows["status"].isin((CallStatus.OK.value, CallStatus.FAILED.value))]
    if rows.empty:
        return None
    good = rows.assign(good=rows["status"] == CallStatus.OK.value).groupby("episode")["good"]
    return cluster_interval(ratio, good.agg(["sum", "count"]).to_numpy(dtype="float64"), bounds=UNIT)


@metric(HERE, CALLS)
def latency(calls: pd.DataFrame) -> Percentiles | None:
    """Percentiles of seconds from sending to the whole reply, of attempts that brought one."""
    return _percentiles(_ok(calls)["latency"])


@metric(HERE, CALLS)
def queue_time(calls: pd.DataFrame) -> Percentiles | None:
    """Percentiles of seconds spent waiting for a free place at a server, of attempts that were not cancelled."""
    rows = comparable_rows(calls, synthetic=True)
    return _percentiles(rows[rows["status"].isin((CallStatus.OK.value, CallStatus.FAILED.value))]["queue_time"])


@metric(HERE, CALLS)
def tokens_per_second(calls: pd.DataFrame) -> Percentiles | None:
    """Percentiles over replies of completion tokens / latency: the speed for one caller, prompt time included."""
    rows = _ok(calls)
    rows = rows[rows["completion_tokens"].notna() & (rows["latency"] > 0)]
    return _percentiles(rows["completion_tokens"] / rows["latency"])


@metric(HERE, TIMED_CALLS)
def wall_tokens_per_second(calls: pd.DataFrame, episodes: pd.DataFrame) -> float | None:
    """Completion tokens of episodes whose duration is known / the sum of those durations: all callers together.

    The duration includes everything else that an episode does. An episode that was interrupted has no duration.
    """
    timed = episodes[episodes["duration"].notna()]
    seconds = float(timed["duration"].sum())
    rows = _ok(calls)
    rows = rows[rows["episode"].isin(timed["episode"]) & rows["completion_tokens"].notna()]
    return float(rows["completion_tokens"].sum()) / seconds if seconds > 0 and len(rows) else None


@metric(HERE, CALLS)
def prefix_cache_hit_rate(calls: pd.DataFrame) -> float | None:
    """Cached tokens / prompt tokens (0-1) over replies that report both; None where none does."""
    rows = _ok(calls)
    rows = rows[rows["cached_tokens"].notna() & rows["prompt_tokens"].notna()]
    prompts = float(rows["prompt_tokens"].sum())
    return float(rows["cached_tokens"].sum()) / prompts if prompts else None


@metric(HERE, ALL_CALLS)
def tier_mix(calls: pd.DataFrame) -> Mapping[str, float]:
    """Share of replies by the tier they came from (0-1), best tier first; replies from a reply cache count."""
    replies = calls[calls["status"].isin((CallStatus.OK.value, CallStatus.CACHED.value))]
    found = replies["tier"].astype(str).value_counts()
    return {tier.value: float(found[tier.value] / len(replies)) for tier in FALLBACK_ORDER if tier.value in found}


@metric(HERE, CALLS)
def moves(calls: pd.DataFrame) -> int:
    """How often a call that failed at one endpoint was sent to another one of the same tier."""
    return int(moved(calls).sum())


def moved(calls: pd.DataFrame) -> pd.Series[bool]:
    """Per attempt whether its call went to another endpoint next. Needs all attempts of a call, in order."""
    ended = calls["status"].isin((CallStatus.OK.value, CallStatus.FAILED.value)) & (calls["endpoint"] != "")
    sent = calls[ended].astype({"endpoint": object})
    then = sent.groupby([*_CALL, "tier"], observed=True, sort=False, dropna=False)[["endpoint", "attempt"]].shift(-1)
    # a resumed run counts attempts of a call from 1 again
    left = (then["endpoint"] != sent["endpoint"]) & (then["attempt"] > sent["attempt"])
    return left.reindex(calls.index, fill_value=False)


@metric(HERE, CALLS)
def fallbacks(calls: pd.DataFrame) -> Mapping[str, int]:
    """Replies that better tiers had failed to give, counted by the tiers that failed: "camel>http"."""
    replies = calls[(calls["status"] == CallStatus.OK.value) & (calls["fallback_from"] != "")]
    return _counted(replies["fallback_from"])


@metric(HERE, CALLS)
def failures(calls: pd.DataFrame) -> Mapping[str, int]:
    """Failed attempts by the class of their error, most frequent first."""
    return _counted(calls[calls["status"] == CallStatus.FAILED.value]["error_class"])


@metric(HERE, CALLS)
def faults(calls: pd.DataFrame) -> Mapping[str, int]:
    """Failed attempts by whose fault it was: request, adapter or server; most frequent first."""
    found = calls[calls["status"] == CallStatus.FAILED.value]["fault"]
    return _counted(found[found.fillna("") != ""])


def _ok(calls: pd.DataFrame) -> pd.DataFrame:
    rows = comparable_rows(calls, synthetic=True)
    return rows[rows["status"] == CallStatus.OK.value]


def _percentiles(values: pd.Series[float]) -> Percentiles | None:
    if values.empty:
        return None
    p50, p90, p99 = (float(value) for value in values.quantile([0.5, 0.9, 0.99]))
    return Percentiles(p50, p90, p99, len(values))


def _counted(values: pd.Series[str]) -> Mapping[str, int]:
    found = values.astype(str).value_counts()
    return {str(name): int(count) for name, count in found.items()}
