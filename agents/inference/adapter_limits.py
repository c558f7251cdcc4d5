"""What each place can load, of the plain LoRA adapters."""

from __future__ import annotations

from dataclasses import dataclass

from agents.inference.adapter_config import VLLM_RANKS


@dataclass(frozen=True)
class AdapterLimits:
    """What one place can load, of the plain LoRA adapters.

    Args:
        where: The place, for messages.
        max_rank: The largest rank; None is no limit.
        alpha_pattern: Whether modules may have a scaling of their own.
        embeddings: Whether the layer of embeddings may have a LoRA.
        parameters: Whether parameters that are no layers of their own (experts) may have a LoRA.
    """

    where: str
    max_rank: int | None = None
    alpha_pattern: bool = True
    embeddings: bool = True
    parameters: bool = True


VLLM_LIMITS = AdapterLimits("vLLM", max_rank=VLLM_RANKS[-1])
EMBEDDED_LIMITS = AdapterLimits("the embedded tier", alpha_pattern=False, embeddings=False, parameters=False)
