"""Tournaments played by the runner in OASIS: known answers, the axioms of Shapley, interruptions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agents.problems import SocietyError
from agents.roster import ModelConfig, Roster
from agents.strategy import TrainingMode
from simulation.engine.environment import MultiModelEnvironment
from simulation.metrics.comparable import MixedTiersError
from simulation.runs.folders import begun_runs
from simulation.scenario import Scenario
from simulation.studies.tournament.columns import TABLES, ResultTable
from simulation.studies.tournament.figures import Figures, match_rows
from simulation.studies.tournament.matchups import Format
from simulation.studies.tournament.play import play_tournament
from simulation.studies.tournament.results import TournamentResult, load_tournament
from simulation.studies.tournament.teams import Worth
from simulation.studies.tournament.tournament import (
    Tournament,
    finished_matches,
    new_tournament,
    place_of,
)
from simulation.studies.verify.axelrod_record import POLICY_OF, RECORD

DETERMINISTIC = tuple(POLICY_OF[name] for name in ("Defector", "TitForTat"))


def rows_of(*policies: str, teams: tuple[str, ...] = ()) -> tuple[ModelConfig, ...]:
    named = teams or (None,) * len(policies)
    return tuple(
        ModelConfig(model_id=f"p{number}", policy=policy, team_id=team)
        for number, (policy, team) in enumerate(zip(policies, named, strict=True))
    )


def make(
    rows: tuple[ModelConfig, ...],
    game: str = "prisoners_dilemma",
    steps: int = 2,
    mode: TrainingMode = TrainingMode.COMPETITIVE,
    form: Format = Format.PAIRS,
    episodes: int = 2,
    **more: Any,
) -> Tournament:
    scenario = {
        "name": "tournament",
        "mode": mode.value,
        "roster": "inline",
        "seed": 5,
        "tasks": [{"task_id": game, "task_type": game, "max_steps": steps, "required_models": 1}],
        "communication": {"talk_rounds": 0},
        "inference": {"tiers": ["simulated"]},
    }
    base = "SmolLM2-135M-Instruct" if any(row.model_name for row in rows) else None
    roster = Roster(name="r", base_model=base, models=rows)
    return Tournament(scenario=Scenario.model_validate(scenario), roster=roster, form=form, episodes=episodes, **more)


def played(tournament: Tournament, runs: Path, jobs: int = 1) -> TournamentResult:
    return play_tournament(new_tournament(tournament, runs), jobs=jobs)


def tables(result: TournamentResult) -> dict[ResultTable, pd.DataFrame]:
    """Every table without the names of run directories, which differ between two runs of a tournament."""
    names = [name for name in ResultTable if (result.path / "tables" / f"{name.value}.parquet").exists()]
    return {name: getattr(result, name.value).drop(columns="run", errors="ignore") for name in names}


def assert_same(first: TournamentResult, second: TournamentResult) -> None:
    one, other = tables(first), tables(second)
    assert one.keys() == other.keys()
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name])
    assert first.report == second.report


# -- pairs --------------------------------------------------------------------------------------------------


def recorded() -> dict[tuple[str, str], tuple[float, float]]:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    return {tuple(POLICY_OF[name] for name in match["players"]): tuple(match["scores"]) for match in record["exact"]}


@pytest.mark.parametrize(
    "policies",
    [
        DETERMINISTIC,
        pytest.param(
            tuple(policy for policy in POLICY_OF.values() if policy not in ("generous_tit_for_tat", "random_50")),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_dilemma_matrix_equals_the_axelrod_library(policies: tuple[str, ...], runs: Path) -> None:
    result = played(make(rows_of(*policies), steps=200), runs)
    name = {f"p{number}": policy for number, policy in enumerate(policies)}
    got = {(name[row["row"]], name[row["column"]]): row["value"] for row in result.matrix.to_dict("records")}
    assert len(got) == len(policies) ** 2
    assert result.matrix["low"].isna().all()  # two episodes, and all the same
    checked = 0
    for (first, second), scores in recorded().items():
        if {first, second} <= set(policies):
            assert (got[first, second], got[second, first]) == scores
            checked += 1
    assert checked == len(policies) * (len(policies) + 1) / 2


def test_tournament_result_has_typed_tables_and_json(runs: Path) -> None:
    result = load_tournament(played(make(rows_of("random", "always_defect")), runs).path)
    assert set(tables(result)) == {
        ResultTable.MATCHES, ResultTable.MATRIX, ResultTable.STANDINGS, ResultTable.SYNERGIES, ResultTable.RATINGS,
    }  # fmt: skip
    for name, table in {**tables(result), ResultTable.MATCHES: result.matches}.items():
        assert {column.name: column.dtype for column in TABLES[name]} == {
            column: str(dtype) for column, dtype in table.dtypes.items()
        }
    described = set(zip(result.describe()["table"], result.describe()["column"], strict=True))
    assert {(name.value, column) for name, table in tables(result).items() for column in table.columns} <= described
    assert len(result.matches) == 3 * 2 * 2  # matchups, episodes, players
    assert (result.path / result.matches["run"].iloc[0] / "events.jsonl").exists()
    assert result.report["tiers"] == ["scripted"]
    matrix = result.matrix.astype(object).where(result.matrix.notna(), None)
    assert result.report["matrix"] == matrix.to_dict("records")
    with pytest.raises(SocietyError, match="pairs has no table contributions"):
        _ = result.contributions


def test_intervals_of_random_players_have_a_width(runs: Path) -> None:
    result = played(make(rows_of("random", "always_defect"), steps=1, episodes=8), runs)
    cell = {(row["row"], row["column"]): row for row in result.matrix.to_dict("records")}
    assert cell["p1", "p0"]["low"] < cell["p1", "p0"]["value"] < cell["p1", "p0"]["high"]
    assert cell["p1", "p1"]["value"] == 1
    assert math.isnan(cell["p1", "p1"]["low"])
    assert "no interval: all 8 episodes gave the same" in " ".join(result.report["notes"])
    assert cell["p1", "p0"]["n"] == 8


# -- teams: the axioms of Shapley, with played coalitions -------------------------------------------------


def shares(result: TournamentResult, worth: Worth) -> dict[str, float]:
    found = result.contributions[result.contributions["worth"] == worth.value]
    return dict(zip(found["model_id"], found["value"], strict=True))


def values(result: TournamentResult, worth: Worth) -> dict[str, float]:
    found = result.compositions[result.compositions["worth"] == worth.value]
    return dict(zip(found["members"], found["value"], strict=True))


CASES = [
    ("public_goods", ("conditional_cooperator", "conditional_cooperator"), "free_rider"),
    ("commons", ("sustainable_harvester", "always_defect"), "random"),
]


@pytest.mark.parametrize(("game", "policies", "stand_in"), CASES)
def test_shapley_axioms_with_stand_ins(game: str, policies: tuple[str, ...], stand_in: str, runs: Path) -> None:
    rows = rows_of(*policies, stand_in)
    result = played(make(rows, game, form=Format.TEAMS, stand_in=stand_in), runs)
    earned, share = values(result, Worth.PAYOFF), shares(result, Worth.PAYOFF)
    assert len(earned) == 2**3
    assert sum(share.values()) == pytest.approx(earned["p0+p1+p2"] - earned[""])
    assert share["p2"] == pytest.approx(0, abs=1e-9)  # plays as the stand-in would, with the same draws
    assert earned["p0"] != earned[""]
    if policies[0] == policies[1]:
        assert share["p0"] == pytest.approx(share["p1"])
    everyone = result.matches[result.matches["members"] == "p0+p1+p2"]
    assert earned["p0+p1+p2"] == pytest.approx(everyone.groupby("episode")["payoff"].sum().mean())
    synergy = result.synergies[result.synergies["worth"] == "payoff"]
    with_dummy = synergy[(synergy["first"] == "p2") | (synergy["second"] == "p2")]
    assert np.allclose(with_dummy["value"], 0)


def test_shares_with_empty_seats_add_up_to_the_reward(runs: Path) -> None:
    rows = rows_of("always_cooperate", "free_rider", "random", "always_cooperate", teams=("red", "red", "blue", "blue"))
    result = played(make(rows, "public_goods", mode=TrainingMode.TEAM_BATTLE, form=Format.TEAMS, episodes=3), runs)
    earned, share = values(result, Worth.REWARD), shares(result, Worth.REWARD)
    assert set(earned) == {"p0", "p1", "p0+p1", "p2", "p3", "p2+p3"}
    assert share["p0"] + share["p1"] == pytest.approx(earned["p0+p1"])
    assert share["p2"] + share["p3"] == pytest.approx(earned["p2+p3"])
    assert earned["p0+p1"] + earned["p2+p3"] == pytest.approx(100)  # the pool, played in both
    assert set(result.ratings["model_id"]) == {"p0", "p1", "p2", "p3"}
    assert result.report["worth"] == "reward"


def test_coalitions_have_the_same_seed(runs: Path) -> None:
    tournament = make(rows_of("random", "random"), "commons", form=Format.TEAMS, stand_in="random")
    seeds = {tournament.plan(matchup.number).scenario.seed for matchup in tournament.matchups}
    assert len(seeds) == 1
    pairs = make(rows_of("random", "random"))
    assert len({pairs.plan(matchup.number).scenario.seed for matchup in pairs.matchups}) == 3


@pytest.mark.slow
def test_a_large_team_is_sampled_with_an_error(runs: Path) -> None:
    rows = rows_of(*("always_cooperate", "always_defect") * 4, "always_cooperate")
    keys = {"mode": TrainingMode.COMPETITIVE, "form": Format.TEAMS, "stand_in": "always_defect", "orders": 2}
    result = played(make(rows, "commons", steps=1, **keys), runs)
    found = result.contributions[result.contributions["worth"] == "payoff"]
    assert len(found) == 9
    assert len(result.compositions) < 2 * 2**9 / 8
    assert found["value"].sum() == pytest.approx(
        values(result, Worth.PAYOFF)["+".join(f"p{i}" for i in range(9))] - values(result, Worth.PAYOFF)[""]
    )
    assert result.synergies.empty
    assert any("2 random orders" in note for note in result.report["notes"])


# -- interruptions ------------------------------------------------------------------------------------------


def interrupted_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C at the start of the given episode, counted from now on."""
    play, seen = MultiModelEnvironment.run_task, iter(range(10_000))

    async def run_task(self: MultiModelEnvironment, *arguments: Any) -> Any:
        if next(seen) == number:
            raise KeyboardInterrupt
        return await play(self, *arguments)

    monkeypatch.setattr(MultiModelEnvironment, "run_task", run_task)


