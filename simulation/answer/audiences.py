"""Who hears whom in a scenario: its modes and its topology, applied to the players of its roster. Nothing is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents.strategy import TrainingMode
from simulation.modes import audience, playable_modes
from simulation.plan import Plan
from simulation.seats import Seat
from simulation.topology.graph import SAMPLED, neighbours


@dataclass(frozen=True)
class AudienceMap:
    """Who hears whom in one mode.

    Attributes:
        mode: The mode.
        heard_by: For each speaker those who hear it; all are model ids.
        sampled: True if the links are random: a run with the scenario's seed has the same ones.
    """

    mode: TrainingMode
    heard_by: Mapping[str, tuple[str, ...]]
    sampled: bool


def audience_maps(plan: Plan) -> tuple[AudienceMap, ...]:
    """Return the map of the scenario's mode; for the mixed mode, one map for each mode that it may pick."""
    seats = tuple(Seat(row.model_id, row.team_id) for row in plan.roster.expand())
    rules, mode = plan.scenario.communication, plan.scenario.mode
    ids = [seat.model_id for seat in seats]
    near = neighbours(rules.graph(ids, plan.scenario.seed))
    sampled = rules.topology in SAMPLED
    modes = playable_modes(seats) if mode is TrainingMode.MIXED else (mode,)
    return tuple(
        AudienceMap(
            each,
            {
                ids[player]: tuple(ids[other] for other in audience(each, player, seats, near[player]))
                for player in range(len(seats))
            },
            sampled,
        )
        for each in modes
    )
