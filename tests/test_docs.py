"""Runs every code block of the READMEs, CONTRIBUTING and docs/, once each, in an empty folder."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from agents.roster import Roster
from docs.builders import printed
from simulation.cli.app import app
from simulation.plan import Plan
from tests.support.forks import in_child
from tests.support.quick_commands import quick_society
from tests.test_notebooks import JUPYTERS_FOLDERS

ROOT = Path(__file__).parent.parent
README, TWIN = ROOT / "README.md", ROOT / "README.zh.md"
FILES = [README, TWIN, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TASKS = ROOT / "docs" / "tasks.md"  # tests/test_tasks.py runs it as a whole
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in FILES if path != TASKS)
BIN = Path(sys.executable).parent
FENCE = re.compile(r"```(\w*)\n(.*?)```", flags=re.DOTALL)
MADE = re.compile(r"^docs/(reference/\w+|contributing|changelog|security)\.md$")  # made when the site is built


def blocks(language: str) -> list[str]:
    """Return every distinct block in `language`, in the order of the pages."""
    return list(dict.fromkeys(text for found, text in FENCE.findall(PAGES) if found == language))


def longest(found: list[str]) -> list[str]:
    """Return the blocks that no other one begins with: it shows them."""
    return [block for block in found if not any(other != block and other.startswith(block) for other in found)]


def run(command: list[str], folder: Path, commands: Path) -> str:
    environment = {**os.environ, "PATH": os.pathsep.join([str(commands), str(BIN), os.environ["PATH"]])}
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the command `society`, which need not be imported for every line."""
    folder = tmp_path_factory.mktemp("bin")
    with quick_society(folder):
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("block", longest(blocks("bash")))
def test_shown_commands_work(block: str, commands: Path, tmp_path: Path) -> None:
    run(["bash", "-euo", "pipefail", "-c", block], tmp_path, commands)


@pytest.mark.slow
@pytest.mark.parametrize("page", [README, ROOT / "docs" / "tutorial.md"], ids=lambda page: page.name)
def test_printed_blocks_are_what_commands_print(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert list(printed.commands(text))
    assert printed.printed(text) == text


@pytest.fixture(scope="module")
def _imported() -> None:
    """Import once what a fork then has: OASIS alone takes six seconds."""
    for name in ("pandas", "agents.lora_model", "simulation.engine.society", "simulation.tables.run"):
        importlib.import_module(name)


@pytest.mark.slow
@pytest.mark.usefixtures("_imported")
@pytest.mark.parametrize("block", blocks("python"))
def test_shown_python_works(block: str, tmp_path: Path) -> None:
    def script() -> None:
        os.chdir(tmp_path)
        exec(compile(block, "block.py", "exec"), {"__name__": "__main__"})

    in_child(script)


@pytest.mark.slow
def test_shown_python_works_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    for folder in JUPYTERS_FOLDERS:
        monkeypatch.setenv(folder, str(tmp_path / folder))
    cells = [new_code_cell(block) for block in blocks("python")]
    assert cells
    NotebookClient(new_notebook(cells=cells), timeout=300, resources={"metadata": {"path": tmp_path}}).execute()


@pytest.mark.parametrize("block", blocks("yaml"))
def test_shown_yaml_is_valid(block: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(block, encoding="utf-8")
    if "models:" in block:
        assert Roster.load(path).models
    else:
        assert Plan.load(path).scenario.name == "my_scenario"


def test_both_readmes_have_the_same_code_links_and_headings() -> None:
    english, chinese = (path.read_text(encoding="utf-8") for path in (README, TWIN))
    assert FENCE.findall(english) == FENCE.findall(chinese)
    links = [set(re.findall(r"\]\(([^)]+)\)", text)) - {README.name, TWIN.name} for text in (english, chinese)]
    assert links[0] == links[1]
    levels = [re.findall(r"^#+(?= )", FENCE.sub("", text), flags=re.MULTILINE) for text in (english, chinese)]
    assert levels[0] == levels[1]


def test_description_is_the_same_everywhere() -> None:
    (description,) = re.findall(r'^description = "(.*)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    for path in (README, ROOT / "docs" / "index.md", ROOT / "mkdocs.yml"):
        text = re.sub(r"\[(\w+)\]\([^)]*\)", r"\1", path.read_text(encoding="utf-8"))
        assert description in " ".join(text.split()), path.name
    assert str(app.info.help).rstrip(".") == description


def test_named_commands_exist() -> None:
    society = typer.main.get_command(app)
    named = re.findall(
        r"(?:^\$ |^|`|\| |uv run )society (?:-[^\s`]+ )*([a-z]+)(?: ([a-z]+)\b)?", PAGES, flags=re.MULTILINE
    )
    assert named
    for command, second in named:
        assert command in society.commands
        group = getattr(society.commands[command], "commands", {})
        assert not group or not second or second in group or hasattr(society.commands[command], "default")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_named_files_and_links_exist(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    named = re.findall(r"`((?:scenarios|notebooks|agents|simulation|docs|benchmarks|tests)/[\w./]*)`", text)
    assert not [name for name in named if not (ROOT / name).exists() and not MADE.match(name)]
    for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", FENCE.sub("", text)):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if MADE.match(os.path.relpath(target, ROOT)):
            continue
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
