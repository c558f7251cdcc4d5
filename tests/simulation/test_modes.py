"""Who hears whom, who gets what, and how a mixed run picks: as the table in `simulation.modes` says."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.strategy import TrainingMode
from simulation.modes import (
    CYCLE,
    Experience,
    MixingPolicy,
    ModeChoice,
    audience,
    hears,
    pick_mode,
    playable_modes,
    share_rewards,
)
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.seats import Seat
from simulation.task import TrainingTask
from simulation.topology.graph import TopologyKind, build_topology, neighbours

COOPERATIVE, COMPETITIVE, TEAM_BATTLE = CYCLE
SEATS = (Seat("a", "red"), Seat("b", "red"), Seat("c", "blue"), Seat("d", None), Seat("e", None))
EVERYONE = tuple(range(5))

any_seats = st.lists(st.sampled_from([None, "red", "blue", "green"]), min_size=1, max_size=8).map(
    lambda teams: tuple(Seat(f"m{i}", team) for i, team in enumerate(teams))
)


@pytest.mark.parametrize(
    ("mode", "heard_by"),
    [
        (COOPERATIVE, [(1, 2, 3, 4), (0, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 4), (0, 1, 2, 3)]),
        (COMPETITIVE, [(), (), (), (), ()]),
        (TEAM_BATTLE, [(1,), (0,), (), (), ()]),
    ],
)
def test_who_hears_whom(mode: TrainingMode, heard_by: list[tuple[int, ...]]) -> None:
    assert [audience(mode, player, SEATS, EVERYONE) for player in EVERYONE] == heard_by


@given(seats=any_seats, mode=st.sampled_from(CYCLE), data=st.data())
def test_no_one_is_heard_beyond_topology_and_team(
    seats: tuple[Seat, ...], mode: TrainingMode, data: st.DataObject
) -> None:
    sender = data.draw(st.integers(0, len(seats) - 1))
    near = tuple(data.draw(st.sets(st.integers(0, len(seats) - 1))))
    heard = audience(mode, sender, seats, near)
    assert sender not in heard
    assert set(heard) <= set(near)
    if mode is TEAM_BATTLE:
        assert {seats[other].team_id for other in heard} <= {seats[sender].team_id} - {None}


@given(seats=any_seats, mode=st.sampled_from(CYCLE), kind=st.sampled_from(list(TopologyKind)), seed=st.integers(0, 99))
def test_audience_is_the_neighbours_that_the_mode_allows(
    seats: tuple[Seat, ...], mode: TrainingMode, kind: TopologyKind, seed: int
) -> None:
    graph = build_topology(kind, [seat.model_id for seat in seats], seed)
    reached = [set(audience(mode, player, seats, near)) for player, near in enumerate(neighbours(graph))]
    for sender, hearer in itertools.product(range(len(seats)), repeat=2):
        mates = seats[sender].team_id == seats[hearer].team_id is not None
        let = {COOPERATIVE: True, COMPETITIVE: False, TEAM_BATTLE: mates}[mode]
        assert (hearer in reached[sender]) == (let and graph.has_edge(sender, hearer))


@given(
    seats=any_seats,
    mode=st.sampled_from(CYCLE),
    pool=st.floats(0, 1e6),
    data=st.data(),
)
def test_rewards_add_up_to_the_pool_and_none_is_negative(
    seats: tuple[Seat, ...], mode: TrainingMode, pool: float, data: st.DataObject
) -> None:
    earned = data.draw(st.lists(st.floats(0, 1e6), min_size=len(seats), max_size=len(seats)))
    rewards = share_rewards(mode, pool, earned, seats)
    assert sum(rewards) == pytest.approx(pool)
    assert min(rewards) >= 0


@pytest.mark.parametrize(
    ("mode", "rewards"),
    [
        (COOPERATIVE, (20, 20, 20, 20, 20)),
        (COMPETITIVE, (10, 30, 0, 40, 20)),
        # means: red 2, blue 0, (d) 4, (e) 2 -> of 100: 25, 0, 50, 25
        (TEAM_BATTLE, (12.5, 12.5, 0, 50, 25)),
    ],
)
def test_who_gets_what(mode: TrainingMode, rewards: tuple[float, ...]) -> None:
    assert share_rewards(mode, 100, [1, 3, 0, 4, 2], SEATS) == pytest.approx(rewards)


@pytest.mark.parametrize("mode", [COMPETITIVE, TEAM_BATTLE])
def test_where_nobody_earned_the_pool_is_shared_equally(mode: TrainingMode) -> None:
    assert share_rewards(mode, 30, [0, 0, 0], tuple(Seat(name) for name in "abc")) == (10, 10, 10)


def test_where_no_team_earned_each_team_gets_as_much() -> None:
    assert share_rewards(TEAM_BATTLE, 60, [0] * 5, SEATS) == (7.5, 7.5, 15, 15, 15)


@given(seats=any_seats, data=st.data())
def test_team_battle_pays_mates_alike_and_better_teams_more(seats: tuple[Seat, ...], data: st.DataObject) -> None:
    earned = data.draw(st.lists(st.integers(0, 50), min_size=len(seats), max_size=len(seats)))
    rewards = share_rewards(TEAM_BATTLE, 100, earned, seats)
    teams = [[i for i, seat in enumerate(seats) if seat.team_id == name] for name in ("red", "blue", "green")]
    teams = [*filter(None, teams), *([i] for i, seat in enumerate(seats) if seat.team_id is None)]
    for team in teams:
        assert len({rewards[i] for i in team}) == 1
    means = [sum(earned[i] for i in team) / len(team) for team in teams]
    totals = [sum(rewards[i] for i in team) for team in teams]
    for one, other in itertools.combinations(range(len(teams)), 2):
        assert (means[one] - means[other]) * (totals[one] - totals[other]) >= -1e-9


def test_a_team_called_like_a_lone_model_is_not_its_team() -> None:
    seats = (Seat("a"), Seat("b", "(a)"), Seat("c", "0"))
    assert share_rewards(TEAM_BATTLE, 60, [1, 2, 3], seats) == pytest.approx((10, 20, 30))


def test_mixed_is_picked_before_anyone_hears_or_earns() -> None:
    with pytest.raises(ValueError, match="mixed"):
        hears(TrainingMode.MIXED, *SEATS[:2])
    with pytest.raises(ValueError, match="mixed"):
        share_rewards(TrainingMode.MIXED, 10, [1] * 5, SEATS)


def pick(policy: MixingPolicy, episode: int = 0, level: float = 0.5, known: Experience | None = None) -> ModeChoice:
    return pick_mode(policy, episode, level, known or Experience(), CYCLE, random.Random(episode))


def test_the_fixed_cycle() -> None:
    assert [pick(MixingPolicy.FIXED_CYCLE, n).mode for n in range(4)] == [*CYCLE, COOPERATIVE]


@pytest.mark.parametrize(
    ("level", "mode"),
    [(1.0, COOPERATIVE), (0.7, COOPERATIVE), (0.69, TEAM_BATTLE), (0.3, TEAM_BATTLE), (0.29, COMPETITIVE)],
)
def test_by_cooperation_level(level: float, mode: TrainingMode) -> None:
    choice = pick(MixingPolicy.COOPERATION_LEVEL, level=level)
    assert choice == ModeChoice(mode, f"cooperation_level: {level:.2f}")


def test_pick_mode_leaves_team_battle_out_without_two_teams() -> None:
    modes = playable_modes(SEATS[:2])
    cycle = [pick_mode(MixingPolicy.FIXED_CYCLE, n, 0.5, Experience(), modes, random.Random(0)).mode for n in range(3)]
    assert cycle == [COOPERATIVE, COMPETITIVE, COOPERATIVE]
    choice = pick_mode(MixingPolicy.COOPERATION_LEVEL, 0, 0.5, Experience(), modes, random.Random(0))
    assert choice == ModeChoice(COMPETITIVE, "cooperation_level: 0.50, team_battle left out")
    for policy in (MixingPolicy.UCB1, MixingPolicy.EXP3):
        known, played = Experience(), set()
        for episode in range(40):
            choice = pick_mode(policy, episode, 0.5, known, modes, random.Random(episode))
            known = known.learn(choice, 0.5, len(modes), 0.2)
            played.add(choice.mode)
        assert played == {COOPERATIVE, COMPETITIVE}


@given(
    weights=st.lists(st.floats(0, 2000), min_size=3, max_size=3),
    gamma=st.floats(0.01, 1),
)
def test_exp3_probabilities_add_up_and_explore(weights: list[float], gamma: float) -> None:
    known = Experience(log_weights=dict(zip(CYCLE, weights, strict=True)))
    choices = [pick_mode(MixingPolicy.EXP3, 0, 0.5, known, CYCLE, draw, gamma) for draw in ALL_DRAWS]
    drawn = {choice.mode: choice.probability for choice in choices}
    assert set(drawn) == set(CYCLE)
    assert sum(drawn.values()) == pytest.approx(1)
    assert min(drawn.values()) >= gamma / 3 - 1e-12


class FixedDraw(random.Random):
    """A generator whose every draw is `value`, in 0-1."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


