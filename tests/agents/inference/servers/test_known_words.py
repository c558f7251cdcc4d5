"""Refusals of servers, in the servers' own words, and what they mean."""

from __future__ import annotations

import time

import pytest

from agents.inference.fault import Fault
from agents.inference.servers.known_words import KNOWN_WORDS, explain

SAID: list[tuple[int, str, str]] = [
    # refusals that name the model and are no unknown adapter
    (400, "Unknown parameter: 'structured_outputs'.. Received Model Group=bargainer", "constraint_refused"),
    (400, "Model bargainer does not have a chat template", "no_chat_template"),
    # vLLM
    (404, "The model `bargainer` does not exist.", "adapter_unknown"),
    (500, "Loading lora bargainer failed: No adapter found for /data/bargainer", "adapter_files"),
    (500, "Call to add_lora method failed: LoRA rank 24 is greater than max_lora_rank 16.", "adapter_rank"),
    (500, "Call to add_lora method failed: size mismatch for lora_A", "adapter_base"),
    (400, "vLLM does not yet support DoRA: it is not supported", "adapter_kind"),
    (400, "vLLM only supports modules_to_save being None.", "adapter_kind"),
    (
        400,
        "expected target modules in ['q_proj'] but received ['wte']. Please verify that the loaded LoRA is right",
        "adapter_kind",
    ),
    (
        400,
        "This model's maximum context length is 2048 tokens. However, you requested 3000 tokens.",
        "context_length",
    ),
    (400, "The decoder prompt (length 900) is longer than the maximum model length of 512.", "context_length"),
    (400, "System role not supported", "system_role"),
    (
        400,
        "Only user and assistant roles are supported!",
        "system_role",
    ),
    (400, "After the optional system message, conversation roles must alternate user/assistant/...", "roles_alternate"),
    (
        400,
        "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template",
        "no_chat_template",
    ),
    (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', "tools_refused"),
    (
        400,
        "logprobs is not supported by this model",
        "logprobs_refused",
    ),
    (500, "EngineCore encountered an issue. See stack trace (above) for the root cause.", "engine_dead"),
    (500, "CUDA out of memory. Tried to allocate 2.00 GiB", "out_of_memory"),
    # SGLang
    (400, "The following requested LoRA adapters are not loaded: ['bargainer']", "adapter_unknown"),
    (
        400,
        "The following requested LoRA adapters are not loaded: bargainer\nLoaded: ['x'].",
        "adapter_unknown",
    ),
    (400, "Got LoRA adapter that has never been loaded: bargainer", "adapter_unknown"),
    (400, "LoRA adapter 'bargainer' was requested, but LoRA is not enabled", "lora_off"),
    (
        400,
        "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
        "context_length",
    ),
    # llama.cpp
    (503, "Loading model", "loading"),
    (400, "the request exceeds the available context size, try increasing it", "context_length"),
    (500, "tools param requires --jinja flag", "tools_refused"),
    (400, "Failed to parse grammar", "constraint_refused"),
    (500, "Jinja Exception: something went wrong at row 3", "template_error"),
    (500, "Jinja Exception: Conversation roles must alternate user/assistant/user", "roles_alternate"),
    (503, "no slot available", "busy"),
    # Ollama and LM Studio
    (404, 'model "bargainer" not found, try pulling it first', "adapter_unknown"),
    (400, "registry.ollama.ai/library/gemma:2b does not support tools", "tools_refused"),
    (503, "server busy, please try again.  maximum pending requests exceeded", "busy"),
    (404, "No models loaded. Please load a model in the developer page.", "adapter_unknown"),
    # TGI and hosted endpoints
    (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 1400", "context_length"),
    (503, "Model acme/chat is currently loading", "loading"),
    (429, "Model is overloaded", "busy"),
    # LiteLLM and OpenAI
    (
        400,
        "/chat/completions: Invalid model name passed in model=bargainer. Call `/v1/models` to view available models",
        "adapter_unknown",
    ),
    (400, "litellm.UnsupportedParamsError: openai does not support parameters: ['user']", "unknown_field"),
    (400, "litellm.UnsupportedParamsError: acme does not support parameters: ['seed'], for model=x", "seed_refused"),
    (404, "The model `bargainer` does not exist or you do not have access to it.", "adapter_unknown"),
    (400, "Unsupported parameter: 'max_completion_tokens'", "max_completion_refused"),
    (
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "max_tokens_refused",
    ),
    (400, "Unsupported value: 'temperature' does not support 0.7 with this model.", "sampling_refused"),
    (400, "`seed` is not supported with this model.", "seed_refused"),
    (400, "Unrecognized request argument supplied: structured_outputs", "constraint_refused"),
    (400, "Unrecognized request argument supplied: chat_template_kwargs", "unknown_field"),
    (
        422,
        "[{'type': 'extra_forbidden', 'loc': ['body', 'guided_choice'], 'msg': 'Extra inputs are not permitted'}]",
        "constraint_refused",
    ),
    (
        422,
        "[{'loc': ['body', 'add_bos'], 'msg': 'Extra inputs are not permitted'}]",
        "unknown_field",
    ),
    (401, "Incorrect API key provided: sk-no", "key"),
    (429, "You exceeded your current quota, please check your plan (insufficient_quota)", "quota"),
    (502, "Bad Gateway", "upstream"),
]


@pytest.mark.parametrize(("status", "message", "key"), SAID)
def test_explain_knows_the_words_of_servers(status: int, message: str, key: str) -> None:
    found = explain(status, message, "bargainer")
    assert found is not None
    assert found.key == key
    assert found.cause
    assert found.fix
    assert "{" not in str(found)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, "out of blocks"),
        (500, "Internal Server Error"),
        (404, "404 page not found"),
        (404, "Not Found"),
        (404, "The model `other` does not exist."),
        (500, "the model said something"),
        (400, "bad request"),
    ],
)
def test_explain_does_not_guess(status: int, message: str) -> None:
    assert explain(status, message, "bargainer") is None


def test_a_name_within_another_name_is_not_the_adapter() -> None:
    assert explain(404, "The model `bargainer-2` does not exist.", "bargainer") is None


@pytest.mark.parametrize("word", ["model ", "rank 1 exceeds ", "seed", "lora loading ", "prompt", "server "])
def test_explain_is_quick_on_a_hostile_message(word: str) -> None:
    began = time.process_time()
    explain(500, word * 10**6, "bargainer")
    assert time.process_time() - began < 0.5


def test_a_rank_is_explained_with_its_numbers() -> None:
    found = explain(500, "LoRA rank 24 is greater than max_lora_rank 16.", "bargainer")
    assert found is not None
    assert "rank 24" in found.cause
    assert "16 at most" in found.cause
    assert "--max-lora-rank 32" in found.fix


def test_a_refused_field_is_named() -> None:
    found = explain(400, "Unrecognized request argument supplied: guided_choice")
    assert found is not None
    assert "guided_choice" in found.cause


def test_loading_and_busy_are_not_lasting_and_every_request_fault_is() -> None:
    lasting = {each.key: each.lasting for each in KNOWN_WORDS}
    assert not lasting["loading"]
    assert not lasting["busy"]
    assert all(each.lasting for each in KNOWN_WORDS if each.fault is Fault.REQUEST)
