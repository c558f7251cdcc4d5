"""A base model of 3.4M parameters and LoRA adapters for it, made by the tests in seconds.

    python -m tests.integration.vllm.tiny_model --adapters 16

Nothing is trained: the weights are random, with a spread at which greedy replies vary and every adapter says something
different. The tokenizer is a byte-level BPE learnt from the project's own prompts. The result depends on this file, the
prompts and the libraries' versions. Their hash names the cache folder, so each is made once.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from agents.inference.embedded.model_store import cache_root

PROMPTS = Path(__file__).parents[3] / "agents" / "prompts"
LIBRARIES = ("torch", "transformers", "tokenizers", "peft")
NAMES = ("ada", "ben", "cyd", "dee")
VOCABULARY = 2048
CONTEXT = 2048  # tokens
RANK = 8
SPREAD = 0.08  # standard deviation of the weights
PENALTY = 60.0  # about 13 in a logit
END, START = "<|im_end|>", "<|im_start|>"
TOOLS = ("<tools>", "</tools>", "<tool_call>", "</tool_call>")

CHAT_TEMPLATE = """\
{%- if tools -%}
<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif -%}
# Tools

You may call one or more functions. Their signatures:
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>

For each call, give name and arguments as JSON:
<tool_call>
{"name": <name>, "arguments": <arguments>}
</tool_call><|im_end|>
{% endif -%}
{%- for message in messages -%}
{%- if not (tools and loop.first and message.role == 'system') -%}
<|im_start|>{{ 'user' if message.role == 'tool' else message.role }}
{% if message.role == 'tool' %}<tool_response>
{{ message.content }}
</tool_response>{% else %}{{ message.content or '' }}{% endif -%}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments if call.function.arguments is string \
else call.function.arguments | tojson }}}
</tool_call>
{%- endfor -%}
<|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking %}<think>
{% endif -%}
{% endif -%}
"""


@dataclass(frozen=True)
class TinyModel:
    """The folder of the base model, and the folder with a subfolder per adapter."""

    base: Path
    adapters: Path

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self.adapters.iterdir()))


def tiny_model(names: Iterable[str] = NAMES) -> TinyModel:
    """Return the tiny base with an adapter of each name; make it in the cache if it is missing."""
    names = tuple(names)
    folder = cache_root() / "tiny" / _digest(names)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with TemporaryDirectory(prefix=".tiny-", dir=folder.parent) as bench:
                # adapters name their base by its final path
                _make(Path(bench, "new"), folder / "base", names)
                Path(bench, "new").rename(folder)
    return TinyModel(folder / "base", folder / "adapters")


def make_adapter(tiny: TinyModel, folder: Path, seed: int, rank: int = RANK) -> Path:
    """Write one more adapter of the tiny base to `folder`; the same seed and rank give the same weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny.base)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    model = get_peft_model(base, config)
    model.peft_config["default"].base_model_name_or_path = str(tiny.base)
    noise = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data.normal_(0, SPREAD, generator=noise)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


def _digest(names: tuple[str, ...]) -> str:
    """Return a hash of all that decides the bytes: this file, the prompts, the libraries, the adapters' names."""
    made_of = hashlib.sha256(Path(__file__).read_bytes())
    made_of.update("\n".join(_corpus()).encode())
    made_of.update(repr([(name, version(name)) for name in LIBRARIES]).encode())
    made_of.update(repr(names).encode())
    return made_of.hexdigest()[:16]


def _corpus() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(PROMPTS.rglob("*.j2"))]


def _make(folder: Path, home: Path, names: tuple[str, ...]) -> None:
    tiny = TinyModel(folder / "base", folder / "adapters")
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(tiny.base)
    base = _base(len(tokenizer))
    _shun(base, [number for number in tokenizer.get_vocab().values() if not tokenizer.decode(number).strip()])
    base.save_pretrained(tiny.base)
    for number, name in enumerate(names, start=1):
        made = make_adapter(tiny, tiny.adapters / name, seed=number)
        config = made / "adapter_config.json"
        config.write_text(config.read_text().replace(str(tiny.base), str(home)))


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>", START, END, *TOOLS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator(_corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=learner,
        eos_token=END,
        pad_token="<|endoftext|>",
        model_max_length=CONTEXT,
        chat_template=CHAT_TEMPLATE,
    )


def _base(vocabulary: int) -> Any:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        initializer_range=SPREAD,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    return Qwen2ForCausalLM(config)


def _shun(model: Any, tokens: list[int]) -> None:
    """Make `tokens` unlikely after any text: blanks, with which random weights would fill JSON.

    One dimension of the hidden state is constant through all layers; the head reads a penalty from it.
    """
    model.model.embed_tokens.weight.data[:, 0] = 1.0
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.data[0] = 0.0
        layer.mlp.down_proj.weight.data[0] = 0.0
    model.lm_head.weight.data[:, 0] = 0.0
    model.lm_head.weight.data[tokens, 0] = -PENALTY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapters", type=int, default=len(NAMES), help="how many")
    count = parser.parse_args().adapters
    tiny = tiny_model(NAMES if count == len(NAMES) else [f"tiny_{number:02}" for number in range(count)])
    sys.stdout.write(f"{tiny.base}\n{tiny.adapters}\n")


if __name__ == "__main__":
    main()
