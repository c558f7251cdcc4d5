"""`society play`: what a person types is played, marked as human, and not averaged with models."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.inference.provenance import Tier, lowest_tier
from agents.problems import InvalidFileError, SocietyError
from agents.roster import ModelConfig, Roster
from simulation.cli.human_player import Lines, plan_with_human
from simulation.metrics.comparable import comparable_rows, tiers
from simulation.metrics.messages import messages_of
from simulation.runs.runner import resume_run
from simulation.tables.run import Run, load_run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

GOODS = ("play", "public_goods", "--tier", "simulated", "--steps", "2")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typist]:
    """Types lines into standard input."""
    typist = Typist(monkeypatch)
    yield typist
    for file in typist.files:
        os.close(file)


class Typist:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.files: list[int] = []

    def __call__(self, *lines: str) -> None:
        read, write = os.pipe()
        os.write(write, "".join(f"{line}\n" for line in lines).encode())
        os.close(write)
        self.files.append(read)
        self._monkeypatch.setattr(sys, "stdin", _Stdin(read))


class _Stdin:
    def __init__(self, file: int) -> None:
        self._file = file

    def fileno(self) -> int:
        return self._file


def played(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Run, str]:
    code, out, err = society(capsys, *arguments)
    assert code == 0, err
    return load_run(out.splitlines()[-1]), out


def test_typed_messages_and_choices_are_played(capsys: pytest.CaptureFixture[str], typed: Typist) -> None:
    typed("give all of it", "20", "", "5")
    run, out = played(capsys, *GOODS, "--as", "ben")
    mine = run.decisions[run.decisions["model_id"] == "ben"]
    assert list(mine["action"]) == ["20", "5"]
    assert set(mine["tier"]) == {"human"}
    assert set(mine["asks"]) == {1}
    said = run.messages[run.messages["sender"] == "ben"]
    assert list(said["text"]) == ["give all of it", ""]
    assert set(said.iloc[0]["audience"]) == {"ada", "cleo", "dan"}
    assert "you are ben" in out
    assert "- ada: " in out  # a message that it heard
    assert "Last step the group gave" in out  # the observation
    assert "step 2: you earned" in out


def test_illegal_choice_is_asked_again(capsys: pytest.CaptureFixture[str], typed: Typist) -> None:
    typed("hello", "7", "all", " 20. ", "hello", "0")
    run, out = played(capsys, *GOODS, "--as", "ada")
    assert "'7' is not one of: 0, 5, 10, 15, 20" in out
    mine = run.decisions[run.decisions["model_id"] == "ada"]
    assert list(mine["action"]) == ["20", "0"]
    assert bool(mine["valid"].all())


def test_human_rows_are_marked_and_not_averaged_with_others(capsys: pytest.CaptureFixture[str], typed: Typist) -> None:
    typed("hello", "20", "hello", "20")
    run, out = played(capsys, *GOODS)  # the first row
    outcomes = run.outcomes.set_index("model_id")
    assert outcomes.loc["ada", "tier"] == "human"
    assert outcomes.loc["ada", "model_name"] == "human"
    assert outcomes.loc["ada", "real_share"] == 0
    assert dict(zip(run.agents["model_id"], run.agents["policy"], strict=True))["ada"] == "human"
    assert run.manifest["tier_mix"] == {"simulated": 12}  # no call was made for the person
    assert "ada" not in set(run.calls["model_id"])
    assert set(comparable_rows(run.outcomes)["model_id"]) == {"ben", "cleo", "dan"}
    assert tiers(comparable_rows(run.outcomes)) == ("simulated",)
    assert {message.sender for message in messages_of(run)} == {"ben", "cleo", "dan"}
    assert set(run.summary()["tier"]) == {"human", "simulated"}  # a row for each tier
    assert "human" in out


def test_competitive_mode_has_no_messages(capsys: pytest.CaptureFixture[str], typed: Typist) -> None:
    typed("defect", "defect")
    run, _ = played(capsys, "play", "prisoners_dilemma", "--tier", "simulated", "--steps", "2", "--mode", "competitive")
    assert run.messages.empty


def test_resume_after_the_end_of_input(capsys: pytest.CaptureFixture[str], typed: Typist) -> None:
    typed("one", "20", "two")
    code, _, err = society(capsys, *GOODS, "--as", "ada")
    assert code == 1
    assert "the input ended before the game did" in err
    path = Path(err.split()[-1])
    assert list(load_run(path).decisions["action"]) != []  # readable
    with pytest.raises(SocietyError, match="ada is played by a person"):
        resume_run(path)
    typed("15")  # it does not ask again for what was typed before
    run, _ = played(capsys, "resume", str(path))
    mine = run.decisions[run.decisions["model_id"] == "ada"]
    assert list(mine["action"]) == ["20", "15"]
    assert list(run.messages[run.messages["sender"] == "ada"]["text"]) == ["one", "two"]
    assert set(run.messages[run.messages["sender"] == "ada"]["tier"]) == {"human"}


def test_unknown_model_or_game_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such model (did you mean cleo?)" in society(capsys, *GOODS, "--as", "clea")[2]
    assert "did you mean minority?" in society(capsys, "play", "minoriti")[2]
    assert "odd number of models" in society(capsys, "play", "minority")[2]
    assert list(Path().iterdir()) == []


def test_plan_with_human_uses_the_rosters_human_row() -> None:
    rows = (ModelConfig(model_id="tit", policy="tit_for_tat"), ModelConfig(model_id="me", human=True))
    roster = Roster(name="r", models=rows)
    raw = {
        "name": "x",
        "mode": "competitive",
        "roster": "r",
        "tasks": [{"task_id": "t", "task_type": "prisoners_dilemma"}],
    }
    assert plan_with_human(raw, roster).roster == roster
    with pytest.raises(SocietyError, match="there is one terminal: use --as me"):
        plan_with_human(raw, roster, "tit")


def test_human_row_has_neither_adapter_nor_policy() -> None:
    with pytest.raises(ValueError, match="a person's row has no policy"):
        ModelConfig(model_id="me", human=True, policy="random")
    with pytest.raises(ValueError, match="a person has no adapter"):
        ModelConfig(model_id="me", human=True, adapter="x")
    assert ModelConfig(model_id="me", human=True).played_by == "human"


SCENARIO = """\
name: s
mode: competitive
roster: r.yaml
tasks: [{task_id: t, task_type: chicken, max_steps: 2, required_models: 2}]
communication: {talk_rounds: 0}
inference: {tiers: [simulated]}
"""


@pytest.mark.parametrize(("row", "asked"), [("human: true", ()), ("policy: random", ("--as", "me"))])
def test_run_lets_a_person_play_a_row(
    row: str, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str], typed: Typist
) -> None:
    Path("r.yaml").write_text(f"name: r\nmodels: [{{model_id: me, {row}}}, {{model_id: t, policy: random}}]\n")
    Path("s.yaml").write_text(SCENARIO)
    typed("dare", "swerve")
    run, _ = played(capsys, "run", "s.yaml", *asked)
    assert list(run.decisions.query("model_id == 'me'")["action"]) == ["dare", "swerve"]
    code, _, err = society(capsys, "run", "s.yaml", *asked, "--seeds", "2", "--as", "me")
    assert (code, "options of one run" in err) == (2, True)


@pytest.mark.parametrize(
    ("used", "lowest"),
    [
        ((Tier.HUMAN,), "human"),
        ((Tier.SCRIPTED, Tier.HUMAN), "human"),
        ((Tier.HUMAN, Tier.HTTP), "http"),
        ((), "none"),
    ],
)
def test_lowest_tier_ignores_humans(used: tuple[Tier, ...], lowest: str) -> None:
    assert lowest_tier(dict.fromkeys(used, 1)) == lowest


async def test_lines_reads_a_plain_file_without_final_newline(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("one\n two \nthree")
    with (tmp_path / "answers").open() as file:
        lines = Lines(file.fileno())
        assert [await lines.next() for _ in range(3)] == ["one", "two", "three"]
        with pytest.raises(SocietyError, match="input ended"):
            await lines.next()


async def test_lines_does_not_block_the_event_loop() -> None:
    read, write = os.pipe()
    waiting = asyncio.ensure_future(Lines(read).next())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    os.write(write, b"hel")
    await asyncio.sleep(0.01)
    os.write(write, b"lo\n")
    assert await waiting == "hello"
    os.close(read)
    os.close(write)


def test_play_refuses_a_missing_roster(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidFileError):
        Roster.load("nowhere.yaml")
    assert society(capsys, *GOODS, "--roster", "nowhere.yaml")[0] == 2


# -- a real terminal ----------------------------------------------------------------------------------------


class Terminal:
    """`society` in a pseudo-terminal, as a person sees it."""

    def __init__(self, *arguments: str) -> None:
        self.seen = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-m", "simulation.cli.app", *arguments])

    def until(self, text: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            try:
                self.seen += os.read(self.file, 4096).decode(errors="replace")
            except OSError:  # it ended
                assert text in self.seen, self.seen
                return

    def type(self, text: str) -> None:
        self.seen = ""
        os.write(self.file, text.encode())

    def code(self) -> int:
        try:
            while os.read(self.file, 4096):
                pass
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.slow
def test_play_in_a_real_terminal() -> None:
    terminal = Terminal("play", "prisoners_dilemma", "--tier", "simulated", "--steps", "1")
    terminal.until("your message (Enter: no message)")
    terminal.type("let us cooperate\n")
    terminal.until("your choice (cooperate, defect)")
    terminal.type("cooperat\n")
    terminal.until("'cooperat' is not one of")
    terminal.type("cooperate\n")
    terminal.until("you earned")
    terminal.until("play-prisoners_dilemma-")
    assert terminal.code() == 0


@pytest.mark.slow
def test_play_interrupted_leaves_a_readable_run() -> None:
    terminal = Terminal("play", "public_goods", "--tier", "simulated", "--steps", "2")
    terminal.until("your message")
    terminal.type("hello\n")
    terminal.until("your choice")
    terminal.type("\x03")
    terminal.until("can be resumed")
    assert terminal.code() == 1
    (path,) = Path("runs").iterdir()
    run = load_run(path)
    assert run.manifest["status"] == "stopped"
    assert list(run.messages[run.messages["tier"] == "human"]["text"]) == ["hello"]
