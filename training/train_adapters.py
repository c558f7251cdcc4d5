"""Train the shipped LoRA adapters on scripted players' dialogues.

    python -m training.train_adapters                 # all; about ten seconds a step on one CPU core
    python -m training.train_adapters reciprocator --steps 60

The base model is the embedded tier's own. The loss is on the reply's tokens only, averaged per example, so
that a one-word decision weighs as much as a sentence. `training/evaluate_adapters.py` measures the result.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agents.inference.embedded.model_store import pull
from training.dialogues import TEACHERS, TRAINING_WORDING, Example, data_hash, examples

ADAPTERS = Path(__file__).parent.parent / "agents" / "adapters"
BASE_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
TRAINING_GAMES = ("prisoners_dilemma", "public_goods")
"""commons and strategy are never trained on: commons measures transfer."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides an adapter's weights, beside the code."""

    steps: int = 40
    batch: int = 6
    learning_rate: float = 1e-3
    warmup: int = 5
    rank: int = 8
    alpha: int = 16
    seed: int = 7

    def rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to a tenth."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def train(teacher: str, recipe: Recipe) -> Path:
    """Train one adapter and write it to `agents/adapters/<teacher>/`."""
    import torch

    torch.manual_seed(recipe.seed)
    model, tokenizer = _load(recipe)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=0.0)
    stream = training_data(teacher, recipe)
    losses, started = [], time.monotonic()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        loss = _loss(model, tokenizer, list(itertools.islice(stream, recipe.batch)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        print(
            f"{teacher} step {step + 1}/{recipe.steps} loss {losses[-1]:.4f} {time.monotonic() - started:.0f} s",
            flush=True,
        )
    return _save(model, teacher, recipe, losses)


def training_data(teacher: str, recipe: Recipe) -> Iterator[Example]:
    """Endless examples, the first `steps` * `batch` of which are trained on."""
    return examples(teacher, TRAINING_GAMES, TRAINING_WORDING, recipe.seed)


def _load(recipe: Recipe) -> tuple[Any, Any]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = pull(print)
    tokenizer = AutoTokenizer.from_pretrained(path)
    base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)  # adapters stay fp32
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config), tokenizer


def _loss(model: Any, tokenizer: Any, batch: Sequence[Example]) -> Any:
    import torch

    rows = [_encode(tokenizer, example) for example in batch]
    width = max(len(prompt) + len(reply) for prompt, reply in rows)
    pad = tokenizer.eos_token_id
    ids = torch.tensor([prompt + reply + [pad] * (width - len(prompt) - len(reply)) for prompt, reply in rows])
    mask = torch.tensor([[1] * (len(p) + len(r)) + [0] * (width - len(p) - len(r)) for p, r in rows])
    causal = model.get_base_model()
    hidden = causal.model(input_ids=ids, attention_mask=mask).last_hidden_state
    losses = []
    for row, (prompt, reply) in enumerate(rows):
        # the language-model head is the dearest layer: only the reply's positions go through it
        at = slice(len(prompt) - 1, len(prompt) + len(reply) - 1)
        logits = causal.lm_head(hidden[row, at])
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(reply)))
    return torch.stack(losses).mean()


def _encode(tokenizer: Any, example: Example) -> tuple[list[int], list[int]]:
    chat = [{"role": message.role, "content": message.content} for message in example.messages]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    end = "<|im_end|>"
    return (
        tokenizer(text, add_special_tokens=False)["input_ids"],
        tokenizer(example.reply + end, add_special_tokens=False)["input_ids"],
    )


def _save(model: Any, teacher: str, recipe: Recipe, losses: Sequence[float]) -> Path:
    import torch

    folder = ADAPTERS / teacher
    model.peft_config["default"].base_model_name_or_path = BASE_MODEL
    model.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's model-card template, unfilled
    card = {
        "teacher": TEACHERS[teacher],
        "games": TRAINING_GAMES,
        "recipe": asdict(recipe),
        "data_sha256": data_hash(itertools.islice(training_data(teacher, recipe), recipe.steps * recipe.batch)),
        "loss_first_5": losses[:5],
        "loss_last_5": losses[-5:],
    }
    (folder / "training.json").write_text(json.dumps(card, indent=2) + "\n")
    return folder


RECIPES = {"cooperator": Recipe(), "defector": Recipe(), "reciprocator": Recipe(steps=100)}
"""The shipped adapters' own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teachers", nargs="*", choices=[*TEACHERS, []], default=[], help="default: all")
    parser.add_argument("--steps", type=int, help="default: the shipped adapter's")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    arguments = parser.parse_args()
    for teacher in arguments.teachers or TEACHERS:
        recipe = replace(RECIPES[teacher], seed=arguments.seed)
        print(train(teacher, replace(recipe, steps=arguments.steps) if arguments.steps else recipe))


if __name__ == "__main__":
    main()
