"""The base class of every game: pure rules over finite actions. One file in this folder per task type.

A game's module has the name of its `task_type` and sets `GAME` to a subclass of `Game`. The subclass writes five
rules (`_open`, `_options`, `_play`, `rules`, `observation_text`) and two known figures (`optimum`, `nash`; also
`min_payoff` if payoffs can be negative). This base counts the tally, checks moves and scores the episode. Nothing here
does I/O, and every random draw comes from the generator given to `start`.

An invalid decision (`Move.action` is None) earns nothing in its step and does not change the game. Accuracy counts it
as 0, and cooperation_score leaves it out.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from agents.dataclass_init import quick_init
from agents.language import Language
from agents.players.policies import ExpectedOutcome, Observation, Option, closest
from agents.problems import SocietyError
from simulation.games.measures import Meaning, gini, tidy, welfare_ratio
from simulation.games.noise import another, noise_in_words, trembling
from simulation.games.score import EpisodeScore, PlayerScore
from simulation.games.tally import Tally
from simulation.seats import Seat

Table = TypeVar("Table")


class GameError(SocietyError, ValueError):
    """A call breaks a game's rules: a wrong number of moves, an illegal action, a step after the end."""


class MovesSeen(str, Enum):
    """Whose moves, besides its own, decide what a player sees before it decides."""

    EVERYONE = "everyone"
    OPPONENTS = "opponents"
    NOBODY = "nobody"


class GameParameters(BaseModel):
    """A game's own parameters; every number is finite. Each game with parameters has a subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def cautions(self) -> tuple[str, ...]:
        """Return what is legal here but not what a reader of the game's name expects, a sentence each."""
        return ()


@dataclass(frozen=True)
class Setting:
    """What every game gets besides its own parameters. `difficulty` is in 0-1.

    Args:
        seats: The players.
        max_steps: The steps of the episode, unless the game ends earlier.
        at_most: The most steps, where chance decides `max_steps` and players do not know it; None: they know it.
        neighbours: Whom each player reaches, for games in which that matters; empty: everyone.
        noise: The chance that a decision is carried out as another one.
    """

    seats: tuple[Seat, ...]
    max_steps: int
    difficulty: float = 0.5
    at_most: int | None = None
    neighbours: tuple[tuple[int, ...], ...] = ()
    noise: float = 0.0

    @property
    def open_ended(self) -> bool:
        """Whether players do not know which step is the last."""
        return self.at_most is not None


@quick_init
@dataclass(frozen=True)
class Move:
    """What one player did in a step. An `action` of None is an invalid decision."""

    action: str | None
    message: str = ""
    teamwork_level: float = 0.0


@dataclass(frozen=True)
class State(Generic[Table]):
    """The state of an episode: the tally that all games share, and the game's own table; noise follows from `seed`."""

    tally: Tally
    table: Table
    seed: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Round(Generic[Table]):
    """The result of one step: each player's payoff and accuracy (0-1), and the table after the step."""

    payoffs: tuple[float, ...]
    accuracies: tuple[float, ...]
    table: Table


