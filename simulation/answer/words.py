"""An answer in sentences: what every surface shows, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from agents.inference.provenance import Tier
from simulation.answer.quotes import Quote, QuoteReason
from simulation.metrics.registry import LEAST_UNITS
from simulation.store.run_directory import RunStatus

if TYPE_CHECKING:
    from simulation.answer.answer import RunAnswer
    from simulation.answer.best import Lead, Part, Ranking
    from simulation.answer.nearness import Nearness
    from simulation.answer.standings import ModelStanding

MOST_PLACES, MOST_PARTS, MOST_NAMES = 6, 4, 5
LONGEST_QUOTE = 240


class LineKind(str, Enum):
    """How a line is shown."""

    PLAIN = "plain"
    PLACE = "place"
    QUOTE = "quote"
    WARNING = "warning"


@dataclass(frozen=True)
class Line:
    """A line of the block: a sentence, a place of a ranking, a quoted message, or a warning."""

    kind: LineKind
    text: str


@dataclass(frozen=True)
class Section:
    """A part of the block. `key` names it for translation: played, best, said, near or doubts."""

    key: str
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Block:
    """The whole block: what a surface lays out."""

    title: str
    sections: tuple[Section, ...]


def block_of(answer: RunAnswer) -> Block:
    """Return an answer in sentences."""
    return Block(title_of(answer), sections_of(answer))


def title_of(answer: RunAnswer) -> str:
    """Return the block's title: scenario, game, mode, run and state."""
    games = ", ".join(dict.fromkeys(game for game, _ in answer.played.games)) or "no episode has ended"
    name = answer.run.rstrip("/").rpartition("/")[2]
    return f"{answer.scenario}: {games}, {answer.mode} · {name} · {answer.state}"


def sections_of(answer: RunAnswer) -> tuple[Section, ...]:
    """Return the block's parts, in the order of reading; a part without a line is left out."""
    parts = (
        ("played", "Who played", _played(answer)),
        ("best", "Who did best: mean payoff per episode", _best(answer)),
        ("said", "What they said", _said(answer)),
        ("near", "How near to the optimum and to equilibrium", _near(answer)),
        ("doubts", "What to distrust", _doubts(answer)),
    )
    found = (Section(key, title, tuple(lines)) for key, title, lines in parts)
    return tuple(section for section in found if section.lines)


def _played(answer: RunAnswer) -> Iterator[Line]:
    played = answer.played
    episodes, steps = _count(played.episodes, "episode"), _count(played.steps, "step")
    tiers = ", ".join(f"{tier} {count}" for tier, count in played.tiers.items()) or "none"
    yield _plain(f"{_count(played.models, 'model')}, {episodes}, {steps}; texts by tier: {tiers}")
    names = [name if count == 1 else f"{name} ({count})" for name, count in played.players.items()]
    yield _plain(f"played by {_listed(names)}")
    if played.changed:
        decisions = _count(played.decisions, "decision")
        yield _plain(f"by noise {played.changed:,} of {decisions} were carried out as another option")
    tokens = f", {played.prompt_tokens:,} tokens of prompts and {played.completion_tokens:,} of replies"
    known = tokens if played.prompt_tokens or played.completion_tokens else ""
    took = f", {played.seconds:,.0f} s" if played.episodes else ""
    yield _plain(f"cost: {_count(played.calls, 'call')}{known}{took}")
    yield _plain(_again(answer))


def _again(answer: RunAnswer) -> str:
    if answer.state == RunStatus.RUNNING.value:
        return f"seed {answer.played.seed}; it is being played: society view {answer.run} shows it"
    over = answer.state == RunStatus.FINISHED.value
    again = f"study replay {answer.run} repeats it without a model" if over else f"resume {answer.run} goes on with it"
    return f"again: seed {answer.played.seed}; society {again}"


def _best(answer: RunAnswer) -> Iterator[Line]:
    for part in answer.best[:MOST_PARTS]:
        if len(answer.best) > 1 or part.synthetic:
            mark = ", SYNTHETIC" if part.synthetic else ""
            yield _plain(f"{part.game}, {part.mode}{mark}:")
        if not any(each.value for each in part.models.places):
            yield _plain("everyone earned 0: payoffs do not tell the models apart")
            continue
        yield from _places(part, 1 if len(answer.best) > 1 else MOST_PLACES)
        for ranking in part.rankings[1:] if len(answer.best) == 1 else ():
            yield _plain(f"by {ranking.by}: {_listed([_figure(each) for each in ranking.places])}{_lead(ranking)}")
    if len(answer.best) > MOST_PARTS:
        yield _plain(f"and {len(answer.best) - MOST_PARTS} more games and modes")


