"""`society study verify`: known answers come out, and a wrong expectation is reported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simulation.runs.runner import run_scenario
from simulation.studies.verify import cases as verify_cases
from simulation.studies.verify.axelrod_record import POLICY_OF, RECORD
from simulation.studies.verify.cases import all_cases
from simulation.studies.verify.verify import EXACT, CaseResult, Expected, KnownCase, KnownFigure, Play, compare, verify
from simulation.tables.run import Run
from tests.simulation.cli.test_app import society

RIGHT = KnownCase(
    "tit-for-tat, always defect",
    Play("prisoners_dilemma", ("tit_for_tat", "always_defect"), 10),
    (Expected(KnownFigure.PAYOFF, (9, 14)), Expected(KnownFigure.WELFARE, (23,))),
    "Axelrod (1984)",
)
WRONG = replace(
    RIGHT, name="planted", expected=(Expected(KnownFigure.PAYOFF, (9, 15)), Expected(KnownFigure.WELFARE, (23,)))
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_scenario(RIGHT.play.plan(), out=tmp_path_factory.mktemp("runs"))


def test_case_is_played_in_oasis_with_an_event_log(run: Run) -> None:
    assert {path.name for path in run.path.iterdir()} >= {"manifest.json", "events.jsonl", "oasis.db", "tables"}
    assert run.manifest["status"] == "finished"
    assert set(run.outcomes["tier"]) == {"scripted"}


def test_right_figures_pass_and_a_wrong_one_does_not(run: Run) -> None:
    assert [finding.passed for finding in compare(RIGHT, run)] == [True, True]
    assert [finding.passed for finding in compare(WRONG, run)] == [False, True]
    assert compare(WRONG, run)[0].got == (9, 14)


@pytest.mark.parametrize(
    ("figure", "values"),
    [
        (KnownFigure.PER_STEP, (0.9, 1.4)),
        (KnownFigure.MEAN_PER_STEP, (1.15,)),
        (KnownFigure.STEPS, (10,)),
        (KnownFigure.ACCURACY, (0.9, 1)),
        (KnownFigure.COOPERATION, (0.1, 0)),
        (KnownFigure.REWARD, (900 / 23, 1400 / 23)),
        (KnownFigure.OPTIMUM, (60,)),
        (KnownFigure.NASH, (20,)),
        (KnownFigure.GINI, (5 / 46,)),
    ],
)
def test_every_known_figure_is_read_from_the_tables(run: Run, figure: KnownFigure, values: tuple[float, ...]) -> None:
    [finding] = compare(replace(RIGHT, expected=(Expected(figure, values),)), run)
    assert finding.passed, finding.got


@pytest.mark.parametrize(
    ("got", "tolerance", "passed"),
    [((1.0, 2.0), EXACT, True), ((1.0, 2.1), 0.2, True), ((1.0, 2.1), 0.05, False), ((1.0,), 9.0, False)],
)
def test_case_result_passes_within_its_tolerance(got: tuple[float, ...], tolerance: float, passed: bool) -> None:
    assert CaseResult("case", KnownFigure.PAYOFF, (1.0, 2.0), got, tolerance, "source").passed == passed


def test_figure_that_is_nan_does_not_pass() -> None:
    assert not CaseResult("case", KnownFigure.COOPERATION, (1.0,), (float("nan"),), 1.0, "source").passed


def test_verify_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[KnownCase] = []
    assert all(finding.passed for finding in verify([RIGHT], seen.append))
    assert seen == [RIGHT]
    assert list(tmp_path.iterdir()) == []


def test_cases_have_different_names_and_can_be_played() -> None:
    cases = all_cases()
    assert len(cases) >= 20
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert case.play.plan().scenario.tasks[0].task_type == case.play.game
        assert case.source
        assert case.expected


def test_only_random_cases_have_a_wide_tolerance() -> None:
    wide = {case.name for case in all_cases() if any(each.tolerance > 1e-6 for each in case.expected)}
    assert all("by chance" in name for name in wide)


def test_axelrod_record_names_its_source() -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert (record["library"], record["version"], record["turns"]) == ("Axelrod", "4.14.0", 200)
    assert record["game"] == {"reward": 3, "punishment": 1, "sucker": 0, "temptation": 5}
    assert len(record["exact"]) == 6 * 7 / 2
    names = {name for match in record["exact"] + record["stochastic"] for name in match["players"]}
    assert names == set(POLICY_OF)


def test_verify_command_exits_with_1_and_names_what_is_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_cases, "all_cases", lambda: (RIGHT, WRONG))
    code, out, _ = society(capsys, "study", "verify")
    assert code == 1
    assert [line for line in out.splitlines() if "OFF" in line and "planted" in line and "9 15" in line]
    assert " ok " not in out  # only what is off
    assert " ok " in society(capsys, "verify", "-v")[1]
    assert out.splitlines()[-1].startswith("2 cases, 4 figures, 1 off")


def test_verify_command_exits_with_0_where_all_pass(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_cases, "all_cases", lambda: (RIGHT,))
    code, out, _ = society(capsys, "study", "verify", "--json")
    found = json.loads(out)
    assert (code, [each["passed"] for each in found["findings"]]) == (0, [True, True])
    first = found["findings"][0]
    assert (first["expected"], first["got"], first["source"]) == ([9, 14], [9.0, 14.0], "Axelrod (1984)")


@pytest.mark.slow
def test_every_known_answer_passes() -> None:
    off = [finding for finding in verify(all_cases()) if not finding.passed]
    assert off == []
