"""The score of an episode, and of one player in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlayerScore:
    """One player's score for an episode.

    Attributes:
        payoff: Sum over the steps, in the game's own units.
        accuracy: 0-1, closeness to the best response or to the right answer, as the game's docstring defines it.
        efficiency: 0-1, achieved / best possible welfare (`welfare_ratio`); nan where nothing can be won.
        cooperation_score: 0-1, mean over valid decisions; None if there is none.
    """

    payoff: float
    accuracy: float
    efficiency: float
    cooperation_score: float | None


@dataclass(frozen=True)
class EpisodeScore:
    """An episode's score.

    `welfare`, `optimum` and `nash` are sums of payoffs over all players and steps; where chance decides how many steps
    there are, over those drawn. `optimum` is that without noise. `nash` is nan where no equilibrium is known, `gini`,
    that of the payoffs, where one is negative.
    """

    players: tuple[PlayerScore, ...]
    welfare: float
    gini: float
    optimum: float
    nash: float
