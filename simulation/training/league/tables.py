"""A league as tables: `load_training(path).league`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simulation.plan import Plan
from simulation.training.league.rounds import LeagueGame, policies_of
from simulation.training.league.sampled import matches_of, payoffs
from simulation.training.ledger import Ledger, UpdateLine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class League:
    """The rounds of a league, derived from its ledger. Round 0 has the first versions alone."""

    plan: Plan
    ledger: Ledger

    @property
    def _ends(self) -> list[UpdateLine]:
        return [line for line in self.ledger.lines if line.league]

    @property
    def mixture(self) -> Mapping[str, list[float]]:
        """By learner, the probability of each of its policies after the last round."""
        return {name: list(chances) for name, chances in self._ends[-1].league["mixture"].items()}

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per round and learner, in points per step.

        Columns: value (what the learner earns when both draw from their mixtures), gain (what its new policy earned
        more than that against the mixture it answered: a lower bound of what can be gained), nash_conv (what best
        responses of both earn more; empty where it is not known exactly), policies (of each learner).
        """
        import pandas as pd

        columns = ["round", "update", "learner", "policies", "value", "gain", "nash_conv"]
        return pd.DataFrame([row for number in range(len(self._ends)) for row in self._rows(number)], columns=columns)

    def _rows(self, number: int) -> list[dict[str, Any]]:
        line = self._ends[number]
        record = line.league
        shared = {"round": number, "update": line.update, "policies": number + 1, "nash_conv": record["nash_conv"]}
        gains = record["gain"]
        return [
            {**shared, "learner": name, "value": value, "gain": gains.get(name)}
            for name, value in record["value"].items()
        ]

    @cached_property
    def policies(self) -> pd.DataFrame:
        """One row per learner and policy: the update it was finished at, its version, and its last probability."""
        import pandas as pd

        rows = [
            {"learner": name, "policy": number, "update": line.update, "version": made.version}
            | {"probability": self.mixture[name][number]}
            for number, line in enumerate(self._ends)
            for name, made in line.learners.items()
        ]
        return pd.DataFrame(rows, columns=["learner", "policy", "update", "version", "probability"])

    def payoffs(self, learner: str) -> pd.DataFrame:
        """Return what each policy of a learner (rows) earns a step against each of the other's (columns)."""
        import pandas as pd

        config = self.plan.scenario.training
        if config is not None and config.samples_league:
            count = len(self._ends) if len(self._ends) > 1 else 0
            found = payoffs(matches_of(self.ledger.lines), count, learner)
            return pd.DataFrame(found if learner == next(iter(config.learners)) else found.T)
        return pd.DataFrame(LeagueGame(self.plan).population(policies_of(self.ledger)).payoffs(learner))

    @cached_property
    def matches(self) -> pd.DataFrame:
        """One row per pair of policies and learner, where payoffs are estimated by matches.

        Columns: first and second (the policies of the two learners), learner, value (points per step) with its 95 %
        interval low and high, episodes.
        """
        import pandas as pd

        rows = [
            {"first": pair[0], "second": pair[1], "learner": name, **asdict(payoff)}
            for pair, found in matches_of(self.ledger.lines).items()
            for name, payoff in found.items()
        ]
        return pd.DataFrame(rows, columns=["first", "second", "learner", "value", "low", "high", "episodes"])
