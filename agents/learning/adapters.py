"""Trainable LoRA adapters on a model's Linear layers, a different one for each row of a batch.

    output = base(x) + (x A') B' * alpha / rank        A is (rank, in), B is (out, rank), ' is the transpose

Forward hooks add the second part. Rows of several learners go through the base together: their matrices are stacked,
one pair per row, and each gets the gradient of its own rows only.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022; PEFT for the file's format.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents.inference.adapter_folder import DOWN, PREFIX, UP, WEIGHTS_FILE, UnusableAdapterError, read_adapter_folder
from agents.inference.adapter_limits import AdapterLimits
from agents.learning.torch_import import torch
from agents.problems import SocietyError

ATTENTION, ALL = "attention", "all"
_LIMITS = AdapterLimits("a trainer", alpha_pattern=False, embeddings=False)
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class AdapterStart:
    """What a learner's adapter is at the beginning of a training.

    Args:
        rank: The rank of a new adapter, at least 1.
        alpha: Its scaling; the product of the matrices is multiplied by alpha / rank. None: twice the rank.
        modules: `attention`, `all`, or the last names of Linear layers.
        folder: A PEFT folder to begin from; it has a rank, a scaling and modules of its own.
    """

    rank: int = 8
    alpha: float | None = None
    modules: str | tuple[str, ...] = ATTENTION
    folder: Path | None = None


@dataclass(frozen=True)
class TrainableAdapter:
    """One learner's matrices by layer: A (rank, in) and B (out, rank), in fp32."""

    rank: int
    alpha: float
    pairs: Mapping[str, Pair]

    @property
    def scale(self) -> float:
        """Return the factor of the product of A and B."""
        return self.alpha / self.rank

    @property
    def modules(self) -> tuple[str, ...]:
        """Return the last names of its layers."""
        return tuple(sorted({name.rsplit(".", 1)[-1] for name in self.pairs}))

    def parameters(self) -> list[Any]:
        """Return all matrices, A before B, in the order of their layers."""
        return [matrix for pair in self.pairs.values() for matrix in pair]

    def tensors(self) -> dict[str, Any]:
        """Return the matrices on the CPU under the names of PEFT's file."""
        ends = (DOWN, UP)
        return {
            f"{PREFIX}{name}{end}": matrix.detach().cpu().contiguous()
            for name, pair in self.pairs.items()
            for end, matrix in zip(ends, pair, strict=True)
        }

    def frozen(self) -> TrainableAdapter:
        """Return a copy that is not trained."""
        copies = {name: (down.detach().clone(), up.detach().clone()) for name, (down, up) in self.pairs.items()}
        return TrainableAdapter(self.rank, self.alpha, copies)

    def take(self, tensors: Mapping[str, Any]) -> None:
        """Set the matrices to those of a PEFT file of the same layers and shapes.

        Raises:
            SocietyError: The file has other layers or shapes.
        """
        own = self.tensors()
        if own.keys() != tensors.keys() or any(own[key].shape != tensors[key].shape for key in own):
            raise SocietyError("the adapter's file has other layers or another rank than the learner")
        with torch.no_grad():
            for name, pair in self.pairs.items():
                for end, matrix in zip((DOWN, UP), pair, strict=True):
                    matrix.copy_(tensors[f"{PREFIX}{name}{end}"])


def linear_layers(model: Any) -> dict[str, Any]:
    """Return the Linear layers that can have an adapter, by name: all but the output layer."""
    head = model.get_output_embeddings()
    named = model.named_modules()
    return {name: module for name, module in named if isinstance(module, torch.nn.Linear) and module is not head}


def chosen_layers(layers: Mapping[str, Any], modules: str | tuple[str, ...]) -> list[str]:
    """Return the names of the layers that `modules` stands for.

    Raises:
        SocietyError: A name fits no layer.
    """
    if modules == ALL:
        found = list(layers)
    elif modules == ATTENTION:
        found = [name for name in layers if any("attn" in part or "attention" in part for part in name.split(".")[:-1])]
    else:
        wanted = (modules,) if isinstance(modules, str) else modules
        ends = {name.rsplit(".", 1)[-1] for name in layers}
        if missing := sorted(set(wanted) - ends):
            raise SocietyError(f"the base has no Linear layer named {missing[0]!r}; it has: {', '.join(sorted(ends))}")
        found = [name for name in layers if name.rsplit(".", 1)[-1] in wanted]
    if not found:
        raise SocietyError(f"the base has no Linear layers for modules: {modules}; name them, of: {', '.join(layers)}")
    return found


