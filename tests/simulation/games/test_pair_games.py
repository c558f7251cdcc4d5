"""Properties of every pair game, under random play."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.language import Language
from agents.players.policies import Observation
from simulation.games import SHARED, find_game, task_types
from simulation.games.base import Game, GameError, Move, Setting
from simulation.games.turns import WAIT
from simulation.seats import Seat
from tests.simulation.games.pair_table import (
    PAIR_GAMES,
    TURN_GAMES,
    Chooser,
    observations,
    pair_game,
    play,
    policies,
    step,
)

PARAMETERS: dict[str, tuple[dict[str, Any], ...]] = {
    "bargaining": ({}, {"discount": 1.0}, {"discount": 0.3, "offers": (5, 95)}),
    "chicken": ({}, {"crash": -10.0}, {"temptation": 20.0}),
    "coordination": ({}, {"mismatch": -0.5}, {"names": ("a", "b"), "memory": 1}),
    "stag_hunt": ({}, {"lone_stag": -3.0}, {"lone_hare": 2.0, "hares": 1.0}),
    "trust": ({}, {"returns": (1.0, 3.0)}, {"multiplier": 1.5, "returns": (0.0, 1.2), "sends": (3, 10)}),
    "ultimatum": ({}, {"offers": (0, 10)}, {"pie": 7.0, "offers": (3, 5)}),
}
cases = st.sampled_from([(name, given_) for name, all_ in PARAMETERS.items() for given_ in all_])
some = settings(max_examples=60, deadline=None)


def anything(seed: int, invalid: float = 0.0) -> Chooser:
    """Return a chooser of random legal actions, with some invalid decisions."""
    rng = random.Random(seed)

    def choose(_player: int, observation: Observation) -> str | None:
        action = rng.choice(observation.options).action
        return None if rng.random() < invalid else action

    return choose


def any_game(case: tuple[str, dict[str, Any]], pairs: int, steps: int) -> Game[Any]:
    return pair_game(case[0], 2 * pairs, steps, **case[1])


def test_shared_modules_are_not_games() -> None:
    assert not SHARED & set(task_types())
    assert set(PAIR_GAMES) < set(task_types())


@some
@given(cases, st.integers(1, 4), st.integers(2, 9), st.integers(0, 999))
def test_payoffs_are_between_min_payoff_and_optimum(
    case: tuple[str, dict[str, Any]], pairs: int, steps: int, seed: int
) -> None:
    game = any_game(case, pairs, steps)
    score = game.score(play(game, anything(seed, invalid=0.1), seed))
    assert score.welfare <= score.optimum + 1e-9
    assert score.nash <= score.optimum + 1e-9
    for player in score.players:
        assert player.payoff >= game.min_payoff() - 1e-9
        assert 0 <= player.accuracy <= 1 + 1e-9
        assert 0 <= player.efficiency <= 1
        assert player.cooperation_score is None or 0 <= player.cooperation_score <= 1


@some
@given(cases, st.integers(1, 4), st.integers(2, 9), st.integers(0, 999))
def test_same_seed_gives_the_same_episode(case: tuple[str, dict[str, Any]], pairs: int, steps: int, seed: int) -> None:
    game = any_game(case, pairs, steps)
    assert play(game, anything(seed), seed) == play(game, anything(seed), seed)


@some
@given(cases, st.integers(1, 3), st.integers(2, 9), st.integers(0, 999))
def test_resolve_does_not_change_the_state_before(
    case: tuple[str, dict[str, Any]], pairs: int, steps: int, seed: int
) -> None:
    game = any_game(case, pairs, steps)
    state = game.start(random.Random(seed))
    before = copy.deepcopy(state)
    step(game, state, anything(seed))
    assert state == before


@some
@given(cases, st.integers(1, 3), st.integers(2, 9), st.integers(0, 999))
def test_partners_meet_each_other_and_read_both_languages(
    case: tuple[str, dict[str, Any]], pairs: int, steps: int, seed: int
) -> None:
    game, choose = any_game(case, pairs, steps), anything(seed, invalid=0.2)
    state = game.start(random.Random(seed))
    while not game.is_terminal(state):
        for player in range(game.players):
            opponents = game.opponents(state, player)
            assert opponents is not None
            assert list(game.opponents(state, opponents[0]) or ()) == [player]
            for language in Language:
                assert game.observation_text(state, player, language)
                labels = [option.label for option in game.observe(state, player, language).options]
                assert len(set(labels)) == len(labels)
        state = step(game, state, choose)


@pytest.mark.parametrize("task_type", PAIR_GAMES)
def test_any_partner_is_possible_and_odd_numbers_are_refused(task_type: str) -> None:
    with pytest.raises(GameError, match="even number"):
        pair_game(task_type, players=3)
    partners = {
        tuple(pair_game(task_type, 4).opponents(pair_game(task_type, 4).start(random.Random(s)), 0) or ())
        for s in range(30)
    }
    assert partners == {(1,), (2,), (3,)}


@pytest.mark.parametrize("task_type", sorted(set(PAIR_GAMES) - {"coordination"}))
def test_fixed_pairs_are_drawn_across_teams(task_type: str) -> None:
    seats = tuple(Seat(f"p{i}", "red" if i < 3 else "blue") for i in range(6))
    game = find_game(task_type)(Setting(seats, 2))
    for seed in range(20):
        state = game.start(random.Random(seed))
        assert all((game.opponents(state, player) or ())[0] >= 3 for player in range(3))


class TestTurns:
    """Games in which one of a pair decides and the other waits."""

    @pytest.mark.parametrize("task_type", TURN_GAMES)
    def test_one_step_is_refused(self, task_type: str) -> None:
        with pytest.raises(GameError, match="max_steps of at least 2"):
            pair_game(task_type, max_steps=1)

    @some
    @given(st.sampled_from(TURN_GAMES), st.integers(1, 3), st.integers(2, 9), st.integers(0, 999))
    def test_at_most_one_of_a_pair_decides(self, task_type: str, pairs: int, steps: int, seed: int) -> None:
        game, choose = pair_game(task_type, 2 * pairs, steps), anything(seed, invalid=0.2)
        state = game.start(random.Random(seed))
        while not game.is_terminal(state):
            seen = observations(game, state)
            waiting = [
                observation for observation in seen if [option.action for option in observation.options] == [WAIT]
            ]
            assert all(len(observation.options) > 1 for observation in seen if observation not in waiting)
            assert len(waiting) >= pairs
            state = step(game, state, choose)

    @pytest.mark.parametrize("task_type", TURN_GAMES)
    def test_waiting_is_not_cooperation(self, task_type: str) -> None:
        game = pair_game(task_type, max_steps=4)
        state = play(game, policies("always_defect"))
        assert {player.cooperation_score for player in game.score(state).players} == {0.0}

    @pytest.mark.parametrize("task_type", TURN_GAMES)
    def test_wait_is_illegal_for_the_player_who_decides(self, task_type: str) -> None:
        game = pair_game(task_type)
        with pytest.raises(GameError, match="legal"):
            game.resolve(game.start(random.Random(1)), [Move(WAIT), Move(WAIT)])

    @pytest.mark.parametrize("task_type", TURN_GAMES)
    def test_observation_shows_the_last_decision_while_waiting(self, task_type: str) -> None:
        game = pair_game(task_type, max_steps=4)
        state = step(game, game.start(random.Random(1)), lambda _player, observation: observation.options[1].action)
        seen = observations(game, state)
        (waits,) = [observation for observation in seen if len(observation.options) == 1]
        (decides,) = [observation for observation in seen if len(observation.options) > 1]
        assert 0 < (waits.own_last or 0) < 1
        assert waits.own_last == decides.others_last
        assert decides.own_last is None
        assert state.tally.last_cooperation.count(None) == 1

    @pytest.mark.parametrize("task_type", ["trust", "ultimatum"])
    def test_roles_swap_and_an_odd_last_step_is_not_played(self, task_type: str) -> None:
        game = pair_game(task_type, max_steps=7)
        state, began = game.start(random.Random(1)), []
        while not game.is_terminal(state):
            if state.tally.step % 2 == 0:
                began.append([len(observation.options) > 1 for observation in observations(game, state)].index(True))
            state = step(game, state, policies("always_cooperate"))
        assert state.tally.step == 6
        assert began == [began[0], 1 - began[0], began[0]]
        assert state.table.due == (3, 3)

    @pytest.mark.parametrize("task_type", ["trust", "ultimatum"])
    @pytest.mark.parametrize("which", [0, 1])
    def test_invalid_decision_voids_the_round_for_both(self, task_type: str, which: int) -> None:
        game = pair_game(task_type)
        decisions = [game.observe(game.start(random.Random(1)), p, Language.EN).options for p in (0, 1)]
        offer = max(decisions, key=len)[-1].action
        rest: list[str | None] = [None] if which == 0 else [offer, None]
        state = play(game, lambda _player, _observation: rest.pop(0))
        assert state.tally.payoff == (0.0, 0.0)
        assert rest == []
