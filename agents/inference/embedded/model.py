"""The small model: tokens in, logits out, for batches of rows that each have their own adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents.inference.adapter_folder import AdapterFolder
from agents.inference.embedded.adapters import SMALL_MODEL, EmbeddedBase
from agents.inference.embedded.chat_tokenizer import ChatTokenizer
from agents.inference.embedded.lora import AdapterBank
from agents.inference.embedded.sampling import Floats, Tokens
from agents.inference.embedded.threads import passive_waiting, use_all_cores


@dataclass
class Batch:
    """Rows in the model: key-value cache, mask (rows, tokens so far), length of each row, last logits."""

    adapters: Sequence[AdapterFolder | None]
    cache: Any
    mask: Any
    lengths: Any
    logits: Any

    def last(self, row: int) -> Floats:
        """Return the last logits of a row, (vocabulary size,)."""
        logits: Floats = self.logits[row].double().cpu().numpy()
        return logits


class EmbeddedModel:
    """A base model, its tokenizer and its adapters, on the GPU where there is one. For one thread at a time.

    Args:
        source: The model's folder, as the model store pulls it, or its name at the hub.
        dtype: "float32" or "bfloat16"; None for the faster on this machine.
        base: The model that it is.
    """

    def __init__(self, source: str | Path, dtype: str | None = None, base: EmbeddedBase = SMALL_MODEL) -> None:
        with passive_waiting():
            import torch
            from transformers import AutoModelForCausalLM

            use_all_cores()
        local = Path(source).is_dir()
        self.dtype = dtype or fastest_dtype()
        self.text = ChatTokenizer(source, local_files_only=local)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = AutoModelForCausalLM.from_pretrained(source, dtype=self.dtype, local_files_only=local).eval()
        model = model.to(self._device)
        self.base, self.bank = base, AdapterBank(model, base.name)
        self._layers = model.get_decoder()
        # in bf16, logits near 20 are 0.125 apart and tie, so the output layer is always fp32
        self._head = model.get_output_embeddings().weight.detach().float()
        self.context = int(model.config.get_text_config().max_position_embeddings)

    # -- batches ----------------------------------------------------------------------------------------

    def prefill(self, prompts: Sequence[Tokens], adapters: Sequence[AdapterFolder | None]) -> Batch:
        """Run left-padded prompts through the model; the output layer computes the last position only."""
        self.bank.activate(adapters)
        width = max(map(len, prompts))
        pads = [width - len(prompt) for prompt in prompts]
        tokens = [[self.text.end] * pad + list(prompt) for prompt, pad in zip(prompts, pads, strict=True)]
        mask = self._tensor([[0] * pad + [1] * (width - pad) for pad in pads])
        out = self._layers(
            input_ids=self._tensor(tokens),
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=True,
        )
        return Batch(adapters, out.past_key_values, mask, mask.sum(1), self._logits(out, -1))

    @property
    def on_gpu(self) -> bool:
        """Return whether it computes on a GPU."""
        return bool(self._device.type == "cuda")

    def begun_again(self, batch: Batch) -> Batch:
        """Return a copy of a batch that was only prefilled: the first may be advanced, and this one stays."""
        self.bank.activate(batch.adapters)
        return replace(batch, cache=_copied(batch.cache))

    def advance(self, batch: Batch, tokens: Sequence[Sequence[int]]) -> None:
        """Feed one more token to each row of `batch`."""
        import torch

        batch.mask = torch.cat([batch.mask, torch.ones_like(batch.mask[:, :1])], dim=1)
        out = self._layers(
            input_ids=self._tensor(tokens),
            attention_mask=batch.mask,
            position_ids=batch.lengths[:, None],
            past_key_values=batch.cache,
            use_cache=True,
        )
        batch.lengths, batch.logits = batch.lengths + 1, self._logits(out, -1)

    def select(self, batch: Batch, rows: Sequence[int]) -> None:
        """Reduce the batch to these rows, in this order."""
        batch.adapters = [batch.adapters[row] for row in rows]
        batch.cache.batch_select_indices(list(rows))
        batch.mask, batch.lengths = batch.mask[list(rows)], batch.lengths[list(rows)]
        self.bank.select(rows)

    def look_ahead(self, batch: Batch, places: Sequence[tuple[int, Tokens]]) -> list[Floats]:
        """Return the logits after each (row, prefix) of `places`; `batch` stays as it is."""
        import torch

        owners = [i for i, _ in places]
        width = max(len(prefix) for _, prefix in places)
        pads = [width - len(prefix) for _, prefix in places]
        tokens = [[*prefix, *[self.text.end] * pad] for (_, prefix), pad in zip(places, pads, strict=True)]
        mask = self._tensor([[1] * (width - pad) + [0] * pad for pad in pads])
        self.bank.activate([batch.adapters[i] for i in owners])
        out = self._layers(
            input_ids=self._tensor(tokens),
            attention_mask=torch.cat([batch.mask[owners], mask], dim=1),
            position_ids=batch.lengths[owners][:, None] + torch.arange(width, device=self._device),
            past_key_values=_copied(batch.cache, owners),
            use_cache=True,
        )
        ends = self._tensor([len(prefix) - 1 for _, prefix in places])
        return list(self._logits(out, ends).double().cpu().numpy())

    def _tensor(self, numbers: Sequence[Any]) -> Any:
        import torch

        return torch.tensor(numbers, device=self._device)

    def _logits(self, out: Any, position: Any) -> Any:
        """Return logits (rows, vocabulary size) at one position, or at one position for each row."""
        import torch

        states = out.last_hidden_state
        return states[torch.arange(len(states), device=states.device), position].float() @ self._head.t()


def _copied(cache: Any, rows: Sequence[int] | slice = slice(None)) -> Any:
    """Return a cache of some rows, which grows apart from `cache`."""
    from transformers import DynamicCache

    return DynamicCache.from_legacy_cache(tuple((keys[rows], values[rows]) for keys, values in cache.to_legacy_cache()))


def fastest_dtype() -> str:
    """Return "bfloat16" if the GPU or the processor multiplies it natively, else "float32"."""
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"
