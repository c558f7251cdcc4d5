"""Find the LoRA adapter of a request: PEFT folders on disk, checked before any weight is read.

An adapter is looked for in this order: the request's own folder (`adapter_path`), the shipped adapters in
`agents/adapters/`, and then the base model itself, if its name is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.inference.backend import base_name
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.errors import UnknownAdapterError

SHIPPED = Path(__file__).resolve().parents[2] / "adapters"
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
HERE = "the embedded tier"
PLAIN_STARTS = (True, False, "gaussian")  # other initialisations change the base model's weights as well


class UnusableAdapterError(UnknownAdapterError):
    """An adapter folder that the embedded tier will not load."""

    def __init__(self, adapter: str, folder: Path, reason: str) -> None:
        Exception.__init__(self, f"adapter {adapter!r} in {folder} cannot be used: {reason}")
        self.adapter = adapter
        self.served = ()


class LoraFile(BaseModel):
    """The part of PEFT's adapter_config.json that defines what the weights mean.

    Other keys are ignored: the file is PEFT's and grows with its versions.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    peft_type: str = "LORA"
    base_model_name_or_path: str | None = None
    r: int = 8
    lora_alpha: float = 8
    use_rslora: bool = False
    use_dora: bool = False
    alpha_pattern: dict[str, float] = {}
    init_lora_weights: bool | str = True


@dataclass(frozen=True)
class AdapterFolder:
    """A usable adapter folder; `stamp` (ns) changes when its weights are written again."""

    name: str
    path: Path
    stamp: int
    alpha: float
    use_rslora: bool

    def scale(self, rank: int) -> float:
        """Return the factor of the product of the two LoRA matrices of `rank`."""
        return float(self.alpha / (rank**0.5 if self.use_rslora else rank))


def shipped_adapters(root: Path = SHIPPED) -> dict[str, Path]:
    """Return the folder of every shipped adapter, by name."""
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CONFIG_FILE}"))}


def served_names() -> tuple[str, ...]:
    """Return the names that a request may ask for without a folder of its own: shipped adapters and the base model."""
    return (*shipped_adapters(), base_name(MODEL_ID))


def is_base(model: str) -> bool:
    """Return whether `model` names the base model of this tier, with or without its owner."""
    return base_name(model) == base_name(MODEL_ID)


def resolve(name: str, folder: str | Path | None = None) -> AdapterFolder | None:
    """Return the adapter that answers under a name; None is the base model.

    Args:
        name: The adapter's name, or the base model's.
        folder: The adapter's own folder; without one the name is a shipped adapter's or the base model's.

    Raises:
        UnknownAdapterError: No adapter has this name.
        UnusableAdapterError: Its folder cannot be used.
    """
    if folder is not None:
        return read_adapter(name, Path(folder).expanduser())
    shipped = shipped_adapters()
    if name in shipped:
        return read_adapter(name, shipped[name])
    if is_base(name):
        return None
    raise UnknownAdapterError(name, HERE, served_names())


def read_adapter(name: str, folder: Path) -> AdapterFolder:
    """Check that a folder has a plain LoRA for our base model, with safetensors weights.

    Raises:
        UnusableAdapterError: It has not.
    """
    config = _read_config(name, folder)
    weights = folder / WEIGHTS_FILE
    reason = _refusal(config) or _weights_refusal(weights)
    if reason:
        raise UnusableAdapterError(name, folder, reason)
    return AdapterFolder(name, folder.resolve(), weights.stat().st_mtime_ns, config.lora_alpha, config.use_rslora)


def _read_config(name: str, folder: Path) -> LoraFile:
    try:
        return LoraFile.model_validate_json((folder / CONFIG_FILE).read_bytes())
    except FileNotFoundError:
        raise UnusableAdapterError(name, folder, f"there is no {CONFIG_FILE}") from None
    except (ValidationError, json.JSONDecodeError, OSError) as error:
        raise UnusableAdapterError(name, folder, f"{CONFIG_FILE} cannot be read ({error})") from error


def _refusal(config: LoraFile) -> str:
    if config.peft_type != "LORA":
        return f"it is a {config.peft_type} adapter, only LORA is supported"
    if config.base_model_name_or_path and not is_base(config.base_model_name_or_path):
        return f"it belongs to base model {config.base_model_name_or_path}, {HERE} has {MODEL_ID}"
    if config.use_dora or config.alpha_pattern:
        return "use_dora and alpha_pattern are not supported; train it without them"
    if config.init_lora_weights not in PLAIN_STARTS:
        return f"init_lora_weights={config.init_lora_weights!r} changes the base model; train it without"
    return ""


def _weights_refusal(weights: Path) -> str:
    if weights.is_file():
        return ""
    if any(weights.parent.glob("*.bin")):
        return f"its weights are a pickle (.bin), which is never loaded; save them as {WEIGHTS_FILE}"
    return f"there is no {WEIGHTS_FILE}"
