"""The longest prompt of a scenario, about, and the servers that are too short for it."""

from __future__ import annotations

from collections.abc import Iterator

from agents.language import text_in
from agents.strategy import TrainingMode
from simulation.doctor.endpoints import Served
from simulation.doctor.finding import Diagnosis, warning
from simulation.plan import Plan
from simulation.topology.graph import TopologyKind, neighbours

AREA = "endpoints"
USUAL_PROMPT = 800
"""Tokens of a prompt without what was heard: the rules, the state, the identity."""
_BYTES_PER_TOKEN = 3


def longest_prompt(plan: Plan) -> int:
    """Return about how many tokens the longest prompt may have: the usual part, the longest persona, what is heard."""
    rows, rules = plan.roster.expand(), plan.scenario.communication
    persona = (
        max((len(text_in(row.persona, plan.scenario.language).encode()) for row in rows), default=0) // _BYTES_PER_TOKEN
    )
    heard = 0 if plan.scenario.mode is TrainingMode.COMPETITIVE else rules.talk_rounds * _senders(plan)
    return USUAL_PROMPT + persona + heard * plan.scenario.inference.max_tokens


def _senders(plan: Plan) -> int:
    """Return how many models one model may hear at most."""
    ids, rules = [row.model_id for row in plan.roster.expand()], plan.scenario.communication
    if rules.topology is TopologyKind.COMPLETE:
        return len(ids) - 1
    return max((len(each) for each in neighbours(rules.graph(ids, plan.scenario.seed))), default=0)


def examine_contexts(served: Served, prompt: int, reply: int) -> Iterator[Diagnosis]:
    """Yield a warning for each server whose context may be too short.

    Args:
        served: What each answering server serves.
        prompt: Tokens of the longest prompt.
        reply: Tokens of the longest reply.
    """
    for url, models in served.items():
        lengths = [model.max_model_len for model in models.values() if model.max_model_len]
        if lengths and min(lengths) < prompt + reply:
            finding = (
                f"{url} accepts {min(lengths)} tokens of prompt and reply; this scenario's longest prompt may have "
                f"about {prompt}, its replies {reply}"
            )
            yield warning(AREA, "context", finding, f"vllm serve ... --max-model-len {_rounded(prompt + reply)}")


def _rounded(tokens: int) -> int:
    """Return the next power of two."""
    return 1 << max(0, tokens - 1).bit_length()
