"""Plays a run's finished episodes again from the moves in its tables: what each player could choose, step by step.

Pure play by the game's rules: no call is made and no text is generated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from agents.language import Language
from agents.players.observation import Option
from agents.strategy import TrainingMode, derive_strategy
from simulation.games import find_game
from simulation.games.base import Game, Move, State
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


def options_of(run: Run) -> Mapping[DecisionPoint, tuple[Option, ...]]:
    """Return what each player could choose in each step of the run's finished episodes.

    Raises:
        GameError: A recorded move breaks the rules of this version's games.
    """
    return {
        point: options for step in played_steps(run) for point, options in zip(step.points, step.options, strict=True)
    }


def _episodes(run: Run) -> Iterator[_Episode]:
    tasks, played = _tasks(run), (run.episodes[name] for name in ("episode", "task_id", "mode"))
    for number, task_id, mode in zip(*played, strict=True):
        yield _Episode(run, tasks[str(task_id)], TrainingMode(str(mode)), int(number))


class PlayedStep(NamedTuple):
    """One step that was played: the state before and after it, and options and moves in the roster's order."""

    game: Game[Any]
    state: State[Any]
    points: tuple[DecisionPoint, ...]
    options: tuple[tuple[Option, ...], ...]
    moves: tuple[Move, ...]
    end: State[Any]

    @property
    def is_last(self) -> bool:
        """Whether the episode ended after it."""
        return self.game.is_terminal(self.end)

    def after(self, player: int, action: str) -> State[Any]:
        """Return the state after the step if `player` did `action` and all others what they did."""
        moves = [replace(move, action=action) if i == player else move for i, move in enumerate(self.moves)]
        return self.game.resolve(self.state, moves)


def played_steps(run: Run) -> Iterator[PlayedStep]:
    """Yield every step of the run's finished episodes.

    Raises:
        GameError: A recorded move breaks the rules of this version's games.
    """
    moves = _Moves(run)
    for episode in _episodes(run):
        yield from episode.steps(moves)


class Rules(NamedTuple):
    """A task's game in words, and its longest episode."""

    text: str
    max_steps: int


def rules_of(run: Run) -> Mapping[str, Rules]:
    """Return the rules of each task of a run, in the run's language, by task_id."""
    tasks, language = _tasks(run), _language(run)
    return {task_id: Rules(game_of(run, task).told_rules(language), task.max_steps) for task_id, task in tasks.items()}


def _language(run: Run) -> Language:
    return Language(run.manifest["scenario"]["language"])


def _tasks(run: Run) -> Mapping[str, TrainingTask]:
    return {task["task_id"]: TrainingTask.model_validate(task) for task in run.manifest["scenario"]["tasks"]}


def game_of(run: Run, task: TrainingTask, episode: int | None = None) -> Game[Any]:
    """Return the game of a run's task, with the players of the run: of an episode, or else of the longest."""
    seats = tuple(Seat(config.model_id, config.team_id) for config in run.roster.expand())
    steps = None if episode is None else task.steps(int(run.manifest["seed"]), episode)
    return find_game(task.task_type)(task.setting(seats, steps), task.game_parameters())


class _Moves:
    """What was decided and said, by decision point."""

    def __init__(self, run: Run) -> None:
        decisions = run.decisions.astype({"action": object, "model_id": str})
        actions = (action if isinstance(action, str) else None for action in decisions["action"])
        self._decided = dict(zip(_decision_points(decisions, "model_id"), actions, strict=True))
        said = run.messages.sort_values("talk_round", kind="stable")
        texts = said["text"].astype(str)
        self._said = dict(zip(_decision_points(said, "sender"), texts, strict=True))  # the last text of a step counts

    def of(self, point: DecisionPoint, options: tuple[Option, ...], teamwork_level: float) -> Move:
        """Return a player's move. A player that was not asked had a single option."""
        action = self._decided[point] if point in self._decided else options[0].action
        return Move(action, self._said.get(point, ""), teamwork_level)


def _decision_points(rows: Any, who: str) -> Iterator[DecisionPoint]:
    columns = (rows[name] for name in ("episode", "step", who))
    return (DecisionPoint(int(episode), int(step), str(name)) for episode, step, name in zip(*columns, strict=True))


def tasks_in_force(run: Run, task: TrainingTask, episode: int) -> list[tuple[int, TrainingTask]]:
    """Return what an episode plays, by the step from which it counts: a fork or an event changes it on the way."""
    manifest, found = run.manifest, dict[int, TrainingTask]()
    earlier = manifest.get("earlier") or ()
    starts = [(0, 0), *(tuple(row["until"]) for row in earlier)]
    for start, scenario in zip(starts, [*(row["scenario"] for row in earlier), manifest["scenario"]], strict=True):
        if start[0] <= episode:
            named = (each for each in scenario["tasks"] if each["task_id"] == task.task_id)
            found[start[1] if start[0] == episode else 0] = TrainingTask.model_validate(next(named))
    rows = [row for row in earlier if row["until"][0] == episode]
    given = [(int(row["until"][1]), row.get("given", {}).get(task.task_id, ())) for row in rows]
    return _with_events(run, found, episode, given)


def _with_events(
    run: Run, tasks: Mapping[int, TrainingTask], episode: int, given: Sequence[tuple[int, Collection[str]]]
) -> list[tuple[int, TrainingTask]]:
    """Return the tasks with the parameters that events set, from their steps on.

    Args:
        run: The run.
        tasks: What the episode plays, by the step from which it counts.
        episode: The episode's number.
        given: The steps of forks, and the parameters that each gives: from there on they count, not an earlier event.
    """
    rows = run.events
    rows = rows[(rows["episode"] == episode) & (rows["kind"].astype(str) == "set")]
    values = [(int(step), orjson.loads(text)) for step, text in zip(rows["step"], rows["detail"], strict=True)]
    found = []
    for step in sorted({*tasks, *(step for step, _ in values)}):
        task = tasks[max(start for start in tasks if start <= step)]
        parameters = dict(task.parameters)
        for start, value in values:
            gone = {name for fork, names in given if start < fork <= step for name in names}
            parameters |= {name: each for name, each in value.items() if start <= step and name not in gone}
        found.append((step, task.model_copy(update={"parameters": parameters})))
    return found


class _Episode:
    """One episode's games and seats, as the run set them up."""

    def __init__(self, run: Run, task: TrainingTask, mode: TrainingMode, number: int) -> None:
        configs = run.roster.expand()
        self._names = [config.model_id for config in configs]
        self._teamwork = [derive_strategy(config.role, task, mode).teamwork_level for config in configs]
        self._number, self._language = number, _language(run)
        self._games = [(step, game_of(run, each, number)) for step, each in tasks_in_force(run, task, number)]
        self._start: State[Any] = self._games[0][1].start(stream(int(run.manifest["seed"]), "game", number))

    def steps(self, moves: _Moves) -> Iterator[PlayedStep]:
        """Yield every step, in the order of play."""
        state, game = self._start, self._games[0][1]
        while not game.is_terminal(state):
            game = self._game_at(state.tally.step)
            points = tuple(DecisionPoint(self._number, state.tally.step, name) for name in self._names)
            options = tuple(game.observe(state, player, self._language).options for player in range(len(self._names)))
            made = tuple(map(moves.of, points, options, self._teamwork))
            end = game.resolve(state, made)
            yield PlayedStep(game, state, points, options, made, end)
            state = end

    def _game_at(self, step: int) -> Game[Any]:
        return [game for begins, game in self._games if begins <= step][-1]
