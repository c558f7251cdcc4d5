"""Ten questions of a reader are answered by the report of a shipped scenario: `docs/howto/report.md` says where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from simulation.plan import Settings, make_plan
from simulation.report import write_report
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from tests.simulation.report.test_report import unpacked
from tests.support.tiny_models import tiny_plan

pytestmark = pytest.mark.xdist_group("questions")
STEPS = {"tasks.0.max_steps": 3}
PLANS = [
    pytest.param(lambda: make_plan("team_battle", Settings("simulated", episodes=1, set=STEPS)), id="simulated"),
    pytest.param(lambda: tiny_plan("team_battle", tasks__0__max_steps=3), id="embedded", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=PLANS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`team_battle`, one episode of three steps."""
    return run_scenario(request.param(), out=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def text(run: Run) -> str:
    return write_report([run.path], run.path.parent / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Mapping[str, Any]:
    """What the page shows of its one run first."""
    [found] = unpacked(text, "summary")["runs"]
    return dict(found)


def section(page: Mapping[str, Any], key: str) -> list[str]:
    [found] = [each for each in page["answer"]["sections"] if each["key"] == key]
    return [line["text"] for line in found["lines"]]


def test_who_won(page: Mapping[str, Any], run: Run) -> None:
    payoffs = run.outcomes.set_index("model_id")["payoff"]
    first = section(page, "best")[0]
    assert payoffs[first.split()[1]] == payoffs.max()


def test_by_how_much(page: Mapping[str, Any], run: Run) -> None:
    first, second, *_ = run.outcomes["payoff"].sort_values(ascending=False)
    [line] = [line for line in section(page, "best") if "(too few episodes" in line and ";" not in line]
    assert f"{first - second:.2f} more than" in line if first > second else "have the same" in line


def test_is_it_real(page: Mapping[str, Any], run: Run) -> None:
    doubts = " ".join(section(page, "doubts"))
    assert "Too few episodes for an interval: 1, need 6" in doubts
    assert ("SIMULATED" in doubts) == bool(run.outcomes["simulated"].any())


def test_what_a_model_said_in_step_3(text: str, run: Run) -> None:
    texts = unpacked(text, "texts-0")
    kinds, senders = texts["kind"], texts["sender"]
    said = [
        each
        for each, kind, who, step in zip(texts["said"], kinds["codes"], senders["codes"], texts["step"], strict=True)
        if kinds["values"][kind] == "message" and senders["values"][who] == "blue_lead" and step == 3
    ]
    rows = run.messages
    assert said == list(rows[(rows["sender"] == "blue_lead") & (rows["step"] == 2)]["text"]) != []


def test_who_hears_whom(page: Mapping[str, Any], run: Run) -> None:
    heard_by = {row["model"]: set(row["heard_by"]["team_battle"]) for row in page["players"]}
    for sender, audience in zip(run.messages["sender"], run.messages["addressees"], strict=True):
        assert heard_by[sender] == set(audience)


def test_what_equilibrium_would_be(page: Mapping[str, Any], run: Run) -> None:
    assert f"equilibrium: {run.episodes['nash'][0]:.2f}" in section(page, "near")[0]
    [rules] = page["rules"]
    assert rules["nash"] == run.episodes["nash"][0]
    assert "3 points each" in rules["rules"]


def test_how_many_episodes(page: Mapping[str, Any], run: Run) -> None:
    assert f"{len(run.agents)} models, 1 episode, 3 steps" in section(page, "played")[0]


def test_which_adapter_is_a_model(page: Mapping[str, Any], run: Run) -> None:
    [row] = [each for each in page["players"] if each["model"] == "blue_lead"]
    [outcome] = run.outcomes[run.outcomes["model_id"] == "blue_lead"].to_dict("records")
    assert (row["adapter"], row["player"]) == (outcome["model_name"], outcome["player"])


def test_what_it_cost(page: Mapping[str, Any], run: Run) -> None:
    [line] = [line for line in section(page, "played") if line.startswith("cost:")]
    assert f"{len(run.calls)} calls" in line
    tokens = int(run.calls["completion_tokens"].sum())
    assert (f"{tokens:,} of replies" in line) == (tokens > 0)


def test_can_it_be_rerun(page: Mapping[str, Any], run: Run) -> None:
    [line] = [line for line in section(page, "played") if line.startswith("again:")]
    assert f"seed {run.manifest['seed']}" in line
    assert f"society study replay {run.path}" in line
