"""Pictures of a roster: a tree for the terminal, and an SVG with a line between players who hear each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from agents.language import text_in
from agents.sanitize import sanitize

if TYPE_CHECKING:
    from rich.tree import Tree

    from agents.roster import ModelConfig, Roster
    from simulation.answer.audiences import AudienceMap

MOST_DRAWN = 60
_SIDES = 280  # space for names left and right of the circle
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e")
_NO_TEAM = "#9498a0"


def teams_of(roster: Roster) -> dict[str | None, list[ModelConfig]]:
    """Return the players by team, in the order of the rows; the key None is for players without a team."""
    found: dict[str | None, list[ModelConfig]] = {}
    for row in roster.expand():
        found.setdefault(row.team_id, []).append(row)
    return found


def team_tree(roster: Roster) -> Tree:
    """Return a tree of the teams and their players, with roles."""
    from rich.markup import escape as plain
    from rich.tree import Tree

    tree = Tree(f"[bold]{plain(sanitize(roster.name))}[/] on {plain(sanitize(roster.base_model or 'no base model'))}")
    for team, rows in teams_of(roster).items():
        branch = tree.add(f"[bold]{plain(sanitize(team or 'no team'))}[/] ({len(rows)})")
        for row in rows[:MOST_DRAWN]:
            words = [row.role.value, row.played_by]
            words += [f"rank {row.lora_rank}"] if row.lora_rank else []
            skill = text_in(row.specialization)
            words += [skill] if skill not in ("", "general") else []
            branch.add(plain(sanitize(f"{row.model_id}: {', '.join(words)}")))
        if len(rows) > MOST_DRAWN:
            branch.add(f"and {len(rows) - MOST_DRAWN:,} more")
    return tree


def audience_tree(audiences: AudienceMap) -> Tree:
    """Return a tree of the players and who hears each of them."""
    from rich.markup import escape as plain
    from rich.tree import Tree

    sampled = " (random links, drawn once by the scenario's seed; every episode has them)" if audiences.sampled else ""
    tree = Tree(f"[bold]who hears whom[/] in {audiences.mode.value}{sampled}")
    for speaker, hearers in list(audiences.heard_by.items())[:MOST_DRAWN]:
        shown = ", ".join(hearers[:12]) + (f" and {len(hearers) - 12:,} more" if len(hearers) > 12 else "")
        tree.add(plain(sanitize(f"{speaker} -> {shown or 'no one'}")))
    if len(audiences.heard_by) > MOST_DRAWN:
        tree.add(f"and {len(audiences.heard_by) - MOST_DRAWN:,} more")
    return tree


def picture(roster: Roster, audiences: AudienceMap | None = None, size: int = 640) -> str:
    """Return the roster as SVG: players on a circle, team by team, with a line between those who hear each other."""
    groups = teams_of(roster)
    rows = [row for members in groups.values() for row in members]
    places = {row.model_id: _place(number, len(rows), size) for number, row in enumerate(rows)}
    named = [team for team in groups if team]
    colours = {team: _COLOURS[number % len(_COLOURS)] for number, team in enumerate(named)}
    subtitle = f"lines: who hears whom in {audiences.mode.value}" if audiences else roster.base_model or ""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size + _SIDES} {size + 60}" width="{size + _SIDES}"'
        f' height="{size + 60}"'
        f' font-family="sans-serif" role="img" aria-label="{_text(f"the roster {roster.name}")}">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="16" y="28" font-size="18" font-weight="bold">{_text(roster.name)}</text>',
        f'<text x="16" y="48" font-size="12" fill="#555">{_text(subtitle)}</text>',
        *(_lines(audiences, places) if audiences else ()),
        *(_node(row, *places[row.model_id], colours.get(row.team_id or "", _NO_TEAM), size) for row in rows),
        *_legend(named, colours, size),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(number: int, total: int, size: int) -> tuple[float, float]:
    angle = 2 * math.pi * number / total - math.pi / 2
    return (size + _SIDES) / 2 + 0.3 * size * math.cos(angle), 60 + size / 2 - 20 + 0.3 * size * math.sin(angle)


def _lines(audiences: AudienceMap, places: dict[str, tuple[float, float]]) -> Iterator[str]:
    pairs = {(min(a, b), max(a, b)) for a, hearers in audiences.heard_by.items() for b in hearers}
    for a, b in sorted(pairs):
        (x1, y1), (x2, y2) = places[a], places[b]
        yield f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#b8bcc4"/>'


def _node(row: ModelConfig, x: float, y: float, colour: str, size: int) -> str:
    side = x - (size + _SIDES) / 2
    anchor = "middle" if abs(side) < 20 else "start" if side > 0 else "end"
    shift = 0 if anchor == "middle" else math.copysign(18, side)
    below = 30 if y > size / 2 + 40 else -32
    top = y + (below if anchor == "middle" else -2)
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="13" fill="{colour}"/>'
        f'<text x="{x + shift:.1f}" y="{top:.1f}" font-size="13" text-anchor="{anchor}">{_text(row.model_id)}'
        f'<tspan x="{x + shift:.1f}" dy="14" font-size="11" fill="#555">'
        f"{_text(f'{row.role.value}, {row.played_by}')}</tspan></text>"
    )


def _legend(teams: Sequence[str], colours: dict[str, str], size: int) -> Iterator[str]:
    for number, team in enumerate(teams[:12]):
        y = 24 + 18 * number
        yield f'<circle cx="{size + _SIDES - 130}" cy="{y}" r="6" fill="{colours[team]}"/>'
        yield f'<text x="{size + _SIDES - 118}" y="{y + 4}" font-size="12">{_text(team)}</text>'


def _text(words: str) -> str:
    short = words if len(words) <= 40 else f"{words[:39]}…"
    return escape(sanitize(short))
