"""A corpus of malformed rosters and scenarios: each is refused with file and line, or is read correctly; none hangs.

`malformed_rosters.yaml` and `malformed_scenarios.yaml` have the cases: a valid text, and under `cases` what to replace
in it, by what, and which message must appear for which line. The mutations below change shipped files at random.
"""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from agents.problems import InvalidFileError, Problem
from agents.roster import FOLDER as ROSTERS
from agents.roster import Roster
from simulation.plan import Plan
from simulation.scenario import FOLDER as SCENARIOS

HERE = Path(__file__).parent
LONGEST = 20.0  # seconds; it finds a hang, not slowness
MOST_MEMORY = 200_000_000


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    line: int
    told: str


def corpus(kind: str) -> list[Case]:
    data: dict[str, Any] = YAML(typ="safe").load((HERE / f"malformed_{kind}.yaml").read_text(encoding="utf-8"))
    sound = data["sound"]
    cases = []
    for number, each in enumerate(data["cases"]):
        old, new = each["replace"], each["by"]
        assert sound.count(old) >= 1, f"case {number}: {old!r} is not in the valid text"
        cases.append(Case(f"{number}: {new[:40]!r}", sound.replace(old, new, 1), each["line"], each["told"]))
    return cases


def mistakes(load: Any, path: Path) -> tuple[Problem, ...]:
    try:
        load(path)
    except InvalidFileError as error:
        return error.problems
    return ()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(load: Any, name: str, case: Case) -> None:
    path = Path(name)
    path.write_text(case.text, encoding="utf-8")
    problems = mistakes(load, path)
    assert problems, "the file was accepted"
    assert all(problem.file == name for problem in problems)
    places = [(problem.line, str(problem)) for problem in problems]
    assert any(line == case.line and case.told in text for line, text in places), places


@pytest.mark.parametrize("case", corpus("rosters"), ids=lambda case: case.name)
def test_malformed_roster_is_refused_with_its_line(case: Case) -> None:
    check(Roster.load, "roster.yaml", case)


@pytest.mark.parametrize("case", corpus("scenarios"), ids=lambda case: case.name)
def test_malformed_scenario_is_refused_with_its_line(case: Case) -> None:
    check(Plan.load, "scenario.yaml", case)


@pytest.mark.parametrize("kind", ["rosters", "scenarios"])
def test_valid_texts_of_the_corpus_are_valid(kind: str) -> None:
    text = YAML(typ="safe").load((HERE / f"malformed_{kind}.yaml").read_text(encoding="utf-8"))["sound"]
    Path("sound.yaml").write_text(text, encoding="utf-8")
    assert mistakes(Roster.load if kind == "rosters" else Plan.load, Path("sound.yaml")) == ()


def laughs(depth: int, key: str) -> str:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, depth)]
    return "\n".join(levels) + f"\n{key}: *l{depth - 1}\n"


BOMBS = {
    "billion laughs": laughs(9, "models"),
    "merged billion laughs": "a: &a {x: 1, y: 2}\n"
    + "".join(f"b{n}: &b{n} {{<<: [{', '.join(['*a' if n == 0 else f'*b{n - 1}'] * 10)}]}}\n" for n in range(9)),
    "an anchor in itself": "models: &a [*a]\n",
    "a merge of itself": "models: &a {<<: *a}\n",
    "deep lists": "models: " + "[" * 1000 + "]" * 1000 + "\n",
    "deep mappings": "".join(f"{' ' * n}a:\n" for n in range(300)),
    "thousands of keys": "".join(f"k{n}: 1\n" for n in range(10_000)),
    "many rows": "name: r\nmodels:\n" + "  - {model_id: a, policy: random, count: 100000}\n" * 5,
    "a huge count": "name: r\nmodels:\n  - {model_id: a, policy: random, count: 99999999999999999999999}\n",
    "a huge number": "name: r\nseed: " + "9" * 5000 + "\nmodels: []\n",
    "a long word": "name: " + "x" * 900_000 + "\n",
    "too large": "# " + "x" * 1_100_000 + "\n",
    "nulls": "name: \0\n",
    "escapes": 'name: "\\e]0;owned\\a"\nmodels:\n  - {model_id: "\\e[2J", policy: random}\n',
    "a python tag": "name: !!python/object/apply:os.system [echo]\nmodels: []\n",
    "only a tag": "!!binary x\n",
    "two documents": "name: a\n---\nname: b\n",
    "a surrogate": 'name: "\\ud800"\nmodels:\n  - {model_id: a, policy: random}\n',
}


