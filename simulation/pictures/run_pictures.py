"""The pictures of a run, or of runs loaded together: `run.plot.payoffs()`, `.cooperation()`, `.course()`, `.network()`,
`.opinions()`, `.cascades()`.

Each is a plotly figure with the banner of its runs above it. What must never be averaged (games, modes, tiers, formulas
over words) has a picture of its own, side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from agents.problems import UsageError, nearest
from simulation.answer.standings import GROUPS, ModelStanding, named_outcomes, standings_in
from simulation.metrics.banner import SourceCounts, StudyBanner
from simulation.metrics.result_table import COLOURS
from simulation.pictures.cascades import cascade_figure, trees_of
from simulation.pictures.course import SERIES, CourseLine, lines_of
from simulation.pictures.network import Network, Node, network_of
from simulation.pictures.opinions import opinion_figure, ribbons_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from simulation.tables.base import Tables
    from simulation.tables.run import Run
    from simulation.tables.runs import Runs

TEAM_COLOURS = {"red": COLOURS[1], "blue": COLOURS[2], "yellow": COLOURS[3], "purple": COLOURS[4], "green": COLOURS[5]}
"""A team with the name of a colour has this colour."""
MOST_NAMED = 12
"""Above so many lines of a course, none is named in the legend."""
_FEW = "an open point has no interval: fewer than 6 episodes, or all gave the same"


class RunPictures:
    """The pictures of a run, or of many.

    Args:
        tables: The run, or the runs.
    """

    def __init__(self, tables: Run | Runs) -> None:
        self._tables = tables
        self._runs: Sequence[Run] = tuple(tables) if hasattr(tables, "skipped") else (tables,)  # type: ignore[arg-type]

    def payoffs(self, by: str = "model") -> Figure:
        """Mean payoff of an episode with its 95 % interval over episodes.

        Args:
            by: model, adapter, role, team or mode.

        Raises:
            UsageError: There is no such group.
        """
        return self._means("payoff", "mean payoff of an episode", by)

    def cooperation(self, by: str = "model") -> Figure:
        """Mean cooperation score (0-1) with its 95 % interval over episodes.

        Args:
            by: model, adapter, role, team or mode.

        Raises:
            UsageError: There is no such group.
        """
        return self._means("cooperation_score", "mean cooperation score", by).update_xaxes(range=[-0.03, 1.03])

    def course(self, figure: str = "total_payoff") -> Figure:
        """One figure step by step, mean over episodes; models with the same line share it, and its name.

        Args:
            figure: total_payoff (the payoff so far), payoff or cooperation.

        Raises:
            UsageError: There is no such figure.
        """
        if figure not in SERIES:
            raise UsageError(f"there is no course of {figure!r} ({nearest(figure, list(SERIES))})")
        lines = [each for each in lines_of(self._tables) if each.figure == figure]
        parts: dict[str, list[CourseLine]] = {}
        for line in lines:
            parts.setdefault(f"{line.task}, {line.mode}, {line.tier}", []).append(line)
        return self._above(_course_figure(parts, figure.replace("_", " ")), f"{figure.replace('_', ' ')} by step")

    def opinions(self) -> Figure:
        """The opinions of the game `opinion` step by step: all, the middle 80 % and 50 %, the median, polarisation.

        Raises:
            UsageError: There are several runs, or no opinion.
        """
        ribbons = ribbons_of(self._one("opinions"))
        if not ribbons:
            raise UsageError("no task of this run is the game opinion, or no episode has ended")
        return self._above(opinion_figure(ribbons), "opinions by step")

    def cascades(self) -> Figure:
        """The largest cascades of the run's networks, as trees: a point per post, coloured by its step.

        Raises:
            UsageError: There are several runs, or nobody shared a post.
        """
        trees = trees_of(self._one("cascades"))
        if not trees:
            raise UsageError("nobody shared a post in this run: there is no cascade")
        return self._above(cascade_figure(trees), "the largest cascades")

    def network(self) -> Figure:
        """Who heard whom: models on a circle, teams side by side; a line is as wide as it was busy."""
        network = network_of(self._one("network"))
        hidden = [f"{network.left_out} quieter links are left out"] if network.left_out else []
        return self._above(_network_figure(network), "who heard whom", hidden)

    def _one(self, picture: str) -> Run:
        if len(self._runs) != 1:
            raise UsageError(f"this picture is of one run: for run in runs: run.plot.{picture}()")
        return self._runs[0]

    def _means(self, figure: str, title: str, by: str) -> Figure:
        if by not in GROUPS:
            raise UsageError(f"there is no group {by!r} ({nearest(by, list(GROUPS))})")
        every = standings_in(named_outcomes(_pooled(self._tables)), (figure,))
        rows = [each for each in every if each.by == by]
        return self._above(_means_figure(rows, title), f"{title} by {by}", [_FEW])

    def _above(self, figure: Figure, what: str, notes: Sequence[str] = ()) -> Figure:
        first = self._runs[0].manifest["scenario"]["name"]
        names = {run.manifest["scenario"]["name"] for run in self._runs}
        who = first if len(names) == 1 else f"{len(self._runs)} runs of {len(names)} scenarios"
        counts = SourceCounts.of(self._tables, len(self._runs))
        return StudyBanner(f"{who}: {what}", counts, tuple(notes)).above(figure)


def _pooled(tables: Tables) -> Any:
    """Return the outcomes of one or many runs, each episode with a number of its own."""
    rows = tables.outcomes
    if "run" in rows:
        rows = rows.assign(episode=rows.groupby(["run", "episode"], observed=True).ngroup())
    return SimpleNamespace(outcomes=rows)


def _means_figure(rows: Sequence[ModelStanding], title: str) -> Figure:
    """A point with its interval per name, the highest first; each game, mode and tier in a picture of its own."""
    from plotly.subplots import make_subplots

    parts: dict[str, list[ModelStanding]] = {}
    for row in rows:
        synthetic = ", SYNTHETIC" if row.synthetic else ""
        parts.setdefault(f"{row.game}, {row.mode}, {row.tier}{synthetic}", []).append(row)
    figure = make_subplots(rows=max(1, len(parts)), cols=1, subplot_titles=list(parts))
    for place, mine in enumerate(parts.values(), start=1):
        ordered = sorted(mine, key=lambda each: each.value)
        figure.add_scatter(
            x=[each.value for each in ordered],
            y=[each.name for each in ordered],
            error_x={
                "array": [None if each.high is None else each.high - each.value for each in ordered],
                "arrayminus": [None if each.low is None else each.value - each.low for each in ordered],
            },
            mode="markers",
            marker={
                "size": 11,
                "color": COLOURS[0],
                "symbol": ["circle-open" if each.low is None else "circle" for each in ordered],
            },
            text=[f"n = {each.n}" for each in ordered],
            showlegend=False,
            row=place,
            col=1,
        )
        figure.update_xaxes(title_text=title, row=place, col=1)
    names = max((len(mine) for mine in parts.values()), default=1)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    return figure.update_layout(template="plotly_white", height=max(1, len(parts)) * (110 + 28 * names))


def _course_figure(parts: dict[str, list[CourseLine]], title: str) -> Figure:
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=max(1, len(parts)), cols=1, subplot_titles=list(parts))
    for place, lines in enumerate(parts.values(), start=1):
        shown = list(_alike(lines))
        for number, (name, line) in enumerate(shown):
            figure.add_scatter(
                x=line.steps,
                y=line.values,
                name=name,
                mode="lines+markers" if len(shown) <= MOST_NAMED else "lines",
                line={"color": COLOURS[number % len(COLOURS)], "width": 2 if len(shown) <= MOST_NAMED else 1},
                showlegend=len(shown) <= MOST_NAMED,
                row=place,
                col=1,
            )
        figure.update_xaxes(title_text="step", dtick=1 if len(lines[0].steps) <= 20 else None, row=place, col=1)
        figure.update_yaxes(title_text=title, row=place, col=1)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    return figure.update_layout(template="plotly_white", height=380 * max(1, len(parts)))


def _alike(lines: Sequence[CourseLine]) -> Iterator[tuple[str, CourseLine]]:
    """Yield each different line once, with the names of all models that have it."""
    groups: dict[tuple[object, ...], list[CourseLine]] = {}
    for line in lines:
        groups.setdefault((*line.steps, *line.values), []).append(line)
    for mine in groups.values():
        yield " = ".join(dict.fromkeys(each.model for each in mine)), mine[0]


def _beside(node: Node) -> str:
    """Return where a node's name stands: away from the middle of the circle."""
    if abs(node.x) > 0.3:
        return "middle right" if node.x > 0 else "middle left"
    return "top center" if node.y > 0 else "bottom center"


