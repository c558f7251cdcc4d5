"""Any other server with the OpenAI API, and proxies such as LiteLLM: every constraint is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.inference.servers.dialects.constraints import CONSTRAINTS, Constraint

if TYPE_CHECKING:
    from agents.inference.servers.served_model import ServedModel


@dataclass(frozen=True)
class OpenAIKind:
    """A server of no known kind."""

    name: str = "openai"
    constraints: Sequence[Constraint] = CONSTRAINTS

    def recognises(self, _models: Sequence[ServedModel], _version: str | None) -> bool:
        """Return True: this kind is asked last."""
        return True


OPENAI = OpenAIKind()
