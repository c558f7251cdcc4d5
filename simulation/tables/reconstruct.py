"""A run's finished episodes played again from the moves in its tables: what each player could choose, step by step.

Pure play by the game's rules: no call is made and no text generated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.language import Language
from agents.players.observation import Observation, Option
from agents.strategy import TrainingMode, derive_strategy
from simulation.games import find_game
from simulation.games.base import Game, Move, Setting, State
from simulation.seats import Seat
from simulation.seeds import stream
from simulation.task import TrainingTask

if TYPE_CHECKING:
    from simulation.tables.run import Run


class DecisionPoint(NamedTuple):
    """One player's part of one step."""

    episode: int
    step: int
    model_id: str


class ReplayedEpisode(NamedTuple):
    """A finished episode played again; `states` brings the state before each step, in order."""

    number: int
    task: TrainingTask
    mode: TrainingMode
    game: Game[Any]
    states: Iterator[State[Any]]


def replayed_episodes(run: Run) -> Iterator[ReplayedEpisode]:
    """The run's finished episodes, each played again as its states are asked for.

    Raises GameError where the moves on record break the rules of this version's games.
    """
    tasks, moves, language = _tasks(run), _Moves(run), Language(run.manifest["scenario"]["language"])
    played = (run.episodes[name] for name in ("episode", "task_id", "mode"))
    for number, task_id, mode in zip(*played, strict=True):
        episode = _Episode(run, tasks[str(task_id)], TrainingMode(str(mode)), int(number), language)
        yield episode.scene(moves)


def options_of(run: Run) -> Mapping[DecisionPoint, tuple[Option, ...]]:
    """What each player could choose in each step of the run's finished episodes. Raises GameError."""
    names = [config.model_id for config in run.roster.expand()]
    language = Language(run.manifest["scenario"]["language"])
    return {
        DecisionPoint(scene.number, state.tally.step, name): scene.game.observe(state, player, language).options
        for scene in replayed_episodes(run)
        for state in scene.states
        for player, name in enumerate(names)
    }


def _tasks(run: Run) -> Mapping[str, TrainingTask]:
    return {task["task_id"]: TrainingTask.model_validate(task) for task in run.manifest["scenario"]["tasks"]}


def _game(run: Run, task: TrainingTask) -> Game[Any]:
    seats = tuple(Seat(config.model_id, config.team_id) for config in run.roster.expand())
    return find_game(task.task_type)(Setting(seats, task.max_steps, task.difficulty), task.game_parameters())


class _Moves:
    """What was decided and said, by moment."""

    def __init__(self, run: Run) -> None:
        decisions = run.decisions.astype({"action": object, "model_id": str})
        actions = (action if isinstance(action, str) else None for action in decisions["action"])
        self.decided = dict(zip(_decision_points(decisions, "model_id"), actions, strict=True))
        said = run.messages.sort_values("talk_round", kind="stable")
        self.said = dict(
            zip(_decision_points(said, "sender"), said["text"].astype(str), strict=True)
        )  # the last one stays

    def of(self, moment: DecisionPoint, look: Callable[[], Observation], teamwork_level: float) -> Move:
        """A player that was not asked had one option only, which `observe` tells."""
        action = self.decided[moment] if moment in self.decided else look().options[0].action
        return Move(action, self.said.get(moment, ""), teamwork_level)


def _decision_points(rows: Any, who: str) -> Iterator[DecisionPoint]:
    columns = (rows[name] for name in ("episode", "step", who))
    return (DecisionPoint(int(episode), int(step), str(name)) for episode, step, name in zip(*columns, strict=True))


class _Episode:
    """One episode's game and seats, as the run set them up."""

    def __init__(self, run: Run, task: TrainingTask, mode: TrainingMode, number: int, language: Language) -> None:
        configs = run.roster.expand()
        self._names = [config.model_id for config in configs]
        self._teamwork = [derive_strategy(config.role, task, mode).teamwork_level for config in configs]
        self._number, self._language, self._task, self._mode = number, language, task, mode
        self._game = _game(run, task)
        self._start: State[Any] = self._game.start(stream(int(run.manifest["seed"]), "game", number))

    def scene(self, moves: _Moves) -> ReplayedEpisode:
        return ReplayedEpisode(self._number, self._task, self._mode, self._game, self._states(moves))

    def _states(self, moves: _Moves) -> Iterator[State[Any]]:
        state = self._start
        while not self._game.is_terminal(state):
            yield state
            played = []
            for player, name in enumerate(self._names):
                moment = DecisionPoint(self._number, state.tally.step, name)
                look = partial(self._game.observe, state, player, self._language)
                played.append(moves.of(moment, look, self._teamwork[player]))
            state = self._game.resolve(state, played)


class Rules(NamedTuple):
    """A task's game in words, and its longest episode."""

    text: str
    max_steps: int


def rules_of(run: Run) -> Mapping[str, Rules]:
    """The rules of each task of a run, in the run's language, by task_id."""
    language = Language(run.manifest["scenario"]["language"])
    tasks = _tasks(run)
    return {task_id: Rules(_game(run, task).rules(language), task.max_steps) for task_id, task in tasks.items()}
