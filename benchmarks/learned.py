"""Write docs/explanation/learning.md: what trainings should end in, and what was measured.

    python -m benchmarks.learned FOLDER...

Each folder is a finished training (`society train`); trainings of one scenario with several seeds are one row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.measure import ROOT
from simulation.plan import make_plan
from simulation.studies import heat_table
from simulation.studies.heat_table import COOPERATE, DEFECT, HeatRow, HeatTable, Tile, between
from simulation.training.rollout import is_tabular
from simulation.training.run import config_of
from simulation.training.shipped import shipped_trainings
from simulation.training.tables import Training, load_training

DOCS = ROOT / "docs"
PAGE, CURVES = "explanation/learning.md", "learning_curves.svg"
COLUMNS, WIDE, HIGH, ACROSS = 6, 300, 190, 3
COLOURS = ("#26806e", "#b8672d", "#5b5ea6")
TEXT = """# Learning curves

`python -m benchmarks.learned FOLDER...` writes this page from finished trainings ([how to train](../howto/train.md)).

What a learner's objective should earn per step in the end is derived from the rules (`training.known_answers`): the
best response to scripted partners, the optimum of learners who count the same, or the equilibrium that the game's page
names. It is given only where it is proven on the game's graph. A game may have more equilibria than the named one, and
a learner may stop at a local optimum. Measured are the values before the first and before the last update, from the
least to the most of all seeds and learners; seconds are those of an update, by the process that finished it. Values of
the method `reinforce` are means over few episodes.
"""


def groups_of(folders: Sequence[Path]) -> dict[str, list[Training]]:
    """Return the trainings by scenario, in the order of the folders."""
    found: dict[str, list[Training]] = {}
    for folder in folders:
        training = load_training(folder)
        found.setdefault(title_of(training), []).append(training)
    return found


def curves_of(training: Training) -> pd.DataFrame:
    """Return the values of a training by update and learner."""
    return training.updates.dropna(subset=["value"])


def page(groups: dict[str, list[Training]]) -> str:
    """Return the whole page."""
    heads = (
        "training",
        "method",
        "learners",
        "seeds",
        "updates",
        "expected a step",
        "at first",
        "at last",
        "seconds an update",
    )
    lines = [TEXT, f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(_row(name, group))} |" for name, group in groups.items()]
    lines += ["", f"![What each learner's objective earned before each update, and what is expected](../{CURVES})", ""]
    for name, group in groups.items():
        if heat_of(name, group):
            lines += [f"![{name}: the probability of a choice in each situation, by update](../{picture_of(name)})", ""]
    return "\n".join(lines)


def title_of(training: Training) -> str:
    """Return a training's name, with the mode where it is another than that of the shipped file."""
    scenario, shipped = training.plan.scenario, shipped_trainings().get(training.plan.scenario.name)
    other = shipped is not None and make_plan(shipped).scenario.mode is not scenario.mode
    return f"{scenario.name}, {scenario.mode.value}" if other else scenario.name


def picture_of(name: str) -> str:
    return f"learning_{name.replace(', ', '_')}.svg"


def _row(name: str, group: Sequence[Training]) -> tuple[str, ...]:
    values = pd.concat([curves_of(each).assign(number=number) for number, each in enumerate(group)])
    by_curve = values.groupby(["number", "learner"])["value"]
    answers = group[0].known_answers
    expected = {f"{row.answer} {row.value:.3g}" for row in answers.itertuples()}
    seeds = sorted({each.plan.scenario.seed for each in group})
    updates = sorted({each.ledger.lines[-1].update for each in group})
    return (
        f"`{name}`",
        config_of(group[0].plan).method.value,
        f"{len(group[0].plan_learners)} {'tables' if is_tabular(group[0].plan) else 'adapters'}",
        ", ".join(map(str, seeds)),
        ", ".join(map(str, updates)),
        ", ".join(sorted(expected)) or "not known",
        _span(by_curve.first()),
        _span(by_curve.last()),
        _span(pd.Series([line.seconds for each in group for line in each.ledger.lines[1:]])),
    )


def _span(values: pd.Series[float]) -> str:
    low, high = (f"{round(float(end), 3) + 0.0:g}" for end in (values.min(), values.max()))  # + 0.0: no -0
    return low if low == high else f"{low} to {high}"


