"""Held-out figures of adapters: names, specializations, personas and tasks that no training uses.

    python -m benchmarks.adapters                     # the shipped adapters and their base model; minutes
    python -m benchmarks.adapters --trained FOLDER    # FOLDER/cooperator, FOLDER/defector, FOLDER/reciprocator

Both write benchmarks/results/adapters.json, the tables of docs/howto/adapters.md and docs/p_cooperate.svg. Figures that
the command does not measure stay. Probabilities are the model's own over the legal choices at temperature 1, averaged
over the prompts.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.embedded.backend import load_engine
from agents.inference.embedded.model_sources import file_sha256
from agents.inference.provenance import CallKey, Purpose, Request
from benchmarks.held_out import SEED, Decision, decisions, dilemma_decisions
from benchmarks.measure import ROOT, between_marks
from simulation.games.prisoners_dilemma import COOPERATE as C
from simulation.games.prisoners_dilemma import DEFECT as D
from simulation.studies import heat_table
from simulation.studies.heat_table import COOPERATE, DEFECT, HeatRow, HeatTable, Tile, between

OUT = Path(__file__).parent / "results" / "adapters.json"
PAGE, PICTURE = ROOT / "docs" / "howto" / "adapters.md", ROOT / "docs" / "p_cooperate.svg"
BASE = "SmolLM2-135M-Instruct"
TEACHERS = {"cooperator": "always_cooperate", "defector": "always_defect", "reciprocator": "tit_for_tat"}
"""By adapter the policy that it learned."""
PASTS = {"first": None, "CC": (C, C), "CD": (C, D), "DC": (D, C), "DD": (D, D)}
GAMES = {
    "prisoners_dilemma": "prisoner's dilemma",
    "public_goods": "public goods",
    "commons": "commons (a game never trained on)",
}
PROMPTS = 32
"""Of each cell."""
TRAINED = " trained"

Figures = dict[str, Any]
Place = Path | None
"""An adapter's folder; None is the shipped adapter of that name, or the base model."""


def measure(folder: Path | None, count: int = PROMPTS) -> Figures:
    """Return the figures of the adapters in a folder; None is the shipped ones, with their base model."""
    figures: Figures = {"prompts_per_cell": count, "seed": SEED}
    if folder is not None:
        return {
            **figures,
            "adapters": {name + TRAINED: adapter_figures(name, folder / name, count) for name in TEACHERS},
        }
    base = {
        "p_cooperate": _p_cooperate(BASE, None, count),
        "p_teachers_choice": {name: _p_teachers_choice(name, BASE, None, count) for name in TEACHERS},
    }
    return {**figures, "adapters": {name: adapter_figures(name, None, count) for name in TEACHERS}, "base": base}


def adapter_figures(name: str, place: Place, count: int) -> Figures:
    """Return the figures of one adapter.

    Args:
        name: A key of `TEACHERS`.
        place: Its folder.
        count: The prompts of each cell.
    """
    return {
        "weights": file_sha256((place or shipped_adapters()[name]) / WEIGHTS_FILE),
        "p_cooperate": _p_cooperate(name, place, count),
        "p_teachers_choice": _p_teachers_choice(name, name, place, count),
    }


def _p_cooperate(model: str, place: Place, count: int) -> dict[str, float]:
    return {
        name: _mean([(each, C) for each in itertools.islice(dilemma_decisions(past), count)], model, place)
        for name, past in PASTS.items()
    }


def _p_teachers_choice(teacher: str, model: str, place: Place, count: int) -> dict[str, float]:
    means = {}
    for game in GAMES:
        found = itertools.islice(decisions(TEACHERS[teacher], game, f"{teacher}/{game}"), count)
        means[game] = _mean([(each, each.taken) for each in found], model, place)
    return means


def _mean(asked: Sequence[tuple[Decision, str]], model: str, place: Place) -> float:
    """Return the mean probability of a choice of each decision."""
    answers = load_engine(print).choice_distribution([_request(each, model, place) for each, _ in asked])
    return sum(shares[choice] for shares, (_, choice) in zip(answers, asked, strict=True)) / len(asked)


def _request(decision: Decision, model: str, place: Place) -> Request:
    key, path = CallKey(0, 0, model, Purpose.DECIDE), str(place.resolve()) if place else None
    return Request(key, model, decision.messages, base_model=BASE, choices=decision.choices, adapter_path=path)


def merged(old: Figures, new: Figures) -> Figures:
    """Return old figures with the new ones in the place of those of the same adapters."""
    return {**old, **new, "adapters": {**old.get("adapters", {}), **new["adapters"]}}


# -- the page -------------------------------------------------------------------------------------------


def tables(figures: Figures) -> str:
    """Return the figures as Markdown."""
    adapters, base = figures["adapters"], figures["base"]
    dilemma = {name: each["p_cooperate"] for name, each in adapters.items()} | {"*base model*": base["p_cooperate"]}
    lines = [_row(["adapter", *PASTS]), "|---" * (len(PASTS) + 1) + "|"]
    lines += [_row([name, *(f"{each[past]:.2f}" for past in PASTS)]) for name, each in dilemma.items()]
    lines += ["", _row(["adapter", *GAMES.values()]), "|---" * (len(GAMES) + 1) + "|"]
    for name, each in adapters.items():
        own, others = each["p_teachers_choice"], base["p_teachers_choice"][name.removesuffix(TRAINED)]
        lines.append(_row([name, *(f"{own[game]:.2f} ({others[game]:.2f})" for game in GAMES)]))
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(figures: Figures) -> str:
    """Return P(cooperate) of the shipped adapters and their base model as an SVG."""
    rows = {name: figures["adapters"][name] for name in TEACHERS} | {BASE: figures["base"]}
    table = HeatTable(
        title="What a LoRA adapter does to the same base model",
        above=[
            "Measured P(cooperate) in the prisoner's dilemma, after (own, partner) last move; "
            f"{figures['prompts_per_cell']} held-out prompts a cell"
        ],
        label="P(cooperate) per adapter and past",
        columns=list(PASTS),
        rows=[HeatRow(name, [_tile(each["p_cooperate"][past]) for past in PASTS]) for name, each in rows.items()],
    )
    return heat_table.draw(table)


def _tile(chance: float) -> Tile:
    return Tile(f"{chance:.2f}", between(DEFECT, COOPERATE, chance))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=Path, help="measure the adapters in this folder in place of the shipped ones")
    options = parser.parse_args()
    old = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    figures = merged(old, measure(options.trained))
    OUT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(between_marks(PAGE.read_text(encoding="utf-8"), tables(figures)), encoding="utf-8")
    PICTURE.write_text(draw(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
