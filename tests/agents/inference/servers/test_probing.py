"""Probing servers that are not what they say: proofs of adapters, and the base in their company."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.canary import CanaryReply, differ
from agents.inference.client import VLLMClient
from agents.inference.provenance import CallRecord, Tier
from agents.inference.servers.proof import (
    Company,
    EndpointProbe,
    NeededModel,
    Proof,
    UnprovedError,
    refuse_unproved,
    stored_warnings,
)
from tests.agents.inference.conftest import make_request
from tests.support.odd_server import OddServer
from tests.support.scripted_vllm import ScriptedVLLM

BASE, ANN, BO = "base", "ann", "bo"
LISTED: list[dict[str, Any]] = [{"id": BASE}, {"id": ANN, "parent": BASE}, {"id": BO, "parent": BASE}]
NAMES = (BASE, ANN, BO)
NEEDED = (NeededModel(ANN, BASE), NeededModel(BO, BASE))
TIERS = pytest.mark.parametrize("tier", [Tier.CAMEL, Tier.HTTP])


@asynccontextmanager
async def client_at(
    *endpoints: str | EndpointSettings, tier: Tier = Tier.HTTP
) -> AsyncIterator[tuple[VLLMClient, list[CallRecord]]]:
    records: list[CallRecord] = []
    settings = InferenceSettings(tiers=(tier, Tier.SIMULATED), timeout=5, retries=2)
    async with VLLMClient(endpoints=endpoints, settings=settings, on_call=records.append) as client:
        await client.detect()
        yield client, records


async def probed(
    server: OddServer | ScriptedVLLM, needed: Sequence[NeededModel] = NEEDED, **changes: Any
) -> EndpointProbe:
    async with client_at(EndpointSettings(server.url, **changes)) as (client, _):
        [probe] = await client.probe(needed)
    return probe


def proofs(probe: EndpointProbe) -> dict[str, Proof]:
    return {each.adapter: each.proof for each in probe.adapters}


class TestProofs:
    async def test_adapters_with_replies_of_their_own_are_proved(self) -> None:
        async with OddServer(LISTED, obeys=["structured_outputs"]) as server:
            probe = await probed(server)
        assert proofs(probe) == {ANN: Proof.CANARY, BO: Proof.CANARY}
        assert (probe.checks_names, list(probe.warnings())) == (False, [])

    async def test_the_base_under_every_name_is_unmasked(self) -> None:
        async with OddServer(LISTED, lambda _model, prompt: f"base on {prompt}") as server:
            probe = await probed(server)
        assert proofs(probe) == {ANN: Proof.BASE, BO: Proof.BASE}
        assert "adapters 'ann', 'bo' answer every prompt as the base model 'base' does" in probe.masked
        assert stored_warnings({probe.url: probe.record()}) == list(probe.warnings())
        with pytest.raises(UnprovedError, match="answer every prompt as the base model"):
            refuse_unproved([probe])

    async def test_one_masked_adapter_is_told_from_its_healthy_neighbour(self) -> None:
        async with OddServer(LISTED, lambda model, _prompt: BASE if model == ANN else model, knows=NAMES) as server:
            probe = await probed(server)
        assert (proofs(probe), probe.checks_names) == ({ANN: Proof.BASE, BO: Proof.CANARY}, True)

    async def test_a_difference_on_the_last_prompt_is_enough(self) -> None:
        async with OddServer(LISTED, lambda model, prompt: model if "harbour" in prompt else "") as server:
            assert set(proofs(await probed(server)).values()) == {Proof.CANARY}

    @pytest.mark.parametrize("period", [2, 3, 6])
    async def test_replies_in_turn_prove_nothing(self, period: int) -> None:
        """A server that never repeats itself would look as if its models differed."""
        numbers = count()
        async with OddServer(LISTED, lambda _model, _prompt: f"reply {next(numbers) % period}") as server:
            assert set(proofs(await probed(server)).values()) == {Proof.NOTHING}

    async def test_equal_texts_of_other_probabilities_are_two_models(self) -> None:
        chance = {BASE: -0.5, ANN: -0.9, BO: -0.51}
        async with OddServer(LISTED, lambda *_: "a b", knows=NAMES, logprobs=chance.__getitem__) as server:
            assert proofs(await probed(server)) == {ANN: Proof.CANARY, BO: Proof.BASE}

    async def test_without_a_base_the_list_counts_only_if_names_are_checked(self) -> None:
        alone = [{"id": ANN, "parent": "elsewhere"}, {"id": BO, "parent": "elsewhere"}]
        async with OddServer(alone, knows=(ANN, BO)) as strict, OddServer(alone, lambda *_: "one voice") as loose:
            assert set(proofs(await probed(strict)).values()) == {Proof.LISTED}
            assert set(proofs(await probed(loose)).values()) == {Proof.BASE}

    async def test_an_adapter_that_does_not_answer_is_not_proved(self) -> None:
        refuses = [(lambda body: body["model"] == ANN, "rank 64 is greater than max_lora_rank 16")]
        async with OddServer(LISTED, refuses=refuses) as server:
            probe = await probed(server)
        assert proofs(probe) == {ANN: Proof.NOTHING, BO: Proof.CANARY}
        assert any("rank 64" in text for text in probe.warnings())

    async def test_a_server_that_stops_is_a_finding_and_no_error(self) -> None:
        async with OddServer(LISTED) as server, client_at(server.url) as (client, _):
            await server.stop()
            [probe] = await client.probe(NEEDED)
        assert "failed" in probe.error
        assert set(proofs(probe).values()) == {Proof.NOTHING}

    async def test_a_healthy_server_takes_two_rounds(self) -> None:
        server = OddServer(LISTED, obeys=["structured_outputs"], knows=NAMES, delay=0.3)
        async with server, client_at(server.url) as (client, _):
            [probe] = await client.probe([NeededModel(BASE, BASE), *NEEDED])
        assert server.rounds == 2
        assert probe.calls == len(server.bodies) <= 20


class TestNames:
    @TIERS
    async def test_the_form_with_base_is_asked_where_the_plain_name_is_the_base(self, tier: Tier) -> None:
        """As SGLang does."""

        def speaks(model: str, _prompt: str) -> str:
            return model if ":" in model else BASE

        async with OddServer(LISTED, speaks) as server, client_at(server.url, tier=tier) as (client, _):
            [probe] = await client.probe(NEEDED)
            reply = await client.generate(make_request(ANN))
        assert proofs(probe) == {ANN: Proof.CANARY, BO: Proof.CANARY}
        assert (reply.text, reply.provenance.adapter) == ("base:ann", ANN)

    @TIERS
    async def test_latest_may_be_left_out(self, tier: Tier) -> None:
        listed = [f"{ANN}:latest", f"{BO}:latest", "qwen2.5:7b"]
        server = OddServer(listed, owned_by="library", knows=listed)
        async with server, client_at(server.url, tier=tier) as (client, _):
            client.check_adapters([ANN, BO])
            [probe] = await client.probe([NeededModel(ANN, "Qwen/Qwen2.5-7B"), NeededModel(BO)])
            reply = await client.generate(make_request(ANN))
        assert proofs(probe) == {ANN: Proof.CANARY, BO: Proof.LISTED}
        assert (probe.dialect.kind, reply.text) == ("ollama", f"I am {ANN}:latest")

    @TIERS
    async def test_names_map_what_is_asked_and_what_replies_say(self, tier: Tier) -> None:
        def renamed(model: str) -> str:
            return f"hosted/{model}"

        async with OddServer(["n-3", BASE], replies_as=renamed, knows=("n-3", BASE)) as server:
            endpoint = EndpointSettings(server.url, names={ANN: "n-3"}, reply_names={ANN: "hosted/n-3"})
            async with client_at(endpoint, tier=tier) as (client, _):
                client.check_adapters([ANN])
                await client.probe([NeededModel(ANN)])
                reply = await client.generate(make_request(ANN))
        assert (reply.text, reply.provenance.tier) == ("I am n-3", tier)

    @TIERS
    async def test_a_reply_of_another_name_stops_calls_at_once(self, tier: Tier) -> None:
        server = OddServer(LISTED, replies_as=lambda _: BASE)
        async with server, client_at(server.url, tier=tier) as (client, records):
            await client.probe(NEEDED)
            asked = len(server.bodies)
            reply = await client.generate(make_request(ANN))
            assert (len(server.bodies), reply.provenance.tier) == (asked, Tier.SIMULATED)
            assert [record.tier for record in records] == [Tier.SIMULATED]
            [probe] = await client.probe(NEEDED)
        assert "reply_names: {ann: base, bo: base}" in probe.refused[ANN]
        with pytest.raises(UnprovedError, match="reply_names"):
            refuse_unproved([probe])

    @TIERS
    async def test_without_a_probe_another_name_is_not_asked_for_twice(self, tier: Tier) -> None:
        async with (
            OddServer(LISTED, replies_as=lambda _: BASE) as server,
            client_at(server.url, tier=tier) as (client, r),
        ):
            await client.generate(make_request(ANN))
        assert len(server.bodies) == 1
        assert "reply_names: {ann: base}" in r[0].error


class TestCompany:
    needed = (NeededModel(BASE, BASE), *NEEDED)

    async def test_a_base_that_adapters_change_is_not_asked(self, caplog: pytest.LogCaptureFixture) -> None:
        server = OddServer(LISTED, beside="an adapter's words", knows=NAMES, delay=0.1)
        async with server, client_at(server.url) as (client, _):
            [probe] = await client.probe(self.needed)
            asked = len(server.bodies)
            base, ann = await client.generate(make_request(BASE)), await client.generate(make_request(ANN))
        assert probe.company is Company.CHANGED
        assert (base.provenance.tier, ann.provenance.tier, len(server.bodies)) == (Tier.SIMULATED, Tier.HTTP, asked + 1)
        assert "is not asked for the base" in caplog.text
        with pytest.raises(UnprovedError, match="--max-loras one above"):
            refuse_unproved([probe])

    async def test_a_base_that_stays_is_asked(self) -> None:
        async with OddServer(LISTED, knows=NAMES, delay=0.1) as server, client_at(server.url) as (client, _):
            [probe] = await client.probe(self.needed)
            reply = await client.generate(make_request(BASE))
        assert (probe.company, probe.refused, reply.text) == (Company.UNCHANGED, {}, "I am base")

    async def test_a_roster_without_a_base_row_does_not_care(self) -> None:
        async with OddServer(LISTED, beside="an adapter's words", knows=NAMES, delay=0.1) as server:
            assert (await probed(server)).company is Company.NOT_ASKED

    async def test_another_server_takes_the_base(self) -> None:
        mixing = OddServer(LISTED, beside="an adapter's words", knows=NAMES, delay=0.1)
        async with mixing, OddServer([BASE], knows=[BASE]) as plain, client_at(mixing.url, plain.url) as (client, _):
            await client.probe(self.needed)
            replies = [await client.generate(make_request(BASE, seed=number)) for number in range(4)]
        assert {reply.provenance.endpoint for reply in replies} == {plain.url}


async def test_probing_vllm_finds_what_it_was_before(stub: ScriptedVLLM) -> None:
    probe = await probed(stub, [NeededModel("cooperator", "base"), NeededModel("defector", "base")])
    assert set(proofs(probe).values()) == {Proof.CANARY}
    assert (probe.dialect.kind, probe.dialect.constraint.name, probe.checks_names) == (
        "vllm",
        "structured_outputs",
        True,
    )
    assert stub.bodies == []


class TestPatience:
    """A server that is busy or loads its model is asked again, and its dialect found."""

    @pytest.mark.parametrize("said", ["Loading model", "too many requests"])
    async def test_a_server_that_is_not_ready_is_asked_again(self, said: str) -> None:
        left = [3]

        def refused(_body: object) -> bool:
            left[0] -= 1
            return left[0] >= 0

        server = OddServer(LISTED, obeys=["guided_choice"], knows=NAMES, refuses=[(refused, said)], refusal=503)
        async with server:
            probe = await probed(server)
        assert (probe.error, probe.dialect.constraint.name) == ("", "guided_choice")
        assert proofs(probe) == {ANN: Proof.CANARY, BO: Proof.CANARY}

    async def test_the_dialect_is_that_of_the_next_adapter_where_one_is_refused(self) -> None:
        refuses = [(lambda body: body["model"] == ANN, "LoRA rank 64 is greater than max_lora_rank 16")]
        async with OddServer(LISTED, obeys=["guided_choice"], knows=NAMES, refuses=refuses) as server:
            assert (await probed(server)).dialect.constraint.name == "guided_choice"


def test_two_confident_replies_that_differ_are_of_two_models() -> None:
    one, other = CanaryReply("I", (("I", -0.02),)), CanaryReply("Coop", (("Coop", -0.01),))
    tie, twin = CanaryReply("I", (("I", -0.69),)), CanaryReply("Coop", (("Coop", -0.70),))
    assert differ((one, one), (other, other))
    assert not differ((tie, tie), (twin, twin))
