"""A silent game as a finite graph, in which a learner is a table: one row of probabilities per prompt it can reach.

A node is a class of states that look alike to every player and have the same table: what was earned before does not
count. In a node every learner has one prompt; a partner is a scripted policy that does not draw. So the value of a
profile, its gradient and best responses are exact: no episode is played. A game that deals at its start, as a game of
cards, begins in each deal with its probability.

    V = r + d A V        r, A: expected payoffs and transitions of a step; d: the chance that another step follows

The gradient of V with respect to P(choice | prompt) is the policy gradient theorem with exact visits and action values.

Sources: Puterman, Markov Decision Processes (1994), for the linear equations; Sutton et al., NeurIPS 1999, for the
gradient.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.inference.provenance import Purpose
from agents.language import Language
from agents.learning.samples import Prompt
from agents.players.observation import Observation
from agents.players.policies import POLICIES, Policy
from agents.problems import SocietyError
from agents.prompt_templates import Templates
from agents.prompts import EpisodeContext, PlayerContext, chat, identity, system_prompt, user_prompt
from agents.roster import ModelConfig
from agents.strategy import TrainingMode, derive_strategy
from simulation.games.base import Game, Move, State
from simulation.games.equilibria import draws
from simulation.metrics.arrays import Vector
from simulation.training.best_response import NO_CHOICE, JointMoves, best_response, own_reach
from simulation.training.transitions import TransitionSolver

if TYPE_CHECKING:
    from simulation.task import TrainingTask

MOST_NODES, MOST_MOVES, MOST_DEALS = 20_000, 500_000, 2_000
_DRAWS = 8  # a policy that gives the same option so many times does not draw


@dataclass(frozen=True)
class PromptCell:
    """One row of a learner's table: a prompt it can reach, and its actions in the order of the prompt's choices.

    `state` is the first state found in which `player` is asked it.
    """

    prompt: Prompt
    situation: str
    actions: tuple[str, ...]
    state: State[Any]
    player: int


@dataclass(frozen=True)
class SilentTable:
    """Who plays what, without talk. `learners` are the rows that learn; every other row has a policy.

    Args:
        task: The task.
        game: Its game, with these rows as seats.
        configs: The rows, in the order of the seats.
        learners: The model_id of each learner.
        mode: The mode, which prompts name.
        language: The prompts' language.
        views: For each player the game with the seats named as its prompts name them; empty: they are the game's own.
        templates: Templates in place of the shipped ones.
    """

    task: TrainingTask
    game: Game[Any]
    configs: tuple[ModelConfig, ...]
    learners: frozenset[str]
    mode: TrainingMode
    language: Language = Language.EN
    views: tuple[Game[Any], ...] = ()
    templates: Templates = ()


class GameGraph:
    """Every state that a silent game can reach, merged where states look alike.

    Args:
        table: Who plays what.
        discount: The chance that another step follows a step, above 0 and at most 1.
        stationary: Whether prompts do not show the step. The game then has no last step; `discount` must be below 1.
        most_moves: The most joint moves.

    Raises:
        SocietyError: The game is too large or has noise, draws more than a few deals, or has a partner that draws.
    """

    def __init__(
        self,
        table: SilentTable,
        *,
        discount: float = 1.0,
        stationary: bool = False,
        most_moves: int = MOST_MOVES,
    ) -> None:
        if table.game.setting.noise:
            raise SocietyError(f"{table.game.task_type} has noise: it can be played (method reinforce), not computed")
        if stationary and not 0 < discount < 1:
            raise SocietyError(f"a game without a last step needs a discount between 0 and 1, not {discount:g}")
        if stationary and table.game.round_steps > 1:
            raise SocietyError(
                f"{table.game.task_type} has rounds of {table.game.round_steps} steps: an exact training without a "
                "last step knows games whose steps are alike only; announce the horizon, or train by reinforce"
            )
        self.table, self.discount, self.stationary = table, discount, stationary
        self._most_moves = most_moves
        self._prompts = _Prompts(table, stationary)
        self._cells: dict[Prompt, int] = {}
        self._found: list[PromptCell] = []
        self._offsets: list[int] = []
        self._size = 1  # place 0 is a partner's certain action
        self._build()

    @property
    def cells(self) -> tuple[PromptCell, ...]:
        """Every prompt that a learner can reach, in the order of discovery."""
        return tuple(self._found)

    def cells_of(self, learner: str) -> tuple[int, ...]:
        """The places of a learner's prompts in `cells`."""
        return tuple(place for place, cell in enumerate(self._found) if cell.prompt.learner == learner)

    # -- building -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        game, starts = self.table.game, self._starts()
        places = {key: number for number, key in enumerate(starts)}
        waiting = [state for _, state in starts.values()]
        steps = [state.tally.step for state in waiting]
        parents: list[int] = []
        children, payoffs, factors = [], [], []
        while waiting:
            state = waiting.pop()
            here = places[self._key(state)]
            options = [self._factors(state, player) for player in range(game.players)]
            self._check_size(len(places), len(parents) + math.prod(map(len, options)))
            for joint in product(*options):
                after = game.resolve(state, [Move(action) for action, _ in joint])
                ended = (not self.stationary and game.is_terminal(after)) or game.finished(after)
                following = self._without_past(after)
                key = None if ended else self._key(following)
                if key is not None and key not in places:
                    places[key] = len(places)
                    waiting.append(following)
                    steps.append(following.tally.step)
                parents.append(here)
                children.append(-1 if key is None else places[key])
                payoffs.append([a - b for a, b in zip(after.tally.payoff, state.tally.payoff, strict=True)])
                factors.append([factor for _, factor in joint])
        self.nodes = len(places)
        self._parents, self._children = np.array(parents), np.array(children)
        self._payoffs, self._factors_of = np.array(payoffs, dtype=np.float64), np.array(factors)
        weights = np.zeros(self.nodes)
        weights[: len(starts)] = [weight for weight, _ in starts.values()]
        lengths = [len(cell.actions) for cell in self._found]
        self.moves = JointMoves(
            parents=self._parents,
            children=self._children,
            payoffs=self._payoffs,
            places=self._factors_of,
            cells=np.append(-1, np.repeat(np.arange(len(lengths)), lengths)).astype(np.int64),
            steps=None if self.stationary else np.array(steps),
            starts=weights,
            discount=self.discount,
        )

    def _starts(self) -> dict[object, tuple[float, State[Any]]]:
        """Return every deal of the game's random numbers with its probability, by key."""
        game, found = self.table.game, dict[object, tuple[float, State[Any]]]()
        for weight, state in itertools.islice(draws(game), MOST_DEALS + 1):
            key = self._key(state)
            found[key] = (found.get(key, (0.0, state))[0] + weight, state)
        drawn = {self._key(game.start(random.Random(seed))) for seed in range(_DRAWS)}
        finite = abs(sum(weight for weight, _ in found.values()) - 1) < 1e-9 and drawn <= set(found)
        if not finite or (self.stationary and len(found) > 1):
            raise SocietyError(f"{game.task_type} draws at its start: its value is not a finite sum here")
        return found

    def _without_past(self, state: State[Any]) -> State[Any]:
        """The state with nothing earned so far; where the step does not count there is a first and a later one."""
        zeros = (0.0,) * self.table.game.players
        tally = replace(state.tally, payoff=zeros, accuracy=zeros, cooperation=zeros, valid=(0,) * len(zeros))
        return replace(state, tally=replace(tally, step=min(1, tally.step)) if self.stationary else tally)

    def _key(self, state: State[Any]) -> object:
        game, language = self.table.game, self.table.language
        players = range(game.players)
        scripted = (player for player in players if self.table.configs[player].model_id not in self.table.learners)
        seen = tuple(game.observe(state, player, language) for player in scripted)
        texts = tuple(game.observation_text(state, player, language) for player in players)
        return (state.tally.step, repr(state.table), seen, texts)

    def _factors(self, state: State[Any], player: int) -> list[tuple[str, int]]:
        """The actions that `player` may take here, each with its place in the vector of probabilities."""
        config = self.table.configs[player]
        if config.model_id not in self.table.learners:
            return [(self._scripted(config, state, player), 0)]
        prompt, situation, actions = self._prompts.of(state, player)
        if len(actions) == 1:
            return [(actions[0], NO_CHOICE)]  # a player without a choice is not asked
        if prompt not in self._cells:
            self._cells[prompt] = len(self._found)
            self._found.append(PromptCell(prompt, situation, actions, state, player))
            self._offsets.append(self._size)
            self._size += len(actions)
        offset = self._offsets[self._cells[prompt]]
        return [(action, offset + number) for number, action in enumerate(actions)]

    def _scripted(self, config: ModelConfig, state: State[Any], player: int) -> str:
        policy = POLICIES.get(config.policy or "")
        if policy is None:
            raise SocietyError(f"{config.model_id} is neither a learner nor a policy: an exact training knows no other")
        return _only_action(policy, config, self.table.game.observe(state, player, self.table.language))

    def _check_size(self, nodes: int, moves: int) -> None:
        if nodes > MOST_NODES or moves > self._most_moves:
            raise SocietyError(
                f"{self.table.game.task_type}: more than {MOST_NODES:,} states or {self._most_moves:,} joint moves; "
                "give fewer steps or players, or train by reinforce"
            )

    # -- values -------------------------------------------------------------------------------------------

    def evaluate(self, probabilities: Sequence[Sequence[float]]) -> StrategyProfile:
        """Return the values of a profile: one row of probabilities per cell, in the order of `cells`."""
        places = np.ones(self._size)
        for offset, row in zip(self._offsets, probabilities, strict=True):
            places[offset : offset + len(row)] = row
        return StrategyProfile(self, places)

    def split(self, flat: Vector) -> list[tuple[float, ...]]:
        """One tuple per cell from one number per place."""
        lengths = (len(cell.actions) for cell in self._found)
        return [tuple(flat[o : o + n].tolist()) for o, n in zip(self._offsets, lengths, strict=True)]


