"""The probability of a choice, from the log probabilities that a server sends with its tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.backend import InferenceSettings, Route
from agents.inference.errors import PermanentError
from agents.inference.provenance import CallKey, Purpose, Request
from agents.inference.servers.camel import CamelBackend
from agents.inference.servers.choice_odds import choice_probability, choice_shares
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.http import HTTPBackend
from agents.inference.servers.server import ServerBackend
from agents.inference.servers.slots import Slots
from tests.agents.inference.conftest import make_request
from tests.support.replies import choice_logprobs
from tests.support.scripted_vllm import ScriptedVLLM

ODDS = {"offer 1": 0.2, "offer 2": 0.5, "keep": 0.3}
BACKENDS = pytest.mark.parametrize("kind", [HTTPBackend, CamelBackend])


def row(token: str, listed: Mapping[str, float]) -> dict[str, Any]:
    """One place of a reply, as a server sends it; `listed` has probabilities."""
    entries = {each: {"token": each, "logprob": math.log(chance), "bytes": None} for each, chance in listed.items()}
    return {**entries[token], "top_logprobs": list(entries.values())}


def found(picked: str, choices: Sequence[str], *rows: dict[str, Any]) -> float | None:
    return choice_probability(picked, choices, {"content": list(rows)})


def test_share_is_among_the_tokens_that_lead_to_a_choice() -> None:
    place = row("give", {"give": 0.2, "The": 0.7, "keep": 0.1})
    assert found("give", ("give", "keep"), place) == pytest.approx(2 / 3)


def test_tokens_after_the_choice_is_certain_do_not_count() -> None:
    rows = row("co", {"co": 0.2, "def": 0.6}), row("operate", {"operate": 0.1, "x": 0.9})
    assert found("cooperate", ("cooperate", "defect"), *rows) == pytest.approx(0.25)


def test_other_spellings_of_a_choice_count_for_it() -> None:
    place = row("co", {"co": 0.2, "cooperate": 0.1, "c": 0.1, "def": 0.4})
    assert found("cooperate", ("cooperate", "defect"), place) == pytest.approx(0.5)


def test_choice_that_begins_another_ends_by_its_end_token() -> None:
    one, end = row("1", {"1": 0.6, "2": 0.3}), row("<end>", {"<end>": 0.2, "0": 0.6})
    assert found("1", ("1", "10", "2"), one, end) == pytest.approx(2 / 3 * 0.25)
    assert found("10", ("1", "10", "2"), one, row("0", {"<end>": 0.2, "0": 0.6})) is None  # which is the end?


def test_part_of_a_character_is_read_by_its_bytes() -> None:
    whole = "合".encode()
    first = {"token": "\ufffd", "logprob": math.log(0.3), "bytes": list(whole[:2])}
    other = {"token": "背", "logprob": math.log(0.1), "bytes": list("背".encode())}
    place = {**first, "top_logprobs": [first, other]}
    assert found("合作", ("合作", "背叛"), place) == pytest.approx(0.75)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{"token": "give"}]},
        {"content": [{"token": "give", "logprob": "x", "top_logprobs": []}]},
        {"content": [{"token": "give", "logprob": math.nan, "top_logprobs": []}]},
        {"content": [{"token": "give", "logprob": 0.5, "top_logprobs": []}]},
        {"content": [row("give", {"give": 0.2, "The": 0.7})]},  # nothing leads to `keep`
        {"content": [{**row("give", {"give": 0.2, "keep": 0.7}), "top_logprobs": [7]}]},
        {"content": [row("The", {"give": 0.2, "keep": 0.2, "The": 0.5})]},
        "tokens",
        [1],
    ],
)
def test_too_little_gives_no_probability(logprobs: Any) -> None:
    assert choice_probability("give", ("give", "keep"), logprobs) is None


def test_reply_that_is_no_choice_has_no_probability() -> None:
    assert found("Give!", ("give", "keep"), row("give", {"give": 0.2, "keep": 0.1})) is None


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
def test_probabilities_of_all_choices_sum_to_1(weights: list[float]) -> None:
    odds = {name: w / sum(weights) for name, w in zip(("offer 1", "offer 2", "offer", "keep"), weights, strict=True)}
    parts = [choice_probability(name, list(odds), choice_logprobs(name, odds, 20)) for name in ("keep", "offer")]
    assert parts == pytest.approx([odds["keep"], odds["offer"]])
    three = {name: weights[i] / sum(weights[:3]) for i, name in enumerate(("offer 1", "offer 2", "keep"))}
    whole = [choice_probability(name, list(three), choice_logprobs(name, three, 20)) for name in three]
    assert whole == pytest.approx(list(three.values()))


# -- through a server -------------------------------------------------------------------------------------


def backend_for(kind: type[ServerBackend], url: str) -> ServerBackend:
    return kind(Slots(EndpointRegistry([url], InferenceSettings(timeout=5.0))))


def decision(choices: tuple[str, ...] = tuple(ODDS), purpose: Purpose = Purpose.DECIDE) -> Request:
    return make_request(key=CallKey(0, 1, "m1", purpose), choices=choices)


@BACKENDS
async def test_decision_has_the_probability_of_its_choice(kind: type[ServerBackend], stub: ScriptedVLLM) -> None:
    stub.odds, backend = ODDS, backend_for(kind, stub.url)
    completion = await backend.complete(decision(), Route())
    assert (completion.text, completion.choice_probability) == ("offer 1", pytest.approx(0.2))
    assert (stub.bodies[0]["logprobs"], stub.bodies[0]["top_logprobs"]) == (True, 20)
    await backend.aclose()


@BACKENDS
async def test_only_decisions_ask_for_probabilities(kind: type[ServerBackend], stub: ScriptedVLLM) -> None:
    backend = backend_for(kind, stub.url)
    for request in (make_request(), decision(purpose=Purpose.TALK)):
        assert (await backend.complete(request, Route())).choice_probability is None
    assert not any("logprobs" in body or "top_logprobs" in body for body in stub.bodies)
    await backend.aclose()


@BACKENDS
async def test_server_that_refuses_is_asked_without_from_then_on(kind: type[ServerBackend]) -> None:
    async with ScriptedVLLM(max_logprobs=5) as server:
        server.odds, backend = ODDS, backend_for(kind, server.url)
        replies = [await backend.complete(decision(), Route()) for _ in range(3)]
        assert [(reply.text, reply.choice_probability) for reply in replies] == [("offer 1", None)] * 3
        assert ["logprobs" in body for body in server.bodies] == [True, False, False, False]
        await backend.aclose()


@BACKENDS
async def test_other_refusals_are_not_asked_again(kind: type[ServerBackend]) -> None:
    async with ScriptedVLLM(max_model_len=8) as server:
        backend = backend_for(kind, server.url)
        with pytest.raises(PermanentError, match="max_model_len"):
            await backend.complete(decision(), Route())
        assert len(server.bodies) == 1
        await backend.aclose()


def test_shares_of_all_choices_add_up() -> None:
    place = row("2", {"1": 0.1, "2": 0.3, "3": 0.4, "The": 0.2})
    assert choice_shares("2", ("1", "2", "3"), {"content": [place]}) == pytest.approx((0.125, 0.375, 0.5))


def test_shares_follow_the_reply_to_its_end() -> None:
    one, end = row("1", {"1": 0.6, "2": 0.3}), row("<end>", {"<end>": 0.2, "0": 0.6})
    assert choice_shares("1", ("1", "10", "2"), {"content": [one, end]}) == pytest.approx((1 / 6, 0.5, 1 / 3))


def test_shares_are_unknown_where_others_share_a_beginning() -> None:
    place = row("2", {"1": 0.6, "2": 0.3})
    assert choice_shares("2", ("1", "10", "2"), {"content": [place]}) == ()
    assert choice_shares("2", ("1", "2", "3"), {"content": [place]}) == ()  # 3 is not listed
    assert choice_shares("4", ("1", "2"), {"content": [place]}) == ()
