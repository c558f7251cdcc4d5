"""Who hears whom by a scenario, before anyone speaks: its modes and its topology over its roster's players."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents.strategy import TrainingMode
from simulation.modes import audience, playable_modes
from simulation.plan import Plan
from simulation.seats import Seat
from simulation.topology import TopologyKind, build_topology


@dataclass(frozen=True)
class AudienceMap:
    """Who is heard by whom, model ids throughout, in a mode. `sampled`: the links are of one seed; others differ."""

    mode: TrainingMode
    heard_by: Mapping[str, tuple[str, ...]]
    sampled: bool


def hearings(plan: Plan) -> tuple[AudienceMap, ...]:
    """One for the scenario's mode; for the mixed mode one for each it may pick."""
    seats = tuple(Seat(row.model_id, row.team_id) for row in plan.roster.expand())
    rules, mode = plan.scenario.communication, plan.scenario.mode
    ids = [seat.model_id for seat in seats]
    graph = build_topology(rules.topology, ids, plan.scenario.seed, rules.degree, rules.rewire)
    neighbours = [tuple(sorted(graph.neighbors(player))) for player in range(len(seats))]
    sampled = rules.topology in (TopologyKind.SMALL_WORLD, TopologyKind.SCALE_FREE)
    modes = playable_modes(seats) if mode is TrainingMode.MIXED else (mode,)
    return tuple(
        AudienceMap(
            each,
            {
                ids[player]: tuple(ids[other] for other in audience(each, player, seats, neighbours[player]))
                for player in range(len(seats))
            },
            sampled,
        )
        for each in modes
    )
