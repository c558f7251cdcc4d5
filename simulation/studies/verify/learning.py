"""Known answers of learning: what independent, sharing and team learners must become, by tables without a model.

A table is trained by the calls that train an adapter (`simulation.training`), so a wrong sign in credit, objective or
gradient is seen here in seconds. Payoffs of the dilemma are 5, 3, 1, 0; another step follows with a chance of 0.96.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.language import Language
from agents.learning.samples import LossWeights
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.games.base import Move
from simulation.games.equilibria import draws
from simulation.games.kuhn_poker import BET, CALL, equilibrium_chance
from simulation.metrics.arrays import Vector
from simulation.seats import Seat
from simulation.sections.gate import GateConfig
from simulation.sections.training import TrainingObjective
from simulation.studies.verify.exploit import EXPLOIT_CASES
from simulation.studies.verify.figures import LearnedFigure
from simulation.studies.verify.gates import Rows, found_gains, null_promotions
from simulation.studies.verify.sampled import alignment_errors_off, standard_errors_off
from simulation.task import TrainingTask
from simulation.training.graph import GameGraph, SilentTable, StrategyProfile
from simulation.training.methods.exact import exact_samples, profile_of
from simulation.training.objectives import payoff_weights
from simulation.training.tabular import TabularTrainer

DILEMMA, GAMMA = "prisoners_dilemma", 0.96
SEEDS = 6
LOQA = "naive and summed rewards: Foerster et al., LOLA, AAMAS 2018"
LANCTOT = "self-play against the latest goes round: Lanctot et al., NeurIPS 2017"
SUTTON = "the policy gradient theorem: Sutton et al., NeurIPS 1999"
DUQUE = "Duque et al., Advantage alignment algorithms (2024)"
KUHN = "Kuhn, in Contributions to the Theory of Games I (1950)"
KUHN_VALUE = -1 / 18
NULLS, PLANTED = 200, 200
BERGER = "one error for all gates of a training: Boole's inequality; Berger, Technometrics 24 (1982)"
WELCH = "power of the paired t-test: Johnson & Welch, Biometrika 31 (1940)"


def silent_table(
    game: str,
    players: Sequence[str | None],
    *,
    steps: int = 5,
    parameters: Mapping[str, Any] | None = None,
    teams: Sequence[str | None] = (),
    horizon: Mapping[str, Any] | None = None,
) -> SilentTable:
    """Return a silent game in which a player is a policy's name, or None for a learner.

    Args:
        game: The task type.
        players: A policy's name for each scripted player, None for a learner.
        steps: Steps of an episode.
        parameters: The game's own.
        teams: The team of each player.
        horizon: How chance ends an episode, as in a task; `steps` then does not count.
    """
    rows = tuple(
        ModelConfig(model_id=f"p{i}", policy=policy or "random", team_id=team)
        for i, (policy, team) in enumerate(zip(players, teams or (None,) * len(players), strict=True))
    )
    length = {"max_steps": steps} if horizon is None else {"horizon": horizon}
    task = TrainingTask.model_validate(
        {"task_id": "known", "task_type": game, "parameters": parameters or {}, **length}
    )
    seats = tuple(Seat(row.model_id, row.team_id) for row in rows)
    rules = find_game(game)(task.setting(seats), task.game_parameters())
    learners = frozenset(row.model_id for row, policy in zip(rows, players, strict=True) if policy is None)
    return SilentTable(task, rules, rows, learners, TrainingMode.COMPETITIVE)


def train(graph: GameGraph, objective: TrainingObjective, trainer: TabularTrainer, updates: int) -> StrategyProfile:
    """Train every learner of a graph for an objective; return the last profile."""
    weights = _weights(graph, objective)
    for _ in range(updates):
        trainer.forward_backward(list(exact_samples(graph, profile_of(graph, trainer), weights)), LossWeights())
        for learner in weights:
            trainer.optim_step(learner)
    return profile_of(graph, trainer)


def _weights(graph: GameGraph, objective: TrainingObjective) -> dict[str, Vector]:
    seats = graph.table.game.setting.seats
    return {
        seat.model_id: payoff_weights(objective, player, seats)
        for player, seat in enumerate(seats)
        if seat.model_id in graph.table.learners
    }


def repeated(*players: str | None) -> GameGraph:
    """Return the dilemma without a last step."""
    horizon = {"continue": GAMMA, "at_most": 1000}
    return GameGraph(silent_table(DILEMMA, players, horizon=horizon), discount=GAMMA, stationary=True)


def _per_step(profile: StrategyProfile) -> float:
    return float(profile.payoffs.mean() / profile.steps)


def _dilemmas() -> Iterator[LearnedFigure]:
    graph, name = repeated(None, None), "two independent learners defect"
    selfish = [
        train(graph, TrainingObjective.OWN, TabularTrainer(20, spread=0.5, seed=seed), 300) for seed in range(SEEDS)
    ]
    yield LearnedFigure(name, "largest mean payoff a step of any seed", 1.0, 1.1, max(map(_per_step, selfish)), LOQA)
    name, trainers = "two sharing learners cooperate", [TabularTrainer(20, spread=0.5, seed=s) for s in range(SEEDS)]
    sharing = [train(graph, TrainingObjective.SHARED, trainer, 300) for trainer in trainers]
    yield LearnedFigure(name, "least mean payoff a step of any seed", 2.9, 3.0, min(map(_per_step, sharing)), LOQA)
    name = "who learned to share can be exploited"
    best = min(profile.best_response(1) / profile.steps for profile in sharing)
    yield LearnedFigure(name, "least best response a step", 4.0, 5.0, best, LOQA)
    alone = repeated(None, "always_defect")
    earned = [profile_of(alone, trainer) for trainer in trainers]
    worst = max(float(profile.payoffs[0] / profile.steps) for profile in earned)
    yield LearnedFigure(name, "most a step against always_defect", 0.0, 0.9, worst, LOQA)


def _best_responses() -> Iterator[LearnedFigure]:
    for partner, known in (("always_cooperate", 5.0), ("always_defect", 1.0), ("tit_for_tat", 3.0)):
        graph = repeated(None, partner)
        profile = profile_of(graph, TabularTrainer())
        got = profile.best_response(0) / profile.steps
        yield LearnedFigure(
            f"best response to {partner}", "payoff a step", known - 1e-6, known + 1e-6, got, "closed form"
        )


def _public_goods() -> Iterator[LearnedFigure]:
    source = "Isaac & Walker, QJE 103 (1988): giving pays the giver m / n - 1 a point"
    for multiplier, objective, low, high in (
        (1.6, TrainingObjective.OWN, 0.0, 0.02),
        (1.6, TrainingObjective.SHARED, 0.98, 1.0),
        (4.0, TrainingObjective.OWN, 0.98, 1.0),
        (4.0, TrainingObjective.SHARED, 0.98, 1.0),
    ):
        parameters = {"multiplier": multiplier}
        graph = GameGraph(silent_table("public_goods", (None,) * 3, steps=1, parameters=parameters))
        trainer = TabularTrainer(1.0, spread=0.1, seed=1)
        train(graph, objective, trainer, 200)
        rows = trainer.probabilities([cell.prompt for cell in graph.cells])
        levels = [_level(graph, place, row) for place, row in enumerate(rows)]
        extreme = max(levels) if high < 0.5 else min(levels)
        yield LearnedFigure(
            f"public goods, three players, multiplier {multiplier:g}, objective {objective.value}",
            "gift / largest gift, of the player furthest away",
            low,
            high,
            extreme,
            source,
        )


def _level(graph: GameGraph, place: int, row: Sequence[float]) -> float:
    """The mean cooperation level of a prompt's choices."""
    options = len(row) - 1
    return sum(number / options * chance for number, chance in enumerate(row))


