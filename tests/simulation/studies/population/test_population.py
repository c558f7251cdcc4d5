"""Populations: who plays, returns with known answers, and the part of each player in the data."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.players.policies import POLICIES
from agents.problems import SocietyError, UsageError
from agents.role import ModelRole, PopulationPart
from agents.roster import ModelConfig, Roster
from simulation.metrics.comparable import MixedTiersError
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.scenario import Scenario
from simulation.store.events import DecisionMade, Event
from simulation.studies.population.report import (
    COMMAND,
    REPORT,
    PopulationReport,
    Return,
    play_populations,
    read_populations,
)
from simulation.studies.population.tables import Declaration, Population, population_plans
from simulation.tables.run import Run, load_run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

MakePlan = Callable[..., Plan]
GOODS = {"task_id": "goods", "task_type": "public_goods", "max_steps": 1}


def scripted(*policies: str) -> tuple[ModelConfig, ...]:
    teams = ("red", "blue")
    return tuple(
        ModelConfig(model_id=f"p{i}", policy=policy, team_id=teams[i % 2], role=ModelRole.LEADER)
        for i, policy in enumerate(policies)
    )


# -- tables ---------------------------------------------------------------------------------------------


def test_visitor_is_alone_among_background_players(make_plan: MakePlan) -> None:
    plans = population_plans(make_plan(), Declaration(("m1",), ("grim",), (Population.VISITOR,)))
    (table,) = (plan.roster.models for plan in plans.values())
    assert list(plans) == ["visitor/m1/grim"]
    assert [row.model_id for row in table] == ["other_1", "m1", "other_2", "other_3"]
    assert [row.part for row in table] == [
        PopulationPart.BACKGROUND,
        PopulationPart.FOCAL,
        PopulationPart.BACKGROUND,
        PopulationPart.BACKGROUND,
    ]
    assert [row.policy for row in table] == ["grim", None, "grim", "grim"]
    assert [row.team_id for row in table] == ["red", "blue", "red", "blue"]


def test_residents_are_all_players_but_one(make_plan: MakePlan) -> None:
    plans = population_plans(make_plan(6), Declaration(("m1", "m2"), ("grim",), (Population.RESIDENT,)))
    table = plans["resident/grim"].roster.models
    assert [row.model_id for row in table] == ["m1_1", "m1_2", "m2_1", "m2_2", "m1_3", "other"]
    assert [row.part for row in table].count(PopulationPart.FOCAL) == 5
    assert table[2].role is make_plan(6).roster.models[2].role  # a focal row keeps its own description


def test_background_may_be_a_row_of_the_roster(make_plan: MakePlan) -> None:
    plans = population_plans(make_plan(), Declaration(("m0",), ("m3",)))
    assert [row.model_id for row in plans["visitor/m0/m3"].roster.models] == ["m0", "m3_1", "m3_2", "m3_3"]
    assert [row.model_id for row in plans["resident/m3"].roster.models] == ["m0_1", "m0_2", "m0_3", "m3"]


def test_two_seats_have_no_resident_population(make_plan: MakePlan) -> None:
    assert list(population_plans(make_plan(2), Declaration(("m0",), ("grim",)))) == ["visitor/m0/grim"]
    with pytest.raises(UsageError, match="needs 3 seats"):
        population_plans(make_plan(2), Declaration(("m0",), ("grim",), (Population.RESIDENT,)))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (Declaration(("m11",), ("grim",)), r"no such model \(did you mean m1"),
        (Declaration(("m0",), ("grimm",)), r"neither a policy nor a model \(did you mean grim"),
        (Declaration(("m0",), ("m0",)), "it is focal"),
        (Declaration((), ("grim",)), "at least one focal"),
        (Declaration(("m0",), ()), "one background"),
    ],
)
def test_declaration_that_does_not_fit_is_refused(make_plan: MakePlan, declared: Declaration, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        population_plans(make_plan(), declared)


def test_topology_of_named_models_is_refused(make_plan: MakePlan) -> None:
    plan = make_plan(communication={"topology": [("m0", "m1")]})
    with pytest.raises(UsageError, match="topology=complete"):
        population_plans(plan, Declaration(("m0",), ("grim",)))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_population_keeps_seats_and_majority(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 9))
    rows = scripted(*("random",) * count)
    ids = [row.model_id for row in rows]
    focal = tuple(data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=count, unique=True)))
    free = [name for name in (*POLICIES, *ids) if name not in focal]
    background = data.draw(st.sampled_from(free))
    scenario = Scenario.model_validate({"name": "s", "mode": "cooperative", "roster": "inline", "tasks": [GOODS]})
    plans = population_plans(Plan(scenario, Roster(name="r", models=rows)), Declaration(focal, (background,)))
    assert len(plans) == len(focal) + (count > 2)
    for arm, plan in plans.items():
        table = plan.roster.models
        mine = [row for row in table if row.part is PopulationPart.FOCAL]
        assert len(table) == count
        assert [row.team_id for row in table] == [row.team_id for row in rows]
        assert len({row.model_id for row in table}) == count
        assert len(mine) == (count - 1 if arm.startswith("resident") else 1)
        assert all(row.part is PopulationPart.BACKGROUND for row in table if row not in mine)


# -- returns --------------------------------------------------------------------------------------------


def measured(plan: Plan, runs: Path, focal: str, *backgrounds: str) -> PopulationReport:
    return read_populations(play_populations(plan, Declaration((focal,), backgrounds), out=runs))


def the(report: PopulationReport, population: Population, part: PopulationPart) -> Return:
    (found,) = (each for each in report.returns if (each.population, each.part) == (population, part))
    return found


def test_returns_equal_the_closed_form(make_plan: MakePlan, runs: Path) -> None:
    plan = make_plan(rows=scripted("always_cooperate", *("random",) * 4), tasks=[GOODS], mode="cooperative")
    report = measured(plan, runs, "p0", "free_rider")
    expected = {  # n 5, endowment 20, multiplier 1.6: 20 - own + 1.6 * total / 5
        (Population.RESIDENT, PopulationPart.FOCAL): 1.6 * 80 / 5,
        (Population.RESIDENT, PopulationPart.BACKGROUND): 20 + 1.6 * 80 / 5,
        (Population.VISITOR, PopulationPart.FOCAL): 1.6 * 20 / 5,
        (Population.VISITOR, PopulationPart.BACKGROUND): 20 + 1.6 * 20 / 5,
    }
    for (population, part), payoff in expected.items():
        found = the(report, population, part)
        assert found.interval.value == pytest.approx(payoff)
        assert found.interval.why == "too few episodes: 2, need 6"
        assert found.interval.n == 2
    assert any("no interval: too few episodes: 2, need 6" in note for note in report.notes)


def test_interval_covers_the_expected_return(make_plan: MakePlan, runs: Path) -> None:
    rows = scripted("random_50", "random")
    dilemma = {"task_id": "d", "task_type": "prisoners_dilemma", "max_steps": 5}
    plan = make_plan(rows=rows, tasks=[dilemma], mode="cooperative", episodes=40)
    interval = the(measured(plan, runs, "p0", "random_50"), Population.VISITOR, PopulationPart.FOCAL).interval
    assert interval.low < 5 * 2.25 < interval.high  # (5 + 3 + 1 + 0) / 4 per step
    assert interval.high - interval.low < 4
    assert interval.n == 40


def test_returns_of_each_focal_model_and_of_all(make_plan: MakePlan, runs: Path) -> None:
    plan = make_plan(rows=scripted("always_cooperate", "free_rider", "random"), tasks=[GOODS], mode="cooperative")
    declared = Declaration(("p0", "p1"), ("always_defect",), (Population.RESIDENT,))
    found = read_populations(play_populations(plan, declared, out=runs)).returns
    mine = {each.model: each.interval.value for each in found if each.part is PopulationPart.FOCAL}
    giver, rider = mine["policy:always_cooperate"], mine["policy:free_rider"]
    assert rider - giver == pytest.approx(20)
    assert mine["all"] == pytest.approx((giver + rider) / 2)


def test_tables_have_the_part_of_each_player(make_plan: MakePlan, runs: Path) -> None:
    folder = play_populations(make_plan(), Declaration(("m0",), ("grim",), (Population.VISITOR,)), out=runs)
    run = run_set.finished_runs(folder, COMMAND)["visitor/m0/grim"]
    assert dict(zip(run.agents["model_id"], run.agents["part"], strict=True)) == {
        "m0": "focal",
        **{f"other_{i}": "background" for i in (1, 2, 3)},
    }
    report = read_populations(folder)
    assert set(report.table()["part"]) == {"focal", "background"}
    assert {"low", "value", "high", "episodes"} <= set(report.table().columns)
    stored = json.loads((folder / REPORT).read_text())
    assert [each["part"] for each in stored["returns"]] == list(report.table()["part"])
    prompts = (run.path / "events.jsonl").read_text()
    assert "focal" not in prompts


def test_a_run_of_an_older_version_still_has_all_its_columns(make_plan: MakePlan, runs: Path) -> None:
    folder = play_populations(make_plan(), Declaration(("m0",), ("grim",), (Population.VISITOR,)), out=runs)
    path = run_set.run_folders(folder, "visitor/m0/grim")[0]
    table = path / "tables/agents.parquet"
    pd.read_parquet(table).drop(columns="part").to_parquet(table, index=False)
    assert set(load_run(path).agents["part"]) == {"focal", "background"}


def test_simulated_returns_are_marked_and_tiers_not_mixed(make_plan: MakePlan, runs: Path) -> None:
    folder = play_populations(make_plan(), Declaration(("m0", "m1"), ("grim",)), out=runs)
    report = read_populations(folder)
    assert any("SIMULATED" in note for note in report.notes)
    groups = {each.model for each in report.returns if each.focal == "all" and each.part is PopulationPart.FOCAL}
    assert "simulated leader" in groups
    assert "cooperator" not in groups
    table = next(folder.glob("resident/*/*/tables/outcomes.parquet"))
    pd.read_parquet(table).assign(tier="http").to_parquet(table, index=False)
    with pytest.raises(MixedTiersError):
        read_populations(folder)
    assert read_populations(folder, mix_tiers=True).tiers == ("http", "simulated")


def test_synthetic_episodes_have_no_return(make_plan: MakePlan, runs: Path) -> None:
    plan = make_plan(tasks=[{"task_id": "words", "task_type": "strategy", "max_steps": 1}])
    folder = play_populations(plan, Declaration(("m0",), ("grim",)), out=runs)
    with pytest.raises(SocietyError, match="synthetic"):
        read_populations(folder)


def test_interrupted_populations_end_in_the_same_report(make_plan: MakePlan, runs: Path) -> None:
    declared = Declaration(("m0", "m1"), ("random",))
    whole = read_populations(play_populations(make_plan(), declared, out=runs))
    seen = itertools.count(1)

    def cut(event: Event) -> None:
        if isinstance(event, DecisionMade) and next(seen) == 20:
            raise KeyboardInterrupt

    with pytest.raises(SocietyError, match=COMMAND) as stopped:
        play_populations(make_plan(), declared, out=runs, on_event=cut)
    folder = Path(str(stopped.value).rsplit(" ", 1)[-1])
    assert read_populations(run_set.play(folder, COMMAND)).returns == whole.returns


def test_one_episode_is_refused_before_anything_is_played(make_plan: MakePlan, runs: Path) -> None:
    with pytest.raises(UsageError, match="at least 2 episodes"):
        play_populations(make_plan(episodes=1), Declaration(("m0",), ("grim",)), out=runs)
    assert not runs.exists()


def test_population_command_prints_table_and_folder(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("study", "population", "first_contact", "--focal", "ada", "--background", "grim", "--tier", "simulated")
    code, out, err = society(capsys, *asked, "--episodes", "2")
    assert code == 0
    assert "SIMULATED replies follow a policy" in out
    assert "episode 4/4" in err
    folder = Path(out.splitlines()[-1])
    code, again, _ = society(capsys, "study", "population", str(folder), "--json")
    assert code == 0
    assert {each["part"] for each in json.loads(again)["returns"]} == {"focal", "background"}
    assert isinstance(Run(run_set.run_folders(folder, "resident/grim")[0]).agents, pd.DataFrame)


def test_population_command_names_missing_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "study", "population", "first_contact", "--tier", "simulated")
    assert code == 2
    assert "--focal MODEL_ID" in err
