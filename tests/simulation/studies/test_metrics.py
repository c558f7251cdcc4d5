"""Every registered metric is computed for the runs it applies to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.metrics import metrics
from simulation.metrics.commons import kaplan_meier, lifetimes, sustainability
from simulation.metrics.messages import answer_structure, messages_of
from simulation.metrics.registry import REGISTERED, metric
from simulation.metrics.scores import ScoreFigure, iqm, kind_of, score_matrix
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.studies.metrics import MetricReport, measure_metrics
from simulation.tables.run import Run

COMMONS = {"mode": "cooperative", "tasks": [{"task_id": "lake", "task_type": "commons", "max_steps": 6}]}
SPOKEN = {"reciprocity", "modularity", "polarization"}
LIVED = {"survival_rate", "survival_time", "sustainability"}


@pytest.fixture
def team_run(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(make_plan(), out=runs)


def values(report: MetricReport) -> dict[tuple[str, str], float]:
    return {(row.metric, row.part): row.value for row in report.rows}


def names(report: MetricReport) -> set[str]:
    return {row.metric for row in report.rows}


def test_every_metric_has_meaning_and_source() -> None:
    assert {"iqm", "optimality_gap", "survival_curve", "polarization", "success_rate"} <= set(metrics())
    for name, each in metrics().items():
        assert each.name == name == each.function.__name__
        assert each.meaning.endswith((".", ":"))
        assert each.source


def test_metrics_of_a_team_battle(team_run: Run) -> None:
    report = measure_metrics([team_run])
    found = values(report)
    for figure in ScoreFigure:
        (game,) = set(team_run.episodes["task_type"])
        part = f"{figure.value}: {kind_of(figure, str(game))}"
        assert found["iqm", part] == iqm(score_matrix([team_run], figure).values)
    assert found["reciprocity", ""] == answer_structure(messages_of(team_run)).reciprocity
    assert 0 <= found["polarization", "blue, red"] <= 1
    assert found["tier_mix", "simulated"] == 1
    assert found["success_rate", "simulated"] == 1
    assert {"latency", "queue_time"} <= names(report)
    assert not LIVED & names(report)
    assert set(report.notes) == {
        "9 figures have no interval: too few passes through the tasks: 2, need 6",
        "1 figure has no interval: too few episodes: 2, need 6",
    }


def test_metrics_of_a_commons(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(ModelConfig(model_id=f"p{i}", policy="always_defect") for i in range(5))
    greedy = run_scenario(make_plan(rows=rows, **COMMONS, communication={"talk_rounds": 0}), out=runs)
    report = measure_metrics([greedy])
    found = values(report)
    assert (found["survival_rate", ""], found["survival_time", ""]) == (0.0, 1.0)
    assert found["sustainability", ""] == sustainability([0.0]) == 0.0
    (point,) = kaplan_meier(lifetimes(greedy))
    assert found["survival_curve", "after step 1"] == point.survival.value == 0
    assert not (SPOKEN | {"latency", "tier_mix"}) & names(report)  # nobody spoke, no call was made


def test_metrics_of_several_runs_count_all_episodes(make_plan: Callable[..., Plan], runs: Path) -> None:
    played = [run_scenario(make_plan(seed=seed), out=runs) for seed in (1, 2)]
    report = measure_metrics(played)
    (row,) = (row for row in report.rows if row.metric == "success_rate")
    assert row.interval is not None
    assert row.interval.n == sum(len(run.episodes) for run in played)
    assert {row.interval.n for row in report.rows if row.metric == "iqm" and row.interval} == {2}  # seeds


def test_metric_table_has_a_row_per_value(team_run: Run) -> None:
    report = measure_metrics([team_run])
    table = report.table()
    assert list(table.columns) == ["metric", "part", "value", "low", "high", "n", "meaning", "source"]
    assert len(table) == len(report.rows)
    scores = table[table["metric"] == "iqm"]
    assert scores["low"].isna().all()  # two passes are too few
    assert set(scores["n"]) == {2}


@pytest.fixture
def registered() -> Iterator[None]:
    """Remove metrics that the test registered."""
    metrics()
    before = dict(REGISTERED)
    yield
    REGISTERED.clear()
    REGISTERED.update(before)
    metrics.cache_clear()


@pytest.mark.usefixtures("registered")
def test_a_new_metric_is_shown_at_once(team_run: Run) -> None:
    @metric("defined here")
    def latecomers(run: Run) -> float | None:
        """Share of models that send no message in step 0 (0-1)."""
        early = run.messages[run.messages["step"] == 0]["sender"].nunique()
        return 1 - float(early) / len(run.agents)

    @metric("defined here")
    def impossible(run: Run) -> float:
        """Fails."""
        raise SocietyError(f"not for {run.roster.name}")

    metrics.cache_clear()
    report = measure_metrics([team_run])
    assert values(report)["latecomers", ""] == 0
    assert "impossible" not in names(report)
    assert report.notes[0] == "impossible: not for r"
    two = measure_metrics([team_run, team_run])
    assert values(two)["latecomers", team_run.path.name] == 0
