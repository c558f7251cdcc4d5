"""How the opinions of a run's models spread over the scale, step by step: a ribbon of quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.metrics.opinion import opinion_figures
from simulation.metrics.opinion_course import opinion_steps
from simulation.metrics.result_table import COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from simulation.tables.run import Run

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class OpinionRibbon:
    """The opinions of a task, all its episodes together.

    Attributes:
        task: The task.
        steps: The steps, from 1.
        quantiles: For each of `QUANTILES` the opinion (0-1) at each step.
        polarisation: Of all opinions, 0-1, at each step.
    """

    task: str
    steps: list[int]
    quantiles: list[list[float]]
    polarisation: list[float]


def ribbons_of(run: Run) -> list[OpinionRibbon]:
    """Return a ribbon for each task of the game `opinion`; a step without a valid opinion is left out."""
    found: dict[str, dict[int, list[float]]] = {}
    for each in opinion_steps(run):
        levels = [level for level in each.levels if not math.isnan(level)]
        found.setdefault(each.task_id, {}).setdefault(each.step, []).extend(levels)
    return [_ribbon(task, {step: levels for step, levels in steps.items() if levels}) for task, steps in found.items()]


def _ribbon(task: str, levels: dict[int, list[float]]) -> OpinionRibbon:
    steps = sorted(levels)
    rows = np.array([np.quantile(levels[step], QUANTILES) for step in steps]).reshape(len(steps), len(QUANTILES))
    polarisation = [opinion_figures(levels[step]).polarisation for step in steps]
    return OpinionRibbon(task, [step + 1 for step in steps], rows.T.round(4).tolist(), polarisation)


def opinion_figure(ribbons: Sequence[OpinionRibbon]) -> Figure:
    """Return the ribbons: all opinions, the middle 80 % and 50 %, and the median; polarisation as a dashed line."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=max(1, len(ribbons)), cols=1, subplot_titles=[each.task for each in ribbons])
    for place, ribbon in enumerate(ribbons, start=1):
        where, first = {"row": place, "col": 1}, place == 1
        for (low, high), opacity, name in _BANDS:
            both = [*ribbon.steps, *reversed(ribbon.steps)]
            edge = [*ribbon.quantiles[high], *reversed(ribbon.quantiles[low])]
            fill = {"fill": "toself", "fillcolor": f"rgba(38, 128, 110, {opacity})", "line": {"width": 0}}
            figure.add_scatter(x=both, y=edge, name=name, mode="lines", showlegend=first, **fill, **where)
        median = {"color": COLOURS[0], "width": 2}
        figure.add_scatter(x=ribbon.steps, y=ribbon.quantiles[3], name="median", line=median, showlegend=first, **where)
        dashed = {"color": COLOURS[1], "dash": "dash"}
        figure.add_scatter(
            x=ribbon.steps, y=ribbon.polarisation, name="polarisation", line=dashed, showlegend=first, **where
        )
        figure.update_xaxes(title_text="step", dtick=1 if len(ribbon.steps) <= 20 else None, **where)
        figure.update_yaxes(title_text="opinion (0-1)", range=[-0.03, 1.03], **where)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    return figure.update_layout(template="plotly_white", height=380 * max(1, len(ribbons)))


_BANDS = (((0, 6), 0.12, "all"), ((1, 5), 0.2, "middle 80 %"), ((2, 4), 0.35, "middle 50 %"))
