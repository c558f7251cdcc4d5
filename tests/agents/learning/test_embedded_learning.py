"""The trainer on SmolLM2: its probabilities are the embedded tier's, which plays what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from agents.inference.embedded.backend import load_engine
from agents.inference.embedded.engine import EmbeddedEngine
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request
from agents.learning.adapters import AdapterStart
from agents.learning.canary import Canary
from agents.learning.samples import LossWeights, Prompt, Sample
from agents.learning.trainer import LoRATrainer

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded learning")]
DILEMMA = (
    ChatMessage("system", "You play a game with one other player. Both decide at the same time. You score 3 if both "
                "cooperate, 1 if both defect, 5 if only you defect and 0 if only the other one defects."),
    ChatMessage("user", "Step 1 of 1. Decide: cooperate or defect. Reply with one word."),
)  # fmt: skip
AMOUNTS = tuple(str(amount) for amount in range(21))
PROMPTS = (
    Prompt("ann", DILEMMA, ("cooperate", "defect")),
    Prompt("ann", (DILEMMA[0], ChatMessage("user", "How much do you give, from 0 to 20?")), AMOUNTS),
    Prompt(
        "ann", (ChatMessage("user", "Where is the treasure?"),), ("in the north", "in the north-east", "in the sea")
    ),
)


@pytest.fixture(scope="module")
def trainer() -> LoRATrainer:
    return LoRATrainer(MODEL_ID, {"ann": AdapterStart(rank=8)}, learning_rate=1e-3, device="cpu")


@cache
def engine() -> EmbeddedEngine:
    return load_engine(dtype="float32")


def served(folder: Path | None, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
    """The embedded tier's probabilities of each choice, by the roster row's own folder."""
    name = folder.name if folder else MODEL_ID
    requests = [
        Request(
            adapter=name,
            adapter_path=folder and str(folder),
            messages=prompt.messages,
            choices=prompt.choices,
            key=CallKey(0, number, "ann", Purpose.DECIDE),
        )
        for number, prompt in enumerate(prompts)
    ]
    shares = engine().choice_distribution(requests)
    return [tuple(row[choice] for choice in prompt.choices) for prompt, row in zip(prompts, shares, strict=True)]


def test_the_embedded_tier_plays_what_was_trained(trainer: LoRATrainer, tmp_path: Path) -> None:
    """Three all-action updates of the one-shot dilemma; each version is served as the trainer computes it."""
    np.testing.assert_allclose(trainer.probabilities(PROMPTS[:1]), served(None, PROMPTS[:1]), atol=1e-4)
    for mine, theirs in zip(trainer.probabilities(PROMPTS), served(None, PROMPTS), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    before = tuple(trainer.probabilities(PROMPTS))
    for _ in range(3):
        figures = trainer.forward_backward([Sample(PROMPTS[0], values=(3.0, 5.0))], LossWeights())
        trainer.optim_step("ann")
        version = trainer.save_weights("ann", tmp_path)
        for mine, theirs in zip(trainer.probabilities(PROMPTS), served(version.folder, PROMPTS), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-4)
    assert figures["ann"].loss < -3
    assert trainer.probabilities(PROMPTS)[0][1] > 0.9
    canary = Canary(version.name, PROMPTS, own=tuple(trainer.probabilities(PROMPTS)), parent=before)
    assert canary.check(lambda prompts: served(version.folder, prompts), "embedded") < 0.05


def test_a_shipped_adapter_can_be_trained_on(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "agents" / "adapters" / "cooperator"
    learner = LoRATrainer(MODEL_ID, {"ann": AdapterStart(folder=shipped)}, learning_rate=1e-3, device="cpu")
    version = learner.save_weights("ann", tmp_path)
    for folder in (shipped, version.folder):
        for mine, theirs in zip(learner.probabilities(PROMPTS), served(folder, PROMPTS), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-3)
