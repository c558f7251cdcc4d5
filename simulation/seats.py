"""Seats: the places of players at a game's table, and their teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Seat:
    """A player's place at the table."""

    model_id: str
    team_id: str | None = None


def teams(seats: Sequence[Seat]) -> dict[str | int, list[int]]:
    """Return the players by team; a model without a team is a team of its own, under its number."""
    found: dict[str | int, list[int]] = {}
    for player, seat in enumerate(seats):
        found.setdefault(seat.team_id or player, []).append(player)
    return found


def named_teams(seats: Sequence[Seat]) -> int:
    return len({seat.team_id for seat in seats if seat.team_id})