class StrategyProfile:
    """What every player earns when each learner plays its table: exact, in the game's points.

    Args:
        graph: The game.
        places: One probability per action of each cell; place 0 is 1.
    """

    def __init__(self, graph: GameGraph, places: Vector) -> None:
        self.graph = graph
        self._chances = places[graph._factors_of]
        self._likely = self._chances.prod(axis=1)
        self._solver = TransitionSolver(graph.moves, self._likely)
        expected = np.zeros((graph.nodes, graph.table.game.players))
        np.add.at(expected, graph._parents, self._likely[:, None] * graph._payoffs)
        self._values = self._solver.solve(expected)

    @property
    def payoffs(self) -> Vector:
        """The expected payoff of each player over an episode, discounted."""
        return np.asarray(self.graph.moves.starts @ self._values)

    @property
    def visits(self) -> Vector:
        """The expected visits of each node, discounted."""
        return self._solver.solve_transposed(self.graph.moves.starts)

    @property
    def steps(self) -> float:
        """The expected number of steps, discounted: payoffs / steps are per step."""
        return float(self.visits.sum())

    def gradient(self, weights: Vector) -> list[tuple[float, ...]]:
        """Return d (weights . payoffs) / d P(action) for every cell.

        Args:
            weights: One weight per player: what a learner's objective counts.
        """
        graph = self.graph
        worth = self._worth(graph._payoffs @ weights, self._values @ weights)
        reached = self.visits[graph._parents] * worth
        flat = np.zeros(graph._size)
        for player in range(graph.table.game.players):
            np.add.at(flat, graph._factors_of[:, player], reached * self._others(player))
        return graph.split(flat)

    def best_response(self, player: int) -> float:
        """Return the most that `player` can earn against the others by what it observes, as `best_response`."""
        return best_response(self.graph.moves, self._others(player), player).value

    def best_actions(self, player: int) -> dict[int, int]:
        """Return the best action of `player` in each of its prompts against the others, by place in `graph.cells`."""
        graph, found = self.graph, best_response(self.graph.moves, self._others(player), player)
        cells = (int(graph.moves.cells[place]) for place in found.actions)
        return {cell: place - graph._offsets[cell] for cell, place in zip(cells, found.actions, strict=True)}

    def own_reach(self, player: int) -> dict[int, float]:
        """Return how likely the actions of `player` lead to each of its prompts, by place in `graph.cells`."""
        return own_reach(self.graph.moves, self._chances[:, player], player)

    def _others(self, player: int) -> Vector:
        """Return for each joint move how likely all but `player` make their part of it."""
        return np.asarray(np.delete(self._chances, player, axis=1).prod(axis=1))

    def _worth(self, payoffs: Vector, values: Vector) -> Vector:
        """What each joint move brings: its payoff, and the value of what follows."""
        following = np.append(values, 0.0)[self.graph._children]  # child -1 is the end
        return np.asarray(payoffs + self.graph.discount * following)


