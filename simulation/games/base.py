"""What a game is: pure rules over finite actions. One file in this folder per task type.

A game module is named like its `task_type` and sets `GAME` to a subclass of `Game`. A subclass writes five
rules (`_open`, `_options`, `_play`, `rules`, `observation_text`) and two known figures (`optimum`, `nash`;
`min_payoff` where payoffs can be negative). This base keeps the tally, checks moves and scores the episode. Nothing
here does I/O, and every random draw comes from the generator given to `start`.

An invalid decision (`Move.action` None) earns nothing in its step and leaves the game untouched; accuracy
counts it as 0, and cooperation_score leaves it out.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from agents.language import Language
from agents.players.policies import ExpectedOutcome, Observation, Option, closest
from agents.problems import SocietyError
from simulation.seats import Seat

Table = TypeVar("Table")


class GameError(SocietyError, ValueError):
    """A call that breaks a game's rules: a wrong number of moves, an illegal action, a step after the end."""


class GameParameters(BaseModel):
    """A game's own parameters, finite numbers all; each game subclasses it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Setting:
    """What every game is given beside its own parameters. `difficulty` is in 0-1."""

    seats: tuple[Seat, ...]
    max_steps: int
    difficulty: float = 0.5


@dataclass(frozen=True)
class Move:
    """What one player did in a step; `action` None is an invalid decision."""

    action: str | None
    message: str = ""
    teamwork_level: float = 0.0


class Everyone(NamedTuple):
    """Over all players: sum and number of last step's cooperation levels, and the two lowest ever."""

    total: float
    known: int
    lowest: tuple[float, ...]


@dataclass(frozen=True)
class Tally:
    """Running sums per player; constant in size however long the episode."""

    step: int
    payoff: tuple[float, ...]
    accuracy: tuple[float, ...]
    cooperation: tuple[float, ...]
    valid: tuple[int, ...]
    last_cooperation: tuple[float | None, ...]
    worst_cooperation: tuple[float | None, ...]
    last_payoff: tuple[float, ...]

    @cached_property
    def everyone(self) -> Everyone:
        """Sums over all players, made once a step so that each player's view costs the same in any crowd."""
        last = [level for level in self.last_cooperation if level is not None]
        worst = sorted(level for level in self.worst_cooperation if level is not None)
        return Everyone(sum(last), len(last), tuple(worst[:2]))


@dataclass(frozen=True)
class State(Generic[Table]):
    """A game in play: the common tally and the game's own table."""

    tally: Tally
    table: Table


@dataclass(frozen=True)
class Round(Generic[Table]):
    """One resolved step: per player payoff and accuracy (0-1), and the table after it."""

    payoffs: tuple[float, ...]
    accuracies: tuple[float, ...]
    table: Table


@dataclass(frozen=True)
class PlayerScore:
    """One player's episode.

    `accuracy` 0-1: closeness to the best response or right answer, as the game's docstring defines it.
    `efficiency` 0-1: achieved / best possible welfare. `cooperation_score` 0-1: mean over valid decisions,
    None without any. `payoff` is in the game's own units.
    """

    payoff: float
    accuracy: float
    efficiency: float
    cooperation_score: float | None


@dataclass(frozen=True)
class EpisodeScore:
    """An episode's score; `welfare`, `optimum` and `nash` are sums of payoffs over all players and steps."""

    players: tuple[PlayerScore, ...]
    welfare: float
    gini: float
    optimum: float
    nash: float


