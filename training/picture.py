"""The README's picture, drawn from the measured figures.

python -m training.picture        # training/figures.json -> docs/p_cooperate.svg
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulation.studies import heat_table
from simulation.studies.heat_table import COOPERATE, DEFECT, HeatRow, HeatTable, Tile, between
from training.evaluate_adapters import FIGURES, PASTS

PICTURE = Path(__file__).parent.parent / "docs" / "p_cooperate.svg"


def draw(figures: dict[str, Any]) -> str:
    """The picture as SVG."""
    table = HeatTable(
        title="What a LoRA adapter does to the same base model",
        subtitle="Measured P(cooperate) in the prisoner's dilemma, after (own, partner) last move; "
        f"{figures['prompts_per_cell']} held-out prompts a cell",
        label="P(cooperate) per adapter and past",
        columns=list(PASTS),
        rows=[
            HeatRow(adapter, [Tile(f"{means[past]:.2f}", between(DEFECT, COOPERATE, means[past])) for past in PASTS])
            for adapter, means in figures["p_cooperate"].items()
        ],
    )
    return heat_table.draw(table)


def main() -> None:
    PICTURE.write_text(draw(json.loads(FIGURES.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
