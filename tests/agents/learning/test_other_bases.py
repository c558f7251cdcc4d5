"""Any base: the embedded tier plays what was trained on a model of the user's own, named by its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agents.inference.backend import Completion, InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.embedded.adapters import EmbeddedBase
from agents.inference.embedded.backend import EmbeddedBackend, load_engine
from agents.inference.embedded.engine import EmbeddedEngine
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.errors import FloorReachedError
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request, Sampling, Tier
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


def engine_of(base: Path) -> EmbeddedEngine:
    return EmbeddedEngine(base, "float32", EmbeddedBase(str(base)))


def question(base: Path, text: str, choices: tuple[str, ...] | None = ("north", "south"), seed: int = 0) -> Request:
    messages = (ChatMessage("user", text),)
    key = CallKey(0, 0, "ann", Purpose.DECIDE if choices else Purpose.TALK)
    warm = Sampling(temperature=1.0, max_tokens=8)
    return Request(key, base.name, messages, None, choices=choices, seed=seed, sampling=warm)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in batches")
def test_choices_are_computed_once_and_alike_in_any_company(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, company = question(base, "Where?"), [question(base, "Where, " + "or " * n + "else?") for n in range(5)]
    (alone,) = engine_of(base).choice_distribution([asked])
    engine = engine_of(base)
    assert engine.choice_distribution([*company, asked])[-1] == alone  # to the last digit
    monkeypatch.setattr(engine.model, "prefill", refused)
    assert engine.choice_distribution([asked]) == [alone]
    with pytest.raises(AssertionError, match="computed again"):
        engine.choice_distribution([question(base, "Where else?")])


def refused(*_arguments: object) -> None:
    raise AssertionError("computed again")


def test_a_prompt_of_texts_is_computed_once_and_stays_as_it_was(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(base)

    def said(seed: int) -> str:
        (reply,) = engine.talk([engine.ready(question(base, "Say where.", None, seed))])
        assert isinstance(reply, Completion)
        return reply.text

    first = [said(seed) for seed in range(4)]
    monkeypatch.setattr(engine.model, "prefill", refused)
    assert [said(seed) for seed in range(4)] == first
    assert len(set(first)) > 1
