"""Find the LoRA adapter of a request: PEFT folders on disk, examined before any weight is read.

An adapter is looked for in this order: the request's own folder (`adapter_path`), the shipped adapters in
`agents/adapters/`, and then the base model itself, if its name is asked for.
"""

from __future__ import annotations

from pathlib import Path

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import EMBEDDED_LIMITS, AdapterFolder, read_adapter_folder
from agents.inference.backend import base_name, same_base
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.errors import UnknownAdapterError

SHIPPED = Path(__file__).resolve().parents[2] / "adapters"
HERE = "the embedded tier"


def shipped_adapters(root: Path = SHIPPED) -> dict[str, Path]:
    """Return the folder of every shipped adapter, by name."""
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CONFIG_FILE}"))}


def served_names() -> tuple[str, ...]:
    """Return the names that a request may ask for without a folder of its own: shipped adapters and the base model."""
    return (*shipped_adapters(), base_name(MODEL_ID))


def is_base(model: str) -> bool:
    """Return whether `model` names the base model of this tier; owner, folder and quantisation do not count."""
    return same_base(model, MODEL_ID)


def resolve(name: str, folder: str | Path | None = None, base_stated: bool = False) -> AdapterFolder | None:
    """Return the adapter that answers under a name; None is the base model.

    Args:
        name: The adapter's name, or the base model's.
        folder: The adapter's own folder; without one the name is a shipped adapter's or the base model's.
        base_stated: As in `read_adapter`.

    Raises:
        UnknownAdapterError: No adapter has this name.
        UnusableAdapterError: Its folder cannot be used.
    """
    if folder is not None:
        return read_adapter(name, Path(folder), base_stated)
    shipped = shipped_adapters()
    if name in shipped:
        return read_adapter(name, shipped[name])
    if is_base(name):
        return None
    raise UnknownAdapterError(name, HERE, served_names())


def read_adapter(name: str, folder: Path, base_stated: bool = False) -> AdapterFolder:
    """Return the adapter in a folder if this tier can load it.

    Args:
        name: The adapter's name.
        folder: The PEFT folder.
        base_stated: The user says that it belongs to this tier's base model, whatever its configuration says.

    Raises:
        UnusableAdapterError: It is no plain LoRA for this tier's base model.
    """
    adapter = read_adapter_folder(folder, name)
    adapter.check_base((MODEL_ID,), f"{HERE} has {MODEL_ID}", base_stated)
    adapter.refuse_beyond(EMBEDDED_LIMITS)
    return adapter
