"""The tree of commands fits a screen; names that commands had before still work, with a notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from simulation.cli.app import app
from simulation.cli.panels import MOST_COMMANDS, PANELS
from simulation.cli.renamed import COMMANDS, new_words
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures


def test_help_fits_a_screen_in_five_groups() -> None:
    lines = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).output.splitlines()
    assert len(lines) <= 44
    assert list(PANELS) == ["Start", "Run", "Look", "Study", "Serve"]
    names = [name for panel in PANELS.values() for name in panel]
    assert len(names) <= MOST_COMMANDS
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert sorted(names) == sorted(name for name, command in commands.items() if not command.hidden)


def groups(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from groups(inner, (*words, name))


def test_every_old_name_leads_to_a_command() -> None:
    known = set(groups(typer.main.get_command(app)))
    for old in COMMANDS:
        words, (notice,) = new_words([*old, "--json"])
        assert tuple(words[:-1]) in known or tuple(words[:-2]) in known, old
        assert notice.startswith(f"`society {' '.join(old)}` is now `society {' '.join(words[:-1])}`;")
        assert old not in known


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-v effect x --set games=list", "-v study effect x --set games=list"),
        ("games", "ls games"),
        ("games chicken --json", "show chicken --json"),
        ("sweep first_contact --jobs 2", "run first_contact --jobs 2"),
        ("sweep folder", "resume folder"),
        ("roster new mine.yaml", "new roster mine.yaml"),
        ("fingerprint r --at-once 2", "study fingerprint r --jobs 2"),
        ("exploit grim --game chicken --epsilon 0.3", "study exploit grim --in chicken --how epsilon=0.3"),
        ("fingerprint r --at-once=2", "study fingerprint r --jobs 2"),
        ("exploit grim --game=chicken --epsilon=0.3", "study exploit grim --in chicken --how epsilon=0.3"),
        ("run s --set a=--game=b", "run s --set a=--game=b"),
        ("study tournament r --episodes 3", "study tournament r --episodes 3"),
        ("run first_contact", "run first_contact"),
        ("", ""),
    ],
)
def test_old_words_become_new_words(old: str, new: str) -> None:
    Path("folder").mkdir()
    assert new_words(old.split())[0] == new.split()


def test_old_name_prints_its_notice_on_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, "games", "chicken", "--json")
    assert (code, json.loads(out)["name"]) == (0, "chicken")
    assert err == "`society games` is now `society show`; the old name works in this version only\n"


def test_shell_completion_knows_commands_and_options() -> None:
    for words, found in (("society st", "study"), ("society study to", "tournament"), ("society run --see", "--seeds")):
        asked = {"_SOCIETY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        result = CliRunner().invoke(app, [], prog_name="society", env=asked)
        assert found in result.output.split()
