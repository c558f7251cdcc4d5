"""Who plays together in a tournament: every pair of models, or every composition of a team.

Pairs: every two models meet, and each meets a copy of itself. Teams: every coalition of each team plays against the
other teams at full strength; a stand-in plays for each absent member, or its seat is empty. Rows without a team always
play where others have teams; where no row has a team, all rows are one team.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from agents.problems import SocietyError
from agents.roster import ModelConfig, Roster
from simulation.metrics.shapley import EXACT_UP_TO, Coalition, shapley_values, synergies

EVERYONE = "everyone"
"""The name of the one team of a roster without teams."""
TWIN = "_twin"
"""The end of the model id of a model's copy, which meets the model."""


class Format(str, Enum):
    """What a tournament compares: models in pairs, or compositions of teams."""

    PAIRS = "pairs"
    TEAMS = "teams"


@dataclass(frozen=True)
class Matchup:
    """Players who play together.

    Attributes:
        number: Its place in the tournament.
        team: The team; empty for pairs.
        members: Who is compared: the two models of a pair (or one twice), or a team's coalition in the roster's order.
        seats: All players, stand-ins and opponents included.
    """

    number: int
    team: str
    members: tuple[str, ...]
    seats: tuple[ModelConfig, ...]

    @property
    def label(self) -> str:
        """The name of its folder."""
        return f"{self.number:04d}-{'-'.join((self.team, *self.members)).strip('-')[:60]}"

    @property
    def seat_ids(self) -> tuple[str, ...]:
        """The model ids of `members`; in self-play the second is the copy's."""
        twins = self.members[1:] == self.members[:1]
        return (self.members[0], self.seats[1].model_id) if twins else self.members


def pair_matchups(roster: Roster) -> tuple[Matchup, ...]:
    """Every pair of the roster's models, also each model with itself."""
    rows = roster.expand()
    pairs = list(itertools.combinations_with_replacement(rows, 2))
    return tuple(
        Matchup(number, "", (first.model_id, second.model_id), (first, _other(first, second, rows)))
        for number, (first, second) in enumerate(pairs)
    )


def _other(first: ModelConfig, second: ModelConfig, rows: Sequence[ModelConfig]) -> ModelConfig:
    if second.model_id != first.model_id:
        return second
    taken = {row.model_id for row in rows}
    names = (f"{first.model_id[:50]}{TWIN}{number or ''}" for number in itertools.count())
    return first.model_copy(update={"model_id": next(name for name in names if name not in taken)})


def team_matchups(roster: Roster, stand_in: str | None, orders: int, seed: int) -> tuple[Matchup, ...]:
    """Every coalition that the Shapley values of each team need.

    Up to eight members these are all coalitions, beyond those of random orders. The empty coalition is played where
    there are stand-ins.

    Args:
        roster: The models and their teams.
        stand_in: The policy that plays for an absent member.
        orders: Random orders beyond eight members.
        seed: Of the random orders.
    """
    needed = [
        (team, members)
        for team, everyone in teams_of(roster).items()
        for members in coalitions_of(everyone, orders, seed)
        if members or stand_in
    ]
    rows = roster.expand()
    return tuple(
        Matchup(number, team, members, tuple(_seated(rows, teams_of(roster)[team], members, stand_in)))
        for number, (team, members) in enumerate(needed)
    )


def teams_of(roster: Roster) -> dict[str, tuple[str, ...]]:
    """The model ids of each team, in the roster's order."""
    rows = roster.expand()
    named = [row for row in rows if row.team_id]
    found: dict[str, list[str]] = {}
    for row in named or rows:
        found.setdefault(row.team_id or EVERYONE, []).append(row.model_id)
    return {team: tuple(members) for team, members in found.items()}


def coalitions_of(players: Sequence[str], orders: int, seed: int) -> list[tuple[str, ...]]:
    """The coalitions whose values the Shapley values of `players` need (and their synergies, up to eight), the smallest
    first."""
    needed: set[Coalition] = set()

    def note(coalition: Coalition) -> float:
        needed.add(coalition)
        return 0.0

    shapley_values(players, note, samples=orders, seed=seed)
    if 2 <= len(players) <= EXACT_UP_TO:
        synergies(players, note)
    in_order = (tuple(player for player in players if player in coalition) for coalition in needed)
    return sorted(in_order, key=lambda members: (len(members), [players.index(player) for player in members]))


def _seated(
    rows: Sequence[ModelConfig], team: Sequence[str], members: Sequence[str], stand_in: str | None
) -> Iterator[ModelConfig]:
    for row in rows:
        if row.model_id not in team or row.model_id in members:
            yield row
        elif stand_in:
            yield with_stand_in(row, stand_in)


def with_stand_in(row: ModelConfig, policy: str) -> ModelConfig:
    """The row with a scripted player in place of its model."""
    model = {"model_name": None, "adapter": None, "lora_rank": None, "lora_alpha": None, "persona": ""}
    return row.model_copy(update={**model, "policy": policy})


def matchups(
    roster: Roster, form: Format, *, stand_in: str | None = None, orders: int = 2, seed: int = 0
) -> tuple[Matchup, ...]:
    """All matchups of a tournament, numbered.

    Raises:
        SocietyError: A row is a person's, or there are too few models.
    """
    people = [row.model_id for row in roster.expand() if row.human]
    if people:
        raise SocietyError(f"{people[0]} is a person; only models and policies play a tournament")
    if form is Format.TEAMS:
        return team_matchups(roster, stand_in, orders, seed)
    if len(roster.expand()) < 2:
        raise SocietyError("a tournament of pairs needs a roster of at least 2 models")
    return pair_matchups(roster)
