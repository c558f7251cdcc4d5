"""The documentation site builds without a warning, fetches nothing, and its reference is made from the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import agents
import simulation
from agents.players.policies import POLICIES
from docs.builders import commands, figures, keys, names
from simulation.authoring.schema import scenario_schema
from simulation.cli.app import app
from simulation.games import task_types
from simulation.metrics import metrics
from simulation.quality import scorers
from simulation.tables.columns import TABLES
from tests.support.browser import chromium

ROOT = Path(__file__).parent.parent
FETCHED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//|<link[^>]+rel=\"?(?:stylesheet|preconnect)[^>]+//"
)


def test_commands_page_has_every_command() -> None:
    page, society = commands.page(), typer.main.get_command(app)
    for name, command in society.commands.items():
        if command.hidden:
            continue
        assert f"## `society {name}`" in page
        for inner in getattr(command, "commands", ()):
            assert f"## `society {name} {inner}`" in page


def test_scenario_page_has_every_key() -> None:
    page, schema = keys.scenario_page(), scenario_schema()
    for body in (schema, *schema["$defs"].values()):
        for key in body.get("properties", ()):
            assert f"| `{key}` |" in page


def test_pages_have_everything_registered() -> None:
    for page, registered in (
        (keys.roster_page(), POLICIES),
        (figures.games_page(), task_types()),
        (figures.metrics_page(), {**metrics(), **scorers()}),
        (figures.tables_page(), [column.name for columns in TABLES.values() for column in columns]),
    ):
        assert not [name for name in registered if f"`{name}`" not in page]


def test_key_has_values_limits_and_default() -> None:
    page = keys.scenario_page()
    assert (
        "| `mode` | `cooperative`, `competitive`, `team_battle`, `mixed` or [`MixedMode`](#mixedmode) | required |"
        in page
    )
    assert "| `temperature` | number >= 0, <= 2 | `0.7` | 0 is greedy. |" in page


@pytest.mark.slow
def test_site_builds_without_warnings_and_searches_offline(tmp_path: Path) -> None:
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "HTTP", "HTTPS")}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, **nowhere, "NO_PROXY": "", "no_proxy": ""}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    pages = {path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    assert not [path for path, text in pages.items() if FETCHED.search(text)]
    assert found_from_the_disk(tmp_path / "howto" / "train.html", "exploitability")
    python = pages[tmp_path / "reference" / "python.html"]
    assert "simulation.run_scenario" in python
    assert "Holds every mistake in the scenario and its roster" in python


def found_from_the_disk(page: Path, words: str) -> int:
    """Return how many pages the search finds where the site is opened without a server."""
    with chromium() as browser:
        opened = browser.new_page()
        opened.goto(page.as_uri())
        opened.fill("input.md-search__input", words)
        opened.wait_for_selector(".md-search-result__item", state="attached")
        return opened.locator(".md-search-result__item").count()


def test_documented_python_names_are_the_public_ones() -> None:
    """The page of Python names, and every import shown in the documentation, is of `__all__`."""
    documented = set(re.findall(r'heading: "(agents|simulation)\.(\w+)"', names.page()))
    assert documented == {(package.__name__, name) for package in (agents, simulation) for name in package.__all__}


def test_documentation_imports_no_deeper_than_the_packages() -> None:
    pages = [ROOT / "README.md", ROOT / "README.zh.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("notebooks/*.ipynb")]
    deep = re.compile(r"^[\s\"]*(?:from|import) ((?:agents|simulation)\.[\w.]+)", re.MULTILINE)
    assert {path.name: found for path in pages if (found := deep.findall(path.read_text(encoding="utf-8")))} == {}
