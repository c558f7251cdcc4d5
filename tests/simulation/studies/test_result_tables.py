"""Every study's result as a table and as a picture, on small simulated runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from agents.roster import ModelConfig, Roster
from agents.strategy import TrainingMode
from simulation.metrics.registry import LEVEL, Interval
from simulation.metrics.result_table import table_of
from simulation.plan import Plan, Settings
from simulation.quality.report import report_quality
from simulation.runs.runner import run_scenario
from simulation.studies.calls import By, report_calls
from simulation.studies.compare.report import compare_runs
from simulation.studies.effect import read_effects
from simulation.studies.fingerprint.measure import read_fingerprints, take_fingerprints
from simulation.studies.fingerprint.probes import Conditions
from simulation.studies.fingerprint.report import CellFigure
from simulation.studies.population.report import play_populations, read_populations
from simulation.studies.population.tables import Declaration
from simulation.studies.sweep import SWEPT_FIGURES, measure_sweep
from simulation.studies.tournament.matchups import Format
from simulation.studies.tournament.play import play_tournament
from simulation.studies.tournament.results import TournamentResult
from simulation.studies.tournament.tournament import Tournament, new_tournament
from simulation.studies.treatments import play_treatments
from simulation.tables.runs import load_runs
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MakePlan = Callable[..., Plan]
ROWS = tuple(ModelConfig(model_id=name, policy=name) for name in ("random", "tit_for_tat", "always_defect"))

LISTENING = (
    *(ModelConfig(model_id=f"m{number}", policy="message_follower") for number in range(3)),
    ModelConfig(model_id="liar", policy="random"),
)
RANDOM = tuple(ModelConfig(model_id=f"m{number}", policy="random") for number in range(4))


def points(figure: Figure) -> int:
    """The number of values in a picture."""
    return sum(len(trace.x) for trace in figure.data)


def assert_intervals(table: pd.DataFrame) -> None:
    known = table.dropna(subset=["value", "low", "high"])
    assert len(known)
    assert (known["low"] <= known["value"]).all()
    assert (known["value"] <= known["high"]).all()


def test_table_of_keeps_a_row_without_interval() -> None:
    table = table_of([CellFigure("a", "CC", Interval(0.1, 0.2, 0.3, LEVEL, 7)), CellFigure("a", "CD", None, "no data")])
    assert list(table.columns) == ["subject", "cell", "value", "low", "high", "n", "why"]
    assert table.iloc[0].tolist() == ["a", "CC", 0.2, 0.1, 0.3, 7, ""]
    assert table["value"].isna().tolist() == [False, True]


def test_comparison_table_and_plot(make_plan: MakePlan, runs: Path) -> None:
    for mode in ("cooperative", "competitive"):
        run_scenario(make_plan(rows=RANDOM, mode=mode, episodes=6), out=runs)
    found = compare_runs(runs, by="mode")
    table = found.table()
    assert len(table) == len(found.differences)
    assert_intervals(table)
    assert set(table["verdict"]) == {each.verdict.value for each in found.differences}
    assert points(found.plot()) == (table["model_id"] == "").sum() > 0


def test_effect_table_and_plot(make_plan: MakePlan, runs: Path) -> None:
    report = read_effects(
        play_treatments(make_plan(rows=LISTENING, mode="cooperative", episodes=6), [Treatment.SILENCED], out=runs)
    )
    table = report.table()
    assert len(table) == len(report.effects)
    assert set(table["pairs"]) == {6}
    assert_intervals(table)
    assert points(report.plot()) == (table["scope"] == "overall").sum() == 3


def test_population_table_and_plot(make_plan: MakePlan, runs: Path) -> None:
    declared = Declaration(("m0",), ("always_defect", "random"))
    report = read_populations(
        play_populations(make_plan(rows=RANDOM, mode="cooperative", episodes=6), declared, out=runs)
    )
    table = report.table()
    assert len(table) == len(report.returns)
    assert set(table["episodes"]) == {6}
    assert_intervals(table)
    assert points(report.plot()) == (table["model"] == "all").sum() > 0


def test_fingerprint_table_and_plot(runs: Path) -> None:
    conditions = Conditions(settings=Settings(episodes=6))
    report = read_fingerprints(take_fingerprints(Roster(name="r", models=ROWS[1:]), conditions, out=runs))
    table = report.table()
    assert len(table) == len(report.figures)
    assert_intervals(table)
    assert (table["why"] != "").sum() == table["value"].isna().sum() > 0
    assert not table["differs_from_base"].any()  # there is no base model
    assert points(report.plot()) == table["value"].notna().sum()


def tournament(form: Format, runs: Path) -> TournamentResult:
    task = {"task_id": "t", "task_type": "public_goods" if form is Format.TEAMS else "chicken", "max_steps": 2}
    scenario = {
        "name": "t",
        "mode": TrainingMode.COMPETITIVE.value,
        "roster": "r",
        "tasks": [{**task, "required_models": 1}],
        "communication": {"talk_rounds": 0},
    }
    stand_in = "free_rider" if form is Format.TEAMS else None
    fields = {"scenario": scenario, "roster": Roster(name="r", models=ROWS), "form": form, "stand_in": stand_in}
    return play_tournament(new_tournament(Tournament.model_validate({**fields, "episodes": 6}), runs))


def test_tournament_of_pairs_table_and_plot(runs: Path) -> None:
    result = tournament(Format.PAIRS, runs)
    pd.testing.assert_frame_equal(result.table(), result.standings)
    (heat,) = result.plot().data
    assert list(heat.x) == list(heat.y) == [row.model_id for row in ROWS]
    cells = {(row["row"], row["column"]): row["value"] for row in result.matrix.to_dict("records")}
    assert heat.z[0][2] == cells["random", "always_defect"]


def test_tournament_of_teams_table_and_plot(runs: Path) -> None:
    result = tournament(Format.TEAMS, runs)
    assert set(result.table()["worth"]) == {"payoff"}
    assert_intervals(result.table())
    assert points(result.plot()) == len(ROWS)


def test_call_report_table_and_plot(make_plan: MakePlan, runs: Path) -> None:
    run = run_scenario(make_plan(episodes=6), out=runs)
    report = report_calls(run, By.MODEL)
    table = report.table()
    assert len(table) == len(report.groups) == 4
    assert table["statuses_ok"].sum() == len(run.calls)
    assert (table["success_rate_low"] < table["success_rate"]).all()
    assert (table["latency_p50"] <= table["latency_p99"]).all()
    assert points(report.plot()) == 3 * 4


def test_quality_report_table_and_plot(make_plan: MakePlan, runs: Path) -> None:
    report = report_quality(run_scenario(make_plan(episodes=6), out=runs), ["parse", "consistency"])
    table = report.table()
    assert len(table) == len(report.rows)
    assert table["value"].tolist() == [row.value for row in report.rows]
    assert_intervals(table)
    assert points(report.plot()) == (table["scope"] == "all").sum()


def test_sweep_report_table_and_plot(make_plan: MakePlan, runs: Path) -> None:
    for seed in (1, 2):
        run_scenario(make_plan(seed=seed), out=runs)
    report = measure_sweep(load_runs(runs))
    table = report.table()
    assert list(table.columns) == [*report.keys, "runs", *SWEPT_FIGURES]
    assert table["runs"].tolist() == [2]
    assert any(line.startswith("SIMULATED: 100%") for line in report.banner.lines())
    assert points(report.plot()) == len(SWEPT_FIGURES)


def test_results_import_plotly_only_to_plot(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys, simulation.studies.compare.report, simulation.studies.effect, simulation.studies.sweep, "
        "simulation.studies.population.report, simulation.studies.fingerprint.report, simulation.studies.calls, "
        "simulation.studies.tournament.results, simulation.quality.report; print('plotly' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("by", [By.TIER, By.ADAPTER])
def test_call_report_plot_by_tier_and_adapter(make_plan: MakePlan, runs: Path, by: By) -> None:
    report = report_calls(run_scenario(make_plan(), out=runs), by)
    assert points(report.plot()) == 3
