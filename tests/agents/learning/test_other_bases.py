"""Any base: the embedded tier plays what was trained on a model of the user's own, named by its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.embedded.adapters import EmbeddedBase
from agents.inference.embedded.backend import EmbeddedBackend, load_engine
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.errors import FloorReachedError
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request, Tier
from agents.learning.samples import LossWeights, Prompt, Sample
from tests.agents.learning.conftest import asks, trainer_of


def request_of(prompt: Prompt, version: Path, base: str | None = None) -> Request:
    key = CallKey(0, 0, prompt.learner, Purpose.DECIDE)
    return Request(key, version.name, prompt.messages, base, choices=prompt.choices, adapter_path=str(version))


def test_the_embedded_tier_plays_what_was_trained(base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(base, "ann")
    trainer.forward_backward([Sample(asks("ann")[0], picked="defect")], LossWeights())
    trainer.optim_step("ann")
    version = trainer.save_weights("ann", tmp_path)
    requests = [request_of(prompt, version.folder) for prompt in asks("ann")]
    shares = load_engine(dtype="float32", base=EmbeddedBase(str(base))).choice_distribution(requests)
    served = [[row[choice] for choice in prompt.choices] for prompt, row in zip(asks("ann"), shares, strict=True)]
    np.testing.assert_allclose(trainer.probabilities(asks("ann")), served, atol=1e-4)


async def test_a_client_answers_with_the_model_that_the_settings_name(base: Path, tmp_path: Path) -> None:
    version = trainer_of(base, "ann").save_weights("ann", tmp_path)
    settings = InferenceSettings((Tier.EMBEDDED,), embedded_model=str(base))
    async with VLLMClient(settings=settings) as client:
        reply = await client.generate(request_of(asks("ann")[0], version.folder, base=str(base)))
    assert reply.text in asks("ann")[0].choices
    assert reply.provenance.tier is Tier.EMBEDDED


async def test_only_the_named_model_answers(base: Path, tmp_path: Path) -> None:
    """No other base falls back to it, and it never answers for the small model's adapters."""
    version = trainer_of(base, "ann").save_weights("ann", tmp_path)
    tier = EmbeddedBackend(base=EmbeddedBase(str(base)))
    other = request_of(asks("ann")[0], version.folder, base="Qwen/Qwen2-7B-Instruct")
    assert "belongs to base model Qwen/Qwen2-7B-Instruct" in tier.refuses(other)
    assert tier.refuses(Request(other.key, "cooperator", other.messages, None))
    assert "belongs to base model" in tier.refuses(request_of(asks("ann")[0], version.folder, base=MODEL_ID))
    settings = InferenceSettings((Tier.EMBEDDED,), embedded_model=str(base))
    async with VLLMClient(settings=settings) as client:
        with pytest.raises(FloorReachedError, match="belongs to base model"):
            await client.generate(other)


async def test_an_adapter_of_the_small_model_is_refused(base: Path) -> None:
    tier = EmbeddedBackend(base=EmbeddedBase(str(base)))
    (found,) = await tier.detect()
    assert found.base_models == (str(base),)
    assert found.adapters == (base.name.lower(),)


async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    tier = EmbeddedBackend(base=EmbeddedBase(str(tmp_path)))
    question = Request(CallKey(0, 0, "ann", Purpose.TALK), tmp_path.name, (ChatMessage("user", "Hi."),), None)
    with pytest.raises(Exception, match=str(tmp_path)):
        await tier.complete(question)
