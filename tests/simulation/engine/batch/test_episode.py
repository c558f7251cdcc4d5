"""An episode that is played in columns has the results of one that is played by requests, to the byte."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from agents.problems import InvalidFileError
from simulation.games import task_types
from simulation.plan import make_plan
from simulation.task import NETWORK
from tests.support.two_ways import assert_same, played_both_ways, roster_of, scenario_of

GAMES = [name for name in task_types() if name != NETWORK]
MODES = ("cooperative", "competitive", "team_battle", "mixed")
SHIPPED = ("battle_of_the_sexes", "commons", "competitive", "cooperative", "cooperative_zh", "first_contact")
MORE = ("matching_pennies", "mixed", "ring_of_trust", "rock_paper_scissors", "strategy_zh", "team_battle", "two_camps")


def drawn(game: str, mode: str) -> dict[str, Any]:
    """Return a scenario with drawn rules of communication; the same for the same game and mode."""
    rng = random.Random(f"{game} {mode}")
    communication: dict[str, Any] = {
        "topology": rng.choice(["complete", "ring", "star", "small_world", "scale_free"]),
        "talk_rounds": rng.choice([0, 1, 2, 3]),
        "treatment": rng.choice(["delivered", "delivered", "silenced", "shuffled"]),
        "message_budget": rng.choice([None, None, 2]),
        "inbox_limit": rng.choice([1, 3, 16, None]),
        "words": rng.choice([[], [], ["yes", "no"]]),
    }
    events = [
        {"at": "*.2", "to": 0.5, "mute": True},
        {"at": "*.2", "show": "a storm comes"},
        {"at": "*.3", "to": 0.5, "adapter": "cooperator"},
    ]
    task = {"task_id": "task", "task_type": game, "max_steps": 3, "noise": rng.choice([0.0, 0.3])}
    more = {"seed": rng.randrange(10**6), "language": rng.choice(["en", "zh"]), "episodes": 2, "tasks": [task]}
    return scenario_of(mode=mode, communication=communication, events=rng.sample(events, rng.randrange(3)), **more)


def plan_of(scenario: dict[str, Any]) -> Any:
    """Return the plan for the largest of some rosters that the game can be played with."""
    for players in (12, 6, 5, 4, 3, 2):
        try:
            return make_plan(scenario, roster=roster_of(players))
        except InvalidFileError:
            continue
    raise AssertionError(f"nobody can play {scenario}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("game", GAMES)
def test_every_game_and_mode_is_the_same(game: str, mode: str, tmp_path: Path) -> None:
    scenario = drawn(game, mode)
    assert_same(*played_both_ways(scenario, plan_of(scenario).roster, tmp_path))


@pytest.mark.parametrize("name", [*SHIPPED, *MORE])
def test_shipped_scenarios_are_the_same(name: str, tmp_path: Path) -> None:
    plan = make_plan(name)
    scenario = plan.scenario.model_dump(mode="json") | {"inference": {"tiers": ["simulated"]}, "episodes": 2}
    assert_same(*played_both_ways(scenario, plan.roster, tmp_path))


def test_every_policy_speaks_and_decides_the_same(tmp_path: Path) -> None:
    communication = {"topology": "small_world", "degree": 6, "talk_rounds": 2, "inbox_limit": 4}
    for language in ("en", "zh"):
        scenario = scenario_of(communication=communication, language=language)
        assert_same(*played_both_ways(scenario, roster_of(80), tmp_path / language))
