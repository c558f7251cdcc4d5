"""What every page, table and picture of a study says first: where its texts came from, and its notes.

One dataclass of counts, which a stored result keeps, and one banner, which writes itself as text, as HTML and below the
title of a picture.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import Tier

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from simulation.tables.base import Tables

_TEXTS = ("messages", "decisions", "acts")
_LINE = 110  # characters of a picture's subtitle before it goes on in the next line
MOST_ROWS = 200
"""Rows of a table that a notebook shows at most."""


@dataclass(frozen=True)
class SourceCounts:
    """Where the texts of runs came from.

    Attributes:
        runs: How many runs.
        episodes: Their finished episodes.
        texts: Messages, decisions and social actions by the tier of their text.
        fallbacks: Texts that a better tier had failed to give.
        outcomes: Outcomes: one per model and episode.
        synthetic: Outcomes that are a formula over words.
    """

    runs: int = 0
    episodes: int = 0
    texts: Mapping[str, int] = field(default_factory=dict)
    fallbacks: int = 0
    outcomes: int = 0
    synthetic: int = 0

    @classmethod
    def of(cls, tables: Tables, runs: int = 1) -> SourceCounts:
        """Count the tables of one run, or of so many together."""
        import pandas as pd

        rows = pd.concat([tables.columns(name, ("tier", "fallback_from")).astype(str) for name in _TEXTS])
        tiers = rows["tier"].value_counts()
        outcomes = tables.columns("outcomes", ("synthetic",))["synthetic"]
        return cls(
            runs=runs,
            episodes=len(tables.columns("episodes", ("episode",))),
            texts={tier.value: int(tiers[tier.value]) for tier in Tier if tier.value in tiers},
            fallbacks=int((rows["fallback_from"] != "").sum()),
            outcomes=len(outcomes),
            synthetic=int(outcomes.sum()),
        )

    @classmethod
    def of_runs(cls, paths: Iterable[Path]) -> SourceCounts:
        """Count the runs in these directories, finished or not."""
        from simulation.tables.runs import load_runs

        found = tuple(paths)
        return cls.of(load_runs(found, unfinished=True), len(found)) if found else cls()

    @classmethod
    def below(cls, folder: Path) -> SourceCounts:
        """Count every run in a folder, those of trainings too."""
        found = (file.parent for file in sorted(folder.rglob("manifest.json")))
        return cls.of_runs(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> SourceCounts | None:
        """Return the counts that a stored result kept; None where an earlier version kept none."""
        return None if stored is None else cls(**stored)

    @property
    def real_share(self) -> float | None:
        """The share of texts from a language model (0-1); None without texts."""
        return self._share([tier.value for tier in Tier if tier.real])

    @property
    def simulated_share(self) -> float | None:
        """The share of simulated texts (0-1); None without texts."""
        return self._share([Tier.SIMULATED.value])

    @property
    def synthetic_share(self) -> float | None:
        """The share of outcomes that are a formula over words (0-1); None without outcomes."""
        return self.synthetic / self.outcomes if self.outcomes else None

    def _share(self, tiers: Iterable[str]) -> float | None:
        whole = sum(self.texts.values())
        return sum(self.texts.get(tier, 0) for tier in tiers) / whole if whole else None

    def lines(self) -> Iterator[str]:
        """Yield what was played and who gave the texts, and what a reader must not overlook."""
        mix = ", ".join(f"{tier} {count:,}" for tier, count in self.texts.items())
        played = f"{_counted(self.runs, 'run')}, {_counted(self.episodes, 'finished episode')}"
        if not self.runs:
            yield "no run was played: all figures are computed"
        elif mix:
            yield f"{played}; texts by tier: {mix}; {_percent(self.real_share)} from a language model"
        else:
            yield f"{played}; no texts"
        if self.simulated_share:
            yield f"SIMULATED: {_percent(self.simulated_share)} of the texts are scripted; no language model wrote them"
        if self.synthetic_share:
            yield f"SYNTHETIC: {_percent(self.synthetic_share)} of the outcomes are a formula over words, not play"
        if self.fallbacks:
            yield f"FALLBACKS: {_counted(self.fallbacks, 'text')} from a lower tier, because a better one failed"


@dataclass(frozen=True)
class StudyBanner:
    """What a study shows first.

    Attributes:
        title: What was studied.
        counts: Where the texts came from; None where a result of an earlier version kept no counts.
        notes: What a reader must know so as not to misread a figure.
        tiers: The tiers that replies came from, shown where there are no counts.
    """

    title: str
    counts: SourceCounts | None
    notes: tuple[str, ...] = ()
    tiers: Sequence[str] = ()

    def lines(self) -> tuple[str, ...]:
        """Return the banner below its title: what was played, warnings, notes."""
        uncounted = f"replies by tier: {', '.join(self.tiers)} (an earlier version did not count them)"
        known = self.counts.lines() if self.counts else (uncounted,)
        return tuple(dict.fromkeys((*known, *self.notes)))

    def html(self) -> str:
        """Return the banner as HTML; a warning is bold."""
        lines = "".join(f"<li>{_marked(html.escape(line), line)}</li>" for line in self.lines())
        return f'<div class="banner"><h3>{html.escape(self.title)}</h3><ul>{lines}</ul></div>'

    def subtitle(self) -> str:
        """Return the banner as the subtitle of a plotly figure, in lines that fit."""
        lines = (_marked(html.escape(part, quote=False), line) for line in self.lines() for part in _wrapped(line))
        return "<br>".join(lines).replace("$", "&#36;")  # plotly reads a text between dollars as LaTeX

    def above(self, figure: Figure) -> Figure:
        """Put the banner above a plotly figure and return the figure."""
        subtitle = self.subtitle()
        room = 60 + 17 * (1 + subtitle.count("<br>"))
        title = {"text": html.escape(self.title, quote=False), "subtitle": {"text": subtitle, "font": {"size": 11}}}
        height = (figure.layout.height or 450) + room
        place = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top"}
        return figure.update_layout(title={**title, **place, "pad": {"t": 18}}, margin={"t": room + 30}, height=height)


class StudyResult:
    """A study's result: it has a banner and a table, and a notebook shows both."""

    @property
    def banner(self) -> StudyBanner:
        """What stands above every table and picture of the result."""
        raise NotImplementedError

    def table(self) -> pd.DataFrame:
        """Return the result as a table."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        table = self.table()
        more = f"<p>{len(table) - MOST_ROWS} more rows: .table()</p>" if len(table) > MOST_ROWS else ""
        rows = table.head(MOST_ROWS).to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format)
        return f"{self.banner.html()}{rows}{more}"


def _marked(text: str, line: str) -> str:
    return f"<b>{text}</b>" if is_loud(line) else text


def is_loud(line: str) -> bool:
    """Tell whether a line of a banner is a warning: its first word is in capitals."""
    first = line.split(" ", 1)[0].strip(":")
    return len(first) > 3 and first.isupper()


def _wrapped(line: str) -> list[str]:
    import textwrap

    return textwrap.wrap(line, _LINE)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _percent(share: float | None) -> str:
    """Return a share in percent; one that is not 0 or 1 never reads as such."""
    value = 100 * (share or 0.0)
    if 0 < value < 0.01:
        return "less than 0.01%"
    if 99.99 < value < 100:
        return "more than 99.99%"
    return f"{value:.0f}%" if value in (0.0, 100.0) or 1 <= value <= 99 else f"{value:.2f}%"
