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
from simulation.studies.verify.learning import exploitability, kuhn_rows, repeated, silent_table
from simulation.training.best_response import JointMoves, best_response
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
            asked = [graph._prompts.of(state, player) for player in range(game.players)]
            moves = [  # a player with a single option is not asked
                Move(actions[0] if len(actions) == 1 else rng.choices(actions, rows[place[prompt]])[0])
                for prompt, _, actions in asked
            ]
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


def test_best_response_with_private_cards_is_the_best_pure_table() -> None:
    """Kuhn poker: by information sets, never by seeing the other's card; each of two players, by brute force."""
    graph = GameGraph(silent_table("kuhn_poker", (None, None), steps=3))
    rows = drawn(graph, 5)
    profile = graph.evaluate(rows)
    for player, name in enumerate(("p0", "p1")):
        best = []
        for pure in itertools.product(((1.0, 0.0), (0.0, 1.0)), repeat=6):
            changed = list(rows)
            for place, row in zip(graph.cells_of(name), pure, strict=True):
                changed[place] = row
            best.append(float(graph.evaluate(changed).payoffs[player]))
        assert profile.best_response(player) == pytest.approx(max(best))
        actions = profile.best_actions(player)
        assert set(actions) == set(graph.cells_of(name))
        for place, action in actions.items():
            rows[place] = tuple(float(each == action) for each in range(2))
        assert graph.evaluate(rows).payoffs[player] == pytest.approx(max(best))
        rows = drawn(graph, 5)


def test_deals_are_weighted_by_their_chance() -> None:
    graph = GameGraph(silent_table("kuhn_poker", (None, None), steps=3))
    assert (len(graph.cells), graph.nodes) == (12, 24)
    rows = drawn(graph, 8)
    assert graph.evaluate(rows).payoffs.sum() == pytest.approx(0)
    seen = sampled(graph, rows, 4000)
    error = seen.std(axis=0) / np.sqrt(len(seen))
    assert (np.abs(graph.evaluate(rows).payoffs - seen.mean(axis=0)) < 4 * error).all()


def test_gradient_with_private_cards_equals_finite_differences() -> None:
    graph = GameGraph(silent_table("kuhn_poker", (None, None), steps=3))
    rows, weights = drawn(graph, 3), np.array([1.0, 0.0])
    slopes = graph.evaluate(rows).gradient(weights)
    for cell, action in itertools.product(range(12), range(2)):
        found = []
        for shift in (1e-5, -1e-5):
            moved = [list(row) for row in rows]
            moved[cell][action] += shift
            found.append(float(graph.evaluate(moved).payoffs @ weights))
        assert (found[0] - found[1]) / 2e-5 == pytest.approx(slopes[cell][action], abs=1e-6)


def two_states(first: tuple[float, float], second: tuple[float, float], steps: bool) -> JointMoves:
    """A start that chance splits into two states with one prompt of two actions, without a step after them."""
    return JointMoves(
        parents=np.array([0, 0, 1, 1]),
        children=np.array([-1] * 4),
        payoffs=np.array([[pay] for pay in (*first, *second)]),
        places=np.array([[1], [2], [1], [2]]),
        cells=np.array([-1, 0, 0]),
        steps=np.array([0, 0]) if steps else None,
        starts=np.array([0.25, 0.75]),
        discount=0.5,
    )


def test_best_response_weighs_the_states_of_a_prompt() -> None:
    found = best_response(two_states((9.0, 0.0), (0.0, 4.0), steps=True), np.ones(4), 0)
    assert (found.value, found.actions) == (0.75 * 4, (2,))  # who knew the state would earn 5.25


def test_best_response_is_refused_where_states_of_a_prompt_disagree() -> None:
    with pytest.raises(SocietyError, match="different best actions"):
        best_response(two_states((9.0, 0.0), (0.0, 4.0), steps=False), np.ones(4), 0)
    agreed = best_response(two_states((9.0, 0.0), (5.0, 4.0), steps=False), np.ones(4), 0)
    assert (agreed.value, agreed.actions) == (0.25 * 9 + 0.75 * 5, (1,))


def test_best_response_to_grim_is_known_without_a_last_step() -> None:
    graph = repeated(None, "grim")
    profile = graph.evaluate(drawn(graph, 1))
    assert profile.best_response(0) / profile.steps == pytest.approx(3.0)


def test_equilibrium_of_kuhn_poker_is_found_out_where_one_chance_is_off() -> None:
    graph = GameGraph(silent_table("kuhn_poker", (None, None), steps=3))
    rows = kuhn_rows(graph, 0.2)
    assert exploitability(graph.evaluate(rows)) == pytest.approx(0, abs=1e-9)
    for place in range(len(rows)):
        wrong = list(rows)
        wrong[place] = tuple(1 - chance for chance in rows[place])
        assert exploitability(graph.evaluate(wrong)) > 0.01
