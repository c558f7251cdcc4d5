"""The view in the terminal, as its text."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from simulation.answer import answer_text
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.store.events import MessageSent
from simulation.store.log import EventLog, encode, read_events
from simulation.tables.run import Run
from simulation.watch.follower import Follower
from simulation.watch.terminal import watch_in_terminal
from simulation.watch.view import WatchStatus
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.simulation.watch.test_follower import copy_of

__all__ = ["_in_a_folder_of_its_own"]  # fixtures


@pytest.fixture
def finished(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(make_plan(), out=runs)


def shown(path: Path, *, terminal: bool, width: int = 100) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, height=40, color_system=None)
    assert watch_in_terminal(console, Follower(path)) is WatchStatus.FINISHED
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 160])
def test_finished_run_is_shown_as_finished(finished: Run, width: int) -> None:
    text = shown(finished.path, terminal=False, width=width)
    assert f"{finished.path.name}  finished" in text
    assert "episode 2/2 step 2/2 public_goods" in text
    assert f"texts by tier: simulated {len(finished.messages) + len(finished.decisions)}" in text
    assert "SIMULATED texts are scripted" in text
    for model_id, rows in finished.outcomes.groupby("model_id", observed=True):
        (line,) = (each for each in text.splitlines() if each.startswith(f"{model_id} ") and "│" in each)
        assert f"{rows['payoff'].mean():.1f}" in line  # the mean per episode, as on every surface
        assert f"{rows['payoff'].sum():.1f}" in line  # the total
    assert list(finished.messages["text"])[-1][:30] in text
    assert answer_text(finished, width) in text


def test_model_texts_cannot_control_the_terminal(finished: Run, tmp_path: Path) -> None:
    log = copy_of(finished, tmp_path / "copy")
    evil = "\x1b]0;owned\x07\x1b[2J[bold red]\u202etxet"
    with log.open("wb") as file:
        for event in read_events(finished.path / EventLog.NAME):
            if isinstance(event, MessageSent):
                event = MessageSent(**{**vars(event), "text": evil})  # noqa: PLW2901
            file.write(encode(event) + b"\n")
    plain, live = shown(log.parent, terminal=False), shown(log.parent, terminal=True)
    assert "\x1b" not in plain
    assert r"\x1b]0;owned\x07\x1b[2J[bold red]\u202etxet" in plain
    for control in ("\x1b]0;", "\x1b[2J", "\u202e"):
        assert control not in live


def test_watch_command_ends_with_the_run(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = society(capsys, "watch", str(finished.path.parent), "--terminal")
    assert code == 0
    assert "finished" in out


def test_run_of_another_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text('{"schema_version": 99}')
    code, _, err = society(capsys, "watch", str(tmp_path / "old"))
    assert code == 1
    assert "schema_version 99" in err
    assert "Traceback" not in err
