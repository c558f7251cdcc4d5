"""Log-probabilities of tokens as transformers and peft compute them: what a server with a real model would answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from tests.support.scripted_vllm import Scores


def peer_scores(base: Path) -> Scores:
    """Return what gives the log-probability of every token but the first, under an adapter's folder or the base."""
    lock = Lock()  # transformers builds one model at a time

    @lru_cache(maxsize=32)
    def model_of(folder: str | None) -> Any:
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(base)
        return PeftModel.from_pretrained(model, folder).eval() if folder else model.eval()

    def scores(folder: str | None, tokens: Sequence[int]) -> Sequence[float]:
        import torch

        with lock, torch.no_grad():
            logs = model_of(folder)(torch.tensor([list(tokens)])).logits[0].log_softmax(-1)
        return [float(logs[place, token]) for place, token in enumerate(tokens[1:])]

    return scores
