"""Hold a small game's `nash` and `optimum` by exhaustive search. It works for your own games too.

from simulation.games.equilibria import search
print(search(MyGame(setting)).problems())

The search visits every state that any sequence of legal actions reaches, from every deal of the game's random numbers.
At each state it compares each player's actions against `Game.equilibrium_play` of all others (one-shot deviations). A
profile without a gain at any state is a subgame-perfect equilibrium. For a game with private information, states with
the same observation are one decision, weighted by how likely the profile leads there.

Sources: Hendon, Jacobsen & Sloth, Games and Economic Behavior 12 (1996), for one-shot deviations; Kuhn, in
Contributions to the Theory of Games II (1953), for decisions at information sets.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

from agents.language import Language
from simulation.games.base import Game, GameError, Move, State
from simulation.games.measures import BEST_RESPONSE, SUBGAME_PERFECT, closeness

TOLERANCE = 1e-6
CELLS = 4
"""A number that is uniform on 0-1 is drawn from the middles of as many equal parts."""


class PlayedAct(NamedTuple):
    """What a player does and says in a step."""

    action: str
    text: str


StateKey = tuple[int, str]
"""A state's step and table: what comes later follows from these."""
Joint = tuple[PlayedAct, ...]
Worth = Mapping[PlayedAct, float]
"""What each act is worth, if all play the named profile otherwise."""


class EquilibriumClaim(str, Enum):
    """What a game's named profile is claimed to be."""

    SUBGAME_PERFECT = "no gain in any state, even for a player who knows all of it"
    FROM_THE_START = "no gain by any other strategy from the start on"
    BY_OBSERVATION = "no gain by another action at any observation that the profile leads to"


class _Branching(random.Random):
    """A generator whose draws of `randint` and `random` follow a path; all other draws come from a seed.

    The orders that a game shuffles (who meets whom, the names of facts) do not change what it pays in equilibrium.
    """

    def __init__(self, path: Sequence[int]) -> None:
        super().__init__(1)
        self.path, self.widths = path, list[int]()

    def _branch(self, width: int) -> int:
        place = len(self.widths)
        self.widths.append(width)
        return self.path[place] if place < len(self.path) else 0

    def randint(self, a: int, b: int) -> int:
        return a + self._branch(b - a + 1)

    def getrandbits(self, k: int) -> int:  # without it, shuffle and sample would draw from `random`
        return super().getrandbits(k)

    def random(self) -> float:
        return (self._branch(CELLS) + 0.5) / CELLS


def deals(game: Game[Any]) -> list[tuple[float, State[Any]]]:
    """Return the different starts of an episode, each with its probability."""
    found: dict[StateKey, tuple[float, State[Any]]] = {}
    for weight, state in draws(game):
        found[_key(state)] = (found.get(_key(state), (0.0, state))[0] + weight, state)
    return list(found.values())


