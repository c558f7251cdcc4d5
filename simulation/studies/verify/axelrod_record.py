"""Cases of `society study verify` whose figures were recorded from the Axelrod library, in its own environment.

Pairs of deterministic players are compared exactly. With a random player, or with noise, the two libraries draw other
numbers: there the means per turn are compared, within four standard errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

from simulation.studies.verify.verify import Expected, KnownCase, KnownFigure, Play

RECORD = Path(__file__).parent / "axelrod.json"
"""Written by benchmarks/axelrod_record.py."""

POLICY_OF = {
    "Cooperator": "always_cooperate",
    "Defector": "always_defect",
    "TitForTat": "tit_for_tat",
    "Grudger": "grim",
    "SuspiciousTitForTat": "suspicious_tit_for_tat",
    "WinStayLoseShift": "win_stay_lose_shift",
    "GTFT": "generous_tit_for_tat",
    "Random": "random_50",
}
"""The library's players and ours."""

EPISODES = 10
"""How often a pair is played in which something is drawn."""


def recorded_cases() -> Iterator[KnownCase]:
    """Every match of the record. Reads it."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    source = f"{record['library']} {record['version']}, recorded"
    for match in record["exact"]:
        play = Play("prisoners_dilemma", _policies(match), record["turns"])
        yield KnownCase(_versus(match), play, (Expected(KnownFigure.PAYOFF, tuple(match["scores"])),), source)
    for match in record["stochastic"]:
        yield _drawn(match, record["turns"], 0.0, f"{_versus(match)}, by chance", source)
    for match in record["noisy"]:
        noise = record["noise"]
        yield _drawn(match, record["turns"], noise, f"{_versus(match)}, with noise {noise:g}, by chance", source)


def _drawn(match: Any, turns: int, noise: float, name: str, source: str) -> KnownCase:
    play = Play("prisoners_dilemma", _policies(match), turns, episodes=EPISODES, task={"noise": noise})
    first, last = match["seeds"]
    # the wider of the two players' spreads, for both
    spread = max(match["deviation"]) * sqrt(1 / EPISODES + 1 / (last - first + 1))
    expected = Expected(KnownFigure.PER_STEP, tuple(match["mean"]), 4 * spread)
    return KnownCase(name, play, (expected,), f"{source}: mean of {last - first + 1}")


def _policies(match: Any) -> tuple[str, ...]:
    return tuple(POLICY_OF[name] for name in match["players"])


def _versus(match: Any) -> str:
    return "library: " + ", ".join(match["players"])
