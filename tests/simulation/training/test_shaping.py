"""Opponent shaping against finite differences, against every path of a game, and against the method exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.learning.samples import LossWeights
from simulation.plan import Plan
from simulation.studies.verify.learning import repeated, silent_table
from simulation.studies.verify.shaping import ALIGNED_RATE, LOLA_RATE, play_shaped
from simulation.training.best_response import JointMoves
from simulation.training.graph import GameGraph
from simulation.training.joined import joined_games
from simulation.training.lesson import UpdateContext
from simulation.training.methods.advantage_alignment import advantage_alignment, aligned_slopes
from simulation.training.methods.exact import exact
from simulation.training.methods.lola import lola, lola_slopes
from simulation.training.methods.shaping import ShapedGame
from simulation.training.run import begin_training, config_of, train
from simulation.training.start import train_scenario
from simulation.training.tables import load_training
from simulation.training.tabular import TabularTrainer
from simulation.training.values import GameValues

GAMES = {
    "repeated": lambda: repeated(None, None),
    "two steps": lambda: GameGraph(silent_table("chicken", (None, None), steps=2)),
    "three players": lambda: GameGraph(silent_table("public_goods", (None,) * 3, steps=1)),
}


def drawn(name: str, seed: int) -> ShapedGame:
    graph = GAMES[name]()
    moves, first = joined_games([graph], np.eye(graph.table.game.players), [2.0])
    rng = np.random.default_rng(seed)
    rows = [rng.dirichlet(np.ones(len(prompt.choices))) for prompt in first]
    names = [config.model_id for config in graph.table.configs]
    return ShapedGame(moves, np.concatenate([[1.0], *rows]), {name: number for number, name in enumerate(names)})


def moved(game: ShapedGame, change: np.ndarray) -> ShapedGame:
    return ShapedGame(game.moves, game.chances + change, game.players)


def differences(function: Callable[[np.ndarray], float], places: np.ndarray, size: int) -> np.ndarray:
    found = np.zeros(size)
    for place in np.flatnonzero(places):
        step = 1e-5 * np.eye(size)[place]
        found[place] = (function(step) - function(-step)) / 2e-5
    return found


@pytest.mark.parametrize("name", GAMES)
def test_gradient_change_equals_finite_differences(name: str) -> None:
    game, rng = drawn(name, 1), np.random.default_rng(2)
    direction = rng.normal(size=len(game.chances))
    direction[0] = 0.0
    ahead, back = (GameValues(game.moves, game.chances + sign * 1e-6 * direction) for sign in (1, -1))
    for player in game.players.values():
        change = (ahead.gradient(player) - back.gradient(player)) / 2e-6
        assert game.values.gradient_change(player, direction) == pytest.approx(change, rel=1e-4, abs=1e-4)


def value_after_step(
    game: ShapedGame, learner: str, look_ahead: float, logits: np.ndarray, change: np.ndarray
) -> float:
    """The learner's value when its probabilities change and the others then step from their logits, spelt out."""
    here, chances = moved(game, change), game.chances + change
    values = GameValues(game.moves, chances)
    for name, player in game.players.items():
        if name == learner:
            continue
        slope = values.gradient(player)
        for cell in range(game.moves.cells.max() + 1):
            places = np.flatnonzero((game.moves.cells == cell) & game.own(name))
            if len(places):
                p = here.chances[places]
                new = np.exp(logits[places] + look_ahead * p * (slope[places] - p @ slope[places]))
                chances[places] = new / new.sum()
    return float(GameValues(game.moves, chances).payoffs[game.players[learner]])


@pytest.mark.parametrize("name", GAMES)
def test_lola_gradient_is_that_of_the_value_after_the_step(name: str) -> None:
    game = drawn(name, 3)
    look_ahead = {"repeated": 2.0, "two steps": 2.0, "three players": 0.3}[name]
    learner = next(iter(game.players))
    value = partial(value_after_step, game, learner, look_ahead, np.log(game.chances))
    wanted = differences(value, game.own(learner), len(game.chances))
    found = lola_slopes(game, learner, look_ahead)
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-4)
    assert np.abs(found - game.slope(learner)).max() > 1e-2  # without the others' step it is another gradient