def draws(game: Game[Any]) -> Iterator[tuple[float, State[Any]]]:
    """Yield the start after every sequence of a game's random numbers, with its probability."""
    path: list[int] = []
    while True:
        rng = _Branching(path)
        state = game.start(rng)
        yield 1.0 / math.prod(rng.widths), state
        path = [*path, *[0] * (len(rng.widths) - len(path))]
        while path and path[-1] + 1 == rng.widths[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


@dataclass(frozen=True)
class GameNode:
    """What one state is worth from here on.

    Attributes:
        most: The largest welfare that any sequence of legal actions reaches.
        least: The smallest.
        values: Each player's payoff if all play the profile; empty if the game names none.
        best: Each player's largest payoff if all others play the profile.
        worths: For each player, each action's worth if all play the profile otherwise.
        ahead: The states that the profile leads to, with their probabilities.
        inaccurate: The largest error of an accuracy in this step.
    """

    most: float
    least: float
    values: tuple[float, ...]
    best: tuple[float, ...]
    worths: tuple[Worth, ...]
    ahead: Mapping[StateKey, float]
    inaccurate: float

    @property
    def gain(self) -> float:
        """The most that one player gains here by another action, knowing the state."""
        gains = (max(worth.values()) - own for worth, own in zip(self.worths, self.values, strict=bool(self.worths)))
        return max(gains, default=0.0)


Nodes = dict[StateKey, tuple[State[Any], GameNode]]
Outcomes = dict[Joint, tuple[State[Any], GameNode]]


@dataclass(frozen=True)
class GameSearch:
    """What an exhaustive search found of a game.

    Attributes:
        game: The game.
        starts: The deals, with their probabilities.
        nodes: Every state that legal actions reach.
    """

    game: Game[Any]
    starts: Sequence[tuple[float, State[Any]]]
    nodes: Mapping[StateKey, tuple[State[Any], GameNode]]

    def _at(self, state: State[Any]) -> GameNode:
        return self.nodes[_key(state)][1]

    @cached_property
    def optimum(self) -> float:
        """The largest welfare that legal actions reach after any deal."""
        return max(self._at(state).most for _, state in self.starts)

    @cached_property
    def constant(self) -> bool:
        """Whether every sequence of legal actions has the same welfare."""
        return self.optimum - min(self._at(state).least for _, state in self.starts) <= TOLERANCE

    @cached_property
    def welfare(self) -> float:
        """The expected welfare of the profile; nan if the game names none and welfare is not constant.

        A game with finitely many actions has an equilibrium (Nash, Annals of Mathematics 54, 1951), so a constant
        welfare is the welfare of one. One player alone takes the optimum.
        """
        if not all(self._at(state).values for _, state in self.starts):
            return self.optimum if self.constant or self.game.players == 1 else math.nan
        return sum(weight * sum(self._at(state).values) for weight, state in self.starts)

    @cached_property
    def gain(self) -> float:
        """The most that a player who knows the state gains by one other action, in any state."""
        return max(node.gain for _, node in self.nodes.values())

    @cached_property
    def gain_at_start(self) -> float:
        """The most that a player gains by any other strategy, if the others play the profile."""
        nodes = [self._at(state) for _, state in self.starts]
        gains = [best - own for node in nodes for best, own in zip(node.best, node.values, strict=True)]
        return max(gains, default=0.0)

    @cached_property
    def inaccurate(self) -> float:
        """The largest error of an accuracy that the game declares as a closeness to a best response."""
        return max(node.inaccurate for _, node in self.nodes.values())

    @cached_property
    def gain_by_observation(self) -> float:
        """The most that a player gains by one other action at an observation that the profile leads to."""
        known: dict[tuple[int, str, int], dict[PlayedAct, float]] = {}
        for key, weight in self._reached().items():
            state, node = self.nodes[key]
            for player, (worth, own) in enumerate(zip(node.worths, node.values, strict=bool(node.worths))):
                seen = self.game.observation_text(state, player, Language.EN)
                gains = known.setdefault((state.tally.step, seen, player), {})
                for action, value in worth.items():
                    gains[action] = gains.get(action, 0.0) + weight * (value - own)
        return max((max(gains.values()) for gains in known.values()), default=0.0)

    def _reached(self) -> dict[StateKey, float]:
        """Return the states that the profile reaches, with their probabilities."""
        reached: dict[StateKey, float] = {}
        front: dict[StateKey, float] = {}
        for weight, state in self.starts:
            front[_key(state)] = front.get(_key(state), 0.0) + weight
        while front:
            reached |= front
            ahead: dict[StateKey, float] = {}
            for key, weight in front.items():
                for after, chance in self.nodes[key][1].ahead.items():
                    ahead[after] = ahead.get(after, 0.0) + weight * chance
            front = ahead
        return reached

    def gained(self, claim: EquilibriumClaim) -> float:
        """Return the most that a player gains by leaving the profile, as far as `claim` forbids it."""
        if claim is EquilibriumClaim.FROM_THE_START:
            return self.gain_at_start
        return self.gain_by_observation if claim is EquilibriumClaim.BY_OBSERVATION else self.gain

    def problems(
        self, claim: EquilibriumClaim = EquilibriumClaim.SUBGAME_PERFECT, bound: bool = False
    ) -> tuple[str, ...]:
        """Return a sentence for each claim of the game that the search refutes.

        Args:
            claim: What `equilibrium_play` is claimed to be.
            bound: `optimum` is claimed to be an upper bound only.
        """
        return tuple(self._problems(claim, bound))

    def _problems(self, claim: EquilibriumClaim, bound: bool) -> Iterator[str]:
        name, optimum, nash = self.game.task_type, self.game.optimum(), self.game.nash()
        if self.optimum > optimum + TOLERANCE or (not bound and self.optimum < optimum - TOLERANCE):
            yield f"{name}: the optimum is {optimum:g}; legal actions reach {self.optimum:g}"
        if self.inaccurate > TOLERANCE:
            yield f"{name}: an accuracy is {self.inaccurate:g} off its definition"
        if math.isnan(nash):
            return
        if not math.isclose(nash, self.welfare, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{name}: nash is {nash:g}; the named profile has a welfare of {self.welfare:g}"
        gain = self.gained(claim)
        if gain > TOLERANCE:
            yield f"{name}: a player gains {gain:g} by leaving the named equilibrium"


def search(game: Game[Any], messages: Sequence[str] = ("",)) -> GameSearch:
    """Return what an exhaustive search of a small game finds.

    Args:
        game: The game; the search grows with (actions * messages) ** players at each state.
        messages: What a player may say, where words count; the named profile says the last. All play at full teamwork.

    Raises:
        GameError: The game has noise.
    """
    if game.setting.noise:
        raise GameError(f"{game.task_type} has noise: its states are not searched")
    nodes: Nodes = {}
    starts = deals(game)
    for _, state in starts:
        _visit(game, state, messages, nodes)
    return GameSearch(game, starts, nodes)


def _visit(game: Game[Any], state: State[Any], messages: Sequence[str], nodes: Nodes) -> GameNode:
    key = _key(state)
    if key not in nodes:
        nodes[key] = (state, _node(game, state, messages, nodes))
    return nodes[key][1]


def _node(game: Game[Any], state: State[Any], messages: Sequence[str], nodes: Nodes) -> GameNode:
    if game.is_terminal(state):
        zeros = (0.0,) * game.players
        return GameNode(0.0, 0.0, zeros, zeros, (), {}, 0.0)
    choices = [[PlayedAct(action, text) for action in legal for text in messages] for legal in _legal(game, state)]
    outcomes: Outcomes = {}
    for joint in itertools.product(*choices):
        after = game.resolve(state, [Move(act.action, act.text, 1.0) for act in joint])
        outcomes[joint] = (after, _visit(game, after, messages, nodes))
    paid = [sum(after.tally.last_payoff) for after, _ in outcomes.values()]
    most = max(now + node.most for now, (_, node) in zip(paid, outcomes.values(), strict=True))
    least = min(now + node.least for now, (_, node) in zip(paid, outcomes.values(), strict=True))
    named = _named(game, state, messages[-1])
    if named is None:
        return GameNode(most, least, (), (), (), {}, _inaccuracy(game, state, outcomes, ()))
    worths, best, values, ahead = _worths(choices, named, outcomes)
    return GameNode(most, least, values, best, worths, ahead, _inaccuracy(game, state, outcomes, worths))


def _legal(game: Game[Any], state: State[Any]) -> list[list[str]]:
    seen = (game.observe(state, player, Language.EN) for player in range(game.players))
    return [[option.action for option in each.options] for each in seen]


def _named(game: Game[Any], state: State[Any], text: str) -> list[dict[PlayedAct, float]] | None:
    """Return each player's probabilities in the profile that the game names; None if it names none."""
    found = []
    for player in range(game.players):
        play = game.equilibrium_play(state, player)
        if play is None:
            return None
        found.append({PlayedAct(action, text): chance for action, chance in play.items() if chance > 0})
    return found


def _worths(
    choices: Sequence[Sequence[PlayedAct]], named: Sequence[Mapping[PlayedAct, float]], outcomes: Outcomes
) -> tuple[tuple[Worth, ...], tuple[float, ...], tuple[float, ...], dict[StateKey, float]]:
    """Return each action's worth, each player's best payoff and its own in the profile, and the states ahead."""
    worths, best, values = [], [], []
    for player, own in enumerate(choices):
        others = [list(play.items()) for i, play in enumerate(named) if i != player]
        worth: dict[PlayedAct, float] = dict.fromkeys(own, 0.0)
        reach: dict[PlayedAct, float] = dict.fromkeys(own, 0.0)
        for mixed in itertools.product(*others):
            chance = math.prod(weight for _, weight in mixed)
            rest = [act for act, _ in mixed]
            for act in own:
                joint = (*rest[:player], act, *rest[player:])
                after, node = outcomes[joint]
                now = after.tally.last_payoff[player]
                worth[act] += chance * (now + node.values[player])
                reach[act] += chance * (now + node.best[player])
        worths.append(worth)
        best.append(max(reach.values()))
        values.append(sum(chance * worth[act] for act, chance in named[player].items()))
    ahead: dict[StateKey, float] = {}
    for mixed in itertools.product(*(play.items() for play in named)):
        key = _key(outcomes[tuple(act for act, _ in mixed)][0])
        ahead[key] = ahead.get(key, 0.0) + math.prod(weight for _, weight in mixed)
    return tuple(worths), tuple(best), tuple(values), ahead


def _inaccuracy(game: Game[Any], state: State[Any], outcomes: Outcomes, worths: Sequence[Worth]) -> float:
    """Return the largest error of an accuracy against its definition; 0 if the game defines its own kind."""
    if game.accuracy_meaning.kind == BEST_RESPONSE:
        every = itertools.product(outcomes, range(game.players))
        return max(_missed_response(state, outcomes, joint, player) for joint, player in every)
    if game.accuracy_meaning.kind == SUBGAME_PERFECT and worths:
        return max(_missed_worth(state, outcomes, joint, worths) for joint in outcomes)
    return 0.0


def _missed_response(state: State[Any], outcomes: Outcomes, joint: Joint, player: int) -> float:
    """Compare an accuracy with the closeness of the step's payoff to that of the best response."""
    own = {each[player]: (*joint[:player], each[player], *joint[player + 1 :]) for each in outcomes}
    payoffs = {act: outcomes[changed][0].tally.last_payoff[player] for act, changed in own.items()}
    right = closeness(payoffs[joint[player]], list(payoffs.values()))
    return abs(_gained_accuracy(state, outcomes[joint][0], player) - right)


def _missed_worth(state: State[Any], outcomes: Outcomes, joint: Joint, worths: Sequence[Worth]) -> float:
    """Compare accuracies with the closeness of the action's worth to that of the best; who waits has none."""
    return max(
        abs(_gained_accuracy(state, outcomes[joint][0], player) - closeness(worth[joint[player]], list(worth.values())))
        if len(worth) > 1
        else 0.0
        for player, worth in enumerate(worths)
    )


def _gained_accuracy(before: State[Any], after: State[Any], player: int) -> float:
    return after.tally.accuracy[player] - before.tally.accuracy[player]


def _key(state: State[Any]) -> StateKey:
    return state.tally.step, repr(state.table)
