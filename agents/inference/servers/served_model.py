"""A model that a server lists."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServedModel:
    """One row of a server's `/models`; the `parent` of an adapter is its base model, `owned_by` tells the program."""

    name: str
    parent: str | None = None
    root: str | None = None
    max_model_len: int | None = None
    owned_by: str | None = field(default=None, compare=False)
