"""Record what the Axelrod library's players earn; `society study verify` compares with it.

    python benchmarks/axelrod_record.py --venv DIR

The library needs torch and its own pandas, so it gets a separate virtual environment: the script creates DIR and
installs `axelrod==4.14.0` there, unless it is installed (pip's own variables apply, such as PIP_FIND_LINKS for CPU
builds of torch). Matches are played one after another and written to simulation/studies/verify/axelrod.json:

- exact: one match of every pair of deterministic players, with total scores;
- stochastic: `REPETITIONS` matches of pairs with a random player, with seeds 1, 2, ...; for each player the mean score
  per turn and its standard deviation between matches;
- noisy: the same of pairs whose moves are flipped with the chance `NOISE`.

Library: https://github.com/Axelrod-Python/Axelrod (MIT), version 4.14.0; its default game is 5, 3, 1, 0.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import venv
from itertools import combinations_with_replacement
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

VERSION = "4.14.0"
TARGET = Path(__file__).parent.parent / "simulation/studies/verify/axelrod.json"
TURNS, SEED, REPETITIONS = 200, 1, 200
DETERMINISTIC = ("Cooperator", "Defector", "TitForTat", "Grudger", "SuspiciousTitForTat", "WinStayLoseShift")
STOCHASTIC = (
    ("Random", "Random"),
    ("Random", "TitForTat"),
    ("Random", "Grudger"),
    ("Random", "WinStayLoseShift"),
    ("GTFT", "Defector"),
    ("GTFT", "SuspiciousTitForTat"),
    ("GTFT", "Random"),
)
NOISE = 0.05
NOISY = (
    ("TitForTat", "TitForTat"),
    ("GTFT", "GTFT"),
    ("WinStayLoseShift", "WinStayLoseShift"),
    ("Grudger", "TitForTat"),
    ("WinStayLoseShift", "Defector"),
    ("SuspiciousTitForTat", "Cooperator"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, required=True, help="the library's own environment; made if missing")
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        record(options.out)
        return
    inside = interpreter(options.venv)
    subprocess.run([inside, __file__, "--inside", "--venv", options.venv, "--out", options.out], check=True)


def interpreter(folder: Path) -> Path:
    """Return the Python of the environment in `folder`; install the library there if it is missing."""
    if not (folder / "pyvenv.cfg").exists():
        venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"axelrod=={VERSION}"], check=True)
    return python


def record(out: Path) -> None:
    """Play all matches and write `out`. This runs in the library's environment."""
    import axelrod  # not installed in the project's environment

    if axelrod.__version__ != VERSION:
        raise SystemExit(f"this is axelrod {axelrod.__version__}; the record is of {VERSION}")
    pairs = combinations_with_replacement(DETERMINISTIC, 2)
    found = {
        "library": "Axelrod",
        "version": VERSION,
        "python": platform.python_version(),
        "turns": TURNS,
        "game": dict(
            zip(("reward", "punishment", "sucker", "temptation"), map(int, axelrod.game.Game().RPST()), strict=True)
        ),
        "exact": [{"players": pair, "seed": SEED, "scores": scores(axelrod, pair, SEED)} for pair in pairs],
        "stochastic": [spread(axelrod, pair) for pair in STOCHASTIC],
        "noise": NOISE,
        "noisy": [spread(axelrod, pair, NOISE) for pair in NOISY],
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")


def scores(axelrod: Any, pair: tuple[str, str], seed: int, noise: float = 0.0) -> list[int]:
    match = axelrod.Match(tuple(getattr(axelrod, name)() for name in pair), turns=TURNS, seed=seed, noise=noise)
    match.play()
    return [int(score) for score in match.final_score()]


def spread(axelrod: Any, pair: tuple[str, str], noise: float = 0.0) -> dict[str, Any]:
    played = [scores(axelrod, pair, SEED + number, noise) for number in range(REPETITIONS)]
    per_turn = [[score / TURNS for score in column] for column in zip(*played, strict=True)]
    return {
        "players": pair,
        "seeds": [SEED, SEED + REPETITIONS - 1],
        "mean": [round(fmean(column), 6) for column in per_turn],
        "deviation": [round(stdev(column), 6) for column in per_turn],
    }


if __name__ == "__main__":
    sys.exit(main())
