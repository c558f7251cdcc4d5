"""Who hears what, for all players at once, is what it is player by player."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulation.engine.batch.hearing import Heard, Reach
from simulation.seeds import stream

AUDIENCES = st.integers(1, 8).flatmap(
    lambda n: st.lists(st.sets(st.integers(0, n - 1)).map(sorted), min_size=n, max_size=n)
)


def heard_by(audiences: list[list[int]], speaking: list[bool]) -> list[list[int]]:
    """Return the senders that each player hears, in their order."""
    n = len(audiences)
    return [[sender for sender in range(n) if speaking[sender] and hearer in audiences[sender]] for hearer in range(n)]


def senders_of(links: Reach) -> list[list[int]]:
    return [part.tolist() for part in np.split(links.senders, links.starts[1:-1])]


@given(AUDIENCES, st.data())
def test_each_player_hears_who_speaks_to_it(audiences: list[list[int]], data: st.DataObject) -> None:
    speaking = data.draw(st.lists(st.booleans(), min_size=len(audiences), max_size=len(audiences)))
    assert senders_of(Reach.of(audiences).from_senders(np.array(speaking))) == heard_by(audiences, speaking)


@given(AUDIENCES, st.integers(1, 3))
def test_an_inbox_limit_draws_as_player_by_player(audiences: list[list[int]], most: int) -> None:
    def limited(hearer: int, senders: list[int]) -> list[int]:
        if len(senders) <= most:
            return senders
        kept = stream(5, "inbox", 0, 1, 0, hearer).sample(range(len(senders)), most)
        return [senders[place] for place in sorted(kept)]

    everyone = heard_by(audiences, [True] * len(audiences))
    links = Reach.of(audiences).limited(most, ("inbox", 0, 1, 0), 5)
    assert senders_of(links) == [limited(hearer, senders) for hearer, senders in enumerate(everyone)]


@given(AUDIENCES)
def test_hearers_are_the_other_side_of_senders(audiences: list[list[int]]) -> None:
    names = [f"m{player}" for player in range(len(audiences))]
    assert list(Reach.of(audiences).heard_by(names)) == [tuple(names[one] for one in each) for each in audiences]


def test_a_part_of_the_players_hears_the_same() -> None:
    rng = random.Random(3)
    audiences = [sorted(rng.sample(range(20), 6)) for _ in range(20)]
    links, texts = Reach.of(audiences), [f"text {number}" for number in range(40)]
    heard = Heard()
    for talk_round in range(2):
        said = np.arange(20, dtype=np.int32) + 20 * talk_round
        heard = heard.with_round(links, said, keep=talk_round > 0)
    whole, part = heard.ears(texts), heard.part(7, 15).ears(texts)
    assert [part(player) for player in range(7, 15)] == [whole(player) for player in range(7, 15)]
    assert whole(0) == tuple(texts[s] for s in heard_by(audiences, [True] * 20)[0]) + tuple(
        texts[s + 20] for s in heard_by(audiences, [True] * 20)[0]
    )
