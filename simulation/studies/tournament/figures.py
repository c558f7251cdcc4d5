"""The figures of a tournament: from the rows of its matches to its tables and report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.inference.provenance import Tier
from simulation.metrics.comparable import comparable_rows, tiers
from simulation.metrics.intervals import missing_intervals
from simulation.metrics.ratings import RatedSide, Rating, rate
from simulation.metrics.registry import LEVEL, Interval
from simulation.studies.tournament.columns import TABLES, ResultTable
from simulation.studies.tournament.matchups import Format, Matchup, teams_of
from simulation.studies.tournament.pairs import CrossPlay, Payoffs
from simulation.studies.tournament.teams import Compositions, Worth
from simulation.studies.tournament.tournament import Tournament
from simulation.tables.builder import Row, frame_of

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


def match_rows(folder: Path, matchup: Matchup, run: Run) -> Iterator[Row]:
    """The rows of a finished match, one per player and episode."""
    common = {"matchup": matchup.number, "team": matchup.team, "members": "+".join(matchup.members)}
    place = run.path.relative_to(folder.absolute()).as_posix()
    for row in run.outcomes.to_dict("records"):
        outcome: Row = {str(name): value for name, value in row.items()}
        yield {**outcome, **common, "played_by": row["player"], "reward": row["reward_earned"], "run": place}


class Figures:
    """The figures of a tournament.

    Args:
        tournament: What was played.
        rows: The rows of all matches, as `match_rows` makes them.
        level: Confidence level of the intervals, in (0, 1).
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        MixedTiersError: Replies came from several tiers.
    """

    def __init__(
        self, tournament: Tournament, rows: Iterable[Row], *, level: float = LEVEL, mix_tiers: bool = False
    ) -> None:
        self.tournament, self.level = tournament, level
        order = ["matchup", "episode"]
        frame = frame_of(TABLES[ResultTable.MATCHES], list(rows)).sort_values(order, kind="stable", ignore_index=True)
        self.matches = comparable_rows(frame, mix_tiers=mix_tiers)
        self.tiers = tiers(self.matches)

    # -- pairs ---------------------------------------------------------------------------------------------

    @cached_property
    def cross_play(self) -> CrossPlay:
        """The figures of pairs."""
        players = [row.model_id for row in self.tournament.roster.expand()]
        place = {name: number for number, name in enumerate(players)}
        by_matchup = dict(iter(self.matches.groupby("matchup")))
        episodes = {
            (place[matchup.members[0]], place[matchup.members[1]]): _payoffs(
                by_matchup[matchup.number], matchup.seat_ids
            )
            for matchup in self.tournament.matchups
        }
        return CrossPlay(players, episodes, level=self.level)

    # -- teams ---------------------------------------------------------------------------------------------

    @cached_property
    def compositions(self) -> tuple[Compositions, ...]:
        """The figures of each team and each worth."""
        orders, seed = self.tournament.orders, self.tournament.scenario.seed
        return tuple(
            Compositions(
                team,
                players,
                worth,
                self._coalitions(team, players, worth),
                orders=orders,
                seed=seed,
                level=self.level,
            )
            for team, players in teams_of(self.tournament.roster).items()
            for worth in Worth
        )

    def _coalitions(self, team: str, players: Sequence[str], worth: Worth) -> dict[frozenset[str], Any]:
        own = self.matches[(self.matches["team"] == team) & self.matches["model_id"].isin(players)]
        sums = own.groupby(["matchup", "episode"], observed=True)[worth.value].sum()
        return {
            frozenset(matchup.members): sums.loc[matchup.number].to_numpy()
            for matchup in self.tournament.matchups
            if matchup.team == team
        }

    def _team_games(self) -> Iterator[list[RatedSide]]:
        """Every episode as a game between teams, scored by mean payoff; all stand-ins have one name."""
        order = self.matches.sort_values(["episode", "matchup"], kind="stable")
        seats = order.assign(side=order["team_id"].astype(object).fillna(order["model_id"].astype(object)))
        for _, game in seats.groupby(["episode", "matchup"], sort=True):
            sides = [
                RatedSide(tuple(map(self._rated, side["model_id"], side["played_by"])), float(side["payoff"].mean()))
                for _, side in game.groupby("side", sort=True)
            ]
            if len(sides) > 1:
                yield sides

    @cached_property
    def _known(self) -> dict[str, str]:
        return {row.model_id: row.played_by for row in self.tournament.roster.expand()}

    def _rated(self, model_id: str, played_by: str) -> str:
        """The name that is rated: the model, or the stand-in that played for it."""
        stands_in = played_by.startswith("policy:") and played_by != self._known[model_id]
        return f"stand-in:{self.tournament.stand_in}" if stands_in else model_id

    # -- all -----------------------------------------------------------------------------------------------

    @cached_property
    def ratings(self) -> tuple[Rating, ...]:
        """Skill ratings, the best first; a player without a team is a side of its own."""
        if self.tournament.form is Format.PAIRS:
            return self.cross_play.ratings()
        return rate(self._team_games(), level=self.level)

    def notes(self) -> Iterator[str]:
        """What a reader must know so as not to misread a figure."""
        if Tier.SIMULATED.value in self.tiers:
            yield "SIMULATED replies follow a policy of the role: this compares roles, not models"
        if self.tournament.form is Format.PAIRS:
            yield self._order_note()
        elif any(len(members) > 8 for members in teams_of(self.tournament.roster).values()):
            yield f"teams of more than 8: Shapley values of {self.tournament.orders} random orders; no synergies"
        yield from missing_intervals(self._intervals())

    def _intervals(self) -> Iterator[Interval]:
        if self.tournament.form is Format.PAIRS:
            play = self.cross_play
            yield from (meeting.payoff for meeting in play.meetings())
            yield from (standing.payoff for standing in play.standings())
            yield from (each.value for each in play.synergies())
        else:
            for team in self.compositions:
                yield from (composition.value for composition in team.compositions())
                yield from (share.value for share in team.contributions())
                yield from (pair.value for pair in team.synergies())

    def _order_note(self) -> str:
        judged, players = self.cross_play.transitivity, self.cross_play.players
        if judged.why:
            return f"whether one rating per model explains the margins is not tested: {judged.why}"
        share = f"cyclic share {judged.cyclic_share:.3f}, p {judged.p_value:.4f}"
        if judged.transitive:
            return f"nothing speaks against one rating per model ({share})"
        names = [players[number] for number in (*judged.circle, *judged.circle[:1])]
        circle = f"; a circle: {' beats '.join(names)}" if names else "; there is no circle of three"
        return f"play is NOT transitive: no rating per model explains the margins ({share}){circle}"

    def tables(self) -> dict[ResultTable, pd.DataFrame]:
        """Every table."""
        pairs = self.tournament.form is Format.PAIRS
        rows = self._pair_rows() if pairs else self._team_rows()
        rows[ResultTable.RATINGS] = [
            _flat({"model_id": each.player, "sigma": each.sigma}, each.skill) for each in self.ratings
        ]
        frames = {name: frame_of(TABLES[name], rows[name]) for name in rows}
        return {ResultTable.MATCHES: self.matches, **frames}

    def _pair_rows(self) -> dict[ResultTable, list[Row]]:
        play = self.cross_play
        pair = {"team": "", "worth": Worth.PAYOFF.value}
        return {
            ResultTable.MATRIX: [_flat({"row": m.row, "column": m.column}, m.payoff) for m in play.meetings()],
            ResultTable.STANDINGS: [
                _flat({"model_id": s.model_id}, s.payoff) | {"mass": s.mass} for s in play.standings()
            ],
            ResultTable.SYNERGIES: [
                _flat({**pair, "first": s.first, "second": s.second}, s.value) for s in play.synergies()
            ],
        }

    def _team_rows(self) -> dict[ResultTable, list[Row]]:
        found: dict[ResultTable, list[Row]] = {
            name: [] for name in (ResultTable.COMPOSITIONS, ResultTable.CONTRIBUTIONS, ResultTable.SYNERGIES)
        }
        for each in self.compositions:
            common = {"team": each.team, "worth": each.worth.value}
            for composition in each.compositions():
                named = {**common, "members": "+".join(composition.members), "size": len(composition.members)}
                found[ResultTable.COMPOSITIONS].append(_flat(named, composition.value))
            for share in each.contributions():
                named = {**common, "model_id": share.model_id, "error": share.error}
                found[ResultTable.CONTRIBUTIONS].append(_flat(named, share.value))
            for pair in each.synergies():
                named = {**common, "first": pair.first, "second": pair.second}
                found[ResultTable.SYNERGIES].append(_flat(named, pair.value))
        return found

    def facts(self) -> Mapping[str, Any]:
        """The report without its tables."""
        tournament = self.tournament
        return {
            "game": tournament.scenario.tasks[0].task_type,
            "mode": tournament.scenario.mode.value,
            "form": tournament.form.value,
            "worth": tournament.worth.value,
            "seed": tournament.scenario.seed,
            "level": self.level,
            "tiers": self.tiers,
            "episodes_played": int(self.matches.groupby("matchup")["episode"].nunique().sum()),
            **(self._pair_facts() if tournament.form is Format.PAIRS else {}),
            "notes": list(self.notes()),
        }

    def _pair_facts(self) -> Mapping[str, Any]:
        judged, players = self.cross_play.transitivity, self.cross_play.players
        return {
            "transitive": judged.transitive,
            "cyclic_share": judged.cyclic_share,
            "cyclic_p_value": judged.p_value,
            "circle": [players[number] for number in judged.circle],
            "alpha_rank_intensity": self.cross_play.rank.intensity,
        }


def _payoffs(rows: pd.DataFrame, seats: Sequence[str]) -> Payoffs:
    table = rows.pivot_table(index="episode", columns="model_id", values="payoff", observed=True)
    return np.asarray(table[list(seats)].to_numpy(dtype=np.float64))


def _flat(named: Row, interval: Interval) -> Row:
    return {**named, "value": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}
