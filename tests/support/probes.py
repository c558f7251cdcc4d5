"""The questions by which a client probes a server, and the answers of a healthy one."""

from __future__ import annotations

from typing import Any

from agents.inference.servers.asking import CANARY_PROMPTS
from agents.inference.servers.dialect_probe import QUESTIONS, TOOL_QUESTION
from tests.support.replies import completion

_PROMPTS = {*CANARY_PROMPTS, *(question for question, _ in QUESTIONS), TOOL_QUESTION}


def is_probe(body: dict[str, Any]) -> bool:
    """Return whether a chat call is one of the questions before a run."""
    messages = body.get("messages") or [{}]
    return messages[-1].get("content") in _PROMPTS


def probe_reply(body: dict[str, Any]) -> dict[str, Any]:
    """Return what a healthy server answers to a probe: other words for every model, one of the choices, a tool call."""
    model = body["model"]
    choices = body.get("structured_outputs", {}).get("choice")
    if "tools" in body:
        call = {"id": "1", "type": "function", "function": {"name": "create_post", "arguments": '{"content": "hi"}'}}
        return completion(None, model, tool_calls=[call])
    return completion(choices[0] if choices else f"I am {model}", model)
