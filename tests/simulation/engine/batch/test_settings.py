"""A society that needs prompts, calls or OASIS's agents is not played in columns, and the reason is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.problems import SocietyError
from simulation.runs.runner import run_scenario
from tests.support.two_ways import roster_of, scenario_of

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "chosen addressees": ({"communication": {"addressing": "chosen"}}, "models choose whom to talk to"),
    "replaced messages": ({"communication": {"treatment": "replaced"}}, "messages are replaced"),
    "summaries": ({"memory": {"window": 1, "summary": {"every": 1}}}, "models sum up what they remember"),
    "notes": ({"inference": {"tiers": ["simulated"], "decide": "reasoned"}}, "m0 writes a note before it decides"),
    "surveys": ({"surveys": [{"ask": "How are you?", "at": "*.last"}]}, "models are asked questions"),
    "social actions": ({"communication": {"social_actions": ["create_post"]}}, "what models do in a social network"),
    "prompts": ({"prompts": "on"}, "say prompts: off too"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_requests_is_not_played_in_columns(name: str, tmp_path: Path) -> None:
    keys, reason = REFUSED[name]
    scenario = scenario_of(**{"prompts": "off", "oasis_db": "off", **keys})
    with pytest.raises(SocietyError, match=reason):
        run_scenario(scenario, roster=roster_of(4), out=tmp_path)


def test_a_language_model_is_asked_by_requests(tmp_path: Path) -> None:
    scenario = scenario_of(prompts="off", oasis_db="off", inference={"tiers": ["http", "simulated"]})
    with pytest.raises(SocietyError, match="a language model may answer"):
        run_scenario(scenario, roster=roster_of(4), out=tmp_path)


def test_a_run_without_oasis_db_has_no_database(tmp_path: Path) -> None:
    run = run_scenario(scenario_of(prompts="off", oasis_db="off"), roster=roster_of(4), out=tmp_path)
    assert not list(run.path.glob("oasis*"))
    assert run.manifest["scenario"]["oasis_db"] == "off"
    assert len(run.messages) == 12
