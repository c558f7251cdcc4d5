"""The base class: observations, closeness, Gini, parameters; and figures of the dilemma, commons and strategy games."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import linprog

from agents.language import Language
from agents.players.policies import POLICIES
from simulation.games import find_game, task_types
from simulation.games.base import Game, Move, State
from simulation.games.commons import Commons, CommonsParameters, Stock, best_harvest, best_reply_harvest
from simulation.games.conformance import make_game, random_moves
from simulation.games.measures import closeness, gini
from simulation.games.prisoners_dilemma import DilemmaParameters, PrisonersDilemma
from simulation.games.public_goods import PublicGoods
from simulation.games.strategy import StrategyGame, response_bonus
from tests.simulation.games.table import accuracies, game_of, opened, played

every_game = pytest.mark.parametrize("kind", [find_game(name) for name in task_types()], ids=task_types())


def cooperation(game: Game[Any], state: Any, player: int, action: str | None) -> float | None:
    options = game.observe(state, player, Language.EN).options
    return next((option.cooperation for option in options if option.action == action), None)


@settings(max_examples=40, deadline=None)
@given(players=st.integers(2, 6), seed=st.integers(0, 1000))
def test_observation_has_mean_last_and_lowest_of_the_others(players: int, seed: int) -> None:
    game, rng = game_of(Commons, players, steps=5, harvests=(0, 3, 7, 11)), random.Random(seed)
    state, worst = opened(game), [1.0] * players
    while not game.is_terminal(state):
        moves = random_moves(game, state, rng)
        levels = [cooperation(game, state, i, move.action) or 0.0 for i, move in enumerate(moves)]
        worst = [min(old, new) for old, new in zip(worst, levels, strict=True)]
        state = game.resolve(state, moves)
        for player in range(players):
            observation = game.observe(state, player, Language.EN)
            others = [i for i in range(players) if i != player]
            assert observation.own_last == levels[player]
            assert observation.others_last == pytest.approx(sum(levels[i] for i in others) / len(others))
            assert 0 <= (observation.others_last or 0) <= 1
            assert observation.others_worst == min(worst[i] for i in others)


def test_others_last_is_exactly_1_if_all_others_cooperate() -> None:
    game = game_of(Commons, 5, steps=2, capacity=150, harvests=(0, 15, 16, 21))
    state = played(game, opened(game), 16, 15, 15, 15, 15)  # own level 5/6: in floats 4 + 5/6 - 5/6 is above 4
    assert game.observe(state, 0, Language.EN).others_last == 1.0


def test_observation_leaves_out_invalid_decisions() -> None:
    game = game_of(PublicGoods, 3, steps=2)
    state = played(game, opened(game), 20, None, 0)
    seen = [game.observe(state, player, Language.EN) for player in range(3)]
    assert [(observation.own_last, observation.others_last) for observation in seen] == [
        (1.0, 0.0),
        (None, 0.5),
        (0.0, 1.0),
    ]


@every_game
def test_invalid_decision_earns_nothing_in_its_step(kind: type[Game[Any]]) -> None:
    game = make_game(kind)
    for seed in range(20):
        rng, state = random.Random(seed), game.start(random.Random(seed))
        while not game.is_terminal(state):
            moves = random_moves(game, state, rng, invalid=0.3)
            asked = [len(game.observe(state, player, Language.EN).options) > 1 for player in range(game.players)]
            state = game.resolve(state, moves)
            earned = state.tally.last_payoff
            assert not [i for i, move in enumerate(moves) if move.action is None and asked[i] and earned[i] != 0]


def test_closeness_is_0_to_1_and_ignores_rounding() -> None:
    assert [closeness(payoff, (2, 4, 10)) for payoff in (2, 4, 10)] == [0, 0.25, 1]
    assert closeness(0.1 + 0.2, (0.3, 0.1 + 0.2)) == closeness(0.3, (0.3, 0.1 + 0.2)) == 1


def test_every_gift_is_a_best_response_if_multiplier_is_n() -> None:
    game = game_of(PublicGoods, 7, multiplier=7.0, endowment=20.1)  # 7 * x / 7 is x but for rounding
    assert accuracies(game, played(game, opened(game), 0, 5, 10, 15, 20, 20, 0)) == [1.0] * 7


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_gini_is_the_mean_difference_over_twice_the_mean(values: list[float], rng: random.Random) -> None:
    n, total = len(values), sum(values)
    expected = sum(abs(a - b) for a in values for b in values) / (2 * n * total)
    assert gini(values) == pytest.approx(expected, abs=1e-9)
    assert gini(values) >= 0
    assert gini(rng.sample(values, n)) == pytest.approx(gini(values), abs=1e-12)


def test_gini_of_a_negative_value_is_missing() -> None:
    assert math.isnan(gini([-1, 3]))
    assert gini([0, 0]) == 0


def test_gini_is_of_the_payoffs_themselves() -> None:
    game = game_of(PrisonersDilemma, 2, steps=2, temptation=3, reward=2, punishment=0, sucker=-1)
    once = played(game, opened(game), "defect", "cooperate")
    assert math.isnan(game.score(once).gini)
    assert game.score(played(game, once, "cooperate", "defect")).gini == 0  # two each
    all_positive = played(game, opened(game), "cooperate", "cooperate")
    assert game.score(all_positive).gini == 0


def test_gini_of_equal_values_is_not_below_0() -> None:
    assert gini([0.7, 0.7]) == 0  # the formula alone gives -1e-16


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_parameters_must_be_finite(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        PublicGoods.Parameters(endowment=number)


class TestDilemma:
    def test_partner_of_an_invalid_decision_has_accuracy_1(self) -> None:
        game = game_of(PrisonersDilemma, 2)
        for action in ("cooperate", "defect"):
            state = played(game, opened(game), action, None)
            assert state.tally.payoff == (0, 0)
            assert accuracies(game, state) == [1, 0]

    def test_reward_must_be_above_0(self) -> None:
        shifted = "with 3 added to every payoff: {temptation: 3, reward: 2, punishment: 1, sucker: 0}"
        with pytest.raises(ValidationError, match=f"reward is -1 and must be above 0.*{shifted}"):
            DilemmaParameters(temptation=0, reward=-1, punishment=-2, sucker=-3)

    @pytest.mark.parametrize(("temptation", "words"), [(5, ""), (6, "as much as"), (9, "more than")])
    def test_caution_where_taking_turns_pays(self, temptation: float, words: str) -> None:
        cautions = DilemmaParameters(temptation=temptation).cautions()
        assert len(cautions) == bool(words)
        assert all(f"({temptation:g}): to take turns at defecting pays a pair {words}" in each for each in cautions)

    def test_earned_counts_from_a_negative_sucker(self) -> None:
        game = game_of(PrisonersDilemma, 2, steps=2, temptation=3, reward=2, punishment=0, sucker=-1)
        state = opened(game)
        for _ in range(2):
            state = played(game, state, "cooperate", "defect")
        assert state.tally.payoff == (-2, 6)
        assert game.earned(state) == (0, 8)

    def test_alternation_is_the_optimum_if_it_pays_most(self) -> None:
        game = game_of(PrisonersDilemma, 2, steps=2, temptation=9)
        state = played(game, played(game, opened(game), "cooperate", "defect"), "defect", "cooperate")
        assert game.score(state).welfare == 18 == game.optimum()
        assert game.score(state).players[0].efficiency == 1


NEGATIVE = {
    "chicken": ({"temptation": 1, "reward": 0, "sucker": -1, "crash": -10}, "crash: 0"),
    "stag_hunt": ({"together": 0, "lone_hare": -1, "hares": -1, "lone_stag": -5}, "lone_stag: 0"),
    "coordination": ({"match": 0, "mismatch": -2}, "{match: 2, mismatch: 0}"),
}


@pytest.mark.parametrize("task_type", NEGATIVE)
def test_negative_payoffs_are_refused_with_the_same_game_shifted(task_type: str) -> None:
    kind, (payoffs, words) = find_game(task_type), NEGATIVE[task_type]
    with pytest.raises(ValidationError, match="and must be above 0, as an invalid decision earns 0") as refused:
        kind.Parameters(**payoffs)
    text = str(refused.value)
    assert words in text
    found = text.partition("every payoff: {")[2].partition("}")[0]
    shifted = {name: float(value) for name, value in (pair.split(": ") for pair in found.split(", "))}
    assert kind.Parameters(**shifted)
    assert len({round(shifted[name] - payoffs[name], 9) for name in payoffs}) == 1


class TestCommons:
    @settings(max_examples=60, deadline=None)
    @given(
        capacity=st.floats(1, 200),
        growth=st.floats(1, 4),
        most=st.floats(0.5, 250),
        steps=st.integers(1, 12),
    )
    def test_optimum_is_that_of_the_linear_programme(
        self, capacity: float, growth: float, most: float, steps: int
    ) -> None:
        assert best_harvest(capacity, growth, most, steps) == pytest.approx(solved(capacity, growth, most, steps))

    def test_optimum_of_a_long_game(self) -> None:
        assert best_harvest(100, 2, 60, 100_000) == pytest.approx(50 * 100_000 + 25)  # 55 and 60 in the last two

    @settings(max_examples=60, deadline=None)
    @given(
        players=st.integers(2, 6),
        growth=st.floats(1, 4),
        collapse=st.floats(0, 60),
        steps=st.integers(1, 4),
    )
    def test_nash_is_greed_where_no_plan_earns_more(
        self, players: int, growth: float, collapse: float, steps: int
    ) -> None:
        game = game_of(Commons, players, steps, growth=growth, collapse_below=collapse, harvests=(0, 10, 20))
        greedy = followed(game, (20,) * steps)
        best = max(followed(game, plan).tally.payoff[0] for plan in itertools.product((0, 10, 20), repeat=steps))
        if best > greedy.tally.payoff[0] + 1e-6:
            assert math.isnan(game.nash())
        else:
            assert sum(greedy.tally.payoff) == pytest.approx(game.nash())

    @pytest.mark.parametrize(("players", "steps", "nash"), [(5, 12, 100), (3, 5, math.nan), (3, 12, math.nan)])
    def test_nash_is_missing_where_three_let_the_stock_grow(self, players: int, steps: int, nash: float) -> None:
        assert game_of(Commons, players, steps).nash() == pytest.approx(nash, nan_ok=True)

    def test_nash_is_missing_where_the_search_is_too_large(self) -> None:
        game = game_of(Commons, 2, 40, capacity=997, growth=1.1, harvests=tuple(range(0, 61, 3)))
        assert math.isnan(best_reply_harvest(game.parameters, 1, 40))
        assert math.isnan(game.nash())

    @pytest.mark.parametrize(
        ("players", "steps", "best", "worst"),
        [
            (5, 2, "10", "20"),  # the share is 10; 0 and 20 are equally far
            (4, 2, "15", "0"),  # the share is 12.5; 10 and 15 are equally near
            (2, 1, "20", "0"),  # in the last step the share is 50: more than a player can take
        ],
    )
    def test_accuracy_is_1_for_the_harvest_nearest_the_share(
        self, players: int, steps: int, best: str, worst: str
    ) -> None:
        game = game_of(Commons, players, steps)
        for action, right in ((best, 1.0), (worst, 0.0)):
            assert accuracies(game, played(game, opened(game), *[action] * players)) == [right] * players

    def test_harvests_above_the_stock_are_proportional(self) -> None:
        game = game_of(Commons, 2, 2, capacity=20, harvests=(0, 10, 30))
        state = played(game, opened(game), 30, 10)
        assert state.tally.payoff == (15, 5)
        assert game.is_terminal(state)

    def test_collapse_below_above_capacity_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="collapses at the start"):
            CommonsParameters(capacity=4)


def followed(game: Commons, plan: Sequence[int]) -> State[Stock]:
    """Return the end of an episode in which the first player follows `plan` and all others ask for the most."""
    state = opened(game)
    while not game.is_terminal(state):
        state = played(game, state, plan[state.tally.step], *[20] * (game.players - 1))
    return state


def solved(capacity: float, growth: float, most: float, steps: int) -> float:
    """Solve max sum x, x_t <= s_t, s_{t+1} <= growth * (s_t - x_t), with x and s within their bounds."""
    rows = []
    for t in range(steps):
        fits = [0.0] * (2 * steps)
        fits[t], fits[steps + t] = 1.0, -1.0
        rows.append(fits)
        if t + 1 < steps:
            grows = [0.0] * (2 * steps)
            grows[t], grows[steps + t], grows[steps + t + 1] = growth, -growth, 1.0
            rows.append(grows)
    bounds = [(0.0, most)] * steps + [(0.0, capacity)] * steps
    found = linprog([-1.0] * steps + [0.0] * steps, A_ub=rows, b_ub=[0.0] * len(rows), bounds=bounds)
    return float(-found.fun)


class TestStrategy:
    @pytest.mark.parametrize(
        ("message", "bonus"),
        [
            ("A competent and optimistic plan; competence matters", 0.05),
            ("we optimise, an optimizer, optimization", 0.10),
            ("我们compete到底", 0.10),
            ("competing, competitors, competes", 0.10),
        ],
    )
    def test_response_bonus_ignores_competence_and_optimism(self, message: str, bonus: float) -> None:
        assert response_bonus(message) == pytest.approx(bonus)

    @pytest.mark.parametrize(("difficulty", "most"), [(0.0, 1.0), (0.5, 0.85), (1.0, 0.35)])
    def test_optimum_is_the_most_the_formula_gives(self, difficulty: float, most: float) -> None:
        plain = game_of(StrategyGame, 2, steps=3)
        game = StrategyGame(type(plain.setting)(plain.setting.seats, 3, difficulty))
        state = opened(game)
        while not game.is_terminal(state):
            state = game.resolve(state, [Move("balance", "cooperation by competition", 1.0)] * 2)
        score = game.score(state)
        assert score.welfare == pytest.approx(score.optimum) == pytest.approx(6 * most)


@pytest.mark.parametrize("policy", ["random", "level_0"])
@pytest.mark.parametrize("task_type", ["commons", "coordination", "blotto"])
def test_random_player_draws_every_action_equally_often(policy: str, task_type: str) -> None:
    game = make_game(find_game(task_type))
    observation, rng = game.observe(opened(game), 0, Language.EN), random.Random(1)
    draws = 200 * len(observation.options)
    drawn = Counter(POLICIES[policy].decide(observation, rng).action for _ in range(draws))
    assert set(drawn) == {option.action for option in observation.options}
    # a count is binomial with mean 200 and a standard deviation below 15; the tolerance is five of these
    assert all(abs(count - 200) < 75 for count in drawn.values())
