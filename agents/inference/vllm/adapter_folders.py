"""LoRA adapters as folders on disk: their rank and base model, and a digest that identifies the version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agents.inference.backend import base_name
from agents.inference.embedded.adapters import CONFIG_FILE, WEIGHTS_FILE, LoraFile, UnusableAdapterError
from agents.inference.embedded.model_sources import file_sha256

DIGEST_LENGTH = 8
PICKLED_FILE = "adapter_model.bin"


@dataclass(frozen=True)
class AdapterOnDisk:
    """One PEFT folder. `rank`, `base` and `alpha` are None if its config does not have them."""

    name: str
    path: Path
    rank: int | None = None
    base: str | None = None
    alpha: float | None = None

    def belongs_to(self, bases: Iterable[str]) -> bool:
        """Return whether it is made for one of `bases`, or does not say what it is made for.

        Args:
            bases: Names or paths; owners and parent folders do not count.
        """
        return self.base is None or base_name(self.base) in {base_name(each) for each in bases}

    def digest(self) -> str:
        """Return eight hex digits of the SHA-256 of weights and config: other digits mean another adapter."""
        parts = (file_sha256(self.path / WEIGHTS_FILE), file_sha256(self.path / CONFIG_FILE))
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:DIGEST_LENGTH]


def read_adapter_folder(path: Path, name: str | None = None) -> AdapterOnDisk:
    """Read the adapter in a folder.

    Args:
        path: The folder.
        name: The adapter's name; the folder's name by default.

    Raises:
        UnusableAdapterError: The folder has no PEFT config of a LoRA, or no safetensors.
    """
    folder = path.expanduser().absolute()
    name = name or folder.name
    config = folder / CONFIG_FILE
    try:
        lora = LoraFile.model_validate_json(config.read_bytes())
    except FileNotFoundError:
        raise UnusableAdapterError(name, folder, f"there is no {CONFIG_FILE}; name the folder PEFT saved to") from None
    except (ValidationError, OSError) as error:
        raise UnusableAdapterError(name, folder, f"{CONFIG_FILE} cannot be read ({error})") from error
    if lora.peft_type != "LORA":
        raise UnusableAdapterError(name, folder, f"it is a {lora.peft_type} adapter; vLLM serves LORA only")
    if not (folder / WEIGHTS_FILE).is_file():
        raise UnusableAdapterError(name, folder, f"there is no {WEIGHTS_FILE}{_pickled(folder)}")
    rank = lora.r if "r" in lora.model_fields_set else None
    alpha = lora.lora_alpha if "lora_alpha" in lora.model_fields_set else None
    return AdapterOnDisk(name, folder, rank, lora.base_model_name_or_path, alpha)


def _pickled(folder: Path) -> str:
    """Return what to do if the weights are only in a pickle, which can run code when it is loaded."""
    if not (folder / PICKLED_FILE).exists():
        return ""
    return (
        f"; {PICKLED_FILE} is a pickle, which can run code when loaded, and is not read. If you trust it, "
        "load the adapter with PEFT and save it again: model.save_pretrained(folder, safe_serialization=True)"
    )
