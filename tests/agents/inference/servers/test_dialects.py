"""Dialects: which constraint a server obeys, what it refuses, and that calls of both server tiers follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.inference.provenance import CallKey, ChatMessage, Purpose, Reply, Tier
from agents.inference.servers.dialects import FREE, Dialect, constraints_of, kind_of
from agents.inference.servers.dialects.constraints import CONSTRAINTS, RESPONSE_FORMAT, Constraint
from agents.inference.servers.proof import EndpointProbe
from agents.inference.servers.served_model import ServedModel
from agents.inference.servers.wire import chat_body, chat_messages
from tests.agents.inference.conftest import make_request
from tests.agents.inference.servers.test_probing import LISTED, NEEDED, TIERS, client_at
from tests.support.odd_server import OddServer, constrained

DECIDE = CallKey(episode=0, step=0, model_id="m", purpose=Purpose.DECIDE)
CHOICES = ("stay (at home)", 'say "go"')


async def decided(server: OddServer, tier: Tier) -> tuple[EndpointProbe, Reply, dict[str, Any]]:
    """Probe a server, then let a model decide; what was found, the reply, and the body of the call."""
    async with client_at(server.url, tier=tier) as (client, _):
        [probe] = await client.probe(NEEDED)
        reply = await client.generate(make_request("ann", key=DECIDE, choices=CHOICES, seed=3))
    return probe, reply, server.bodies[-1]


@TIERS
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda each: each.name)
async def test_the_constraint_that_is_obeyed_is_used(constraint: Constraint, tier: Tier) -> None:
    """Every other field is accepted with 200 and ignored."""
    async with OddServer(LISTED, obeys=[constraint.name]) as server:
        probe, reply, body = await decided(server, tier)
    assert probe.dialect.constraint is constraint
    assert constrained(body) == (constraint.name, list(CHOICES))
    assert (reply.text, reply.provenance.tier) == (CHOICES[0], tier)


@TIERS
async def test_a_server_that_obeys_none_answers_freely(tier: Tier) -> None:
    async with OddServer(LISTED) as server:
        probe, reply, body = await decided(server, tier)
    assert probe.dialect.constraint is FREE
    assert (constrained(body), reply.text) == (None, "I am ann")
    assert any("obeys no constraint" in text for text in probe.warnings())


async def test_a_constraint_obeyed_once_is_not_obeyed() -> None:
    """The stub's first answer is a choice by chance."""
    async with OddServer(LISTED, lambda _model, prompt: "violet 71" if "hello" in prompt else "Paris") as server:
        probe, _, _ = await decided(server, Tier.HTTP)
    assert probe.dialect.constraint is FREE


def of_system(body: dict[str, Any]) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


REFUSALS: list[tuple[str, Callable[[dict[str, Any]], object], dict[str, Any]]] = [
    ("System role not supported", of_system, {"system": False}),
    ("`seed` is not supported", lambda body: "seed" in body, {"seed": False}),
    ("logprobs are not available", lambda body: "logprobs" in body, {"odds": False}),
    (
        "Unsupported parameter: 'max_tokens'",
        lambda body: "max_tokens" in body,
        {"tokens_field": "max_completion_tokens"},
    ),
    ("Unsupported: 'max_completion_tokens'", lambda body: "max_completion_tokens" in body, {}),
    ("both", lambda body: "seed" in body or of_system(body), {"seed": False, "system": False}),
    ("structured_outputs: extra", lambda body: "structured_outputs" in body, {"constraint": RESPONSE_FORMAT}),
]


@TIERS
@pytest.mark.parametrize(("words", "refused", "found"), REFUSALS, ids=[words for words, *_ in REFUSALS])
async def test_what_a_server_refuses_is_left_out(
    words: str, refused: Callable[[dict[str, Any]], object], found: dict[str, Any], tier: Tier
) -> None:
    obeys = ["structured_outputs", "response_format"]
    async with OddServer(LISTED, obeys=obeys, refuses=[(refused, words)]) as server:
        probe, reply, body = await decided(server, tier)
    assert probe.dialect == Dialect(**({"kind": "openai", "probed": True} | found))
    assert not refused(body)
    assert (reply.text, reply.provenance.tier) == (CHOICES[0], tier)
    if not found.get("system", True):
        assert [message["role"] for message in body["messages"]] == ["user"]
        assert body["messages"][0]["content"] == "You play.\n\nSpeak."


async def test_a_server_that_refuses_everything_is_reported_with_its_words() -> None:
    server = OddServer(LISTED, refuses=[(lambda _: True, "you must provide a chat template")])
    async with server, client_at(server.url) as (client, _):
        [probe] = await client.probe(NEEDED)
    assert "you must provide a chat template" in probe.error
    assert any("could not be probed" in text for text in probe.warnings())


@pytest.mark.parametrize("calls", [True, False])
async def test_tool_calls_are_asked_for_where_acts_need_them(calls: bool) -> None:
    async with OddServer(LISTED, tools=calls) as server, client_at(server.url) as (client, _):
        [probe] = await client.probe(NEEDED, tools=True)
        [without] = await client.probe(NEEDED)
    assert (probe.dialect.tools, without.dialect.tools) == (calls, None)
    assert any("without a tool call" in text for text in probe.warnings()) is not calls


@pytest.mark.parametrize(
    ("owner", "version", "kind", "first"),
    [
        ("vllm", None, "vllm", "structured_outputs"),
        (None, "0.32.0", "vllm", "structured_outputs"),
        ("sglang", None, "sglang", "regex"),
        ("llamacpp", None, "llama.cpp", "grammar"),
        ("library", None, "ollama", "response_format"),
        ("organization_owner", None, "lm_studio", "response_format"),
        ("huggingface", None, "tgi", "tgi_regex"),
        ("openai", None, "openai", "structured_outputs"),
        (None, None, "openai", "structured_outputs"),
    ],
)
def test_kinds_are_known_by_owner_and_version(owner: str | None, version: str | None, kind: str, first: str) -> None:
    found = kind_of([ServedModel("a", owned_by=owner)], version)
    assert (found.name, constraints_of(found)[0].name) == (kind, first)
    assert set(constraints_of(found)) == set(CONSTRAINTS)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"choice": "go"}', "go"),
        ('{"anything": "go"}', "go"),
        ('"go"', "go"),
        ("go", "go"),
        ('{"choice": "no"}', '{"choice": "no"}'),
        ('{"a": "go", "b": "stay"}', '{"a": "go", "b": "stay"}'),
        ("[1", "[1"),
        ("7", "7"),
    ],
)
def test_json_choices_are_read_and_nothing_else(text: str, read: str) -> None:
    assert RESPONSE_FORMAT.read(text, ("go", "stay")) == read


def test_system_text_begins_the_first_user_message() -> None:
    plain = Dialect(system=False)
    request = make_request(
        messages=(ChatMessage("system", "a"), ChatMessage("assistant", "b"), ChatMessage("user", "c"))
    )
    assert [(m["role"], m["content"]) for m in chat_messages(request, plain)] == [
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]
    assert chat_messages(make_request(messages=(ChatMessage("user", "c"),)), plain) == [
        {"role": "user", "content": "c"}
    ]


def test_the_default_dialect_is_todays_request() -> None:
    body = chat_body(make_request("ann", key=DECIDE, choices=("a", "b"), seed=1))
    assert body["structured_outputs"] == {"choice": ["a", "b"]}
    assert {"max_tokens", "seed", "logprobs"} <= set(body)