def _places(part: Part, most: int) -> Iterator[Line]:
    places = part.models.places
    for number, each in enumerate(places[:most], start=1):
        role, team = part.about[each.name]
        about = ", ".join(filter(None, [each.player, role if role not in each.player else "", team and f"team {team}"]))
        tier = f", {each.tier}" if len({place.tier for place in places}) > 1 else ""
        yield Line(LineKind.PLACE, f"{number}. {each.name} ({about}{tier}): {_value(each)}")
    if len(places) > most:
        yield _plain(f"and {len(places) - most} more; the last: {_figure(places[-1])}")
    if lead := _lead(part.models).removeprefix("; "):
        yield _plain(lead)


def _lead(ranking: Ranking) -> str:
    if ranking.lead is None or ranking.lead.value is None:
        return ""
    first, second = ranking.places[:2]
    return f"; {lead_text(ranking.lead, first.name, second.name)}"


def lead_text(lead: Lead, first: str, second: str) -> str:
    """Return by how much the first is ahead, and whether it is known to be."""
    value = lead.value or 0.0
    if lead.low is None or lead.high is None:
        ahead = f"{first} has {value:,.2f} more than {second}" if value else f"{first} and {second} have the same"
        return f"{ahead} ({lead.why})" if lead.n >= LEAST_UNITS else f"{ahead} (too few episodes to know)"
    real = "more than chance" if lead.low > 0 or lead.high < 0 else "not known to be more than chance"
    ends = f"[{lead.low:,.2f}, {lead.high:,.2f}]"
    return f"{first} has {value:,.2f} {ends} more than {second} (n {lead.n}, paired by episode): {real}"


def _said(answer: RunAnswer) -> Iterator[Line]:
    for quote in answer.quotes:
        yield _plain(_who_said(quote))
        text = " ".join(quote.text.split())
        yield Line(LineKind.QUOTE, f"“{text if len(text) <= LONGEST_QUOTE else f'{text[:LONGEST_QUOTE]}…'}”")
    if not answer.quotes and answer.best:
        yield _plain("no message to quote" if answer.played.messages else "no message was sent")


def _who_said(quote: Quote) -> str:
    where = f"episode {quote.episode}, step {quote.step}, {quote.tier}"
    source = f"{quote.who} ({quote.player}; {where})"
    earned = f"earned {quote.payoff:,.2f}"
    did = f"chose {quote.action} and {earned}" if quote.action else f"made no valid decision and {earned}"
    if quote.reason is QuoteReason.CHANGE:
        return f"{source}, before {quote.changed} went from {quote.before or 'no valid decision'} to {quote.action}:"
    best = quote.reason is QuoteReason.BEST
    place, extreme = ("best", "most") if best else ("last", "least")
    return f"{source}, the {place}, where it earned {extreme} of the steps in which it spoke; it {did}:"


def _near(answer: RunAnswer) -> Iterator[Line]:
    several = len(answer.nearness) > 1
    for each in answer.nearness[:MOST_PARTS]:
        yield _plain(f"{f'{each.game}, {each.mode}, {each.tier}: ' if several else ''}{_welfare(each)}")
        if each.response is not None:
            yield _plain(f"decisions were {each.response:.0%} of the way to best responses to what the others did")


def _welfare(each: Nearness) -> str:
    ends = "" if each.low is None else f" [{each.low:,.2f}, {each.high:,.2f}]"
    share = "nothing can be won" if each.share is None else f"{each.share:.0%} of the optimum, {each.optimum:,.2f}"
    if each.nash is None:
        equilibrium = "no equilibrium is known"
    else:
        gap = each.welfare - each.nash
        far = "as it was played" if abs(gap) < 0.005 else f"{abs(gap):,.2f} {'below' if gap > 0 else 'above'} it"
        equilibrium = f"equilibrium: {each.nash:,.2f}, {far}"
    return f"welfare (all payoffs of an episode): {each.welfare:,.2f}{ends}, {share}; {equilibrium}"


def _doubts(answer: RunAnswer) -> Iterator[Line]:
    yield from (Line(LineKind.WARNING, text) for text in answer.doubts)
    yield from map(_plain, answer.notes)


def _value(each: ModelStanding) -> str:
    ends = "" if each.low is None else f" [{each.low:,.2f}, {each.high:,.2f}]"
    return f"{each.value:,.2f}{ends}, n {each.n}"


def _figure(each: ModelStanding) -> str:
    mark = f" ({each.tier})" if each.tier == Tier.SIMULATED.value and "simulated" not in each.name else ""
    return f"{each.name}{mark} {each.value:,.2f}"


def _listed(names: list[str]) -> str:
    left = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {left} more" if left > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _plain(text: str) -> Line:
    return Line(LineKind.PLAIN, text)
