"""LoRA adapters as folders on disk: what their files say, whose they are, and a digest that tells versions apart."""

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
    """One PEFT folder. `rank`, `base` and `alpha` are None where its config does not say."""

    name: str
    path: Path
    rank: int | None = None
    base: str | None = None
    alpha: float | None = None

    def belongs_to(self, bases: Iterable[str]) -> bool:
        """Whether it was made for one of `bases` (names or paths; owners and folders aside); True where it is mute."""
        return self.base is None or base_name(self.base) in {base_name(each) for each in bases}

    def digest(self) -> str:
        """Eight hex digits of the SHA-256 of weights and config: other digits, another adapter."""
        parts = (file_sha256(self.path / WEIGHTS_FILE), file_sha256(self.path / CONFIG_FILE))
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:DIGEST_LENGTH]


def read_adapter_folder(path: Path, name: str | None = None) -> AdapterOnDisk:
    """The adapter in the folder `path`, called like it unless `name` is given.

    Raises UnusableAdapterError where it holds no PEFT config of a LoRA, or no safetensors.
    """
    folder = path.expanduser().absolute()
    name = name or folder.name
    config = folder / CONFIG_FILE
    try:
        told = LoraFile.model_validate_json(config.read_bytes())
    except FileNotFoundError:
        raise UnusableAdapterError(name, folder, f"there is no {CONFIG_FILE}; name the folder PEFT saved") from None
    except (ValidationError, OSError) as error:
        raise UnusableAdapterError(name, folder, f"{CONFIG_FILE} cannot be read ({error})") from error
    if told.peft_type != "LORA":
        raise UnusableAdapterError(name, folder, f"it is a {told.peft_type} adapter; vLLM serves LORA only")
    if not (folder / WEIGHTS_FILE).is_file():
        raise UnusableAdapterError(name, folder, f"there is no {WEIGHTS_FILE}{_pickled(folder)}")
    rank = told.r if "r" in told.model_fields_set else None
    alpha = told.lora_alpha if "lora_alpha" in told.model_fields_set else None
    return AdapterOnDisk(name, folder, rank, told.base_model_name_or_path, alpha)


def _pickled(folder: Path) -> str:
    """What to do about weights that only a pickle holds, which runs code when it is read."""
    if not (folder / PICKLED_FILE).exists():
        return ""
    return (
        f"; {PICKLED_FILE} is a pickle, which can run code when loaded, and is not read. Where you trust it, "
        "load the adapter with PEFT and save it again: model.save_pretrained(folder, safe_serialization=True)"
    )