@pytest.mark.parametrize("load", [Roster.load, Plan.load], ids=["roster", "scenario"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_yaml_bomb_is_refused_in_little_time_and_memory(bomb: str, load: Any) -> None:
    path = Path("bomb.yaml")
    path.write_text(BOMBS[bomb], encoding="utf-8")
    began = time.monotonic()
    problems = mistakes(load, path)
    assert problems or bomb == "a surrogate"
    assert time.monotonic() - began < LONGEST
    assert sum(len(str(problem)) for problem in problems) < 1_000_000
    assert all(len(str(problem)) < 3_000 for problem in problems)


def test_worst_yaml_bomb_needs_little_memory() -> None:
    Path("bomb.yaml").write_text(BOMBS["billion laughs"], encoding="utf-8")
    tracemalloc.start()
    try:
        assert mistakes(Roster.load, Path("bomb.yaml"))
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", ".", "fifo.yaml"])
def test_extends_reads_regular_files_only(target: str) -> None:
    import os

    os.mkfifo("fifo.yaml")
    Path("roster.yaml").write_text(f"extends: {target}\n", encoding="utf-8")
    (problem,) = mistakes(Roster.load, Path("roster.yaml"))
    assert (problem.file, problem.line, problem.where) == ("roster.yaml", 1, "extends")


ROSTER_TEXTS = [path.read_text(encoding="utf-8") for path in sorted(ROSTERS.glob("*.yaml"))]
SCENARIO_TEXTS = [path.read_text(encoding="utf-8") for path in sorted(SCENARIOS.glob("*.yaml"))]
SCRAPS = [
    "",
    ":",
    "- ",
    "[",
    "}",
    "'",
    '"',
    "&a ",
    "*a",
    "!x ",
    "\t",
    "null",
    "-1",
    "1e999",
    "{a: b}",
    "<<: *a",
    "|\n",
    "#",
    "模",
]


@st.composite
def broken(draw: st.DrawFn, texts: list[str]) -> str:
    """Return a shipped text with lines removed, doubled, indented or dedented, or with pieces inserted."""
    lines = draw(st.sampled_from(texts)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        at = draw(st.integers(0, len(line)))
        changed = {
            "drop": [],
            "double": [line, line],
            "indent": ["  " + line],
            "outdent": [line.removeprefix("  ")],
            "cut": [line[:at]],
            "scrap": [line[:at] + draw(st.sampled_from(SCRAPS)) + line[at:]],
            "value": [line.partition(":")[0] + ": " + draw(st.sampled_from(SCRAPS))],
        }
        lines[place : place + 1] = changed[draw(st.sampled_from(sorted(changed)))] or [""]
    return "\n".join(lines) + "\n"


def check_broken(load: Any, text: str) -> None:
    path = Path("broken.yaml")
    path.write_text(text, encoding="utf-8")
    for problem in mistakes(load, path):
        assert problem.message
        assert problem.line <= text.count("\n") + 1 or problem.file != "broken.yaml"


BROKEN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@BROKEN
@given(text=broken(ROSTER_TEXTS))
def test_randomly_mutated_shipped_roster(text: str) -> None:
    check_broken(Roster.load, text)


@BROKEN
@given(text=broken(SCENARIO_TEXTS))
def test_randomly_mutated_shipped_scenario(text: str) -> None:
    check_broken(Plan.load, text)
