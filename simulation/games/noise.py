"""Noise: by chance a decision is carried out as another one, as by a trembling hand.

Who trembles in a step, and by what, follows from the episode's own random number, the step and the player's place, and
from nothing that anybody chose. So a step that is played again, by whatever path, has the same noise. Everyone sees
what was carried out, as in the Axelrod library's noisy matches.

Sources:
    Axelrod & Dion, The Further Evolution of Cooperation, Science 242 (1988), for noise in the repeated dilemma.
    Selten, Int. J. Game Theory 4 (1975), for trembling hands.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache

from agents.language import Language

_WORDS = {
    Language.EN: " By chance, {chance:.3g}% of all decisions are carried out as another of the options.",
    Language.ZH: "每个决定有{chance:.3g}%的概率被随机执行成另一个选项。",
}


@lru_cache(maxsize=4)
def trembling(seed: int, step: int, players: int, noise: float) -> Mapping[int, float]:
    """Return the players who tremble in a step, each with a number in 0-1 that picks what is carried out.

    Args:
        seed: The episode's own random number.
        step: The step's number, from 0.
        players: How many there are.
        noise: The chance of each player, 0 to 1.
    """
    if not noise:
        return {}
    rng = random.Random(f"{seed}/{step}")
    drawn = [rng.random() for _ in range(players)]
    return {player: rng.random() for player, number in enumerate(drawn) if number < noise}


def another(actions: Sequence[str], action: str, number: float) -> str:
    """Return the one of the other actions that a number in 0-1 picks; the same action where there is no other."""
    others = [each for each in actions if each != action]
    return others[int(number * len(others))] if others else action


def noise_in_words(noise: float, language: Language) -> str:
    """Return what prompts tell of noise after the rules; empty without noise."""
    return _WORDS[language].format(chance=100 * noise) if noise else ""
