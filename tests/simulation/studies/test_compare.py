"""Runs against runs: in pairs where episodes have twins, with verdicts that the numbers support."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from agents.problems import SocietyError, UsageError
from agents.role import ModelRole
from agents.roster import ModelConfig
from simulation.metrics.comparable import MixedTiersError
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.studies.compare.report import compare_runs
from simulation.studies.compare.result import OF_EPISODES, ComparedFigure, Comparison, ComparisonVerdict
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

STORED = Path(__file__).parents[2] / "fixtures" / "runs" / "version_5"
Change = Callable[[pd.DataFrame], pd.DataFrame]


def as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def richer(by: float) -> Change:
    return lambda frame: frame.assign(payoff=frame["payoff"] + by, welfare=frame["welfare"] + 4 * by)


def side(folder: Path, seeds: Iterable[int], change: Change = as_it_is, **scenario: Any) -> Path:
    """A copy of the stored run for every seed, with changed outcomes and a changed scenario."""
    for seed in seeds:
        run = folder / f"run-{seed}"
        shutil.copytree(STORED, run)
        manifest = orjson.loads((run / "manifest.json").read_bytes())
        manifest |= {"seed": seed, "scenario": {**manifest["scenario"], **scenario}}
        (run / "manifest.json").write_bytes(orjson.dumps(manifest))
        file = run / "tables" / "outcomes.parquet"
        change(pd.read_parquet(file)).to_parquet(file, index=False)
    return folder


def verdicts(found: Comparison) -> dict[ComparedFigure, ComparisonVerdict]:
    return {each.figure: each.verdict for each in found.differences if not each.model_id}


def test_constant_difference_of_twins_has_a_verdict(tmp_path: Path) -> None:
    def by_seed(frame: pd.DataFrame) -> pd.DataFrame:
        return richer(100 * int(frame["payoff"].sum()) % 7)(frame)  # a seed has the same effect on both sides

    a = side(tmp_path / "a", range(6), lambda frame: richer(2.0)(by_seed(frame)), mode="cooperative")
    b = side(tmp_path / "b", range(6), by_seed, mode="competitive")
    found = compare_runs(a, b)
    welfare = found.find(ComparedFigure.WELFARE)
    assert (welfare.interval.value, welfare.interval.why) == (pytest.approx(8.0), "all 6 seeds gave the same")
    assert welfare.paired
    assert welfare.interval.n == 6
    assert verdicts(found)[ComparedFigure.PAYOFF] is ComparisonVerdict.HIGHER
    assert verdicts(found)[ComparedFigure.GINI] is ComparisonVerdict.NOT_SHOWN
    assert verdicts(compare_runs(b, a))[ComparedFigure.WELFARE] is ComparisonVerdict.LOWER
    assert found.find(ComparedFigure.PAYOFF, model_id="ada").interval.value == pytest.approx(2.0)
    assert found.differs == {"mode": ("cooperative", "competitive")}
    assert any("12 pairs of episodes" in note for note in found.notes)


@pytest.mark.parametrize(("seeds", "verdict"), [(5, ComparisonVerdict.TOO_FEW_PAIRS), (6, ComparisonVerdict.HIGHER)])
def test_verdict_needs_as_many_pairs_as_a_permutation_test(
    tmp_path: Path, seeds: int, verdict: ComparisonVerdict
) -> None:
    a, b = side(tmp_path / "a", range(seeds), richer(1.0)), side(tmp_path / "b", range(seeds))
    assert verdicts(compare_runs(a, b))[ComparedFigure.WELFARE] is verdict


def test_two_single_runs_are_clustered_by_pass(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", [1], richer(1.0)), side(tmp_path / "b", [1])
    found = compare_runs(a / "run-1", b / "run-1")
    assert found.find(ComparedFigure.WELFARE).interval.n == 2
    assert set(verdicts(found).values()) == {ComparisonVerdict.TOO_FEW_PAIRS}
    assert any("over passes" in note for note in found.notes)


def test_runs_of_other_seeds_are_compared_unpaired(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", range(6), richer(1.0)), side(tmp_path / "b", range(10, 16))
    found = compare_runs(a, b)
    assert not found.find(ComparedFigure.WELFARE).paired
    assert verdicts(found)[ComparedFigure.WELFARE] is ComparisonVerdict.HIGHER
    assert any("UNPAIRED" in note for note in found.notes)
    few = compare_runs(next(iter(a.iterdir())), b)  # one seed: no interval
    assert math.isnan(few.find(ComparedFigure.WELFARE).interval.low)
    assert verdicts(few)[ComparedFigure.WELFARE] is ComparisonVerdict.TOO_FEW_RUNS


def test_episodes_without_a_twin_are_left_out_and_counted(tmp_path: Path) -> None:
    found = compare_runs(side(tmp_path / "a", range(8)), side(tmp_path / "b", range(2, 8)))
    assert found.find(ComparedFigure.WELFARE).interval.n == 6
    assert any("4 episodes have no twin" in note for note in found.notes)


def test_runs_of_one_seed_count_once(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", range(6)), side(tmp_path / "b", range(6))
    side(a / "again", range(6), richer(2.0))
    found = compare_runs(a, b)
    assert found.find(ComparedFigure.PAYOFF).interval.value == pytest.approx(1.0)
    assert found.find(ComparedFigure.PAYOFF).interval.n == 6
    assert any("have the same seed" in note for note in found.notes)


def test_different_tiers_are_compared_only_when_asked(tmp_path: Path) -> None:
    real = side(tmp_path / "real", range(6), lambda frame: frame.assign(tier="http"))
    simulated = side(tmp_path / "simulated", range(6))
    with pytest.raises(MixedTiersError, match="http, simulated"):
        compare_runs(real, simulated)
    found = compare_runs(real, simulated, mix_tiers=True)
    assert found.notes[0] == (
        "MIXED TIERS: real: http; simulated: simulated; a difference may be due to the tier alone"
    )


def test_synthetic_episodes_and_persons_are_left_out_with_a_note(tmp_path: Path) -> None:
    def odd(frame: pd.DataFrame) -> pd.DataFrame:
        rows = frame.assign(tier=frame["tier"].astype(str))
        rows.loc[rows["model_id"] == "ada", ["tier", "payoff"]] = ("human", 1e6)
        return rows.assign(synthetic=rows["episode"] == 1)

    found = compare_runs(side(tmp_path / "a", range(6), odd), side(tmp_path / "b", range(6)))
    assert found.find(ComparedFigure.PAYOFF).first < 1000
    assert "synthetic episodes are left out" in found.notes
    assert any("12 rows of a person" in note for note in found.notes)
    whole = side(tmp_path / "formula", range(2), lambda frame: frame.assign(synthetic=True))
    with pytest.raises(SocietyError, match="formula has no finished episode to compare"):
        compare_runs(whole, tmp_path / "b")
    assert any("SYNTHETIC" in note for note in compare_runs(whole, tmp_path / "b", synthetic=True).notes)


def test_compare_runs_refuses_what_cannot_be_compared(tmp_path: Path) -> None:
    a = side(tmp_path / "a", range(2))
    commons = side(tmp_path / "commons", range(2), lambda frame: frame.assign(task_type="commons"))
    other = side(tmp_path / "other", range(2), lambda frame: frame.assign(task_id="else"))
    with pytest.raises(SocietyError, match="goods is another game: public_goods against commons"):
        compare_runs(a, commons)
    with pytest.raises(SocietyError, match="no task in common: goods against else"):
        compare_runs(a, other)
    with pytest.raises(UsageError, match="needs two runs"):
        compare_runs(a)
    with pytest.raises(UsageError, match="given twice"):
        compare_runs(a, a)


def test_models_that_differ_between_sides_are_not_compared(tmp_path: Path) -> None:
    def another_ada(frame: pd.DataFrame) -> pd.DataFrame:
        names = frame["model_name"].astype(str).where(frame["model_id"] != "ada", "defector")
        return frame.assign(model_name=names)

    found = compare_runs(side(tmp_path / "a", range(6)), side(tmp_path / "b", range(6), another_ada))
    assert {each.model_id for each in found.differences} == {"", "ben", "cleo", "dan"}
    assert any(note.endswith("not compared one by one: ada") for note in found.notes)


def test_several_different_settings_are_noted(tmp_path: Path) -> None:
    a = side(tmp_path / "a", range(6), mode="cooperative", language="en")
    found = compare_runs(a, side(tmp_path / "b", range(6), mode="competitive", language="zh"))
    assert found.differs["language"] == ("en", "zh")
    assert any("no difference is due to one alone: mode, language" in note for note in found.notes)


def test_settings_that_vary_on_all_sides_are_paired(tmp_path: Path) -> None:
    """Chinese episodes pay 100 points more on both sides, so only the mode makes a difference."""
    for mode, extra in (("cooperative", 1.0), ("competitive", 0.0)):
        for language, more in (("en", 0.0), ("zh", 100.0)):
            side(tmp_path / mode / language, range(6), richer(extra + more), mode=mode, language=language)
    found = compare_runs(tmp_path / "cooperative", tmp_path / "competitive")
    payoff = found.find(ComparedFigure.PAYOFF)
    assert (payoff.interval.value, payoff.interval.constant) == (pytest.approx(1.0), True)
    assert "settings that vary on all sides alike, and are the same in twins: language" in found.notes
    assert set(found.differs) == {"mode"}
    assert any("24 pairs" in note for note in found.notes)


def test_compare_by_splits_a_folder_by_a_key(tmp_path: Path) -> None:
    side(tmp_path / "all" / "x", range(6), richer(1.0), mode="cooperative")
    side(tmp_path / "all" / "y", range(6), mode="competitive")
    found = compare_runs(tmp_path / "all", by="mode")
    assert found.sides == ("cooperative", "competitive")
    assert verdicts(found)[ComparedFigure.WELFARE] is ComparisonVerdict.HIGHER
    with pytest.raises(UsageError, match="did you mean mode"):
        compare_runs(tmp_path / "all", by="mod")
    with pytest.raises(UsageError, match="all runs have the value en"):
        compare_runs(tmp_path / "all", by="language")


def test_compare_command_prints_verdicts_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = side(tmp_path / "a", range(6), richer(1.0), mode="competitive"), side(tmp_path / "b", range(6))
    (b / "torn").mkdir()
    (b / "torn" / "manifest.json").write_text("{")
    code, out, err = society(capsys, "study", "compare", str(a), str(b))
    assert code == 0
    assert "a against b" in out
    assert "higher" in out
    assert "no difference shown" in out
    assert "differs in mode: competitive / cooperative" in out
    assert "1 runs are left out" in err
    code, out, _ = society(capsys, "study", "compare", str(a), str(b), "--json")
    assert code == 0
    plain = json.loads(out)
    assert plain["sides"] == ["a", "b"]
    assert plain["differences"][0]["verdict"] == "higher"
    code, _, err = society(capsys, "study", "compare", str(a), "none/*")
    assert (code, "none/*: there is no such folder" in err) == (1, True)


# -- societies of other sizes --------------------------------------------------------------------------------


def givers(make_plan: Callable[..., Plan], count: int, steps: int, pool: float, runs: Path, **more: Any) -> Path:
    """Six seeds of public goods among `count` players who always give."""
    rows = (ModelConfig(model_id="giver", policy="always_cooperate", count=count),)
    task = {"task_id": "goods", "task_type": "public_goods", "max_steps": steps, "reward_pool": pool, **more}
    for seed in range(6):
        run_scenario(make_plan(rows=rows, mode="cooperative", seed=seed, episodes=1, tasks=[task]), out=runs)
    return runs


def test_societies_of_other_sizes_are_normalised(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    """All give everything, so a step pays everyone the same whatever the number of players and steps."""
    small = givers(make_plan, 3, 2, 100.0, tmp_path / "small")
    large = givers(make_plan, 6, 4, 100.0, tmp_path / "large")
    found = compare_runs(small, large)
    welfare, payoff = found.find(ComparedFigure.WELFARE), found.find(ComparedFigure.PAYOFF)
    assert (welfare.unit, payoff.unit) == ("per player and step", "per step")
    assert welfare.first == welfare.other == payoff.first == payoff.other
    assert welfare.interval.value == 0
    assert ComparedFigure.GINI not in verdicts(found)
    (note,) = [note for note in found.notes if note.startswith("NORMALISED")]
    assert "players 3 against 6, steps of an episode 2 against 4" in note
    assert "gini and reward_earned cannot be compared" in note
    assert found.differs["roster.giver.count"] == ("3", "6")


def test_rewards_of_other_pools_are_shares(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    found = compare_runs(
        givers(make_plan, 3, 2, 100.0, tmp_path / "poor"), givers(make_plan, 3, 2, 900.0, tmp_path / "rich")
    )
    reward = next(each for each in found.differences if each.figure is ComparedFigure.REWARD)
    assert reward.unit == "share of the pool"
    assert reward.first == reward.other == pytest.approx(1 / 3)
    assert reward.verdict is ComparisonVerdict.NOT_SHOWN  # rounding is no difference
    assert found.find(ComparedFigure.WELFARE).unit == ""


def test_societies_of_one_size_are_compared_as_they_are(tmp_path: Path) -> None:
    found = compare_runs(side(tmp_path / "a", range(6)), side(tmp_path / "b", range(6), mode="competitive"))
    assert {each.unit for each in found.differences} == {""}
    assert not any(note.startswith("NORMALISED") for note in found.notes)


# -- theory -----------------------------------------------------------------------------------------------

PLAYERS = (
    ModelConfig(model_id="giver", policy="always_cooperate", role=ModelRole.LEADER),
    ModelConfig(model_id="wanderer", policy="random_50", role=ModelRole.NEUTRAL),
    ModelConfig(model_id="first", policy="message_follower", role=ModelRole.FOLLOWER),
    ModelConfig(model_id="second", policy="message_follower", role=ModelRole.FOLLOWER),
)


@pytest.mark.slow
def test_public_goods_by_mode_as_in_theory(make_plan: Callable[..., Plan], runs: Path) -> None:
    """Players who follow messages hear none in competitive mode: they give nothing, which is the dominant strategy.

    Where all cooperate they hear a giver. So welfare, efficiency and gifts must come out higher; and a giver among
    those who keep all is the poorest, so the competitive payoffs are the less equal ones.
    """
    for mode in ("cooperative", "competitive"):
        for seed in range(6):
            run_scenario(make_plan(rows=PLAYERS, mode=mode, seed=seed), out=runs / mode)
    found = compare_runs(runs / "cooperative", runs / "competitive")
    for figure in (
        ComparedFigure.WELFARE,
        ComparedFigure.EFFICIENCY,
        ComparedFigure.COOPERATION,
        ComparedFigure.PAYOFF,
    ):
        assert found.find(figure).verdict is ComparisonVerdict.HIGHER, figure
    assert found.find(ComparedFigure.GINI).verdict is ComparisonVerdict.LOWER
    assert found.find(ComparedFigure.COOPERATION, model_id="giver").verdict is ComparisonVerdict.NOT_SHOWN
    assert found.find(ComparedFigure.PAYOFF, model_id="giver").verdict is ComparisonVerdict.HIGHER
    assert found.differs == {"mode": ("cooperative", "competitive")}
    assert {each.figure for each in found.differences if not each.model_id} == set(OF_EPISODES)


@pytest.mark.slow
def test_simulated_players_of_one_mode_show_no_difference(make_plan: Callable[..., Plan], runs: Path) -> None:
    for side_name, seeds in {"a": range(6), "b": range(6, 12)}.items():
        for seed in seeds:
            run_scenario(make_plan(mode="cooperative", seed=seed), out=runs / side_name)
    found = compare_runs(runs / "a", runs / "b")
    assert set(verdicts(found).values()) == {ComparisonVerdict.NOT_SHOWN}
    assert any("SIMULATED replies follow a policy of the role and the mode" in note for note in found.notes)
