"""The frozen base model of a training: packed rows of tokens in, logits out, with gradients for adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.inference.embedded.adapters import EmbeddedBase
from agents.inference.embedded.chat_tokenizer import ChatTokenizer
from agents.inference.embedded.model_store import pull
from agents.inference.embedded.threads import use_all_cores
from agents.learning.adapters import AdapterHooks, linear_layers
from agents.learning.packing import PackedRow, TokenPaths, pack
from agents.learning.torch_import import torch
from agents.problems import SocietyError

_CLOSE = {"bfloat16": 0.1, "float16": 0.05}
"""How far logits may be apart, as a share of the largest; 1e-3 where numbers are longer."""


class FrozenBase:
    """A causal language model whose own weights never change.

    Args:
        base: A local folder, or a name at the hub. The embedded tier's model is taken from its store.
        dtype: "float32" or "bfloat16".
        device: As torch names it: "cpu", "cuda", "cuda:1". None: the GPU where there is one.
        checkpointing: Whether a layer's activations are computed again instead of kept.

    Raises:
        SocietyError: The model cannot be loaded, or its outputs cannot be computed as a trainer needs them.
    """

    def __init__(self, base: str, dtype: str, device: str | None, checkpointing: bool) -> None:
        use_all_cores()
        self.dtype = dtype
        named = EmbeddedBase(base)
        self.name = named.name
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._load(pull() if named.stored else self.name, dtype, checkpointing)
        self.layers = linear_layers(self._model)
        self.hooks = AdapterHooks(self.layers)
        self.shares_prefixes = True
        self._settle_how_to_compute()

    def _load(self, source: str | Path, dtype: str, checkpointing: bool) -> None:
        from transformers import AutoModelForCausalLM

        try:
            self.text = ChatTokenizer(source, local_files_only=False)
            model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
        except (OSError, ValueError, RuntimeError) as error:
            raise SocietyError(f"the base model {self.name!r} cannot be loaded: {error}") from error
        self._model = model.to(self.device).requires_grad_(False).eval()
        self._decoder, self._head = self._model.get_decoder(), self._model.get_output_embeddings()
        if checkpointing:
            _without_dropout(model)
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            model.train()  # layers only look at checkpointing while they train
        self.context = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0)) or None

    def _settle_how_to_compute(self) -> None:
        """Compare with the model's own logits: packed rows where they agree, else plain rows.

        A model whose layers see a window only has plain rows: the mask of a packed row would widen the window.
        """
        windowed = bool(getattr(self._model.config.get_text_config(), "sliding_window", None))
        with torch.no_grad():
            for self.shares_prefixes in (False,) if windowed else (True, False):
                if self._agrees(TokenPaths("", (self.text.end, 1, 2), ((), (3, 4), (5,)))):
                    return
        raise SocietyError(f"{self.name}: the trainer's logits are not those of the model; use another base model")

    def _agrees(self, paths: TokenPaths) -> bool:
        (rows,) = pack([paths], self.shares_prefixes)
        states = self.states(rows)
        for number, row in enumerate(rows):
            for (_, tail), nodes in row.places.items():
                plain = torch.tensor([paths.prompt + paths.tails[tail]], device=self.device)
                wanted = self._model(input_ids=plain, use_cache=False).logits[0, len(paths.prompt) - 1 :].float()
                apart = (self.logits(states[number, nodes]) - wanted).abs().max()
                if apart > _CLOSE.get(self.dtype, 1e-3) * max(1.0, float(wanted.abs().max())):
                    return False
        return True

    # -- computing --------------------------------------------------------------------------------------

    def states(self, rows: Sequence[PackedRow]) -> Any:
        """Return the last hidden states (rows, tokens, width) of packed rows, padded to the longest."""
        width = max(len(row.tree) for row in rows)
        tokens = np.full((len(rows), width), self.text.end)
        positions = np.zeros((len(rows), width), dtype=np.int64)
        for number, row in enumerate(rows):
            tokens[number, : len(row.tree)] = row.tree.tokens
            positions[number, : len(row.tree)] = row.tree.depths
        out = self._decoder(
            input_ids=torch.from_numpy(tokens).to(self.device),
            attention_mask=self._mask(rows, width),
            position_ids=torch.from_numpy(positions).to(self.device),
            use_cache=False,
        )
        return out.last_hidden_state

    def _mask(self, rows: Sequence[PackedRow], width: int) -> Any:
        if not self.shares_prefixes:
            return torch.tensor(
                [[1] * len(row.tree) + [0] * (width - len(row.tree)) for row in rows], device=self.device
            )
        sees = np.broadcast_to(np.eye(width, dtype=np.bool_), (len(rows), width, width)).copy()
        for number, row in enumerate(rows):
            sees[number, : len(row.tree), : len(row.tree)] = row.tree.sees()
        kind = self._model.dtype
        hidden = torch.tensor(torch.finfo(kind).min, dtype=kind, device=self.device)
        shown = torch.from_numpy(sees).to(self.device)[:, None]
        return torch.where(shown, torch.zeros((), dtype=kind, device=self.device), hidden)

    def logits(self, states: Any, tokens: Sequence[int] | None = None) -> Any:
        """Return the logits (n, tokens) after hidden states (n, width), of all tokens or of some.

        In bf16, logits near 20 are 0.125 apart and tie, so the output layer is at least fp32.
        """
        kind = torch.promote_types(self._model.dtype, torch.float32)
        chosen = slice(None) if tokens is None else torch.tensor(tokens, dtype=torch.long, device=self.device)
        logits = states.to(kind) @ self._head.weight[chosen].to(kind).t()
        if getattr(self._head, "bias", None) is not None:
            logits = logits + self._head.bias[chosen].to(kind)
        return self._rescaled(logits)

    def _rescaled(self, logits: Any) -> Any:
        """Change logits as Cohere's, Granite's and Gemma's models do after the output layer."""
        config = self._model.config.get_text_config()
        logits = (
            logits * (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
        )
        cap = getattr(config, "final_logit_softcapping", None)
        return torch.tanh(logits / cap) * cap if cap else logits


def _without_dropout(model: Any) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0
