"""torch, imported so that its threads sleep while they wait: every module of this package takes it from here."""

from __future__ import annotations

from agents.inference.embedded.threads import passive_waiting

with passive_waiting():
    import torch

__all__ = ["torch"]
