"""PEFT folders for tests, written without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

MODULE = "base_model.model.model.layers.0.self_attn.q_proj"
Matrix = Any
"""An array of numpy."""


def write_adapter(
    folder: Path,
    *,
    base: str | None = "base",
    rank: int | None = 8,
    weights: bytes = b"weights",
    tensors: Mapping[str, Matrix] | None = None,
    **more: Any,
) -> Path:
    """Write a folder as PEFT does. Its small tensors fit no model; `weights` are bytes that make them different."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base, **({"r": rank} if rank else {}), **more}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    stored = lora_pair(rank or 8) if tensors is None else tensors
    (folder / "adapter_model.safetensors").write_bytes(tensor_bytes(stored, weights))
    return folder


def lora_pair(rank: int, module: str = MODULE, width: int = 3) -> dict[str, Matrix]:
    """The two matrices of a plain LoRA on one module, without zeros."""
    rows = np.arange(1, rank * width + 1, dtype="f4").reshape(rank, width) / 100
    return {f"{module}.lora_A.weight": rows, f"{module}.lora_B.weight": rows.T.copy()}


def tensor_bytes(tensors: Mapping[str, Matrix], note: bytes = b"") -> bytes:
    """The bytes of a safetensors file with float32 tensors, and `note` in its metadata."""
    header: dict[str, Any] = {"__metadata__": {"note": note.hex()}}
    data = b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values, dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(np.shape(values)),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data
