"""Mixtures of LoRA adapters: one adapter that changes a layer by the weighted sum of what several change it by.

    A = the adapters' A, one below the other        B = weight * scale * their B, side by side

The product is exact; the rank is the sum of the adapters' ranks.

Source: Huang et al., LoraHub, 2023 (arXiv 2307.13269), for composing adapters by weights; PEFT's
`add_weighted_adapter` with `combination_type="cat"` makes the same product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.learning.adapters import TrainableAdapter
from agents.learning.torch_import import torch
from agents.problems import SocietyError


def mixed(adapters: Sequence[TrainableAdapter], weights: Sequence[float]) -> TrainableAdapter:
    """Return the weighted sum of adapters as one adapter, whose alpha is its rank.

    Args:
        adapters: At least one; where they change the same layer, its sizes are the same.
        weights: One each.

    Raises:
        SocietyError: Two adapters are of different bases: a layer has several sizes.
    """
    layers = dict.fromkeys(name for adapter in adapters for name in adapter.pairs)
    pairs = {name: _pair(name, adapters, weights) for name in layers}
    rank = sum(adapter.rank for adapter in adapters)
    return TrainableAdapter(rank, float(rank), pairs)


def _pair(name: str, adapters: Sequence[TrainableAdapter], weights: Sequence[float]) -> tuple[Any, Any]:
    like = next(adapter.pairs[name] for adapter in adapters if name in adapter.pairs)
    downs, ups = [], []
    for adapter, weight in zip(adapters, weights, strict=True):
        down, up = adapter.pairs.get(name) or _zeros(adapter.rank, *like)
        downs.append(down.detach())
        ups.append(weight * adapter.scale * up.detach())
    try:
        return torch.cat(downs, dim=0), torch.cat(ups, dim=1)
    except RuntimeError:
        raise SocietyError(
            f"the adapters of a mixture have different sizes at {name}: they are of other bases"
        ) from None


def _zeros(rank: int, down: Any, up: Any) -> tuple[Any, Any]:
    """Return the matrices of an adapter that does not change a layer."""
    return down.new_zeros(rank, down.shape[1]), up.new_zeros(up.shape[0], rank)
