"""An interview: a question to a model alone, answered from what it was last asked, and never read by any model.

On a scale the answer is a distribution:

| the tier gives                    | measured  | how                                                                |
|-----------------------------------|-----------|--------------------------------------------------------------------|
| the probability of every choice   | exact     | one call; embedded, and servers that send log probabilities        |
| only the choice that it made      | drawn     | `DRAWS` calls at temperature 1, with seeds of their own, counted   |
| a rule's choice                   | rule      | one point: a scripted or simulated player is no model              |

A scripted player's rule sees the scale as legal actions, from the least (cooperation 0) to the greatest (1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from agents.answers import ReaderVersion, read_answer
from agents.inference.loops import gather_or_raise
from agents.inference.provenance import Purpose, Reply, Request, ScoredReply
from agents.language import Language
from agents.players.observation import Option, Situation
from agents.prompt_templates import Templates
from agents.prompts import Question, with_question

DRAWS = 20
"""Answers that are counted where a tier does not give probabilities: a share of one half has an error of 0.11."""


class Measured(str, Enum):
    """How the distribution of an answer on a scale was found; TEXT is an answer in free words, which has none."""

    EXACT = "exact"
    DRAWN = "drawn"
    RULE = "rule"
    TEXT = "text"


@dataclass(frozen=True)
class Interview:
    """A model's answer to one question.

    Args:
        replies: What it replied: one reply, or one for each draw.
        measured: How the distribution was found.
        point: The answer on the scale that the first reply is; None for free text, and where it is none of them.
        shares: The probability of each point; empty for free text, and where no reply was one of them.
        valid: How many replies were a point of the scale.
    """

    replies: tuple[Reply, ...]
    measured: Measured
    point: int | None = None
    shares: tuple[float, ...] = ()
    valid: int = 0


def interview_request(
    asked: Request, question: Question, *, number: int, seed: int, language: Language, templates: Templates = ()
) -> Request:
    """Return the request that asks a question in place of what a model was last asked.

    Args:
        asked: The request that it was last asked.
        question: The question.
        number: Tells the questions of one step apart, from 0.
        seed: The seed of this question alone, so that no draw of the play depends on it.
        language: The prompt's language.
        templates: Templates in place of the shipped ones.

    Raises:
        SocietyError: As `with_question`.
    """
    points = tuple(map(str, question.points))
    situation = asked.situation and _with_points(asked.situation, question.points)
    return replace(
        asked,
        key=replace(asked.key, purpose=Purpose.INTERVIEW, talk_round=number, attempt=0),
        messages=with_question(asked, question, language, templates),
        choices=points or None,
        sampling=replace(asked.sampling, temperature=1.0, top_p=1.0) if points else asked.sampling,
        seed=seed,
        situation=situation,
        tools=(),
        must_use_tool=False,
        thinking=None if asked.thinking is None else False,
    )


def _with_points(situation: Situation, points: Sequence[int]) -> Situation:
    """Return what a rule sees, with the points of a scale as its legal actions; nothing says what they would pay."""
    if not points:
        return situation
    span = max(1, points[-1] - points[0])
    options = tuple(Option(str(point), str(point), (point - points[0]) / span) for point in points)
    return replace(situation, observation=replace(situation.observation, options=options, payoff_model=None))


async def interviewed(
    request: Request, responder: Callable[[Request], Awaitable[Reply]], reader: ReaderVersion = ReaderVersion.SENTENCES
) -> Interview:
    """Return the answer to a request of `interview_request`.

    Raises:
        InferenceError: As `VLLMClient.generate`.
    """
    first = await responder(request)
    choices = request.choices or ()
    if not choices:
        return Interview((first,), Measured.TEXT)
    if isinstance(first, ScoredReply):
        return Interview((first,), Measured.EXACT, _point(first, choices, reader), first.shares, 1)
    if not first.provenance.tier.real:
        return _counted((first,), Measured.RULE, choices, reader)
    others = await gather_or_raise(responder(_draw(request, number)) for number in range(1, DRAWS))
    return _counted((first, *others), Measured.DRAWN, choices, reader)


def _draw(request: Request, number: int) -> Request:
    seed = None if request.seed is None else request.seed + number
    return replace(request, key=replace(request.key, attempt=number), seed=seed)


def _counted(
    replies: tuple[Reply, ...], measured: Measured, choices: Sequence[str], reader: ReaderVersion
) -> Interview:
    points = [_point(reply, choices, reader) for reply in replies]
    counts = Counter(str(point) for point in points if point is not None)
    valid = counts.total()
    shares = tuple(counts[choice] / valid for choice in choices) if valid else ()
    return Interview(replies, measured, points[0], shares, valid)


def _point(reply: Reply, choices: Sequence[str], reader: ReaderVersion) -> int | None:
    found = read_answer(reply.text, choices, version=reader).option
    return None if found is None else int(found)
