"""Tables as CSV, Parquet and Excel: the same rows, and no text of a model that runs as a formula."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.columns import OPTIONAL_TABLES, TableName
from simulation.tables.export import FileKind, export_tables, plain_cells
from simulation.tables.run import Run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

MakePlan = Callable[..., Plan]
HOSTILE = '=HYPERLINK("http://x","y")'


@pytest.fixture
def run(make_plan: MakePlan) -> Run:
    return run_scenario(make_plan())


def test_csv_has_the_rows_of_every_table(run: Run) -> None:
    files = export_tables(run, FileKind.CSV, Path("out"))
    assert {file.stem for file in files} == {
        name.value
        for name in {*TableName} - OPTIONAL_TABLES - {TableName.ACTS}  # nobody acted
    }
    messages = pd.read_csv("out/messages.csv")
    assert list(messages["text"]) == list(run.messages["text"])
    assert messages["audience"][0] == " ".join(run.messages["audience"][0])
    assert list(pd.read_csv("out/outcomes.csv")["payoff"]) == pytest.approx(list(run.outcomes["payoff"]))


def test_parquet_keeps_types(run: Run) -> None:
    export_tables(run, FileKind.PARQUET, Path("out"))
    found = pd.read_parquet("out/decisions.parquet")
    assert found["valid"].dtype == bool
    assert len(found) == len(run.decisions)


@pytest.mark.parametrize("text", [HOSTILE, "+1", "-2+3", "@SUM(A1)", "\t=1", "\n=1", "＝1"])
def test_no_text_is_a_formula(text: str) -> None:
    frame = pd.DataFrame({"text": pd.Series([text, "plain", None], dtype="string"), "payoff": [-1.0, 2.0, 3.0]})
    plain = plain_cells(frame)
    assert str(plain["text"][0]).startswith("'")
    assert plain["text"][1] == "plain"
    assert plain["text"].isna()[2]
    assert list(plain["payoff"]) == [-1.0, 2.0, 3.0]  # a number is no formula


def test_excel_needs_a_writer_and_says_so(run: Run) -> None:
    if importlib.util.find_spec("openpyxl") or importlib.util.find_spec("xlsxwriter"):
        (file,) = export_tables(run, FileKind.XLSX, Path("out"))
        assert len(pd.read_excel(file, "messages")) == len(run.messages)
    else:
        with pytest.raises(SocietyError, match="pip install openpyxl, or use --csv"):
            export_tables(run, FileKind.XLSX, Path("out"))


def test_export_of_several_runs_is_one_table(make_plan: MakePlan, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        run_scenario(make_plan(seed=seed))
    code, out, err = society(capsys, "export", "runs", "--csv", "out")
    assert code == 0, err
    assert "out/messages.csv" in out.splitlines()
    assert set(pd.read_csv("out/outcomes.csv")["seed"]) == {1, 2}
    code, _, err = society(capsys, "export", "runs")
    assert (code, "--csv DIR" in err) == (2, True)
