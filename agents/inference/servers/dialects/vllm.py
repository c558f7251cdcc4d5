"""vLLM: known by its `/version`. Adapters are listed with their base as `parent`, and unknown names get a 404."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.inference.servers.dialects.constraints import (
    GUIDED_CHOICE,
    RESPONSE_FORMAT,
    STRUCTURED_OUTPUTS,
    Constraint,
)

if TYPE_CHECKING:
    from agents.inference.servers.served_model import ServedModel


@dataclass(frozen=True)
class VLLMKind:
    """vLLM, new and old: `structured_outputs` replaced `guided_choice`, which new versions ignore."""

    name: str = "vllm"
    constraints: Sequence[Constraint] = (STRUCTURED_OUTPUTS, GUIDED_CHOICE, RESPONSE_FORMAT)

    def recognises(self, models: Sequence[ServedModel], version: str | None) -> bool:
        """Return whether the server says a vLLM version, or owns its models as vLLM does."""
        return version is not None or "vllm" in {model.owned_by for model in models}


VLLM = VLLMKind()
