"""Make the pictures of the experiments' page: python -m docs.experiment_pictures RUMOUR POLARISATION HERDING

Each argument is the folder that `society study experiment NAME --tier embedded` printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from simulation import Run, load_runs, save_picture
from simulation.studies.experiment.report import read_experiment_report

HERE = Path(__file__).resolve().parent
WIDTH = 900


def _largest_cascade(folder: Path) -> Run:
    return max(load_runs(folder), key=lambda run: len(run.posts))


def main(rumour: str, polarisation: str, herding: str) -> None:
    """Write a cascade, opinions by step, and the votes of every arm."""
    opinions = next(run for run in load_runs(polarisation) if "like_minded" in str(run.path))
    figures = {
        "experiment_rumour": _largest_cascade(Path(rumour)).plot.cascades(),
        "experiment_polarisation": opinions.plot.opinions(),
        "experiment_herding": read_experiment_report(herding).plot(),
    }
    for name, figure in figures.items():
        save_picture(figure.update_layout(width=WIDTH), HERE / f"{name}.svg")


if __name__ == "__main__":
    main(*sys.argv[1:4])
