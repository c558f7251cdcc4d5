"""Tiny base models with random weights, made once, and prompts for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.inference.provenance import ChatMessage
from agents.learning.adapters import AdapterStart
from agents.learning.samples import Prompt
from agents.learning.trainer import LoRATrainer
from tests.integration.vllm.tiny_model import tiny_model

SPREAD = 0.2
"""Standard deviation of the weights: at .08 so small a model hardly reads words."""
ENDINGS = ("They cooperated. Your move?", "They defected. Your move?", "Nobody moved yet. What now?")
CHOICES = ("cooperate", "defect", "defer")


@pytest.fixture(scope="session", params=["llama", "qwen2"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal model of 2 layers x 64, with the tokenizer of the tiny vLLM model."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(tiny_model().base, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": SPREAD,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(0)
    kinds: dict[str, Callable[[], Any]] = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**shape)),
        "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**shape, tie_word_embeddings=True)),
    }
    kinds[request.param]().save_pretrained(folder)
    return folder


def ask(learner: str, ending: str, choices: Sequence[str] = CHOICES) -> Prompt:
    """A prompt with a system message that all prompts share."""
    messages = (ChatMessage("system", f"You are player {learner} in a game of trust."), ChatMessage("user", ending))
    return Prompt(learner, messages, tuple(choices))


def asks(learner: str, count: int = len(ENDINGS)) -> list[Prompt]:
    return [ask(learner, ending) for ending in ENDINGS[:count]]


def trainer_of(base: Path, *learners: str, **options: Any) -> LoRATrainer:
    """A trainer whose adapters already change something: their B is not zero."""
    import torch

    start = options.pop("start", AdapterStart(rank=4, modules="all"))
    options = {"learning_rate": 1e-2, "seed": 3, "device": "cpu"} | options
    trainer = LoRATrainer(str(base), dict.fromkeys(learners, start), **options)
    for number, learner in enumerate(learners):
        noise = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for _, up in trainer.adapter(learner).pairs.values():
                up.normal_(0, 0.05, generator=noise)
    return trainer


def gradient(trainer: LoRATrainer, learner: str) -> Any:
    """All waiting gradients of a learner as one vector."""
    import torch

    found = [matrix.grad for matrix in trainer.adapter(learner).parameters()]
    return torch.cat([slope.flatten() for slope in found])