class Game(ABC, Generic[Table]):
    """The rules behind one `task_type`."""

    task_type: ClassVar[str]
    synthetic: ClassVar[bool] = False
    foreseeable: ClassVar[bool] = False
    """Whether a player knows all that decides a step's payoffs but the others' actions, as `payoff_model` needs."""
    Parameters: ClassVar[type[GameParameters]] = GameParameters

    def __init__(self, setting: Setting, parameters: Any = None) -> None:
        problem = self.refuse(setting, parameters or self.Parameters())
        if problem:
            raise GameError(problem)
        self.setting = setting
        self.parameters = parameters or self.Parameters()
        self.players = len(setting.seats)
        self._last_worded: tuple[tuple[object, Language], tuple[Option, ...]] | None = None

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        """Why this setting cannot be played; empty when it can."""
        return "" if len(setting.seats) >= 2 else f"{cls.task_type} needs at least 2 models"

    # -- what a subclass writes -------------------------------------------------------------------------

    @abstractmethod
    def _open(self, rng: random.Random) -> Table:
        """The table before the first step."""

    @abstractmethod
    def _options(self, state: State[Table], player: int) -> tuple[tuple[str, float], ...]:
        """Legal actions of `player`, each with its cooperation level in 0-1."""

    @abstractmethod
    def _play(self, state: State[Table], moves: Sequence[Move]) -> Round[Table]:
        """Payoffs, accuracies and the next table for one step's moves."""

    @abstractmethod
    def rules(self, language: Language) -> str:
        """The rules in one short paragraph, the same for every player."""

    @abstractmethod
    def observation_text(self, state: State[Table], player: int, language: Language) -> str:
        """What this player sees now; empty when there is nothing to tell."""

    @abstractmethod
    def optimum(self) -> float:
        """The best possible welfare of an episode."""

    @abstractmethod
    def nash(self) -> float:
        """Welfare of the equilibrium named in the game's docstring."""

    def min_payoff(self) -> float:
        """The least one player can earn in an episode; scores are counted from here when it is negative."""
        return 0.0

    def opponents(self, _state: State[Table], _player: int) -> Sequence[int] | None:
        """The players whose behaviour `player` answers to; None for everyone else."""
        return None

    def label(self, action: str, _language: Language) -> str:
        """How an action reads in a language: the same throughout the episode, whoever asks."""
        return action

    def finished(self, _state: State[Table]) -> bool:
        """True when the game ends before `max_steps`."""
        return False

    # -- the four verbs: start, look, resolve, over -----------------------------------------------------

    def start(self, rng: random.Random) -> State[Table]:
        """A fresh episode; every draw the game makes comes from `rng`."""
        zeros, none = (0.0,) * self.players, (None,) * self.players
        tally = Tally(0, zeros, zeros, zeros, (0,) * self.players, none, none, zeros)
        return State(tally, self._open(rng))

    def observe(self, state: State[Table], player: int, language: Language) -> Observation:
        """What a scripted player or a simulated mind sees."""
        others_last, others_worst = self._others(state, player)
        return Observation(
            step=state.tally.step + 1,
            max_steps=self.setting.max_steps,
            options=self._worded(self._options(state, player), language),
            own_last=state.tally.last_cooperation[player],
            others_last=others_last,
            others_worst=others_worst,
            payoff_model=partial(self._payoff_model, state, player) if self.foreseeable else None,
        )

    def _worded(self, actions: tuple[tuple[str, float], ...], language: Language) -> tuple[Option, ...]:
        """The actions as they read; players in turn mostly have the same, and then share them."""
        asked = (actions, language)
        if self._last_worded is None or self._last_worded[0] != asked:
            options = tuple(Option(action, self.label(action, language), level) for action, level in actions)
            self._last_worded = (asked, options)
        return self._last_worded[1]

    def _payoff_model(self, state: State[Table], player: int, level: float) -> tuple[ExpectedOutcome, ...]:
        """What each option would bring `player` in this step if all others took their option nearest to `level`."""
        moves = [Move(self._nearest(state, other, level)) for other in range(self.players)]
        found = []
        for action, _ in self._options(state, player):
            moves[player] = Move(action)
            round_ = self._play(state, moves)
            found.append(ExpectedOutcome(round_.payoffs[player], round_.accuracies[player]))
        return tuple(found)

    def _nearest(self, state: State[Table], player: int, level: float) -> str:
        options = [Option(action, action, cooperation) for action, cooperation in self._options(state, player)]
        return closest(options, level).action

    def _others(self, state: State[Table], player: int) -> tuple[float | None, float | None]:
        """Mean last and least ever cooperation of those `player` faces."""
        tally = state.tally
        faced = self.opponents(state, player)
        if faced is None:
            return _all_but(tally, player)
        last = [v for v in (tally.last_cooperation[other] for other in faced) if v is not None]
        worst = [v for v in (tally.worst_cooperation[other] for other in faced) if v is not None]
        return (_tidy(sum(last) / len(last)) if last else None), (min(worst) if worst else None)

    def resolve(self, state: State[Table], moves: Sequence[Move]) -> State[Table]:
        """The state after one step. Raises GameError for a wrong number of moves or an illegal action."""
        if self.is_terminal(state):
            raise GameError(f"{self.task_type}: the episode is over after step {state.tally.step}")
        if len(moves) != self.players:
            raise GameError(f"{self.task_type}: {len(moves)} moves for {self.players} players")
        levels = tuple(self._level(state, player, move) for player, move in enumerate(moves))
        round_ = self._play(state, moves)
        return State(_added(state.tally, round_, levels), round_.table)

    def _level(self, state: State[Table], player: int, move: Move) -> float | None:
        if move.action is None:
            return None
        legal = dict(self._options(state, player))
        if move.action not in legal:
            name = self.setting.seats[player].model_id
            raise GameError(f"{self.task_type}: {name} played {move.action!r}; legal: {', '.join(legal)}")
        return legal[move.action]

    def is_terminal(self, state: State[Table]) -> bool:
        return state.tally.step >= self.setting.max_steps or self.finished(state)

    def score(self, state: State[Table]) -> EpisodeScore:
        """The episode's outcome so far."""
        tally, welfare, optimum = state.tally, sum(state.tally.payoff), self.optimum()
        efficiencies = self.efficiencies(state)
        steps = max(1, tally.step)
        players = tuple(
            PlayerScore(
                payoff=tally.payoff[i],
                accuracy=tally.accuracy[i] / steps,
                efficiency=efficiencies[i],
                cooperation_score=tally.cooperation[i] / tally.valid[i] if tally.valid[i] else None,
            )
            for i in range(self.players)
        )
        return EpisodeScore(players, welfare, gini(self.earned(state)), optimum, self.nash())

    def earned(self, state: State[Table]) -> tuple[float, ...]:
        """Payoffs counted from zero, or from the floor where payoffs can be negative."""
        floor = min(0.0, self.min_payoff())
        return tuple(payoff - floor for payoff in state.tally.payoff)

    def efficiencies(self, state: State[Table]) -> tuple[float, ...]:
        """Achieved / best possible welfare, per player; the same for all unless a game splits its players."""
        return (ratio(sum(state.tally.payoff), self.optimum()),) * self.players