def paths(moves: JointMoves, node: int) -> Iterator[list[int]]:
    for move in np.flatnonzero(moves.parents == node).tolist():
        child = int(moves.children[move])
        if child < 0:
            yield [move]
        else:
            yield from ([move, *rest] for rest in paths(moves, child))


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_aligned_gradient_equals_the_sum_over_all_paths(discount: float) -> None:
    """E sum_t d^t A*_t d log P(action_t), written out for every path of three steps."""
    graph = GameGraph(silent_table("prisoners_dilemma", (None, None), steps=3), discount=discount)
    moves, first = joined_games([graph], np.eye(2), [3.0])
    rng = np.random.default_rng(5)
    chances = np.concatenate([[1.0], *(rng.dirichlet([1, 1]) for _ in first)])
    game, alignment = ShapedGame(moves, chances, {"p0": 0, "p1": 1}), 0.7
    mine, others = game.values.advantage(0), game.values.advantage(1)
    wanted = np.zeros(len(chances))
    (start,) = np.flatnonzero(moves.starts)
    for path in paths(moves, int(start)):
        likely = game.values.likely[path].prod()
        for t, move in enumerate(path):
            past = sum(discount ** (t - k) * mine[path[k]] for k in range(t))
            aligned = mine[move] + alignment * discount * past * others[move]
            place = moves.places[move, 0]
            wanted[place] += likely * discount**t * aligned / chances[place]
    found = aligned_slopes(game, "p0", alignment)
    assert game.softmax_product(found) == pytest.approx(game.softmax_product(wanted), abs=1e-9)
    assert np.abs(found - game.slope("p0")).max() > 1e-2


@pytest.mark.parametrize("method", ["lola", "advantage_alignment"])
def test_shaping_without_weight_is_exact_over_several_games(
    training_plan: Callable[..., Plan], tmp_path: Path, method: str
) -> None:
    tasks = [{"task_id": f"t{n}", "task_type": "prisoners_dilemma", "max_steps": n} for n in (3, 1)]
    weights = {"method": method, "look_ahead": 1e-12, "alignment": 1e-12}
    plan, trainer = training_plan(tasks=tasks, training=weights), TabularTrainer(spread=0.7, seed=3)
    context = UpdateContext(plan, config_of(plan), tmp_path, 1, trainer, {})
    waiting = []
    for learn in (exact, lola if method == "lola" else advantage_alignment):
        lesson = learn(context)
        trainer.forward_backward(lesson.samples, LossWeights())
        waiting.append(({**trainer.table("ann").waiting}, lesson.values, lesson.cells))
        trainer.table("ann").waiting.clear()
    (one, values, cells), (other, same_values, same_cells) = waiting
    assert same_values == pytest.approx(values)
    assert same_cells == cells
    assert set(one) == set(other)
    for key, slope in one.items():
        assert other[key] == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize(
    ("slopes", "rate"),
    [(partial(lola_slopes, look_ahead=0.01), LOLA_RATE), (partial(aligned_slopes, alignment=0.01), ALIGNED_RATE)],
)
def test_learners_that_hardly_shape_defect(slopes: Any, rate: float) -> None:
    assert play_shaped(slopes, rate, seed=1).payoff < 1.1


@pytest.mark.parametrize(("method", "rate"), [("lola", 20), ("advantage_alignment", 3)])
def test_shaped_tables_cooperate_and_punish(tmp_path: Path, method: str, rate: float) -> None:
    settings = {"training.method": method, "training.adapter.learning_rate": rate}
    training = train_scenario("dilemma_shaped_tables", set=settings, out=tmp_path)
    assert training.updates["value"].iloc[-1] > 2.9
    last = training.cells[(training.cells["update"] == 40) & (training.cells["choice"] == "cooperate")]
    chances = last.set_index("situation")["probability"]
    assert (chances[chances.index.str.contains("first step")] > 0.9).all()
    assert (chances[chances.index.str.endswith("chose defect.")] < 0.1).all()
    assert (last[last["learner"] == "ann"]["probability"].to_numpy() > 0.9).sum() >= 2


def test_shaped_training_that_is_cut_off_ends_in_the_same_versions(
    training_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    digests = []
    for parts in ((4,), (1, 3, 4)):
        folder = begin_training(training_plan(training={"method": "lola", "updates": 4}), tmp_path)
        for updates in parts:
            train(folder, updates=updates)
        digests.append(load_training(folder).updates["digest"].tolist())
    assert digests[0] == digests[1]


def test_sampled_alignment_plays_and_learns(tmp_path: Path) -> None:
    """Episodes are played and followed as in reinforce; that the gradient is right is a known answer of verify."""
    changes = {"training.method": "advantage_alignment", "training.sampled": True, "training.episodes": 2}
    training = train_scenario("dilemma_shaped_tables", set=changes, updates=2, out=tmp_path)
    assert training.cells.empty
    assert list(training.path.glob("rollouts/0002/*/manifest.json"))
    assert (training.updates.query("update > 0")["gradient"] > 0).all()
