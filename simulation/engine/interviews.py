"""The surveys of a step: after its play each named model is asked alone, and nothing of it reaches the play.

The answers are in no prompt; they draw from seeds of their own and count for no budget, no outcome and no reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agents.inference.loops import gather_or_raise
from agents.inference.provenance import Reply, fallen
from agents.prompts import Question
from simulation.seeds import derive_seed
from simulation.store.interviews import InterviewAnswered

if TYPE_CHECKING:
    from agents.interviews import Interview
    from agents.lora_model import LoRAModel
    from agents.turn import TurnContext


async def hold_interviews(
    question: Question, number: int, agents: Sequence[LoRAModel], turns: Mapping[int, TurnContext], seed: int
) -> list[InterviewAnswered]:
    """Ask the players of `turns` a question at once; return their answers in the order of their numbers.

    Args:
        question: The question.
        number: Tells the questions of one step apart, from 0.
        agents: All agents, by player number.
        turns: The step, for each player that is asked.
        seed: The run's seed.

    Raises:
        InferenceError: As `VLLMClient.generate`.
    """
    places = [(turn.episode, turn.step, agents[player].config.model_id) for player, turn in turns.items()]
    answers = await gather_or_raise(
        agents[player].interview(turn, question, number, interview_seed(seed, place, question))
        for (player, turn), place in zip(turns.items(), places, strict=True)
    )
    return [answer_event(answer, question, number, place) for answer, place in zip(answers, places, strict=True)]


def interview_seed(seed: int, place: tuple[int, int, str], question: Question) -> int:
    """Return the seed of a question to one model after one step, under the run's `seed`."""
    return derive_seed(seed, "interview", *place, question.text)


def answer_event(answer: Interview, question: Question, number: int, place: tuple[int, int, str]) -> InterviewAnswered:
    """Return an answer as the event of a question to one model (`place`: episode, step and model_id)."""
    first, sources = answer.replies[0], [reply.provenance for reply in answer.replies]
    return InterviewAnswered(
        *place,
        survey=number,
        question=question.text,
        scale=question.scale,
        answer=first.text,
        point=answer.point,
        shares=answer.shares,
        measured=answer.measured.value,
        draws=answer.valid,
        asks=len(answer.replies),
        tier=first.provenance.tier.value,
        adapter=first.provenance.adapter,
        endpoint=first.provenance.endpoint,
        latency=sum(source.latency for source in sources),
        fallback_from=fallen(first.provenance),
        prompt_tokens=_total(answer.replies, "prompt_tokens"),
        completion_tokens=_total(answer.replies, "completion_tokens"),
        reasoning=first.reasoning,
    )


def _total(replies: Sequence[Reply], name: str) -> int | None:
    counts = [getattr(reply.provenance, name) for reply in replies]
    return None if None in counts else sum(counts)
