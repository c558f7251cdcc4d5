"""Who takes part: rosters, LoRA models as OASIS agents, scripted players, and the one way to inference.

Users import from here and from `simulation`, never deeper. Every name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.inference.backend import EndpointSettings, InferenceSettings
    from agents.inference.client import VLLMClient
    from agents.inference.loops import run_blocking
    from agents.inference.provenance import Sampling, Tier
    from agents.inference.society_backend import SocietyBackend
    from agents.language import Language
    from agents.lora_model import LoRAModel
    from agents.players.observation import Observation
    from agents.players.phrases import SpeakingStyle
    from agents.players.policies import POLICIES, Policy
    from agents.problems import InvalidFileError, SocietyError, UsageError
    from agents.role import ModelRole
    from agents.roster import ModelConfig, Roster

__all__ = [
    "POLICIES",
    "EndpointSettings",
    "InferenceSettings",
    "InvalidFileError",
    "Language",
    "LoRAModel",
    "ModelConfig",
    "ModelRole",
    "Observation",
    "Policy",
    "Roster",
    "Sampling",
    "SocietyBackend",
    "SocietyError",
    "SpeakingStyle",
    "Tier",
    "UsageError",
    "VLLMClient",
    "run_blocking",
]

_HOMES = {
    "POLICIES": "agents.players.policies",
    "EndpointSettings": "agents.inference.backend",
    "InferenceSettings": "agents.inference.backend",
    "InvalidFileError": "agents.problems",
    "Language": "agents.language",
    "LoRAModel": "agents.lora_model",  # imports OASIS, which takes seconds
    "ModelConfig": "agents.roster",
    "ModelRole": "agents.role",
    "Observation": "agents.players.observation",
    "Policy": "agents.players.policies",
    "Roster": "agents.roster",
    "Sampling": "agents.inference.provenance",
    "SocietyBackend": "agents.inference.society_backend",
    "SocietyError": "agents.problems",
    "SpeakingStyle": "agents.players.phrases",
    "Tier": "agents.inference.provenance",
    "UsageError": "agents.problems",
    "VLLMClient": "agents.inference.client",
    "run_blocking": "agents.inference.loops",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
