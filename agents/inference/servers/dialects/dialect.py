"""How one server must be asked (`Dialect`), and what is known of its program before it is asked (`ServerKind`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agents.inference.servers.dialects.constraints import STRUCTURED_OUTPUTS, Constraint

if TYPE_CHECKING:
    from agents.inference.servers.served_model import ServedModel

MAX_TOKENS, MAX_COMPLETION_TOKENS = "max_tokens", "max_completion_tokens"


@dataclass(frozen=True)
class Dialect:
    """How one server must be asked. The defaults are vLLM's, for a server that was not probed.

    Args:
        kind: The program: "vllm", "sglang", ...
        constraint: The field that makes a reply one of some choices.
        odds: Whether it takes `logprobs`.
        seed: Whether it takes `seed`.
        system: Whether it takes a system message; else that text begins the first user message.
        tools: Whether a request that must call a tool is answered by a call; None where that was not asked.
        thinking: Whether it takes `chat_template_kwargs`, which tell the template whether to think.
        tokens_field: The field for the longest reply.
        probed: True where the server was asked, and these are its answers.
    """

    kind: str = "vllm"
    constraint: Constraint = STRUCTURED_OUTPUTS
    odds: bool = True
    seed: bool = True
    system: bool = True
    tools: bool | None = None
    thinking: bool = True
    tokens_field: str = MAX_TOKENS
    probed: bool = False

    def record(self) -> dict[str, Any]:
        """Return the dialect as plain data, for the manifest."""
        return {
            "kind": self.kind,
            "constraint": self.constraint.name,
            "logprobs": self.odds,
            "seed": self.seed,
            "system_role": self.system,
            "tools": self.tools,
            "thinking": self.thinking,
            "tokens_field": self.tokens_field,
        }


DEFAULT_DIALECT = Dialect()


class ServerKind(Protocol):
    """A program that serves models."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def constraints(self) -> Sequence[Constraint]:
        """Return the constraints that it is known to obey, best first."""
        ...

    def recognises(self, models: Sequence[ServedModel], version: str | None) -> bool:
        """Return whether a server that lists `models`, and says this vLLM version, is of this kind."""
        ...


@dataclass(frozen=True)
class ListedKind:
    """A program that is recognised by the `owned_by` of the models that it lists.

    Args:
        name: Its name.
        owners: The texts that its models have as `owned_by`.
        constraints: The constraints that it is known to obey, best first.
    """

    name: str
    owners: frozenset[str]
    constraints: Sequence[Constraint]

    def recognises(self, models: Sequence[ServedModel], _version: str | None) -> bool:
        """Return whether every model that names an owner names one of this kind's."""
        named = {model.owned_by for model in models if model.owned_by}
        return bool(named) and named <= self.owners