def _added(tally: Tally, round_: Round[Any], levels: Sequence[float | None]) -> Tally:
    def plus(sums: Sequence[float], parts: Sequence[float]) -> tuple[float, ...]:
        return tuple(total + part for total, part in zip(sums, parts, strict=True))

    return replace(
        tally,
        step=tally.step + 1,
        payoff=plus(tally.payoff, round_.payoffs),
        accuracy=plus(tally.accuracy, round_.accuracies),
        cooperation=plus(tally.cooperation, [level or 0.0 for level in levels]),
        valid=tuple(n + (level is not None) for n, level in zip(tally.valid, levels, strict=True)),
        last_cooperation=tuple(levels),
        worst_cooperation=tuple(_least(a, b) for a, b in zip(tally.worst_cooperation, levels, strict=True)),
        last_payoff=round_.payoffs,
    )


def _all_but(tally: Tally, player: int) -> tuple[float | None, float | None]:
    own, own_worst, everyone = tally.last_cooperation[player], tally.worst_cooperation[player], tally.everyone
    count = everyone.known - (own is not None)
    mean = _tidy((everyone.total - (own or 0.0)) / count) if count else None
    lowest = list(everyone.lowest)
    if own_worst in lowest:
        lowest.remove(own_worst)
    return mean, (lowest[0] if lowest else None)


def _tidy(value: float) -> float:
    """A cooperation level freed of what summing left behind, so that a mean of ones is one."""
    return min(1.0, max(0.0, round(value, 12)))


def _least(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)


def ratio(achieved: float, best: float) -> float:
    """`achieved` / `best` clipped to 0-1; 1 where nothing can be won."""
    return min(1.0, max(0.0, achieved / best)) if best > 0 else 1.0


def closeness(payoff: float, alternatives: Sequence[float]) -> float:
    """How near `payoff` comes to the best of `alternatives` (best response), from the worst: 0-1; 1 where they
    are the same but for rounding."""
    best, worst = max(alternatives), min(alternatives)
    return 1.0 if math.isclose(best, worst, rel_tol=1e-9, abs_tol=1e-9) else (payoff - worst) / (best - worst)


def gini(values: Sequence[float]) -> float:
    """Gini coefficient of non-negative `values`: 0 equal, (n-1)/n one takes all; 0 where all are zero.

    Mean absolute difference over twice the mean, by the sorted-rank form (Sen, On Economic Inequality, 1973).
    """
    n, total = len(values), sum(values)
    if n == 0 or total <= 0:
        return 0.0
    weighted = sum(rank * value for rank, value in enumerate(sorted(values), start=1))
    return max(0.0, 2 * weighted / (n * total) - (n + 1) / n)
