"""A horizon: chance ends an episode, the same for a seed, and a hidden one leaves no trace in prompts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.language import Language
from agents.problems import InvalidFileError, SocietyError
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.games.base import Move, State
from simulation.metrics.commons import lifetimes
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.seats import Seat
from simulation.store.prompts import read_prompts
from simulation.tables.reconstruct import options_of
from simulation.tables.run import Run
from simulation.task import TrainingTask
from simulation.training.graph import GameGraph, SilentTable

HIDDEN: dict[str, Any] = {"continue": 0.8, "at_most": 30}
ANNOUNCED: dict[str, Any] = {**HIDDEN, "announced": True}
ROWS = (ModelConfig(model_id="ann", model_name="cooperator"), ModelConfig(model_id="bo", model_name="defector"))
EPISODES = 6
KEYS = {"task_id": "t", "task_type": "prisoners_dilemma"}


def task(task_type: str = "prisoners_dilemma", horizon: dict[str, Any] = HIDDEN, **more: Any) -> TrainingTask:
    return TrainingTask(task_id="t", task_type=task_type, horizon=horizon, **more)  # type: ignore[arg-type]


def played(make_plan: Callable[..., Plan], out: Path, horizon: dict[str, Any], **more: Any) -> Run:
    keys = {"mode": "competitive", "episodes": EPISODES, "communication": {"talk_rounds": 0}, **more}
    return run_scenario(make_plan(rows=ROWS, tasks=[{**KEYS, "horizon": horizon}], **keys), out=out)


def users(run: Run) -> set[str]:
    """What models were asked, without the system prompt."""
    return {prompt.messages[1].content for prompt in read_prompts(run.path).values()}


def test_steps_are_geometric_and_the_same_for_a_seed() -> None:
    dilemma = task(horizon={"continue": 0.8, "at_most": 1000})
    drawn = [dilemma.steps(1, episode) for episode in range(4000)]
    assert drawn[:9] == [dilemma.steps(1, episode) for episode in range(9)]
    # mean 5, variance 0.8 / 0.04 = 20: four standard errors of 4000 draws are 0.28
    assert sum(drawn) / len(drawn) == pytest.approx(5, abs=0.28)
    assert sum(steps == 1 for steps in drawn) / len(drawn) == pytest.approx(0.2, abs=0.026)
    assert min(drawn) == 1


def test_steps_stay_within_at_most_and_end_whole_rounds() -> None:
    assert {task(horizon={"continue": 0.9, "at_most": 3}).steps(1, episode) for episode in range(99)} == {1, 2, 3}
    assert {task("ultimatum", {"continue": 0.9, "at_most": 7}).steps(1, episode) for episode in range(99)} == {2, 4, 6}


def test_without_a_horizon_the_steps_are_fixed() -> None:
    assert TrainingTask(task_id="t", task_type="minority", max_steps=7).steps(3, 9) == 7


def test_max_steps_follows_at_most_and_may_not_contradict_it() -> None:
    assert task().max_steps == 30
    assert task(max_steps=30).max_steps == 30
    with pytest.raises(ValidationError, match=r"is 5, but horizon.at_most is 30"):
        task(max_steps=5)


@pytest.mark.parametrize("broken", [{"continue": 1.0}, {"continue": 0.0}, {"continue": "x"}, {"at_most": 0}, {"on": 1}])
def test_broken_horizon_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        task(horizon={**HIDDEN, **broken})


def test_horizon_survives_a_round_trip() -> None:
    assert TrainingTask.model_validate_json(task().model_dump_json()) == task()
    assert TrainingTask.model_validate(task().model_dump()) == task()


def test_episodes_last_as_drawn_and_are_found_again(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = played(make_plan, runs, HIDDEN, seed=3)
    steps = list(run.episodes["steps"])
    assert steps == [task().steps(3, episode) for episode in range(EPISODES)]
    assert len(set(steps)) > 2
    assert len(options_of(run)) == 2 * sum(steps)
    assert list(run.episodes["optimum"]) == [6 * each for each in steps]
    assert list(run.episodes["nash"]) == [2 * each for each in steps]
    again = replay_run(run.path, out=runs / "again")
    assert again.tables_identical


@pytest.mark.parametrize("language", list(Language))
def test_hidden_prompts_do_not_depend_on_the_step(
    make_plan: Callable[..., Plan], runs: Path, language: Language
) -> None:
    run = played(make_plan, runs, HIDDEN, language=language.value)
    # first step, and four pairs of last actions, for each of two players
    assert len(users(run)) <= 2 * 5
    assert sum(run.episodes["steps"]) > 20
    assert not any(text.startswith(("Step", "第")) for text in users(run))


def test_announced_prompts_tell_the_chance_and_the_step(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = played(make_plan, runs, ANNOUNCED)
    systems = {prompt.messages[0].content for prompt in read_prompts(run.path).values()}
    rule = "After each step another one follows with a chance of 0.8; there are at most 30 steps."
    assert all(text.endswith(rule) for text in systems)
    assert {text.split("\n")[0] for text in users(run)} >= {"Step 1 of at most 30.", "Step 2 of at most 30."}


def test_announced_prompts_in_chinese(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = played(make_plan, runs, ANNOUNCED, language="zh")
    assert any(text.startswith("第1步，最多30步。") for text in users(run))


def graph(horizon: dict[str, Any], game: str = "prisoners_dilemma") -> GameGraph:
    made = task(game, horizon)
    seats = tuple(Seat(row.model_id, row.team_id) for row in ROWS)
    rules = find_game(game)(made.setting(seats), made.game_parameters())
    both = frozenset(row.model_id for row in ROWS)
    table = SilentTable(made, rules, ROWS, both, TrainingMode.COMPETITIVE)
    return GameGraph(table, discount=horizon["continue"], stationary=not horizon.get("announced"))


@pytest.mark.parametrize("horizon", [HIDDEN, {"continue": 0.8, "at_most": 4, "announced": True}])
def test_exact_graph_has_the_prompts_that_episodes_show(
    make_plan: Callable[..., Plan], runs: Path, horizon: dict[str, Any]
) -> None:
    run = played(make_plan, runs, horizon)
    asked = {(key.model_id, each.messages, each.choices) for key, each in read_prompts(run.path).items()}
    known = {(cell.prompt.learner, cell.prompt.messages, cell.prompt.choices) for cell in graph(horizon).cells}
    assert asked <= known
    assert len(asked) > 4


def test_hidden_graph_merges_steps_and_discounts() -> None:
    hidden = graph(HIDDEN)
    assert len(hidden.cells) == 2 * 5
    profile = hidden.evaluate([(0.5, 0.5)] * len(hidden.cells))
    assert profile.steps == pytest.approx(5)  # 1 / (1 - 0.8)
    assert profile.payoffs == pytest.approx([5 * 2.25] * 2)


def test_announced_graph_ends_at_the_last_step() -> None:
    short = graph({"continue": 0.5, "at_most": 2, "announced": True})
    profile = short.evaluate([(0.5, 0.5)] * len(short.cells))
    assert profile.steps == pytest.approx(1.5)


def test_hidden_graph_refuses_games_with_rounds() -> None:
    with pytest.raises(SocietyError, match="rounds of 2 steps"):
        graph(HIDDEN, "ultimatum")


def test_nash_is_missing_where_it_needs_a_known_end() -> None:
    seats = tuple(Seat(f"m{i}") for i in range(5))
    for game, known in (("commons", False), ("public_goods", True)):
        made = task(game)
        rules = find_game(game)(made.setting(seats, 3), made.game_parameters())
        assert math.isnan(rules.score(rules.start(random.Random(1))).nash) is not known


def test_commons_accuracy_does_not_know_the_last_step() -> None:
    made = task("commons")
    fishery = find_game("commons")(made.setting(tuple(Seat(f"m{i}") for i in range(5)), 1), made.game_parameters())
    after: State[Any] = fishery.resolve(fishery.start(random.Random(1)), [Move("10")] * 5)
    assert [player.accuracy for player in fishery.score(after).players] == [1] * 5


def test_commons_lifetime_is_censored_at_the_drawn_end(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = [ModelConfig(model_id=f"m{i}", policy="sustainable_harvester") for i in range(5)]
    tasks = [{"task_id": "t", "task_type": "commons", "horizon": HIDDEN}]
    run = run_scenario(make_plan(rows=tuple(rows), mode="competitive", tasks=tasks, episodes=3), out=runs)
    assert not any(each.collapsed for each in lifetimes(run))


def test_bargaining_refuses_a_horizon(make_plan: Callable[..., Plan]) -> None:
    with pytest.raises(InvalidFileError, match="leave the horizon out"):
        make_plan(rows=ROWS, tasks=[{"task_id": "t", "task_type": "bargaining", "horizon": HIDDEN}])
