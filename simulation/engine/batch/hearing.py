"""Who hears what in a step, for all players at once. Pure.

A message is a number: the place of its text among the texts of the episode. A talk round is a flat list of what was
heard, hearer after hearer, and the place where each hearer's part begins.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.engine.batch.answers import Ears
from simulation.seeds import derive_seeds
from simulation.store.rows import TextLists

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int32]
    Places = NDArray[np.int64]


@dataclass(frozen=True)
class Reach:
    """Who reaches whom: the senders of each hearer, in the order of the players.

    Args:
        senders: The senders, hearer after hearer.
        starts: Where the senders of each hearer begin; the last entry is the end.
    """

    senders: Numbers
    starts: Places

    @classmethod
    def of(cls, audiences: Sequence[Sequence[int]]) -> Reach:
        """Return the links of audiences: whom each player reaches."""
        lengths = np.fromiter(map(len, audiences), dtype=np.int64, count=len(audiences))
        hearers = np.fromiter((hearer for each in audiences for hearer in each), dtype=np.int32, count=lengths.sum())
        senders = np.repeat(np.arange(len(audiences), dtype=np.int32), lengths)
        order = np.argsort(hearers, kind="stable")
        return cls(senders[order], _starts(np.bincount(hearers, minlength=len(audiences))))

    @property
    def _hearers(self) -> Places:
        """Return the hearer of each link."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def kept(self, keep: NDArray[np.bool_]) -> Reach:
        """Return the links for which `keep` is true."""
        counts = np.bincount(self._hearers[keep], minlength=len(self.starts) - 1)
        return Reach(self.senders[keep], _starts(counts))

    def from_senders(self, speaking: NDArray[np.bool_]) -> Reach:
        """Return the links from the players that are `speaking`."""
        return self if bool(speaking.all()) else self.kept(speaking[self.senders])

    def limited(self, most: int | None, names: Sequence[str | int], seed: int) -> Reach:
        """Return links with at most `most` senders a hearer, drawn as `TalkPhase` draws them.

        Args:
            most: The inbox limit; None is none.
            names: What the names of the random streams begin with: the talk round of the episode.
            seed: The run's seed.
        """
        over = [] if most is None else np.flatnonzero(np.diff(self.starts) > most).tolist()
        if most is None or not over:
            return self
        keep = np.ones(len(self.senders), dtype=bool)
        seeds = derive_seeds(seed, *names, last=over)
        for hearer, own in zip(over, seeds, strict=True):
            first, end = int(self.starts[hearer]), int(self.starts[hearer + 1])
            keep[first:end] = False
            keep[[first + place for place in random.Random(own).sample(range(end - first), most)]] = True
        return self.kept(keep)

    def heard_by(self, names: Sequence[str]) -> TextLists:
        """Return the names of each sender's hearers, in the order of the players."""
        order = np.argsort(self.senders, kind="stable")
        starts = _starts(np.bincount(self.senders, minlength=len(self.starts) - 1))
        return TextLists(self._hearers[order].astype(np.int32), starts, names)


@dataclass(frozen=True)
class Heard:
    """What players heard: the talk rounds of a step, or of the last one.

    Args:
        rounds: For each round the numbers of the messages heard, hearer after hearer, and where each hearer's begin.
        first: The player with whom the hearers begin.
    """

    rounds: tuple[tuple[Numbers, Places], ...] = ()
    first: int = 0

    def with_round(self, links: Reach, said: Numbers, *, keep: bool) -> Heard:
        """Return what was heard after another round; `keep` what was heard before.

        Args:
            links: Who heard whom.
            said: The number of each player's message.
            keep: Whether what was heard before counts too.
        """
        heard = (said[links.senders], links.starts)
        return Heard((*self.rounds, heard) if keep else (heard,))

    def renumbered(self, other: Numbers) -> Heard:
        """Return the same with other numbers of messages, each in `other` at the place of the old one."""
        return Heard(tuple((other[numbers], starts) for numbers, starts in self.rounds), self.first)

    def part(self, first: int, end: int) -> Heard:
        """Return what the players from `first` to before `end` heard."""
        rounds = []
        for numbers, starts in self.rounds:
            here = starts[first : end + 1]
            rounds.append((numbers[here[0] : here[-1]], here - here[0]))
        return Heard(tuple(rounds), first)

    def ears(self, texts: Sequence[str]) -> Ears:
        """Return what gives the texts that a player heard; `texts` are those of the numbers."""
        if not self.rounds:
            return lambda _player: ()
        rounds = [([texts[number] for number in numbers.tolist()], starts.tolist()) for numbers, starts in self.rounds]
        first = self.first

        def one(player: int) -> tuple[str, ...]:
            place = player - first
            said, starts = rounds[0]
            return tuple(said[starts[place] : starts[place + 1]])

        def all_rounds(player: int) -> tuple[str, ...]:
            place = player - first
            return tuple(text for said, starts in rounds for text in said[starts[place] : starts[place + 1]])

        return one if len(rounds) == 1 else all_rounds


def _starts(counts: NDArray[np.int64]) -> Places:
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
