"""Who did best in a run and by how much: mean payoff per episode, and the first less the second with its interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.answer.standings import GROUPS, ModelStanding, standings_in
from simulation.metrics.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

PAYOFF = "payoff"
Key = tuple[str, str, bool]


@dataclass(frozen=True)
class Lead:
    """The payoff of the first less that of the second, per episode that both played.

    Attributes:
        value: The mean; None where no episode has both.
        low: Lower end of its 95 % interval; None where there is none.
        high: Upper end of it.
        n: Episodes that both played.
        why: Why there is no interval; empty where there is one.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    why: str


@dataclass(frozen=True)
class Ranking:
    """Models, adapters, roles or teams by mean payoff per episode, best first.

    Attributes:
        by: model, adapter, role or team.
        places: The best first.
        lead: The first less the second; None where there is only one.
    """

    by: str
    places: tuple[ModelStanding, ...]
    lead: Lead | None


@dataclass(frozen=True)
class Part:
    """The rankings of one game and mode. Payoffs of different games and modes are never compared.

    Attributes:
        game: The game.
        mode: The mode.
        synthetic: Whether outcomes are a formula over words.
        episodes: Episodes of it that ended.
        rankings: By model, then by adapter, role and team where these group models in another way.
        about: Role and team of each model.
    """

    game: str
    mode: str
    synthetic: bool
    episodes: int
    rankings: tuple[Ranking, ...]
    about: dict[str, tuple[str, str]]

    @property
    def models(self) -> Ranking:
        """Return the ranking by model."""
        return self.rankings[0]


def best_of(run: Run, rows: pd.DataFrame) -> tuple[Part, ...]:
    """Return the rankings of each game and mode of a run, in the order of play.

    Args:
        run: The run.
        rows: Its `named_outcomes`.
    """
    found: dict[Key, list[ModelStanding]] = {}
    for each in standings_in(rows, (PAYOFF,)):
        found.setdefault((each.game, each.mode, each.synthetic), []).append(each)
    about = {row.model_id: (row.role.value, row.team_id or "") for row in run.roster.expand()}
    parts = []
    for key, standings in found.items():
        own = rows[(rows["task_type"] == key[0]) & (rows["mode"] == key[1]) & (rows["synthetic"] == key[2])]
        parts.append(Part(*key, int(own["episode"].nunique()), tuple(_rankings(standings, own)), about))
    return tuple(parts)


def _rankings(standings: list[ModelStanding], rows: pd.DataFrame) -> Iterator[Ranking]:
    known: list[frozenset[frozenset[str]]] = []
    for by, column in GROUPS.items():
        places = sorted((each for each in standings if each.by == by), key=lambda each: -each.value)
        members = rows.groupby([column, "tier"])["model_id"].agg(frozenset)
        groups = frozenset(members)
        if by == "model" or (by != "mode" and len(places) > 1 and groups not in known):
            yield Ranking(by, tuple(places), _lead(places, rows, column) if len(places) > 1 else None)
        known.append(groups)


def _lead(places: list[ModelStanding], rows: pd.DataFrame, column: str) -> Lead:
    first, second = (_by_episode(each, rows, column) for each in places[:2])
    differences = (first - second).dropna()
    if differences.empty:
        return Lead(None, None, None, 0, "no episode has both")
    found = mean_interval(differences.to_numpy())
    if not found.known:
        return Lead(found.value, None, None, found.n, found.why)
    return Lead(found.value, found.low, found.high, found.n, "")


def _by_episode(place: ModelStanding, rows: pd.DataFrame, column: str) -> pd.Series[float]:
    own = rows[(rows[column] == place.name) & (rows["tier"] == place.tier)]
    return own.groupby("episode")[PAYOFF].mean()