def _stag_hunt() -> Iterator[LearnedFigure]:
    for start, low, high in ((0.74, 0.0, 0.05), (0.76, 0.95, 1.0)):
        graph = GameGraph(silent_table("stag_hunt", (None, None), steps=1))
        trainer = TabularTrainer(1.0)
        for cell in graph.cells:
            trainer.start_at(cell.prompt, [start if action == "stag" else 1 - start for action in cell.actions])
        train(graph, TrainingObjective.OWN, trainer, 400)
        chances = [
            row[cell.actions.index("stag")]
            for cell, row in zip(graph.cells, trainer.probabilities([c.prompt for c in graph.cells]), strict=True)
        ]
        name = f"stag hunt 4, 3, 0 from P(stag) = {start}"
        got = max(chances) if high < 0.5 else min(chances)
        yield LearnedFigure(name, "P(stag) of the player furthest away", low, high, got, "basin at 3/4: closed form")


def _gradients() -> Iterator[LearnedFigure]:
    graph, rng = GameGraph(silent_table(DILEMMA, (None, None), steps=3)), np.random.default_rng(7)
    rows = [rng.dirichlet(np.ones(len(cell.actions))) for cell in graph.cells]
    weights = np.array([1.0, 0.0])
    slopes = graph.evaluate([tuple(row) for row in rows]).gradient(weights)
    worst = max(
        abs(_difference(graph, rows, place, action, weights) - slopes[place][action])
        for place, row in enumerate(rows)
        for action in range(len(row))
    )
    name = "the exact gradient against finite differences"
    yield LearnedFigure(name, "largest difference, points", 0.0, 1e-3, worst, "central differences")