def learner_generator(seed: int, learner: str) -> Any:
    """Return a learner's own random generator: the same for the same seed and name."""
    digest = hashlib.sha256(f"{seed}/{learner}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def new_adapter(layers: Mapping[str, Any], start: AdapterStart, generator: Any) -> TrainableAdapter:
    """Return an adapter that changes nothing yet, as PEFT makes it: A uniform by He et al. with a = sqrt(5), B zero.

    Raises:
        SocietyError: The rank is below 1, or the modules fit no layer.
    """
    if start.rank < 1:
        raise SocietyError(f"an adapter's rank is {start.rank}; it must be at least 1")
    pairs = {}
    for name in chosen_layers(layers, start.modules):
        linear = layers[name]
        reach = 1 / math.sqrt(linear.in_features)
        down = torch.empty(start.rank, linear.in_features).uniform_(-reach, reach, generator=generator)
        pairs[name] = _pair(down, torch.zeros(linear.out_features, start.rank), linear.weight.device)
    return TrainableAdapter(start.rank, 2 * start.rank if start.alpha is None else start.alpha, pairs)


def stored_adapter(layers: Mapping[str, Any], folder: Path) -> TrainableAdapter:
    """Return the adapter of a PEFT folder, to be trained on these layers.

    Raises:
        UnusableAdapterError: It is no plain LoRA of one rank that fits the layers.
    """
    found = read_adapter(folder)
    pairs = {}
    for name, (down, up) in found.pairs.items():
        linear = layers.get(name)
        if linear is None or down.shape[1] != linear.in_features or up.shape[0] != linear.out_features:
            raise UnusableAdapterError(folder.name, folder.expanduser().absolute(), f"{name} does not fit the base")
        pairs[name] = _pair(down, up, linear.weight.device)
    return replace(found, pairs=pairs)


def read_adapter(folder: Path) -> TrainableAdapter:
    """Return the adapter of a PEFT folder as it is, on the CPU.

    Raises:
        UnusableAdapterError: It is no plain LoRA of one rank.
    """
    from safetensors.torch import load_file

    found = read_adapter_folder(folder)
    found.refuse_beyond(_LIMITS)
    found.check_values()
    weights = load_file(found.path / WEIGHTS_FILE)
    names = [key.removeprefix(PREFIX).removesuffix(DOWN) for key in sorted(weights) if key.endswith(DOWN)]
    pairs = {name: (weights[f"{PREFIX}{name}{DOWN}"].float(), weights[f"{PREFIX}{name}{UP}"].float()) for name in names}
    ranks = {int(down.shape[0]) for down, _ in pairs.values()}
    if len(ranks) != 1:
        raise UnusableAdapterError(found.name, found.path, f"its layers have several ranks: {sorted(ranks)}")
    rank = ranks.pop()
    return TrainableAdapter(rank, found.scale(rank) * rank, pairs)


def _pair(down: Any, up: Any, device: Any) -> Pair:
    return down.to(device).requires_grad_(), up.to(device).requires_grad_()


class AdapterHooks:
    """Adds adapters to the layers of a model, during `applied` only."""

    def __init__(self, layers: Mapping[str, Any]) -> None:
        self._layers = layers
        self._stacks: dict[str, Pair] = {}
        for name, layer in layers.items():
            layer.register_forward_hook(self._hook(name))

    @contextmanager
    def applied(self, rows: Sequence[TrainableAdapter | None]) -> Iterator[None]:
        """Give each row of a batch its adapter, forward and backward; None is the base model."""
        self._stacks = dict(self._built(rows))
        try:
            yield
        finally:
            self._stacks = {}

    def _built(self, rows: Sequence[TrainableAdapter | None]) -> Iterator[tuple[str, Pair]]:
        distinct: dict[int, TrainableAdapter] = {id(row): row for row in rows if row is not None}
        names = [name for name in self._layers if any(name in adapter.pairs for adapter in distinct.values())]
        rank = max((adapter.rank for adapter in distinct.values()), default=0)
        for name in names:
            ready = {key: self._scaled(name, adapter, rank) for key, adapter in distinct.items()}
            if len(distinct) == 1 and None not in rows:
                yield name, next(iter(ready.values()))
                continue
            ready[id(None)] = self._scaled(name, None, rank)
            downs, ups = zip(*(ready[id(row)] for row in rows), strict=True)
            yield name, (torch.stack(downs), torch.stack(ups))

    def _scaled(self, name: str, adapter: TrainableAdapter | None, rank: int) -> Pair:
        """Return A' (in, rank) and scaled B' (rank, out) in the model's number type; zeros where there is none."""
        weight = self._layers[name].weight
        pair = None if adapter is None else adapter.pairs.get(name)
        if adapter is None or pair is None:
            return weight.new_zeros(weight.shape[1], rank), weight.new_zeros(rank, weight.shape[0])
        down, up = (matrix.to(weight.dtype) for matrix in (pair[0].t(), pair[1].t() * adapter.scale))
        lacking = rank - adapter.rank
        if lacking:
            down, up = torch.nn.functional.pad(down, (0, lacking)), torch.nn.functional.pad(up, (0, 0, 0, lacking))
        return down, up

    def _hook(self, name: str) -> Callable[[Any, tuple[Any, ...], Any], Any]:
        def add_adapter(_module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
            pair = self._stacks.get(name)
            if pair is None:
                return None
            down, up = pair
            if down.dim() == 3 and inputs[0].dim() != 3:
                raise SocietyError(f"{name} mixes the rows of a batch: train one learner at a time, or other modules")
            hidden = inputs[0] @ down
            if down.dim() == 3:
                return torch.baddbmm(output, hidden, up)
            width = output.shape[-1]
            return output.reshape(-1, width).addmm(hidden.reshape(-1, hidden.shape[-1]), up).view(output.shape)

        return add_adapter
