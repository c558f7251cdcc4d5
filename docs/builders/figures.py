"""The pages of tables, games, metrics and scorers, made from their registries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from simulation.authoring.game_pages import GamePage, game_pages
from simulation.metrics import metrics
from simulation.quality import scorers
from simulation.studies.tournament.columns import TABLES as RESULTS
from simulation.tables.columns import TABLES, Column

TABLE_TEXT = """# Tables

The tables that `load_run(path)` returns, column by column; `run.describe()` prints the same. In a run directory every
table is `tables/<name>.parquet`, plain Parquet for any tool. All times are in seconds; payoffs are in the game's units.
"""
GAME_TEXT = """# Games

The page of each game, as `society show GAME` prints it: the docstring of the game's file. In a scenario, `task_type`
names the game, and `parameters` sets its parameters. Figures of two games may be compared and averaged only if they are
of the same kind.
"""


def tables_page() -> str:
    """Return the page: every column of every table of a run and of a tournament."""
    lines = [TABLE_TEXT, *_dictionary((name.value, columns) for name, columns in TABLES.items())]
    lines += ["# Tables of a tournament", "", "The tables that `load_tournament(folder)` returns.", ""]
    return "\n".join([*lines, *_dictionary((name.value, columns) for name, columns in RESULTS.items())])


def _dictionary(tables: Iterable[tuple[str, Sequence[Column]]]) -> Iterator[str]:
    for name, columns in tables:
        yield from (f"## `{name}`", "", "| column | type | meaning |", "|---|---|---|")
        yield from (
            f"| `{each.name}` | {each.dtype} | {each.meaning.replace('|', chr(92) + '|')} |" for each in columns
        )
        yield ""


def games_page() -> str:
    """Return the page: the docstring and the parameters of every game."""
    return "\n".join([GAME_TEXT, *(line for page in game_pages() for line in _game(page))])


def _game(page: GamePage) -> Iterator[str]:
    yield from (f"## `{page.name}`", "")
    if page.synthetic:
        yield from ("**Synthetic:** its outcome is a formula over words, not play.", "")
    yield from (page.text.split("\nPlayers", 1)[0].rstrip(), "")
    for part, text in page.parts.items():
        yield from (f"**{part.value[0].upper()}{part.value[1:]}:** {text}", "")
    yield from ("| figure | measures | kind |", "|---|---|---|")
    for figure, meaning in (("cooperation_score", page.cooperation), ("accuracy", page.accuracy)):
        yield f"| `{figure}` | {meaning.text} | {meaning.kind} |"
    yield ""
    if page.parameters:
        yield from ("| parameter | value | default |", "|---|---|---|")
        yield from (f"| `{each.name}` | {each.kind} {each.range} | `{each.default}` |" for each in page.parameters)
        yield ""


def metrics_page() -> str:
    """Return the page: every registered metric and scorer, with meaning and source."""
    lines = ["# Metrics and scorers", "", "What `society study metrics RUN` and `society report RUN` compute.", ""]
    lines += ["| metric | meaning | source |", "|---|---|---|"]
    lines += [f"| `{each.name}` | {each.meaning} | {each.source} |" for each in metrics().values()]
    lines += ["", "## Scorers", "", "The scorers of `society study quality RUN --scorer NAME`.", ""]
    lines += ["| scorer | meaning | source | kind |", "|---|---|---|---|"]
    for each in scorers().values():
        kind = "synthetic: a formula over words" if each.synthetic else "secondary: a model's opinion"
        measured = "measured" if not (each.synthetic or each.secondary) else kind
        lines.append(f"| `{each.name}` | {each.meaning} | {each.source} | {measured} |")
    return "\n".join([*lines, ""])