ALL_DRAWS = [FixedDraw(n / 400) for n in range(400)]


def test_exp3_weighs_a_reward_by_the_probability_it_was_drawn_with() -> None:
    """Auer et al. 2002, figure 1, worked by hand: gamma 0.3, three modes, a reward of 0.9 drawn with 1/3."""
    known = Experience().learn(ModeChoice(COMPETITIVE, "", 1 / 3), 0.9, 3, 0.3)
    weight = math.exp(0.3 * (0.9 / (1 / 3)) / 3)
    expected = 0.7 * weight / (weight + 2) + 0.1
    choices = [pick_mode(MixingPolicy.EXP3, 1, 0.5, known, CYCLE, draw, 0.3) for draw in ALL_DRAWS]
    (probability,) = {choice.probability for choice in choices if choice.mode is COMPETITIVE}
    assert probability == pytest.approx(expected)


def learnt(policy: MixingPolicy, episodes: int, best: TrainingMode) -> Counter[TrainingMode]:
    """How often each mode was played where `best` pays 0.9 and the others 0.3."""
    known, played = Experience(), Counter[TrainingMode]()
    for episode in range(episodes):
        choice = pick(policy, episode, known=known)
        played[choice.mode] += 1
        known = known.learn(choice, 0.9 if choice.mode is best else 0.3, len(CYCLE), 0.2)
    return played


