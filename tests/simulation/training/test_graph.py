"""The graph of a silent game: values against play, gradients and best responses against brute force."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.problems import SocietyError
from simulation.games.base import Move
from simulation.studies.verify.learning import repeated, silent_table
from simulation.training.graph import GameGraph

GAMES = ("prisoners_dilemma", "stag_hunt", "chicken", "public_goods", "commons")


def drawn(graph: GameGraph, seed: int) -> list[tuple[float, ...]]:
    rng = np.random.default_rng(seed)
    return [tuple(rng.dirichlet(np.ones(len(cell.actions)))) for cell in graph.cells]


def sampled(graph: GameGraph, rows: list[tuple[float, ...]], episodes: int) -> np.ndarray:
    """Payoffs of episodes in which players draw from `rows`, played by the game itself."""
    game, rng = graph.table.game, random.Random(1)
    place = {cell.prompt: number for number, cell in enumerate(graph.cells)}
    totals = []
    for _ in range(episodes):
        state = game.start(rng)
        while not game.is_terminal(state):
            moves = []
            for player in range(game.players):
                prompt, _, actions = graph._prompts.of(state, player)
                moves.append(Move(rng.choices(actions, rows[place[prompt]])[0]))
            state = game.resolve(state, moves)
        totals.append(state.tally.payoff)
    return np.array(totals)


@pytest.mark.parametrize("game", GAMES)
def test_graph_values_are_the_means_of_played_episodes(game: str) -> None:
    graph = GameGraph(silent_table(game, (None, None), steps=2))
    rows = drawn(graph, 4)
    seen = sampled(graph, rows, 4000)
    error = seen.std(axis=0) / np.sqrt(len(seen))
    assert (np.abs(graph.evaluate(rows).payoffs - seen.mean(axis=0)) < 4 * error + 1e-9).all()


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(GAMES), st.integers(0, 1000))
def test_graph_gradient_equals_finite_differences(game: str, seed: int) -> None:
    graph = GameGraph(silent_table(game, (None, None), steps=2))
    rows, weights = drawn(graph, seed), np.array([0.7, -0.2])
    slopes = graph.evaluate(rows).gradient(weights)
    for cell, action in itertools.islice(((c, a) for c in range(len(rows)) for a in range(len(rows[c]))), 0, None, 7):
        found = []
        for shift in (1e-5, -1e-5):
            moved = [list(row) for row in rows]
            moved[cell][action] += shift
            found.append(float(graph.evaluate(moved).payoffs @ weights))
        assert (found[0] - found[1]) / 2e-5 == pytest.approx(slopes[cell][action], abs=1e-3)


def test_best_response_is_the_best_of_all_pure_tables() -> None:
    graph = GameGraph(silent_table("chicken", (None, "tit_for_tat"), steps=2))
    everything = [
        float(graph.evaluate(rows).payoffs[0])
        for rows in itertools.product(*([(1.0, 0.0), (0.0, 1.0)] for _ in graph.cells))
    ]
    assert graph.evaluate(drawn(graph, 1)).best_response(0) == pytest.approx(max(everything))


def test_dilemma_without_a_last_step_has_five_situations_a_seat() -> None:
    graph = repeated(None, None)
    assert (graph.nodes, len(graph.cells)) == (5, 10)
    assert {len(graph.cells_of(name)) for name in ("p0", "p1")} == {5}
    profile = graph.evaluate([(1.0, 0.0)] * 10)
    assert profile.steps == pytest.approx(1 / (1 - 0.96))
    assert profile.payoffs / profile.steps == pytest.approx([3.0, 3.0])


def test_merged_states_pay_alike() -> None:
    """Merging by what players see changes no value: the same with a key that tells every history apart."""

    class Apart(GameGraph):
        def _without_past(self, state):  # type: ignore[no-untyped-def]
            return state

        def _key(self, state):  # type: ignore[no-untyped-def]
            return (super()._key(state), state.tally)

    for game in GAMES:
        table = silent_table(game, (None, "tit_for_tat"), steps=3)
        merged, apart = GameGraph(table), Apart(table)
        assert len(merged.cells) == len(apart.cells)
        rows = dict(zip((cell.prompt for cell in merged.cells), drawn(merged, 9), strict=True))
        found = [graph.evaluate([rows[cell.prompt] for cell in graph.cells]).payoffs for graph in (merged, apart)]
        assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize(
    ("players", "game", "message"),
    [
        ((None, "random_50"), "prisoners_dilemma", "draws"),
        ((None, None), "hidden_profile", "draws at its start"),
    ],
)
def test_graph_refuses_what_is_not_a_finite_sum(players: tuple[str | None, ...], game: str, message: str) -> None:
    with pytest.raises(SocietyError, match=message):
        GameGraph(silent_table(game, players))


def test_game_without_a_last_step_needs_a_discount() -> None:
    with pytest.raises(SocietyError, match="discount between 0 and 1"):
        GameGraph(silent_table("chicken", (None, None)), stationary=True)