def _sampled_gradients() -> Iterator[LearnedFigure]:
    graph, trainer = GameGraph(silent_table(DILEMMA, (None, None), steps=2)), TabularTrainer(spread=0.7, seed=7)
    for objective in (TrainingObjective.OWN, TrainingObjective.SHARED):
        weights = _weights(graph, objective)
        worst = standard_errors_off(graph, trainer, weights, updates=200, episodes=8)
        name = f"the mean sampled gradient against the exact one, objective {objective.value}"
        yield LearnedFigure(name, "most standard errors of any component", 0.0, 3.0, worst, SUTTON)
    endless = GameGraph(
        silent_table(DILEMMA, (None, None), horizon={"continue": 0.8, "at_most": 1000}), discount=0.8, stationary=True
    )
    worst = alignment_errors_off(endless, trainer, alignment=10.0, updates=200, episodes=64)
    name = "the mean sampled gradient of advantage alignment against the computed one"
    yield LearnedFigure(name, "most standard errors of any component", 0.0, 3.0, worst, DUQUE)


def _difference(graph: GameGraph, rows: Sequence[np.ndarray], place: int, action: int, weights: np.ndarray) -> float:
    found = []
    for shift in (1e-5, -1e-5):
        moved = [row.copy() for row in rows]
        moved[place][action] += shift
        found.append(float(graph.evaluate([tuple(row) for row in moved]).payoffs @ weights))
    return (found[0] - found[1]) / 2e-5


# -- two players with opposite aims ---------------------------------------------------------------------


class SelfPlay(NamedTuple):
    """What two learners became, and the average of what they played, each prompt weighted by their own way to it."""

    last: StrategyProfile
    average: StrategyProfile


def self_play(graph: GameGraph, trainer: TabularTrainer, updates: int) -> SelfPlay:
    """Train every player for its own payoff against the latest of the others."""
    players, prompts = graph.table.game.setting.seats, [cell.prompt for cell in graph.cells]
    weights = {seat.model_id: np.eye(len(players))[player] for player, seat in enumerate(players)}
    sums = [np.zeros(len(cell.actions)) for cell in graph.cells]
    for _ in range(updates):
        chances = trainer.probabilities(prompts)
        profile = graph.evaluate(chances)
        for player in range(len(players)):
            for place, reach in profile.own_reach(player).items():
                sums[place] += reach * np.array(chances[place])
        trainer.forward_backward(list(exact_samples(graph, profile, weights)), LossWeights())
        for learner in weights:
            trainer.optim_step(learner)
    return SelfPlay(profile_of(graph, trainer), graph.evaluate([tuple(each / each.sum()) for each in sums]))


def exploitability(profile: StrategyProfile) -> float:
    """Return the mean over players of what a best response earns more in an episode; 0 in an equilibrium."""
    gains = (profile.best_response(player) - payoff for player, payoff in enumerate(profile.payoffs.tolist()))
    return float(sum(gains)) / len(profile.payoffs)


def _rock_paper_scissors() -> Iterator[LearnedFigure]:
    graph = GameGraph(silent_table("matrix_game", (None, None), steps=1))
    played = self_play(graph, TabularTrainer(0.5, spread=0.5, seed=1), 1200)
    name = "rock, paper, scissors: the last of self-play goes round, its average does not"
    yield LearnedFigure(name, "exploitability of the last", 0.5, 1.0, exploitability(played.last), LANCTOT)
    yield LearnedFigure(name, "exploitability of the average", 0.0, 0.05, exploitability(played.average), LANCTOT)


def _latest_only() -> Iterator[LearnedFigure]:
    graph = GameGraph(silent_table("matrix_game", (None, None), steps=1))
    (cell,), (own,) = graph.cells_of("p1"), graph.cells_of("p0")
    action, found = 0, ""
    for _ in range(6):
        found += graph.cells[cell].actions[action][0].upper()
        latest = [tuple(np.eye(3)[action]) for _ in graph.cells]
        action = graph.evaluate(latest).best_actions(0)[own]
    name = "rock, paper, scissors: best responses to the latest alone go round"
    yield LearnedFigure(f"{name}: {found}", "1 where it is RPSRPS", 1.0, 1.0, float(found == "RPSRPS"), LANCTOT)


