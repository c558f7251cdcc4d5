"""Who takes part: rosters, LoRA models as OASIS agents, and the one door to inference."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.inference.client import VLLMClient
    from agents.lora_model import LoRAModel
    from agents.role import ModelRole
    from agents.roster import ModelConfig, Roster

__all__ = ["LoRAModel", "ModelConfig", "ModelRole", "Roster", "VLLMClient"]

_HOMES = {
    "LoRAModel": "agents.lora_model",  # imports OASIS: seconds, so only when asked for
    "ModelConfig": "agents.roster",
    "ModelRole": "agents.role",
    "Roster": "agents.roster",
    "VLLMClient": "agents.inference.client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