class Game(ABC, Generic[Table]):
    """The rules of one `task_type`.

    Args:
        setting: The seats, the number of steps and the difficulty.
        parameters: An instance of `Parameters`; None for the defaults.

    Raises:
        GameError: This setting cannot be played; the message says why.
    """

    task_type: ClassVar[str]
    synthetic: ClassVar[bool] = False
    cooperation_meaning: ClassVar[Meaning] = Meaning("", "")
    accuracy_meaning: ClassVar[Meaning] = Meaning("", "")
    round_steps: ClassVar[int] = 1
    """The steps of a round; chance ends an episode after a whole one."""
    repeats: ClassVar[bool] = False
    """True if the named equilibrium plays every round for itself. It then stays one where chance ends the episode."""
    foreseeable: ClassVar[bool] = False
    """True if the others' actions are all that a player does not know of a step's payoffs; `payoff_model` needs it."""
    sees: ClassVar[MovesSeen] = MovesSeen.EVERYONE
    """Whose moves decide what a player sees and may do, in this step and in all before: everyone's, those of its
    `opponents`, or nobody's but its own. With the last two, `opponents` and the number of steps depend on no move."""
    Parameters: ClassVar[type[GameParameters]] = GameParameters

    def __init__(self, setting: Setting, parameters: Any = None) -> None:
        problem = self.refuse(setting, parameters or self.Parameters())
        if problem:
            raise GameError(problem)
        self.setting = setting
        self.parameters = parameters or self.Parameters()
        self.players = len(setting.seats)
        self._last_legal: tuple[object, dict[str, float]] | None = None
        self._last_labelled: tuple[tuple[object, Language], tuple[Option, ...]] | None = None

    @classmethod
    def refuse(cls, setting: Setting, parameters: Any) -> str:
        """Return why this setting cannot be played, or an empty string if it can."""
        return "" if len(setting.seats) >= 2 else f"{cls.task_type} needs at least 2 models"

    # -- what a subclass writes -------------------------------------------------------------------------

    @abstractmethod
    def _open(self, rng: random.Random) -> Table:
        """Return the table before the first step."""

    @abstractmethod
    def _options(self, state: State[Table], player: int) -> tuple[tuple[str, float], ...]:
        """Return the legal actions of `player`, each with its cooperation level in 0-1."""

    @abstractmethod
    def _play(self, state: State[Table], moves: Sequence[Move]) -> Round[Table]:
        """Return the payoffs, the accuracies and the next table for one step's moves."""

    @abstractmethod
    def rules(self, language: Language) -> str:
        """Return the rules in one short paragraph. It is the same for every player."""

    @abstractmethod
    def observation_text(self, state: State[Table], player: int, language: Language) -> str:
        """Return what this player sees before its next decision; empty if it sees nothing new."""

    @abstractmethod
    def optimum(self) -> float:
        """Return the best possible welfare of an episode of `max_steps`, however players know it."""

    @abstractmethod
    def nash(self) -> float:
        """Return the welfare of an episode in the equilibrium that the game's docstring names.

        It is nan where the docstring says that there is no known one; it is never the figure of another profile.
        Where chance ends the episode, `score` reports it for games that have `repeats` only; with noise for none.
        """

    def equilibrium_play(self, _state: State[Table], _player: int) -> Mapping[str, float] | None:
        """Return the probability of each action in the equilibrium of `nash`; absent actions have 0.

        None: the game names no profile, as `nash` is nan or every outcome has the same welfare.
        """
        return None

    def min_payoff(self) -> float:
        """Return the least that one player can earn in an episode. If it is negative, rewards are counted from it."""
        return 0.0

    def opponents(self, _state: State[Table], _player: int) -> Sequence[int] | None:
        """Return the players whose behaviour `player` responds to; None means all other players."""
        return None

    def may_speak(self, _state: State[Table], _player: int) -> bool:
        """Return whether `player` has a say in a talk round; who has none is not asked."""
        return True

    def label(self, action: str, _language: Language) -> str:
        """Return the text of an action in a language: the same in every step and for every player."""
        return action

    def finished(self, _state: State[Table]) -> bool:
        """Return True if the game ends here although `max_steps` is not reached."""
        return False

    # -- what callers use: start, observe, resolve, is_terminal, score ----------------------------------

    def start(self, rng: random.Random) -> State[Table]:
        """Start an episode. The game draws every random number of the episode from `rng`."""
        zeros, none = (0.0,) * self.players, (None,) * self.players
        tally = Tally(0, zeros, zeros, zeros, (0,) * self.players, none, none, zeros)
        return State(tally, self._open(rng), rng.getrandbits(64))

    def told_rules(self, language: Language) -> str:
        """Return the rules as prompts tell them: with the noise, if there is any."""
        return self.rules(language) + noise_in_words(self.setting.noise, language)

    def observe(self, state: State[Table], player: int, language: Language) -> Observation:
        """Return what a policy sees before it decides for `player`."""
        others_last, others_worst = self._others(state, player)
        return Observation(
            step=state.tally.step + 1,
            max_steps=self.setting.at_most or self.setting.max_steps,
            options=self._labelled(self._options(state, player), language),
            own_last=state.tally.last_cooperation[player],
            others_last=others_last,
            others_worst=others_worst,
            team_mates=self._team_mates(state, player),
            payoff_model=partial(self._payoff_model, state, player) if self.foreseeable else None,
        )

    def _team_mates(self, state: State[Table], player: int) -> float:
        """Return the share of the opponents of `player` that are of its own team."""
        team, opponents = self.setting.seats[player].team_id, self.opponents(state, player)
        if team is None:
            return 0.0
        if opponents is None:
            return (self._team_sizes[team] - 1) / max(1, self.players - 1)
        return sum(self.setting.seats[other].team_id == team for other in opponents) / max(1, len(opponents))

    @cached_property
    def _team_sizes(self) -> Counter[str | None]:
        return Counter(seat.team_id for seat in self.setting.seats)

    def _labelled(self, actions: tuple[tuple[str, float], ...], language: Language) -> tuple[Option, ...]:
        """Return the actions with their labels, from a cache of one: most players have the same actions."""
        key = (actions, language)
        if self._last_labelled is None or self._last_labelled[0] != key:
            options = tuple(Option(action, self.label(action, language), level) for action, level in actions)
            self._last_labelled = (key, options)
        return self._last_labelled[1]

    def _payoff_model(self, state: State[Table], player: int, level: float) -> tuple[ExpectedOutcome, ...]:
        """Return what each option would earn `player` in this step if all others chose their option nearest `level`."""
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
        """Return the mean last and the lowest cooperation level of the opponents of `player`."""
        tally = state.tally
        opponents = self.opponents(state, player)
        if opponents is None:
            return tally.others(player)
        last = [v for v in (tally.last_cooperation[other] for other in opponents) if v is not None]
        worst = [v for v in (tally.worst_cooperation[other] for other in opponents) if v is not None]
        return (tidy(sum(last) / len(last)) if last else None), (min(worst) if worst else None)

    def resolve(self, state: State[Table], moves: Sequence[Move]) -> State[Table]:
        """Return the state after one step.

        Args:
            state: The state before the step; it is not changed.
            moves: One move per player, in the order of the seats.

        Raises:
            GameError: The episode is over, the number of moves is wrong, or an action is illegal.
        """
        if self.is_terminal(state):
            raise GameError(f"{self.task_type}: the episode is over after step {state.tally.step}")
        if len(moves) != self.players:
            raise GameError(f"{self.task_type}: {len(moves)} moves for {self.players} players")
        moves = self._carried_out(state, moves)
        levels = tuple(self._level(state, player, move) for player, move in enumerate(moves))
        round_ = self._play(state, moves)
        for name, found in (("payoffs", round_.payoffs), ("accuracies", round_.accuracies)):
            if len(found) != self.players:
                raise GameError(f"{self.task_type}: _play returned {len(found)} {name} for {self.players} players")
        return State(state.tally.after(round_.payoffs, round_.accuracies, levels), round_.table, state.seed)

    def played(self, state: State[Table], player: int, action: str | None) -> str | None:
        """Return the action that counts where a player decides for `action`: by noise another. None stays invalid."""
        number = self.shaken(state).get(player)
        legal = [name for name, _ in self._options(state, player)] if number is not None else []
        return action if number is None or action is None else another(legal, action, number)

    def shaken(self, state: State[Table]) -> Mapping[int, float]:
        """Return the players whose decision noise changes in the step that begins in `state`."""
        return trembling(state.seed, state.tally.step, self.players, self.setting.noise)

    def _carried_out(self, state: State[Table], moves: Sequence[Move]) -> Sequence[Move]:
        """Return the moves that count: by noise other ones than were made. Raises GameError where one was illegal."""
        changed = {}
        for player in self.shaken(state):
            self._level(state, player, moves[player])
            changed[player] = replace(moves[player], action=self.played(state, player, moves[player].action))
        return [changed.get(player, move) for player, move in enumerate(moves)] if changed else moves

    def _level(self, state: State[Table], player: int, move: Move) -> float | None:
        if move.action is None:
            return None
        legal = self._legal(self._options(state, player))
        if move.action not in legal:
            name = self.setting.seats[player].model_id
            raise GameError(f"{self.task_type}: {name} played {move.action!r}; legal: {', '.join(legal)}")
        return legal[move.action]

    def _legal(self, actions: tuple[tuple[str, float], ...]) -> dict[str, float]:
        """Return the level of each action, from a cache of one: most players have the same actions."""
        if self._last_legal is None or self._last_legal[0] is not actions:
            self._last_legal = (actions, dict(actions))
        return self._last_legal[1]

    def is_terminal(self, state: State[Table]) -> bool:
        """Return True if the episode is over."""
        return state.tally.step >= self.setting.max_steps or self.finished(state)

    def score(self, state: State[Table]) -> EpisodeScore:
        """Return the score of the episode so far."""
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
        unknown = self.setting.noise or (self.setting.open_ended and not self.repeats)
        nash = math.nan if unknown else self.nash()
        return EpisodeScore(players, welfare, gini(state.tally.payoff), optimum, nash)

    def earned(self, state: State[Table]) -> tuple[float, ...]:
        """Return the payoffs so far, less `min_payoff` if that is negative; none is below 0."""
        floor = min(0.0, self.min_payoff())
        return tuple(payoff - floor for payoff in state.tally.payoff)

    def efficiencies(self, state: State[Table]) -> tuple[float, ...]:
        """Return achieved / best possible welfare per player: the same for all, unless players play in pairs."""
        return (welfare_ratio(sum(state.tally.payoff), self.optimum()),) * self.players
