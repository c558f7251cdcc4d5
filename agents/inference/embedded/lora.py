"""LoRA adapters on the model's Linear layers, a different one for each row of a batch.

peft's own mixed batches loop over the adapters in each layer, which takes half of the time of a batch on a CPU. Here
the adapters of a batch are stacked: one pair of matrices per layer, and a gate that sets the parts of the others to 0
in each row. The sums are those that peft computes; the tests compare them with peft's. Weights that are not finite are
refused, so no adapter's row can change another row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from agents.inference.adapter_folder import (
    DOWN,
    PREFIX,
    UP,
    WEIGHTS_FILE,
    AdapterFolder,
    UnusableAdapterError,
    not_finite,
)

logger = logging.getLogger("society.inference")
KEPT = 32
"""How many adapters stay loaded: a training makes new versions without end."""


class AdapterBank:
    """The adapters used last, at most `kept` and those of the present batch, and the stack of the batch's own.

    `activate` sets the adapter of each row before a forward pass; `select` removes rows when a batch shrinks.
    """

    def __init__(self, model: Any, base: str, kept: int = KEPT) -> None:
        import torch

        self._base, self._kept = base, kept
        head, named = model.get_output_embeddings(), model.named_modules()
        self._linears = {
            name: module for name, module in named if isinstance(module, torch.nn.Linear) and module is not head
        }
        self._loaded: dict[AdapterFolder, dict[str, tuple[Any, Any]]] = {}  # the one used last is the last
        self._stacked: tuple[AdapterFolder, ...] = ()
        self._stack: dict[str, tuple[Any, Any]] = {}
        self._gate: Any = None
        for name, module in self._linears.items():
            module.register_forward_hook(self._hook(name))

    def load(self, adapter: AdapterFolder) -> None:
        """Read an adapter's weights unless they are loaded; warn of another name of the base in its configuration.

        Raises:
            UnusableAdapterError: The weights do not fit the model, or are not finite.
        """
        if adapter in self._loaded:
            self._loaded[adapter] = self._loaded.pop(adapter)
            return
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            weights = load_file(adapter.path / WEIGHTS_FILE)
        except (SafetensorError, OSError) as error:
            raise UnusableAdapterError(adapter.name, adapter.path, f"{WEIGHTS_FILE}: {error}") from error
        self._loaded[adapter] = self._pairs(adapter, weights)
        if label := adapter.check_base((self._base,), "", stated=True):
            logger.warning("%s", label)
        self._forget()

    def _forget(self) -> None:
        """Forget the adapters that were used longest ago, and none of the present batch."""
        idle = [adapter for adapter in self._loaded if adapter not in self._stacked]
        for adapter in idle[: max(0, len(self._loaded) - self._kept)]:
            del self._loaded[adapter]

    def _pairs(self, adapter: AdapterFolder, weights: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        names = {key.removeprefix(PREFIX).removesuffix(DOWN).removesuffix(UP) for key in weights}
        expected = {f"{PREFIX}{name}{end}" for name in names for end in (DOWN, UP)}
        unknown = sorted((names - self._linears.keys()) | (expected ^ weights.keys()))
        if unknown or not names:
            reason = f"{WEIGHTS_FILE} has weights that a plain LoRA has not, or lacks some: {unknown[:3]}"
            raise UnusableAdapterError(adapter.name, adapter.path, reason)
        return {name: self._pair(adapter, name, weights) for name in sorted(names)}

    def _pair(self, adapter: AdapterFolder, name: str, weights: dict[str, Any]) -> tuple[Any, Any]:
        """Return down (rank, in) and up (out, rank), with the scale in up, in the model's own number type."""
        linear = self._linears[name]
        down, up = weights[f"{PREFIX}{name}{DOWN}"], weights[f"{PREFIX}{name}{UP}"]
        rank = down.shape[0]
        if down.shape != (rank, linear.in_features) or up.shape != (linear.out_features, rank):
            reason = f"{name} has shapes {tuple(down.shape)} and {tuple(up.shape)}, which do not fit the base"
            raise UnusableAdapterError(adapter.name, adapter.path, reason)
        pair = down.to(linear.weight), (up.float() * adapter.scale(rank)).to(linear.weight)
        for matrix, end in zip(pair, (DOWN, UP), strict=True):
            if not matrix.isfinite().all():
                raise UnusableAdapterError(adapter.name, adapter.path, not_finite(f"{PREFIX}{name}{end}"))
        return pair

    def activate(self, rows: Sequence[AdapterFolder | None]) -> None:
        """Set the adapter of each row of the next forward passes; None is the base model.

        One that was forgotten is read again.

        Raises:
            UnusableAdapterError: It cannot be read any more.
        """
        used = tuple(sorted({row for row in rows if row}, key=lambda row: (row.name, row.path, row.stamp)))
        if used != self._stacked:
            self._stack, self._stacked = {}, used  # these are not forgotten from here on
            try:
                for adapter in used:
                    self.load(adapter)
            except UnusableAdapterError:
                self._stacked = ()
                raise
            self._stack = self._build_stack(used)
        self._gate = self._build_gate(rows)

    def select(self, rows: Sequence[int]) -> None:
        """Reduce the batch to these rows, in this order; a row may be named more than once."""
        self._gate = None if self._gate is None else self._gate[list(rows)]

    def _build_stack(self, used: Sequence[AdapterFolder]) -> dict[str, tuple[Any, Any]]:
        names = sorted({name for adapter in used for name in self._loaded[adapter]})
        return {name: self._stack_one(name, used) for name in names}

    def _stack_one(self, name: str, used: Sequence[AdapterFolder]) -> tuple[Any, Any]:
        """Return down (in, ranks) and up (ranks, out) of all `used`; missing or smaller ranks are zeros."""
        import torch

        linear = self._linears[name]
        downs, ups = [], []
        for adapter in used:
            rank = self._rank(adapter)
            down = linear.weight.new_zeros(rank, linear.in_features)
            up = linear.weight.new_zeros(linear.out_features, rank)
            if name in self._loaded[adapter]:
                own_down, own_up = self._loaded[adapter][name]
                down[: own_down.shape[0]] = own_down
                up[:, : own_up.shape[1]] = own_up
            downs.append(down)
            ups.append(up)
        return torch.cat(downs).t().contiguous(), torch.cat(ups, dim=1).t().contiguous()

    def _rank(self, adapter: AdapterFolder) -> int:
        return max(int(down.shape[0]) for down, _ in self._loaded[adapter].values())

    def _build_gate(self, rows: Sequence[AdapterFolder | None]) -> Any:
        """Return (rows, 1, ranks), False where a rank belongs to the row's adapter; None if all rows are the base."""
        import torch

        if not self._stacked:
            return None
        owners = [adapter for adapter in self._stacked for _ in range(self._rank(adapter))]
        device = next(iter(self._linears.values())).weight.device
        gate = [[[row != owner for owner in owners]] for row in rows]
        return torch.tensor(gate, dtype=torch.bool, device=device)

    def _hook(self, name: str) -> Callable[[Any, tuple[Any, ...], Any], Any]:
        def add_lora(_module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
            pair = self._stack.get(name)
            if pair is None or self._gate is None:
                return None
            down, up = pair
            # not a product with 0: that is NaN where another adapter's part is infinite
            hidden = (inputs[0] @ down).masked_fill(self._gate, 0.0)
            ranks, width = up.shape
            return output.reshape(-1, width).addmm(hidden.reshape(-1, ranks), up).view(output.shape)

        return add_lora
