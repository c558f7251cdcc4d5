"""Which mode an episode is played in: the scenario's, or the pick of a mixed run's policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agents.problems import SocietyError
from agents.strategy import TrainingMode
from simulation.modes import Experience, ModeChoice, pick_mode, playable_modes
from simulation.seeds import stream

if TYPE_CHECKING:
    from simulation.scenario import Mixing
    from simulation.seats import Seat
    from simulation.task import TrainingTask


def choose_mode(
    mode: TrainingMode,
    mixing: Mixing,
    task: TrainingTask,
    seats: Sequence[Seat],
    experience: Mapping[str, Experience],
    seed: int,
    number: int,
) -> ModeChoice:
    """Return the mode of an episode.

    Args:
        mode: The run's.
        mixing: How a mixed run picks.
        task: The task that is played.
        seats: The players.
        experience: What earlier episodes taught, by task.
        seed: The run's seed.
        number: The episode's number.

    Raises:
        SocietyError: A team battle has fewer than two teams.
    """
    modes = playable_modes(tuple(seats))
    if mode is TrainingMode.TEAM_BATTLE and TrainingMode.TEAM_BATTLE not in modes:
        raise SocietyError("a team battle needs models of at least two teams (team_id)")
    if mode is not TrainingMode.MIXED:
        return ModeChoice(mode, "set by the scenario")
    known = experience.get(task.task_id, Experience())
    turn, rng = sum(known.plays.values()), stream(seed, "mixing", number)
    return pick_mode(mixing.policy, turn, task.cooperation_level, known, modes, rng, mixing.gamma)
