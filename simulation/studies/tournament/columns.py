"""The columns of a tournament's tables. `TournamentResult.describe()` shows this."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from simulation.tables.columns import CATEGORY, COUNT, FLAG, REAL, TEXT, Column


class ResultTable(str, Enum):
    """The tables. Only pairs have `matrix` and `standings`, only teams `compositions` and `contributions`."""

    MATCHES = "matches"
    MATRIX = "matrix"
    STANDINGS = "standings"
    COMPOSITIONS = "compositions"
    CONTRIBUTIONS = "contributions"
    SYNERGIES = "synergies"
    RATINGS = "ratings"


def _interval(meaning: str) -> tuple[Column, ...]:
    return (
        Column("value", REAL, meaning),
        Column("low", REAL, "lower end of its interval; missing below 6 episodes, and where all gave the same"),
        Column("high", REAL, "upper end of its interval"),
        Column("n", COUNT, "episodes behind it"),
    )


_TEAM = Column("team", CATEGORY, "the team; empty for pairs")
_MODEL = Column("model_id", CATEGORY, "the model")
_WORTH = Column("worth", CATEGORY, "what is counted per episode: reward or payoff")
_TWO = (Column("first", CATEGORY, "one model"), Column("second", CATEGORY, "another"))

TABLES: Mapping[ResultTable, tuple[Column, ...]] = {
    ResultTable.MATCHES: (
        Column("matchup", COUNT, "number of the matchup; one row per player and episode"),
        _TEAM,
        Column("members", TEXT, "who is compared, joined by +; empty for stand-ins only"),
        Column("episode", COUNT, "episode of the matchup, from 0"),
        Column("model_id", CATEGORY, "the player"),
        Column("team_id", CATEGORY, "the player's team; missing without one"),
        Column("played_by", CATEGORY, "who played: an adapter, policy:<name>, or simulated <role>"),
        Column("payoff", REAL, "payoff of the episode, in the game's units"),
        Column("reward", REAL, "its share of the reward pool"),
        Column("accuracy", REAL, "as in a run's outcomes"),
        Column("cooperation_score", REAL, "as in a run's outcomes"),
        Column("welfare", REAL, "sum of payoffs of all players"),
        Column("tier", CATEGORY, "the lowest tier of the player's texts"),
        Column("synthetic", FLAG, "always False: synthetic games are refused"),
        Column("run", TEXT, "the run, relative to the tournament's folder"),
    ),
    ResultTable.MATRIX: (
        Column("row", CATEGORY, "the model whose payoff it is"),
        Column("column", CATEGORY, "the model it met"),
        *_interval("mean payoff of row against column, per episode"),
    ),
    ResultTable.STANDINGS: (
        _MODEL,
        *_interval("mean payoff against all models, itself included, per episode"),
        Column("mass", REAL, "alpha-rank: share of time that an evolving population plays it, 0-1"),
    ),
    ResultTable.COMPOSITIONS: (
        _TEAM,
        Column("members", TEXT, "the members that played, joined by +; empty for stand-ins only"),
        Column("size", COUNT, "how many they are"),
        _WORTH,
        *_interval("mean of what the team earned"),
    ),
    ResultTable.CONTRIBUTIONS: (
        _TEAM,
        _MODEL,
        _WORTH,
        *_interval("Shapley value: what the member adds to its team"),
        Column("error", REAL, "standard error of random orders, not in the interval; 0 where exact"),
    ),
    ResultTable.SYNERGIES: (
        _TEAM,
        *_TWO,
        _WORTH,
        *_interval("what two earn together beyond what each adds (teams) or earns with itself (pairs)"),
    ),
    ResultTable.RATINGS: (
        _MODEL,
        *_interval("openskill rating: the belief's mean"),
        Column("sigma", REAL, "the belief's standard deviation"),
    ),
}
