"""PEFT folders for tests that load no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_adapter(
    folder: Path, *, base: str | None = "base", rank: int | None = 8, weights: bytes = b"weights", **more: Any
) -> Path:
    """Write a folder that looks like PEFT's; its `weights` are bytes to hash, not tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base, **({"r": rank} if rank else {}), **more}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder
