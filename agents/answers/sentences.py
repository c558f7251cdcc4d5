"""Whether a sentence decides for the option that it mentions. Pure.

Every word before the option, back to the beginning of its clause, must be known (`lexicon.ALLOWED`). So a negation, a
doubt, another player or anything else that is not known makes the mention no decision.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from agents.answers import lexicon as words


class Strength(IntEnum):
    """How much a mention decides."""

    CLOUD = -1
    """It decides nothing, and no other option is decided for beside it."""
    NONE = 0
    WISH = 1
    DECISION = 2
    FINAL = 3


class Place(NamedTuple):
    """A mention in its sentence; `later` is True where the sentence has named another option before."""

    left: str
    right: str
    question: bool
    numeric: bool
    later: bool


_BOUNDARY = re.compile(
    r"[,()—–]|\s-{1,2}\s|(?<![a-z])(?:but|however|yet|so|therefore|thus|hence|because|since|although|though|whereas"
    r"|while|than)(?![a-z])|但是|但|不过|然而|可是|所以|因此|因而|于是|因为|由于|虽然|尽管|既然|即使|无论|不管|除了|、"
)
_BREAKS = re.compile(
    r"(?<![a-z])(?:so(?! long as)|therefore|thus|hence|but|however)(?![a-z])"
    r"|所以|因此|因而|于是|但是|但|不过|然而|\s-{1,2}\s|—"
)
_REASON = re.compile(
    r"(?<![a-z])(?:because|since|(?<!long )(?<!soon )as(?! long as| soon as)|for|so(?! long as))(?![a-z])"
    r"|因为|由于|所以|\s-{1,2}\s|—"
)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|[\u4e00-\u9fff]+|\d+(?:\.\d+)?|\S")
_STEP = re.compile(r"\b(?:round|step|turn|period|stage)\s*#?\d+\b|第[\d一二三四五六七八九十]+(?:轮|步|回合)")
_NO_DECISION = re.compile(
    r"^(?:that|this|it)(?:'s| is)$|^(?:should|shall|must|will|would|do) (?:i|we)\b|\b(?:should|would) have\b"
    r"|^(?:an?|one) (?:\w+ )?(?:option|choice|move|action|strategy|answer)\b"
    r"|将来|以后|未来|\bsay\b.*\b(?:i|we)\b"
)
_EXAMPLE = re.compile(r"\b(?:for|as an) (?:example|instance)|\be\.?g\b|such as|例如|比如|譬如")
_BUT_IF = re.compile(r"\b(?:but|except|unless)[, ]+(?:if|when|unless|once|should)\b|但是?,?(?:如果|若|当|一旦)")
_NOT_OF_NUMBERS = re.compile(
    r"\b(?:keep|stay|continue)\b|\b(?:have|made|am|i'm)\s*$"
    r"|\b(?:round|step|turn|time|option)\s*#?$|第$|步骤$|\d\s*(?:out )?of\s*(?:\w+\s*)?$"
)
_MARKER = re.compile(r"(?:^|\s)(?:option\s+)?\(?[a-h1-9]\)?[.):]?\s*$|[①-⑨]\s*$")


def strength(place: Place) -> Strength:
    """Return how much the mention decides."""
    left, right = place.left.lower(), place.right.lower()
    opener, start = _clause(left)
    doubtful = place.question or _conditional(left, right) or words.DOUBTS.search(_own_part(right))
    if doubtful or opener in words.REASONS:
        return Strength.NONE
    known = _known_words(left[start:].strip(), place.numeric)
    if known is None or _is_governed(left[:start], opener, known):
        return _undecided(place, opener, left[start:], right)
    if words.IS_CHOICE.match(right):
        return Strength.DECISION
    return _own_strength(known, right) if words.FOLLOWS.match(right) else _cloud(left[start:], right)


def _own_strength(known: frozenset[str], right: str) -> Strength:
    """Return how much a clause of the player's own decides, by its words."""
    if known & words.FINAL and known & (words.NOUNS | words.SUBJECTS | words.NUMBER_VERBS):
        return Strength.FINAL
    if known & words.WEAK:
        own = known & (words.SUBJECTS | words.NOUNS)
        return Strength.WISH if own and not _turns(right) else Strength.NONE
    return Strength.DECISION


def _undecided(place: Place, opener: str, clause: str, right: str) -> Strength:
    """Return CLOUD for an option after another one in a sentence, unless words between say that it is no part of it."""
    excused = words.EXCUSED.search(clause) or (place.numeric and words.REST.search(clause))
    second = place.later and words.FOLLOWS.match(right) and not excused
    return Strength.CLOUD if opener in words.TURNS or second else _cloud(clause, right)


def _cloud(clause: str, right: str) -> Strength:
    """Return CLOUD for an option of another moment, or of a plan with several parts."""
    near = clause[-24:] + " § " + right[:12]
    if words.EXCUSED.search(clause):
        return Strength.NONE
    return Strength.CLOUD if words.LATER.search(near) else Strength.NONE


def _conditional(left: str, right: str) -> bool:
    """Return whether a condition governs the mention: before it in its sentence, or after it."""
    before = words.NO_CONDITION.sub(" ", left)
    breaks = [match.end() for match in _BREAKS.finditer(before)]
    if words.CONDITIONS.search(before[max(breaks, default=0) :]):
        return True
    return bool(words.CONDITIONS.search(_own_part(words.NO_CONDITION.sub(" ", right))) or _BUT_IF.search(right))


def _own_part(right: str) -> str:
    """Return what follows a mention up to its reason or the next turn."""
    found = _REASON.search(right) or _BREAKS.search(right)
    turn = _BREAKS.search(right)
    ends = [match.start() for match in (found, turn) if match]
    return right[: min(ends, default=len(right))]


def _clause(left: str) -> tuple[str, int]:
    """Return the word or mark that begins the last clause, and where the clause begins."""
    found = list(_BOUNDARY.finditer(left))
    return (found[-1][0].strip(), found[-1].end()) if found else ("", 0)


@lru_cache(maxsize=4096)
def _known_words(clause: str, numeric: bool) -> frozenset[str] | None:
    """Return the words of a clause, None where one of them is not known."""
    if _NO_DECISION.search(clause) or (numeric and _NOT_OF_NUMBERS.search(clause)):
        return None
    text = _STEP.sub(" ", words.COMPANY.sub(" ", _MARKER.sub(" ", clause)))
    allowed = words.ALLOWED | words.NUMBER_VERBS if numeric else words.ALLOWED
    found: set[str] = set()
    for token in _WORD.findall(text):
        parts = _chinese(token, allowed) if "\u4e00" <= token[0] <= "\u9fff" else [token]
        if parts is None or not all(part in allowed or part in _QUIET for part in parts):
            return None
        found.update(parts)
    return frozenset(found)


_QUIET = frozenset(":=>*#\"'`-.+[]{}|→_~")


def _chinese(run: str, allowed: frozenset[str]) -> list[str] | None:
    """Return a run of Chinese as known words, the longest first; None where a part is not known."""
    parts, at = [], 0
    while at < len(run):
        size = next((size for size in range(min(6, len(run) - at), 0, -1) if run[at : at + size] in allowed), 0)
        if not size:
            return None
        parts.append(run[at : at + size])
        at += size
    return parts


def _is_governed(before: str, opener: str, clause: frozenset[str]) -> bool:
    """Return whether the clauses before a clause may give it another subject, or negate it."""
    if not before.strip():
        return False
    if _ends_negated(before) or _EXAMPLE.search(before):
        return True
    if clause & (words.SUBJECTS | words.NOUNS) or opener in words.LEADS_ON:
        return False
    if opener in words.TURNS:
        return _known_words(_head(before), True) is None
    starter = _WORD.match(before.strip())
    leads = starter is not None and (starter[0] in words.STARTERS or before.strip().startswith(_ZH_STARTERS))
    return not leads and _known_words(_head(before), True) is None


_ZH_STARTERS = tuple(word for word in words.STARTERS if not word.isascii())


def _head(before: str) -> str:
    """Return the clauses before a clause as one text without the mark between them."""
    return re.sub(r"[,()—–、]|\s-{1,2}\s", " ", before).strip()


def _ends_negated(before: str) -> bool:
    """Return whether the clause before ends in a negation: "I will not, whatever happens, ..."."""
    parts = [part.strip() for part in re.split(r"[,()—–]", before) if part.strip()]
    return any(re.search(r"(?:(?<!\bor )\b(?:not|never|no|cannot|nor)|n't|不会?|绝不|别)$", part) for part in parts)


def _turns(right: str) -> bool:
    """Return whether a "but" follows a wish."""
    return bool(
        re.search(
            r"(?<![a-z])(?:but|however|yet|unfortunately|sadly|although|though)(?![a-z])|但|不过|然而|可惜", right
        )
    )
