"""A run's moves played again give every player the choices it had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.inference.provenance import Tier
from agents.problems import InvalidFileError
from agents.role import ModelRole
from agents.roster import ModelConfig
from simulation import fork_run
from simulation.games import task_types
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.reconstruct import DecisionPoint, options_of, played_steps, rules_of
from simulation.tables.run import Run
from simulation.task import NETWORK

NOISE = 0.3
ROWS = tuple(
    ModelConfig(model_id=f"m{i}", model_name="cooperator", role=role, team_id=("red", "blue")[i % 2])
    for i, role in enumerate((ModelRole.LEADER, ModelRole.COMPETITOR, ModelRole.FOLLOWER, ModelRole.NEUTRAL))
)


def playable(make_plan: Callable[..., Plan]) -> list[dict[str, object]]:
    """A task of every game that these players can play."""
    tasks = []
    for task_type in task_types():
        task = {"task_id": task_type, "task_type": task_type, "max_steps": 4, "noise": NOISE * (task_type != NETWORK)}
        try:
            make_plan(rows=ROWS, tasks=[task])
        except InvalidFileError:
            continue
        tasks.append(task)
    return tasks


@pytest.fixture
def everything(make_plan: Callable[..., Plan], runs: Path) -> Run:
    """A Chinese run of all games."""
    return run_scenario(make_plan(rows=ROWS, tasks=playable(make_plan), episodes=1, language="zh"), out=runs)


def test_every_choice_of_every_game_is_found_again(everything: Run) -> None:
    run, options = everything, options_of(everything)
    assert len(run.episodes) > 10
    rows = run.decisions
    assert set(rows["tier"]) == {Tier.SIMULATED.value}
    for episode, step, model_id, action, text in zip(
        *(rows[name] for name in ("episode", "step", "model_id", "action", "text")), strict=True
    ):
        legal = {option.action: option.label for option in options[DecisionPoint(episode, step, model_id)]}
        assert len(legal) > 1
        assert legal[action] == text  # the label that was shown, and that the mind answered with
    asked = {DecisionPoint(*moment) for moment in zip(rows["episode"], rows["step"], rows["model_id"], strict=True)}
    assert all(len(legal) == 1 for moment, legal in options.items() if moment not in asked)
    assert len(options) == len(run.steps)


def test_what_noise_carried_out_is_found_again(everything: Run) -> None:
    rows = everything.decisions.astype({"action": object, "played": object})
    changed = rows[rows["played"].notna()]
    assert 0.1 < len(changed) / len(rows) < 0.5
    assert (changed["action"] != changed["played"]).all()
    told = {DecisionPoint(*row[:3]): row[3] for row in changed[["episode", "step", "model_id", "played"]].to_numpy()}
    found = {
        point: played
        for step in played_steps(everything)
        for player, (point, move) in enumerate(zip(step.points, step.moves, strict=True))
        if (played := step.game.played(step.state, player, move.action)) != move.action
    }
    assert found == told
    assert _payoffs_again(everything) == _payoffs(everything)


def test_the_rules_are_told_in_the_runs_language(everything: Run) -> None:
    rules = rules_of(everything)
    assert set(rules) == set(everything.episodes["task_id"])
    assert all(found.max_steps == 4 for found in rules.values())
    assert all(any("\u4e00" <= character <= "\u9fff" for character in found.text) for found in rules.values())


def test_an_unfinished_episode_is_left_out(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    run.episodes = run.episodes[run.episodes["episode"] == 0]
    assert {moment.episode for moment in options_of(run)} == {0}


def _payoffs_again(run: Run) -> list[list[float]]:
    return [list(step.end.tally.last_payoff) for step in played_steps(run)]


def _payoffs(run: Run) -> list[list[float]]:
    models = [row.model_id for row in run.roster.expand()]
    table = run.steps.pivot(index=["episode", "step"], columns="model_id", values="payoff")
    return table[models].to_numpy().tolist()


def test_steps_after_a_set_event_are_played_by_its_parameters(make_plan: Callable[..., Plan], runs: Path) -> None:
    events = [{"at": "1.2", "set": {"multiplier": 3.0}}, {"at": "2.1", "set": {"multiplier": 2.5}}]
    run = run_scenario(make_plan(4, mode="cooperative", events=events), out=runs)
    assert _payoffs_again(run) == _payoffs(run)


def test_history_of_a_fork_is_played_by_its_own_parameters(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(4, mode="cooperative"), out=runs)
    twin = fork_run(run.path, at="1.2", set={"tasks.0.parameters": {"multiplier": 3.0}}, out=runs)
    assert _payoffs_again(twin) == _payoffs(twin)
    assert _payoffs(twin)[0] == _payoffs(run)[0]
    assert _payoffs(twin) != _payoffs(run)
