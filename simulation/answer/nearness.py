"""How near a run came to the best possible welfare and to the equilibrium that its game names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.problems import SocietyError
from simulation.games import find_game
from simulation.games.measures import BEST_RESPONSE, SUBGAME_PERFECT, known, welfare_ratio
from simulation.metrics.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


@dataclass(frozen=True)
class Nearness:
    """Welfare (the payoffs of all models together) per episode of one game, mode and tier.

    Attributes:
        game: The game.
        mode: The mode.
        tier: The lowest tier of a text in its episodes.
        synthetic: Whether outcomes are a formula over words.
        welfare: The mean.
        low: Lower end of its 95 % interval; None where there is none.
        high: Upper end of it.
        optimum: The best possible, the mean over its episodes.
        share: Welfare / optimum (0-1); None where nothing can be won.
        nash: The welfare in the equilibrium that the game names; None where it names none.
        response: How close decisions were to best responses (0-1); None where accuracy is another thing.
        n: Episodes.
    """

    game: str
    mode: str
    tier: str
    synthetic: bool
    welfare: float
    low: float | None
    high: float | None
    optimum: float
    share: float | None
    nash: float | None
    response: float | None
    n: int


def nearness_of(run: Run) -> tuple[Nearness, ...]:
    """Return how near each game, mode and tier of a run came."""
    keys = ["task_type", "mode", "tier", "synthetic"]
    rows = run.episodes.astype(dict.fromkeys(keys[:3], str))
    accuracy = run.outcomes.groupby("episode")["accuracy"].mean()
    return tuple(_near(key, group, accuracy) for key, group in rows.groupby(keys, sort=False))


def _near(key: Any, rows: pd.DataFrame, accuracy: pd.Series[float]) -> Nearness:
    game, mode, tier, synthetic = key
    found = mean_interval(rows["welfare"].to_numpy())
    optimum, nash = float(rows["optimum"].mean()), float(rows["nash"].mean(skipna=False))
    return Nearness(
        game=str(game),
        mode=str(mode),
        tier=str(tier),
        synthetic=bool(synthetic),
        welfare=found.value,
        low=found.low if found.known else None,
        high=found.high if found.known else None,
        optimum=optimum,
        share=known(welfare_ratio(found.value, optimum)),
        nash=known(nash),
        response=known(float(accuracy[rows["episode"]].mean())) if _of_responses(str(game)) else None,
        n=found.n,
    )


def _of_responses(game: str) -> bool:
    """Return whether a game's accuracy measures how close decisions are to best responses."""
    try:
        return find_game(game).accuracy_meaning.kind in (BEST_RESPONSE, SUBGAME_PERFECT)
    except SocietyError:  # a user's game that is not there any more
        return False