def kuhn_rows(graph: GameGraph, alpha: float) -> list[tuple[float, ...]]:
    """Return the equilibrium of Kuhn poker with the parameter `alpha` as one row per prompt."""
    game, waiting, chances = graph.table.game, [state for _, state in draws(graph.table.game)], dict[str, float]()
    while waiting:
        state = waiting.pop()
        menus = [game.observe(state, player, Language.EN).options for player in range(game.players)]
        (player,) = (player for player, menu in enumerate(menus) if len(menu) > 1)
        text = f"step {state.tally.step + 1}: {game.observation_text(state, player, Language.EN)}"
        history = tuple((state.table.deals[player].offer or "").split())
        chances[text] = equilibrium_chance(state.table.cards[0][player], history, alpha)
        for option in menus[player]:
            moves = [Move(menu[0].action) for menu in menus]
            moves[player] = Move(option.action)
            after = game.resolve(state, moves)
            waiting += [] if game.is_terminal(after) else [after]
    return [
        tuple(
            chances[cell.situation] if action in (BET, CALL) else 1 - chances[cell.situation] for action in cell.actions
        )
        for cell in graph.cells
    ]


def _kuhn_poker() -> Iterator[LearnedFigure]:
    graph = GameGraph(silent_table("kuhn_poker", (None, None), steps=3))
    for alpha in (0.0, 1 / 6, 1 / 3):
        profile, name = graph.evaluate(kuhn_rows(graph, alpha)), f"Kuhn poker: the equilibrium with alpha {alpha:.2g}"
        value = float(profile.payoffs[0])
        yield LearnedFigure(name, "value of who opens", KUHN_VALUE - 1e-9, KUHN_VALUE + 1e-9, value, KUHN)
        yield LearnedFigure(name, "exploitability", -1e-9, 1e-9, exploitability(profile), KUHN)
    average = self_play(graph, TabularTrainer(10.0, spread=0.1, seed=1), 300).average
    name = "Kuhn poker: the average of self-play"
    yield LearnedFigure(name, "exploitability", 0.0, 0.05, exploitability(average), LANCTOT)
    value = float(average.payoffs[0])
    yield LearnedFigure(name, "value of who opens", KUHN_VALUE - 0.02, KUHN_VALUE + 0.02, value, KUHN)


def pennies(steps: int) -> GameGraph:
    """Return matching pennies of two learners: against an undecided other every play earns 0."""
    parameters = {"actions": ["heads", "tails"], "payoffs": [[1, -1], [-1, 1]]}
    return GameGraph(silent_table("matrix_game", (None, None), steps=steps, parameters=parameters))


def planted(graph: GameGraph, gain: float) -> tuple[Rows, Rows]:
    """Return an undecided first player, and one that earns `gain` a step more, against heads in 4 of 5 steps."""
    more = gain / (2 * (2 * 0.8 - 1))
    chances = [{"p0": chance, "p1": 0.8} for chance in (0.5, 0.5 + more)]
    first, better = ([(each[c.prompt.learner], 1 - each[c.prompt.learner]) for c in graph.cells] for each in chances)
    return first, better


def _gates() -> Iterator[LearnedFigure]:
    gate = GateConfig(held_out=("random",), delta=0.25, episodes=24)
    share, name = (
        null_promotions(pennies(3), gate, NULLS),
        f"the gate of a learner that is no better, {NULLS} trainings",
    )
    most = gate.error + 2 * (gate.error * (1 - gate.error) / NULLS) ** 0.5
    yield LearnedFigure(name, "share of trainings with a promotion", 0.0, most, share, BERGER)
    graph, off = pennies(3), 3 * 0.5 / PLANTED**0.5
    first, better = planted(graph, gate.delta)
    alone = found_gains(graph, first, better, gate, PLANTED, common=False)
    paired = found_gains(graph, first, better, gate, PLANTED, common=True)
    name = f"the gate of a planted gain, {PLANTED} trainings"
    yield LearnedFigure(name, "found less published, own draws", -off, off, alone.found - alone.published, WELCH)
    yield LearnedFigure(name, "found less published, common draws", -off, 1, paired.found - paired.published, WELCH)


CASES: tuple[Callable[[], Iterator[LearnedFigure]], ...] = (
    _dilemmas,
    _best_responses,
    _public_goods,
    _stag_hunt,
    _gradients,
    _sampled_gradients,
    _rock_paper_scissors,
    _latest_only,
    _kuhn_poker,
    _gates,
    *EXPLOIT_CASES,
)
"""Each trains from nothing and yields its figures; `learning_cases` has those of populations and shaping too."""
