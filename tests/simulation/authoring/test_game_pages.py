"""Every game's page has all its parts, a missing part is named, and `society ls games` prints the pages."""

from __future__ import annotations

import json
import sys

import pytest

from agents.problems import SocietyError
from simulation.authoring.game_pages import PageSection, game_page, game_pages
from simulation.games import task_types
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures


def test_game_pages_has_every_game() -> None:
    assert tuple(page.name for page in game_pages()) == task_types()


@pytest.mark.parametrize("part", [part for part in PageSection if part is not PageSection.EFFICIENCY])
def test_game_page_refuses_a_docstring_without_a_part(part: PageSection, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[type_of("commons")]
    text = str(module.__doc__).replace(f"\n{part.value}", "\nOf course")
    monkeypatch.setattr(module, "__doc__", text)
    with pytest.raises(SocietyError, match=f"the game commons lacks {part.value}"):
        game_page("commons")


def type_of(name: str) -> str:
    game_page(name)  # imports it
    return f"simulation.games.{name}"


def test_part_ends_where_the_next_begins() -> None:
    page = game_page("chicken")
    assert page.parts[PageSection.INFORMATION] == "the partner's last action; both choose at the same time."
    assert page.parts[PageSection.PAYOFF].endswith("crash, crash (0,0)        |")
    assert page.parts[PageSection.COOPERATION] == "swerve 1, dare 0."


def test_parameters_have_defaults_and_ranges() -> None:
    found = {each.name: each for each in game_page("auction").parameters}
    assert (found["highest"].default, found["highest"].range) == (10, ">= 1, <= 29")
    assert (found["pricing"].default, found["pricing"].range) == ("second", "first or second")
    assert game_page("strategy").parameters == ()
    assert game_page("commons").parameters[-1].range == "at least 2 entries"


def test_games_command_lists_all_and_shows_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = society(capsys, "ls", "games")
    assert code == 0
    assert all(name in out for name in task_types())
    assert "to swerve or to dare" in out
    code, out, _ = society(capsys, "show", "chicken")
    assert code == 0
    assert "| dare        | temptation, sucker (7,2)" in out
    assert "temptation = 7.0  (number)" in out


def test_games_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    every = json.loads(society(capsys, "ls", "games", "--json")[1])
    one = json.loads(society(capsys, "show", "strategy", "--json")[1])
    assert [page["name"] for page in every] == list(task_types())
    assert one in every
    assert one["synthetic"] is True
    assert {"players", "decision", "payoff", "information", "nash", "optimum", "message", "source"} <= set(one)


def test_unknown_game_suggests_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "show", "aucton")
    assert code == 2
    assert "did you mean auction?" in err