def curves(groups: dict[str, list[Training]]) -> str:
    """Return the learning curves as SVG, a panel per training: one line per seed and learner."""
    rows = -(-len(groups) // ACROSS)
    parts = [_panel(name, group, number) for number, (name, group) in enumerate(groups.items())]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE * min(ACROSS, len(groups))} {HIGH * rows}" '
        'font-family="system-ui, sans-serif" font-size="11" fill="#333" role="img" aria-label="learning curves">\n'
        '<rect width="100%" height="100%" fill="#fbfaf7"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(name: str, group: Sequence[Training], number: int) -> str:
    tables = [curves_of(each) for each in group]
    known = group[0].known_answers
    values = [*(value for table in tables for value in table["value"]), *known["value"]]
    low, high, last = min(values), max(values), max(2, *(int(table["update"].max()) for table in tables))
    spread = high - low or 1.0

    def points(updates: Sequence[Any], earned: Sequence[Any]) -> str:
        places = zip(updates, earned, strict=True)
        return " ".join(
            f"{44 + 240 * (u - 1) / (last - 1):.1f},{160 - 120 * (v - low) / spread:.1f}" for u, v in places
        )

    lines = [
        f'<polyline points="{points(list(mine["update"]), list(mine["value"]))}" fill="none" stroke-width="1.5" '
        f'stroke="{COLOURS[place % len(COLOURS)]}"/>'
        for table in tables
        for place, (_, mine) in enumerate(table.groupby("learner", sort=False))
    ]
    lines += [
        f'<polyline points="{points((1, last), (value, value))}" stroke="#555" stroke-dasharray="5 4"/>'
        for value in sorted(set(known["value"].round(9)))
    ]
    answer = f", dashed: {known['answer'].iloc[0]}" if len(known) else ""
    texts = [(10, 20, f"{name}{answer}"), (6, 44, f"{high:.3g}"), (6, 164, f"{low:.3g}"), (220, 180, f"update {last}")]
    words = [f'<text x="{x}" y="{y}">{escape(text)}</text>' for x, y, text in texts]
    return (
        f'<g transform="translate({WIDE * (number % ACROSS)} {HIGH * (number // ACROSS)})">{"".join(lines + words)}</g>'
    )


def heat_of(name: str, group: Sequence[Training]) -> str:
    """Return the heat map of the first learner, mean over seeds, as SVG; empty where its situations are not known."""
    cells = pd.concat([each.cells for each in group])
    if cells.empty:
        return ""
    learner = group[0].plan_learners[0]
    mine = cells[cells["learner"] == learner]
    mine = mine[mine["choice"] == mine.groupby("situation", sort=False)["choice"].transform("first")]
    means = mine.groupby(["situation", "update"], sort=False)["probability"].mean()
    updates = sorted(set(mine["update"]))
    shown = sorted({updates[round(place * (len(updates) - 1) / (COLUMNS - 1))] for place in range(COLUMNS)})
    rows = [
        HeatRow(situation, [Tile(f"{p:.2f}", between(DEFECT, COOPERATE, p)) for p in means[situation][shown]])
        for situation in dict.fromkeys(mine["situation"])
    ]
    columns = [f"update {update}" for update in shown]
    title, label = f"{name}: P({mine['choice'].iloc[0]}) of {learner}", f"probabilities of {learner} by situation"
    above = f"Before each update, in each situation; the mean of {len(group)} seed{'s' if len(group) > 1 else ''}"
    return heat_table.draw(HeatTable(title, [above], label, columns, rows, names=560))


def write(groups: dict[str, list[Training]], docs: Path) -> Path:
    """Write the page and its pictures into a folder like `docs`; return the page."""
    pictures = {CURVES: curves(groups), **{picture_of(name): heat_of(name, each) for name, each in groups.items()}}
    for name, picture in pictures.items():
        if picture:
            (docs / name).write_text(picture, encoding="utf-8")
    target = docs / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(groups), encoding="utf-8")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of finished trainings")
    sys.stdout.write(f"{write(groups_of(parser.parse_args().folders), DOCS)}\n")


if __name__ == "__main__":
    main()
