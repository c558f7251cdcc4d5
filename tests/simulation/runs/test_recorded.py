"""The runs that come with the package are real, whole, and play again to the byte."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from agents.inference.provenance import Tier
from simulation import UsageError, recorded_names, recorded_run, replay_run
from simulation.cli.app import app
from simulation.tables.columns import TableName


@pytest.mark.parametrize("name", recorded_names())
def test_recorded_run_replays_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    recorded = recorded_run(name, out=tmp_path / "recorded")
    replayed = replay_run(recorded.path, out=tmp_path / "runs")
    assert replayed.log_identical
    assert replayed.tables_identical
    for table in TableName:
        pd.testing.assert_frame_equal(getattr(replayed.run, table.value), getattr(recorded, table.value))


@pytest.mark.parametrize("name", recorded_names())
def test_recorded_words_are_a_language_models(name: str, tmp_path: Path) -> None:
    run = recorded_run(name, out=tmp_path)
    assert set(run.messages["tier"]) <= {tier.value for tier in Tier if tier.real}
    assert run.agents["model_name"].nunique() == 4
    by_adapter = run.outcomes.groupby("model_name", observed=True)["cooperation_score"].mean()
    assert by_adapter["cooperator"] > by_adapter["defector"] + 0.5  # a demo in which adapters differ


def test_recorded_run_is_unpacked_once(tmp_path: Path) -> None:
    first = recorded_run(recorded_names()[0], out=tmp_path)
    (first.path / "note.txt").write_text("mine")
    assert (recorded_run(recorded_names()[0], out=tmp_path).path / "note.txt").read_text() == "mine"


def test_unknown_recorded_run_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no recorded run .first_contact. .*first_contact_"):
        recorded_run("first_contact", out=tmp_path)


@pytest.mark.parametrize("name", recorded_names())
def test_demo_tells_words_and_decisions(name: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["demo", name, "--out", str(tmp_path)]).output
    run = recorded_run(name, out=tmp_path)
    first = run.messages.iloc[0]
    assert f"{first['sender']} (" in told
    assert " ".join(str(first["text"]).split())[:40] in " ".join(told.split())
    assert str(run.path.name) in told.splitlines()[-1]