def test_interrupted_tournament_ends_in_the_same_tables(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tournament = make(rows_of("random", "random_25", "always_defect"), episodes=3)
    whole = played(tournament, runs)
    folder = new_tournament(tournament, runs)
    with monkeypatch.context() as patch:
        interrupted_at(7, patch)
        with pytest.raises(SocietyError, match=f"society study tournament {folder}"):
            play_tournament(folder)
    with pytest.raises(SocietyError, match="is not finished"):
        load_tournament(folder)
    before = {number: run.path for number, run in finished_matches(folder, tournament)}
    assert len(before) == 2
    assert_same(whole, play_tournament(folder))
    again = dict(finished_matches(folder, tournament))
    assert len(again) == len(tournament.matchups) == 6
    assert {number: again[number].path for number in before} == before  # not played twice
    assert all(len(begun_runs(place_of(folder, tournament, number))) == 1 for number in again)


def test_tournament_folder_is_locked_by_one_process(runs: Path) -> None:
    from simulation.runs.folders import at_work

    folder = new_tournament(make(rows_of("random", "random")), runs)
    with at_work(folder), pytest.raises(SocietyError, match="another process"):
        play_tournament(folder)


# -- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: make(rows_of("random", "random"), "strategy"), "formula over words"),
        (lambda: make(rows_of("random", "random"), mode=TrainingMode.MIXED), "--mode competitive"),
        (lambda: make(rows_of("random", "random"), mode=TrainingMode.TEAM_BATTLE), "--format teams"),
        (lambda: make(rows_of("random", "random"), "minority"), "two models cannot play this: minority needs an odd"),
        (lambda: make(rows_of("random", "random"), stand_in="random"), "absent members of teams"),
        (
            lambda: make(rows_of("random", "random"), form=Format.TEAMS, stand_in="randomm"),
            "did you mean random?",
        ),
        (
            lambda: make(rows_of("random", "random"), "public_goods", form=Format.TEAMS),
            "everyone with p0 alone cannot play this: .*--stand-in always_defect",
        ),
    ],
)
def test_new_tournament_refuses_before_anything_is_written(
    change: Callable[[], Tournament], message: str, runs: Path
) -> None:
    with pytest.raises(SocietyError, match=message):
        new_tournament(change(), runs)
    assert not runs.exists()


def test_tiers_are_not_mixed_unless_asked(runs: Path) -> None:
    rows = (ModelConfig(model_id="a", model_name="cooperator"), ModelConfig(model_id="b", model_name="defector"))
    tournament = make(rows)
    result = played(tournament, runs)
    assert any("SIMULATED replies follow a policy" in note for note in result.report["notes"])
    rows_played = [
        row
        for number, run in finished_matches(result.path, tournament)
        for row in match_rows(result.path, tournament.matchups[number], run)
    ]
    assert {row["played_by"] for row in rows_played} == {"simulated neutral"}  # no adapter played
    mixed = [{**row, "tier": "http" if row["matchup"] == 0 else row["tier"]} for row in rows_played]
    with pytest.raises(MixedTiersError):
        Figures(tournament, mixed)
    assert Figures(tournament, mixed, mix_tiers=True).tiers == ("http", "simulated")


def test_folder_without_tournament_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SocietyError, match="not a tournament"):
        load_tournament(tmp_path)
    (tmp_path / "tournament.json").write_text('{"schema_version": 99}')
    with pytest.raises(SocietyError, match="schema_version 99"):
        load_tournament(tmp_path)