class _Prompts:
    """The prompts of learners in a silent game: the same texts as an episode gives them."""

    def __init__(self, table: SilentTable, stationary: bool) -> None:
        self._table, self._stationary = table, stationary
        common = EpisodeContext(
            task=table.task,
            mode=table.mode,
            others=table.game.players - 1,
            rules=table.game.rules(table.language),
            language=table.language,
            templates=table.templates,
        )
        self._system = system_prompt(common)
        self._identities = [
            identity(table.language, config, derive_strategy(config.role, table.task, table.mode), table.templates)
            for config in table.configs
        ]

    def of(self, state: State[Any], player: int) -> tuple[Prompt, str, tuple[str, ...]]:
        """A player's prompt in a state, the situation in words, and its actions."""
        game, language = self._table.game, self._table.language
        view = self._table.views[player] if self._table.views else game
        seen = view.observe(state, player, language)
        text = view.observation_text(state, player, language)
        own = PlayerContext(
            step=state.tally.step + 1,
            max_steps=seen.max_steps,
            identity=self._identities[player],
            heard=(),
            observation_text=text,
            choices=tuple(option.label for option in seen.options),
            horizon=self._table.task.horizon,
        )
        messages = chat(self._system, user_prompt(Purpose.DECIDE, language, own, self._table.templates))
        prompt = Prompt(self._table.configs[player].model_id, messages, tuple(own.choices))
        step = "" if self._stationary else f"step {own.step}"
        situation = ": ".join(part for part in (step, text or "nothing yet") if part)
        return prompt, situation, tuple(option.action for option in game.observe(state, player, language).options)


def _only_action(policy: Policy, config: ModelConfig, seen: Observation) -> str:
    found = {policy.decide(seen, random.Random(f"{seed}/{config.model_id}")).action for seed in range(_DRAWS)}
    if len(found) > 1:
        raise SocietyError(
            f"{config.model_id}: the policy {policy.name} draws; an exact training needs one that doesn't"
        )
    return found.pop()
