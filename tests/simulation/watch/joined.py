"""What a page that received these views shows: the same rule as in page.js."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from simulation.watch.state import ENTRIES
from simulation.watch.view import Entry, LiveView


def joined(views: Iterable[LiveView]) -> LiveView:
    first, *others = views
    shown = first
    for view in others:
        if view.whole:
            shown = view
        else:
            shown = replace(view, points=shown.points + view.points, entries=latest((*shown.entries, *view.entries)))
    return replace(shown, whole=True)


def latest(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    seen: Counter[str] = Counter()
    latest = []
    for entry in reversed(entries):
        seen[entry.kind] += 1
        if seen[entry.kind] <= ENTRIES:
            latest.append(entry)
    return tuple(reversed(latest))
