"""Find the LoRA adapter of a request: PEFT folders on disk, examined before any weight is read.

An adapter is looked for in this order: the request's own folder (`adapter_path`), the shipped adapters in
`agents/adapters/`, and then the base model itself, if its name is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import AdapterFolder, read_adapter_folder
from agents.inference.adapter_limits import EMBEDDED_LIMITS
from agents.inference.backend import InferenceSettings, base_name, same_base
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.errors import UnknownAdapterError

SHIPPED = Path(__file__).resolve().parents[2] / "adapters"
HERE = "the embedded tier"


@dataclass(frozen=True)
class EmbeddedBase:
    """The base model of an embedded tier: the small model of the store, or another that a scenario names.

    Args:
        model: The model's folder, or its name at the Hugging Face hub.
    """

    model: str = MODEL_ID

    @cached_property
    def folder(self) -> Path | None:
        """The model's own folder; None for one that is fetched."""
        place = Path(self.model).expanduser()
        return place.resolve() if place.is_dir() else None

    @property
    def name(self) -> str:
        """The model as its adapters' configurations name it."""
        return MODEL_ID if self.stored else str(self.folder or self.model)

    @property
    def stored(self) -> bool:
        """Whether it is the small model of the store."""
        return self.folder is None and same_base(self.model, MODEL_ID)

    @cached_property
    def problem(self) -> str:
        """Why there is no such model; empty where there may be one."""
        looks_local = self.model.startswith((".", "/", "~")) or self.model.count("/") > 1 or Path(self.model).exists()
        if not looks_local or (self.folder is not None and (self.folder / "config.json").is_file()):
            return ""
        where = "a relative path starts at the current folder"
        return f"{self.model} is no folder of a model: it has no config.json ({where})"

    def is_named(self, model: str) -> bool:
        """Return whether `model` names this base; owner, parent folders and quantisation do not count."""
        return same_base(model, self.name)

    @property
    def shipped(self) -> dict[str, Path]:
        """The folder of every shipped adapter for this base, by name."""
        return shipped_adapters() if self.stored else {}

    @property
    def served_names(self) -> tuple[str, ...]:
        """The names that a request may ask for without a folder of its own: shipped adapters and the base model."""
        return (*self.shipped, base_name(self.name))


SMALL_MODEL = EmbeddedBase()
"""The base of a tier whose scenario names none."""


def embedded_base(settings: InferenceSettings) -> EmbeddedBase:
    """Return the base model of an embedded tier with these settings."""
    return EmbeddedBase(settings.embedded_model) if settings.embedded_model else SMALL_MODEL


def shipped_adapters(root: Path = SHIPPED) -> dict[str, Path]:
    """Return the folder of every shipped adapter, by name."""
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CONFIG_FILE}"))}


def resolve(
    name: str, folder: str | Path | None = None, base_stated: bool = False, base: EmbeddedBase = SMALL_MODEL
) -> AdapterFolder | None:
    """Return the adapter that answers under a name; None is the base model.

    Args:
        name: The adapter's name, or the base model's.
        folder: The adapter's own folder; without one the name is a shipped adapter's or the base model's.
        base_stated: As in `read_adapter`.
        base: The tier's base model.

    Raises:
        UnknownAdapterError: No adapter has this name.
        UnusableAdapterError: Its folder cannot be used.
    """
    if folder is not None:
        return read_adapter(name, Path(folder), base_stated, base)
    shipped = base.shipped
    if name in shipped:
        return read_adapter(name, shipped[name], base=base)
    if base.is_named(name):
        return None
    raise UnknownAdapterError(name, HERE, base.served_names)


def read_adapter(name: str, folder: Path, base_stated: bool = False, base: EmbeddedBase = SMALL_MODEL) -> AdapterFolder:
    """Return the adapter in a folder if this tier can load it.

    Args:
        name: The adapter's name.
        folder: The PEFT folder.
        base_stated: The user says that it belongs to this tier's base model, whatever its configuration says.
        base: The tier's base model.

    Raises:
        UnusableAdapterError: It is no plain LoRA for this tier's base model.
    """
    adapter = read_adapter_folder(folder, name)
    adapter.check_base((base.name,), f"{HERE} has {base.name}", base_stated)
    adapter.refuse_beyond(EMBEDDED_LIMITS)
    return adapter