def _network_figure(network: Network) -> Figure:
    from plotly import graph_objects

    totals = [sum(step[link] for step in network.heard) for link in range(len(network.links))]
    most, teams = max(totals, default=1), list(dict.fromkeys(node.team for node in network.nodes))
    colours = {team: TEAM_COLOURS.get(team, COLOURS[number % len(COLOURS)]) for number, team in enumerate(teams)}
    figure = graph_objects.Figure()
    for (sender, hearer), times in zip(network.links, totals, strict=True):
        one, other = network.nodes[sender], network.nodes[hearer]
        bend = (0.12 * (other.y - one.y), -0.12 * (other.x - one.x))
        figure.add_scatter(
            x=[one.x, (one.x + other.x) / 2 + bend[0], other.x],
            y=[one.y, (one.y + other.y) / 2 + bend[1], other.y],
            mode="lines",
            line={"color": colours[one.team], "width": 0.6 + 4.4 * times / most, "shape": "spline"},
            opacity=0.6,
            hoverinfo="text",
            text=f"{other.name} heard {one.name} {times} times",
            showlegend=False,
        )
    for team in teams:
        nodes = [node for node in network.nodes if node.team == team]
        figure.add_scatter(
            x=[node.x for node in nodes],
            y=[node.y for node in nodes],
            mode="markers+text" if len(network.nodes) <= 60 else "markers",
            marker={"size": 15, "color": colours[team]},
            text=[node.name for node in nodes],
            textposition=list(map(_beside, nodes)),
            name=team or "no team",
            showlegend=len(teams) > 1,
        )
    hidden = {"visible": False, "range": [-1.2, 1.2]}
    figure.update_layout(template="plotly_white", height=560, xaxis=hidden, yaxis={**hidden, "scaleanchor": "x"})
    return figure
