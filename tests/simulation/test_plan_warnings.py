"""What is valid in a plan and yet surprises is said in one line each, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.plan_warnings import plan_warnings
from simulation.scenario import shipped_scenarios

MakePlan = Callable[..., Plan]
TASK = {"task_id": "t", "task_type": "public_goods", "max_steps": 3}


def row(model_id: str, **keys: Any) -> ModelConfig:
    return ModelConfig(model_id=model_id, policy="random", **keys)


@pytest.mark.parametrize("name", shipped_scenarios())
def test_shipped_scenarios_have_no_warning(name: str) -> None:
    assert plan_warnings(Plan.load(name)) == ()


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ({"communication": {"topology": [("m0", "m1")]}}, "2 of 4 models reach nobody in cooperative (m2, m3)"),
        ({"communication": {"topology": []}}, "4 of 4 models reach nobody in cooperative (m0, m1, m2 and 1 more)"),
        ({"communication": {"topology": ["m0 -> m1"]}}, "3 of 4 models reach nobody"),
        (
            {"communication": {"topology": [("m0", "m1"), ("m1", "m0"), ("m2", "m3")]}},
            "communication.topology: 1 links are given more than once (m0-m1); links have no direction here",
        ),
        (
            {"communication": {"topology": {"edges": [("m0", "m0"), ("m0", "m1"), ("m2", "m3")]}}},
            "communication.topology: 1 links join a model to itself and are left out (m0)",
        ),
        ({"communication": {"message_budget": 0}}, "communication.message_budget: 0 silences every talk round"),
        (
            {"communication": {"message_budget": 2, "talk_rounds": 2}},
            "communication.message_budget: 2 is used up in task 't': after 2 messages",
        ),
        ({"communication": {"degree": 4}}, "communication.degree has no effect beside complete"),
        (
            {"communication": {"topology": "scale_free", "rewire": 0.2}},
            "communication.rewire has no effect beside scale_free; it is used by small_world",
        ),
        (
            {"mode": {"mixed": {"policy": "ucb1", "gamma": 0.2}}},
            "mode.mixed.gamma has no effect beside policy ucb1; it is used by exp3",
        ),
        (
            {"inference": {"balancing": "least_pending", "replicas": 2}},
            "inference.replicas has no effect beside least_pending",
        ),
    ],
)
def test_one_line_says_what_surprises(make_plan: MakePlan, keys: dict[str, Any], warning: str) -> None:
    [found] = plan_warnings(make_plan(**{"mode": "cooperative", "tasks": [TASK], **keys}))
    assert found.startswith(warning), found


@pytest.mark.parametrize(
    "keys",
    [
        {"mode": "competitive", "communication": {"topology": []}},
        {"communication": {"topology": [], "talk_rounds": 0}},
        {"communication": {"message_budget": 3}},
        {"mode": {"mixed": {"policy": "exp3", "gamma": 0.2}}},
        {"communication": {"topology": "small_world", "degree": 2, "rewire": 0.5}},
        {"communication": {"topology": ["m0 -> m1", "m1 -> m2", "m2 -> m3", "m3 -> m0"]}},
    ],
)
def test_what_is_meant_has_no_warning(make_plan: MakePlan, keys: dict[str, Any]) -> None:
    assert plan_warnings(make_plan(**{"mode": "cooperative", "tasks": [TASK], **keys})) == ()


def test_a_model_without_teammates_reaches_nobody_in_a_team_battle(make_plan: MakePlan) -> None:
    rows = (row("a", team_id="x"), row("b", team_id="x"), row("c", team_id="y"))
    [found] = plan_warnings(make_plan(rows=rows, mode="team_battle"))
    assert found.startswith("1 of 3 models reach nobody in team_battle (c)")


@pytest.mark.parametrize("pair", [("Ann", "ann"), ("p0", "pO"), ("a1", "al"), ("ada", "аda"), ("Ada", "Ａda")])
def test_ids_that_look_alike_are_named(make_plan: MakePlan, pair: tuple[str, str]) -> None:
    [found] = plan_warnings(make_plan(rows=tuple(map(row, pair)), mode="cooperative"))
    assert found.startswith(f"model ids that look alike: {pair[0]!r}, {pair[1]!r}")


def test_ids_with_other_accents_do_not_look_alike(make_plan: MakePlan) -> None:
    assert plan_warnings(make_plan(rows=(row("cafe"), row("café"), row("张伟"), row("李娜")), mode="cooperative")) == ()


def test_prompts_of_a_crowd_are_named_where_it_has_language_models(make_plan: MakePlan) -> None:
    crowd = row("crowd", count=5_000)
    models = ModelConfig(model_id="lora", model_name="cooperator", role="leader", count=1_200)
    assert plan_warnings(make_plan(rows=(crowd,), mode="cooperative")) == ()
    [found] = plan_warnings(make_plan(rows=(crowd, models), mode="cooperative"))
    assert found.startswith("prompts of 1,200 simulated models are made and stored")