@pytest.mark.parametrize("best", CYCLE)
@pytest.mark.parametrize("policy", [MixingPolicy.UCB1, MixingPolicy.EXP3])
def test_a_bandit_finds_the_planted_best_mode(policy: MixingPolicy, best: TrainingMode) -> None:
    played = learnt(policy, 400, best)
    assert played.most_common(1)[0][0] is best
    assert played[best] > 200
    assert min(played.values()) > 0  # and goes on exploring


def test_ucb1_tries_each_mode_once_before_it_compares() -> None:
    assert learnt(MixingPolicy.UCB1, 3, COOPERATIVE) == dict.fromkeys(CYCLE, 1)
    known = Experience()
    for mode, welfare in zip(CYCLE, (0.5, 0.9, 0.1), strict=True):
        known = known.learn(ModeChoice(mode, ""), welfare, 3, 0.2)
    choice = pick(MixingPolicy.UCB1, 3, known=known)
    assert choice.mode is COMPETITIVE
    assert choice.reason == "ucb1: mean welfare ratio 0.900, bound 2.382"  # 0.9 + sqrt(2 ln 3)


def test_exp3_says_with_which_probability_it_drew() -> None:
    choice = pick(MixingPolicy.EXP3)
    assert choice.probability == pytest.approx(1 / 3)
    assert choice.reason == "exp3: drawn with probability 0.333"


def test_team_battle_needs_two_named_teams() -> None:
    assert playable_modes(SEATS) == CYCLE
    assert playable_modes(SEATS[:2]) == (COOPERATIVE, COMPETITIVE)
    assert playable_modes(SEATS[3:]) == (COOPERATIVE, COMPETITIVE)


def test_mode_reason_counts_the_episodes_of_the_task(make_plan: Callable[..., Plan], runs: Path) -> None:
    tasks = [
        TrainingTask(task_id="one", task_type="public_goods", max_steps=1),
        TrainingTask(task_id="two", task_type="prisoners_dilemma", max_steps=1),
    ]
    plan = make_plan(mode={"mixed": {"policy": "fixed_cycle"}}, tasks=tasks, episodes=2)
    episodes = run_scenario(plan, out=runs).episodes.astype({"task_id": str})
    assert episodes["episode"].tolist() == [0, 1, 2, 3]
    for _, rows in episodes.groupby("task_id"):
        assert rows["mode_reason"].tolist() == [f"fixed_cycle: episode {n} of its task" for n in range(2)]
        assert rows["mode"].tolist() == [CYCLE[0].value, CYCLE[1].value]
