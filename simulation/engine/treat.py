"""Applies a treatment to the inboxes of a talk round."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.role import ModelRole
    from simulation.engine.society import Arrival
from simulation.treatment import Treatment

Inbox = Sequence["Arrival"]


def treat(
    treatment: Treatment,
    inboxes: Sequence[Inbox],
    roles: Sequence[ModelRole],
    rng: random.Random,
    senders: Collection[int] = (),
) -> list[list[Arrival]]:
    """Return one talk round's inboxes, per player, after the treatment.

    Args:
        treatment: What happens to messages.
        inboxes: What was sent to each player.
        roles: Each player's role.
        rng: The source of every draw.
        senders: Whose messages are silenced; by default everyone's. Only for the treatment `silenced`.
    """
    if treatment is Treatment.SILENCED and senders:
        return [[arrival for arrival in inbox if arrival.sender not in senders] for inbox in inboxes]
    if treatment is Treatment.SILENCED:
        return [[] for _ in inboxes]
    if treatment is Treatment.SHUFFLED:
        return [_shuffled(inbox, rng) for inbox in inboxes]
    if treatment is Treatment.REPLACED:
        others = _said_by_others(inboxes, roles)
        return [
            [_replaced(arrival, others[roles[arrival.sender]], hearer, rng) for arrival in inbox]
            for hearer, inbox in enumerate(inboxes)
        ]
    return [list(inbox) for inbox in inboxes]


def _shuffled(inbox: Inbox, rng: random.Random) -> list[Arrival]:
    """Put every message under another sender's name; a random cycle leaves none in its place."""
    order = rng.sample(range(len(inbox)), len(inbox))
    names = {place: inbox[order[i - 1]].sender for i, place in enumerate(order)}
    return [replace(arrival, sender=names[place]) for place, arrival in enumerate(inbox)]


def _said_by_others(inboxes: Sequence[Inbox], roles: Sequence[ModelRole]) -> Mapping[ModelRole, list[Arrival]]:
    """Return, per role, the messages heard in this round from models of any other role, in the order sent."""
    heard = {arrival.message_id: arrival for inbox in inboxes for arrival in inbox}
    said = [heard[message_id] for message_id in sorted(heard)]
    return {role: [message for message in said if roles[message.sender] is not role] for role in set(roles)}


def _replaced(arrival: Arrival, others: Sequence[Arrival], hearer: int, rng: random.Random) -> Arrival:
    picked = rng.sample(others, min(2, len(others)))  # two, as one of them may be the hearer's own
    foreign = next((message for message in picked if message.sender != hearer), None)
    return arrival if foreign is None else replace(foreign, sender=arrival.sender)
