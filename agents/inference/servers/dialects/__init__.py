"""Dialects: servers with the OpenAI chat API differ in fields, names and what they refuse.

One file a program says how it is recognised and which constraints it knows. What a server really does is found by
asking it (`agents.inference.servers.probing`) and stored as the `Dialect` of its endpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agents.inference.servers.dialects.constraints import CONSTRAINTS, FREE, Constraint
from agents.inference.servers.dialects.dialect import DEFAULT_DIALECT, Dialect, ServerKind
from agents.inference.servers.dialects.llama_cpp import LLAMA_CPP
from agents.inference.servers.dialects.lm_studio import LM_STUDIO
from agents.inference.servers.dialects.ollama import OLLAMA
from agents.inference.servers.dialects.openai import OPENAI
from agents.inference.servers.dialects.sglang import SGLANG
from agents.inference.servers.dialects.tgi import TGI
from agents.inference.servers.dialects.vllm import VLLM

if TYPE_CHECKING:
    from agents.inference.servers.served_model import ServedModel

__all__ = [
    "DEFAULT_DIALECT",
    "FREE",
    "KINDS",
    "VLLM",
    "Constraint",
    "Dialect",
    "ServerKind",
    "constraints_of",
    "kind_of",
]

KINDS: tuple[ServerKind, ...] = (SGLANG, LLAMA_CPP, OLLAMA, LM_STUDIO, TGI, VLLM, OPENAI)


def kind_of(models: Sequence[ServedModel], version: str | None) -> ServerKind:
    """Return the kind of a server by the models that it lists and its vLLM version."""
    return next(kind for kind in KINDS if kind.recognises(models, version))


def constraints_of(kind: ServerKind) -> tuple[Constraint, ...]:
    """Return all constraints in the order in which a server of this kind is asked for them."""
    return tuple(dict.fromkeys((*kind.constraints, *CONSTRAINTS)))
