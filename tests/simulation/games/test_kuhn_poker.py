"""Kuhn poker: the deal, the order of play, the payoffs, what each sees, and the equilibrium family."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from agents.language import Language
from simulation.games.base import GameError, State
from simulation.games.equilibria import EquilibriumClaim, deals, search
from simulation.games.kuhn_poker import CARDS, GAME, decision_values, equilibrium_chance
from tests.simulation.games.pair_table import mover, pair_game, play, script, step


def hand(cards: str, *actions: str | None, stake: float = 1.0) -> State[Any]:
    """The state after `actions`, where the first player opens with the first card."""
    game = pair_game("kuhn_poker", 2, 3, stake=stake)
    (state,) = (state for _, state in deals(game) if state.table.cards == (cards,))
    rest = list(actions)
    while rest:
        state = step(game, state, lambda _player, _seen: rest.pop(0))
    return state


@pytest.mark.parametrize(
    ("cards", "actions", "chips"),
    [
        ("QJ", ("check", "check"), 1),
        ("JQ", ("check", "check"), -1),
        ("KJ", ("check", "bet", "fold"), -1),
        ("KQ", ("check", "bet", "call"), 2),
        ("JK", ("check", "bet", "call"), -2),
        ("JK", ("bet", "fold"), 1),
        ("JQ", ("bet", "call"), -2),
        ("KQ", ("bet", "call"), 2),
    ],
)
def test_payoffs_by_history(cards: str, actions: tuple[str, ...], chips: int) -> None:
    after = hand(cards, *actions, stake=0.5)
    assert after.tally.payoff == (chips / 2, -chips / 2)
    assert pair_game("kuhn_poker", 2, 3).is_terminal(after)


def test_invalid_decision_makes_the_hand_void() -> None:
    after = hand("KJ", "bet", None)
    assert after.tally.payoff == (0, 0)
    assert pair_game("kuhn_poker", 2, 3).is_terminal(after)


def test_one_of_a_pair_decides_and_the_other_waits() -> None:
    game = pair_game("kuhn_poker", 2, 6)
    state, movers = game.start(random.Random(1)), []
    for action in ("check", "bet", "call", "check", "check"):
        movers.append(mover(game, state))
        state = step(game, state, script(action))
    assert movers == [0, 1, 0, 1, 0]
    assert game.is_terminal(state)


def test_hand_that_ends_early_leaves_a_step_without_decisions() -> None:
    game = pair_game("kuhn_poker", 2, 6)
    state = step(game, step(game, game.start(random.Random(1)), script("bet")), script("fold"))
    assert not game.is_terminal(state)
    assert [len(game.observe(state, player, Language.EN).options) for player in (0, 1)] == [1, 1]
    assert mover(game, step(game, state, script())) == 1


def test_cards_are_dealt_evenly_and_differ() -> None:
    found = deals(pair_game("kuhn_poker", 2, 3))
    assert {state.table.cards[0]: weight for weight, state in found} == pytest.approx(
        {first + second: 1 / 6 for first, second in itertools.permutations(CARDS, 2)}
    )


def test_only_its_owner_sees_a_card() -> None:
    game = pair_game("kuhn_poker", 2, 3)
    for first, second in itertools.permutations(CARDS, 2):
        state = hand(first + second, "check")
        assert game.observation_text(state, 0, Language.EN) == f"You play against p1 and hold {first}. You checked."
        assert game.observation_text(state, 1, Language.EN) == f"You play against p0 and hold {second}. p0 checked."
        assert game.observation_text(state, 1, Language.ZH) == f"你的对手是p0，你的牌是{second}。p0过牌。"


def test_last_hand_is_remembered_by_its_payoff() -> None:
    game = pair_game("kuhn_poker", 2, 6)
    state = game.start(random.Random(1))
    for action in ("bet", "fold"):
        state = step(game, state, script(action))
    assert game.observation_text(state, 0, Language.EN).endswith("You bet, p1 folded. You earned 1.")
    state = step(game, state, script())
    assert game.observation_text(state, 1, Language.EN).endswith("You open. In the last hand you earned -1.")


def test_named_equilibrium_holds_by_observation() -> None:
    found = search(pair_game("kuhn_poker", 2, 3))
    assert found.problems(EquilibriumClaim.BY_OBSERVATION) == ()
    value = sum(weight * found.nodes[0, repr(state.table)][1].values[0] for weight, state in found.starts)
    assert value == pytest.approx(-1 / 18)


def test_decision_values_are_equal_where_the_equilibrium_mixes() -> None:
    for card, history in itertools.product(CARDS, ((), ("check",), ("bet",), ("check", "bet"))):
        first, second = decision_values(card, history).values()
        chance = equilibrium_chance(card, history)
        if 0 < chance < 1:
            assert first == pytest.approx(second)
    assert decision_values("K", ("bet",)) == {"call": 2, "fold": -1}
    assert decision_values("J", ("bet",)) == {"call": -2, "fold": -1}


def test_accuracy_is_of_own_decisions_against_the_equilibrium() -> None:
    game = pair_game("kuhn_poker", 2, 3)
    folded_king = game.score(hand("JK", "bet", "fold"))
    assert folded_king.players[1].accuracy == 0
    assert folded_king.players[0].accuracy == 1  # to bluff with J or not is worth the same
    assert folded_king.nash == folded_king.optimum == 0


def test_random_play_is_zero_sum_for_many_pairs() -> None:
    game = pair_game("kuhn_poker", 6, 9)
    rng = random.Random(2)
    for seed in range(9):
        state = play(game, lambda _player, seen: rng.choice(seen.options).action, seed)
        assert sum(state.tally.payoff) == 0
        assert min(game.earned(state)) >= 0


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(GameError, match="at least 3"):
        pair_game("kuhn_poker", 2, 2)
    assert GAME.task_type == "kuhn_poker"
