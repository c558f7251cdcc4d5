"""What learners of a base of 7 billion parameters cost on one GPU: time, memory and bytes of an update's pieces.

    python -m benchmarks.large_base --tokenizer FOLDER --out benchmarks/results/large_base.json

The base has the shape of Llama 7B and random weights: what a step costs does not depend on what the weights say. The
prompts are as long as those of a decision (about 230 tokens); those of one learner begin alike, those of two do not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from agents.inference.provenance import ChatMessage
from agents.learning.adapters import AdapterStart
from agents.learning.samples import LossWeights, Prompt, Sample
from agents.learning.trainer import LoRATrainer

SHAPE = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
}
RULES = "Prisoner's dilemma. Each step every model is paired, and both choose to cooperate or to defect. " * 9
PROMPTS, REPETITIONS, RANK = 16, 3, 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True, help="a folder with a tokenizer and a config.json")
    parser.add_argument("--learners", type=int, nargs="+", default=[1, 4, 13], help="learners of one GPU")
    parser.add_argument("--layers", type=int, default=SHAPE["num_hidden_layers"], help="fewer for a trial")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        parameters = make_base(base, given.tokenizer, given.layers)
        rows = [measured(base, count, Path(folder)) for count in given.learners]
    given.out.write_text(json.dumps({"device": device(), "parameters": parameters, "rows": rows}, indent=2) + "\n")
    return 0


def make_base(folder: Path, tokenizer: Path, layers: int) -> int:
    """Write a base of random weights in bf16; return the number of its parameters."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    config = json.loads((tokenizer / "config.json").read_text())
    names = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")
    kept = {name: config[name] for name in names if name in config}
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(LlamaConfig(**{**SHAPE, **kept, "num_hidden_layers": layers}))
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    for template in tokenizer.glob("chat_template.*"):
        shutil.copy(template, folder)
    return sum(each.numel() for each in model.parameters())


def prompts_of(learner: str) -> list[Prompt]:
    """Return the prompts of one learner's decisions; they begin alike."""
    rules = ChatMessage("system", f"You are {learner}. {RULES}")
    asked = "Step {} of 16. Last step you chose defect; they chose cooperate. Choose one: cooperate, defect."
    return [
        Prompt(learner, (rules, ChatMessage("user", asked.format(number))), ("cooperate", "defect"))
        for number in range(PROMPTS)
    ]


def measured(base: Path, count: int, folder: Path) -> dict[str, Any]:
    """Return what an update of `count` learners costs, piece by piece."""
    import torch

    names = [f"learner_{number}" for number in range(count)]
    start = AdapterStart(rank=RANK, modules="attention")
    trainer = LoRATrainer(str(base), dict.fromkeys(names, start), dtype="bfloat16", checkpointing=True)
    prompts = [prompt for name in names for prompt in prompts_of(name)]
    samples = [Sample(prompt, values=(3.0, 5.0)) for prompt in prompts]
    tokens = sum(each.tokens for each in trainer.forward_backward(samples, LossWeights()).values())
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    pieces: dict[str, Callable[[], object]] = {
        "forward_backward_s": lambda: trainer.forward_backward(samples, LossWeights()),
        "optim_step_s": lambda: [trainer.optim_step(name) for name in names],
        "probabilities_s": lambda: trainer.probabilities(prompts),
        "save_weights_s": lambda: [trainer.save_weights(name, folder / "versions") for name in names],
    }
    taken = [{name: seconds(piece) for name, piece in pieces.items()} for _ in range(REPETITIONS + 1)][1:]
    version = trainer.save_weights(names[0], folder / "versions").folder
    return {
        "learners": count,
        "prompts": len(prompts),
        "tokens": tokens,
        **{name: median(each[name] for each in taken) for name in pieces},
        "version_bytes": sum(file.stat().st_size for file in version.iterdir()),
        "peak_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
    }


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds of a work, on the GPU too."""
    import torch

    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def device() -> str:
    """Return the device that computed."""
    import torch

    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else "CPU"


if __name__ == "__main__":
    sys.exit(main())
