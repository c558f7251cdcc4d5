"""Games of a user's own: one file in any folder, known to every command, checked by the conformance kit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.language import Language
from agents.problems import SocietyError
from simulation import games
from simulation.cli.app import main
from simulation.game_plugins import add_games
from simulation.games import FOLDERS_VARIABLE, find_game, own_folders, task_types
from simulation.games.base import State
from simulation.games.conformance import broken_rules
from simulation.games.prisoners_dilemma import PrisonersDilemma
from simulation.games.score import EpisodeScore
from simulation.plan import Plan
from simulation.runs.runner import run_scenario

OWN = '''
"""A dilemma with higher stakes."""

from simulation.games.prisoners_dilemma import PrisonersDilemma


class HighStakes(PrisonersDilemma):
    task_type = "high_stakes"

    def payoff_table(self):
        return {pair: 10 * value for pair, value in super().payoff_table().items()}

    def nash_step(self):
        return 10 * super().nash_step()


GAME = HighStakes
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one game; the game is unknown again after the test."""
    (tmp_path / "high_stakes.py").write_text(OWN)
    monkeypatch.delenv(FOLDERS_VARIABLE, raising=False)
    before = list(games.__path__)
    yield tmp_path
    games.__path__[:] = before
    sys.modules.pop("simulation.games.high_stakes", None)
    os.environ.pop(FOLDERS_VARIABLE, None)
    task_types.cache_clear()


def test_add_games_makes_a_folders_games_playable(folder: Path, make_plan: Callable[..., Plan], runs: Path) -> None:
    add_games(folder)
    assert "high_stakes" in task_types()
    assert broken_rules(find_game("high_stakes")) == ()
    run = run_scenario(make_plan(tasks=[{"task_id": "t", "task_type": "high_stakes", "max_steps": 2}]), out=runs)
    assert set(run.outcomes["task_type"]) == {"high_stakes"}
    assert run.outcomes["payoff"].max() >= 20  # one step of mutual defection pays 10


def test_variable_names_games_for_other_processes(folder: Path) -> None:
    environment = {**os.environ, FOLDERS_VARIABLE: str(folder)}
    code = "from simulation.games import find_game; print(find_game('high_stakes').task_type)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "high_stakes"


def test_add_games_sets_the_variable_once(folder: Path) -> None:
    add_games(folder)
    add_games(folder)
    assert own_folders() == [str(folder)]


def test_shipped_game_keeps_its_name(folder: Path) -> None:
    (folder / "prisoners_dilemma.py").write_text("GAME = None")
    add_games(folder)
    assert find_game("prisoners_dilemma") is PrisonersDilemma


def test_add_games_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SocietyError, match="nowhere is not a folder with games"):
        add_games(tmp_path / "nowhere")


def test_variable_refuses_a_missing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(SocietyError, match="nowhere is not a folder with games"):
        own_folders()


class Generous(PrisonersDilemma):
    """Pays more than its `optimum`."""

    def optimum(self) -> float:
        return super().optimum() / 100


class Forgetful(PrisonersDilemma):
    """Scores an accuracy above 1."""

    def score(self, state: State[Any]) -> EpisodeScore:
        whole = super().score(state)
        return replace(whole, players=tuple(replace(each, accuracy=7.0) for each in whole.players))


class Gossiping(PrisonersDilemma):
    """Shows everyone what player 0 did last, and says that a player sees its opponents' moves alone."""

    def observation_text(self, state: State[Any], player: int, language: Language) -> str:
        return f"{super().observation_text(state, player, language)} {state.tally.last_cooperation[0]}"


@pytest.mark.parametrize(
    ("kind", "finding"),
    [(Generous, "above the optimum"), (Forgetful, "accuracy 7"), (Gossiping, "a move of somebody else changes")],
)
def test_broken_rules_names_the_broken_rule(kind: type[PrisonersDilemma], finding: str) -> None:
    assert any(finding in broken for broken in broken_rules(kind))


# -- faults of a user's file --------------------------------------------------------------------------------

PLAYING = OWN.replace("        return 10 * super().nash_step()", "        return 10 * super().nash_step()\n{method}")
FAULTS = {
    "no game": ("value = 3\n", "high_stakes.py: defines no game; end it with GAME"),
    "another class": ("class Other:\n    pass\nGAME = Other\n", "high_stakes.py: defines no game"),
    "syntax": ("x = 1\ndef broken(:\n", "high_stakes.py:2: the game cannot be loaded: SyntaxError"),
    "import": ("\nimport nowhere\n", "high_stakes.py:2: the game cannot be loaded: ModuleNotFoundError"),
    "raises": ("def f():\n    return 1 / 0\nf()\n", "high_stakes.py:2: the game cannot be loaded: ZeroDivisionError"),
    "abstract": (
        "from simulation import Game\nclass Half(Game):\n    pass\nGAME = Half\n",
        "high_stakes.py: the game Half lacks _open, _options, _play",
    ),
}
COMMANDS = (
    ["games", "high_stakes"],
    ["games"],
    ["validate", "play.yaml"],
    ["run", "play.yaml"],
    ["doctor", "play.yaml"],
)
PLAY = """name: play
mode: competitive
roster: two_teams
tasks:
  - {task_id: t, task_type: high_stakes, max_steps: 2}
inference: {tiers: [simulated]}
"""


@pytest.fixture
def society(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Write the game's file, and run a command with it; return what the command ends with on stderr."""
    monkeypatch.chdir(folder)
    (folder / "play.yaml").write_text(PLAY)

    def run(code: str, *arguments: str) -> str:
        (folder / "high_stakes.py").write_text(code)
        add_games(folder)
        monkeypatch.setattr(sys, "argv", ["society", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_file_gives_a_message_in_every_command(
    society: Callable[..., str], fault: str, arguments: list[str]
) -> None:
    code, message = FAULTS[fault]
    assert message in society(code, *arguments)


def test_page_without_parts_names_file_and_parts(society: Callable[..., str]) -> None:
    told = society(OWN, "games", "high_stakes")
    assert "high_stakes.py: the docstring of the game high_stakes lacks Players, Decision" in told
    assert "begin a line of it with each" in told
    assert "lacks Players" in society(OWN.replace('"""A dilemma with higher stakes."""', ""), "games", "high_stakes")


def test_fault_while_playing_names_the_line(society: Callable[..., str]) -> None:
    method = "    def label(self, action, language):\n        return {}[action]\n"
    told = society(PLAYING.replace("{method}", method), "run", "play.yaml")
    assert "the game failed in label: KeyError" in told
    assert "Traceback" not in told


def test_wrong_number_of_payoffs_is_named(society: Callable[..., str]) -> None:
    method = (
        "    def _play(self, state, moves):\n        found = super()._play(state, moves)\n"
        "        return type(found)(found.payoffs[:1], found.accuracies, found.table)\n"
    )
    assert "_play returned 1 payoffs for 6 players" in society(PLAYING.replace("{method}", method), "run", "play.yaml")
