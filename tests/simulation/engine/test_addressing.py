"""Whom to talk to: a private message is in no prompt and no row of anyone but its sender and its addressee."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.inference.provenance import Provenance, Purpose, Reply, Request, Tier
from agents.language import Language
from agents.problems import InvalidFileError, SocietyError
from agents.prompts import HeardMessage
from agents.strategy import TrainingMode
from simulation import replay_run, write_report
from simulation.engine.environment import MultiModelEnvironment
from simulation.pictures.network import network_of
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.sections.memory import MemoryConfig
from simulation.store.events import DecisionMade, Event, MessageSent
from simulation.tables.run import Run
from simulation.task import TrainingTask
from simulation.topology.communication import Communication
from simulation.treatment import Treatment
from tests.conftest import models

MakePlan = Callable[..., Plan]
CHOSEN = {"addressing": "chosen"}


class Secretive:
    """Players that choose anybody, and say a word that nobody else ever said."""

    def __init__(self, seed: int) -> None:
        self.prompts: list[tuple[str, str]] = []
        self._rng, self._said = random.Random(seed), 0

    async def answer(self, request: Request) -> Reply:
        self.prompts.append((request.key.model_id, "\n".join(part.content for part in request.messages)))
        text = self._rng.choice(request.choices) if request.choices else self._secret()
        return Reply(text, Provenance(Tier.HUMAN, "stub"))

    def _secret(self) -> str:
        self._said += 1
        return f"secret-{self._said}-end"


async def _play(
    seed: int,
    mode: TrainingMode,
    topology: str,
    treatment: Treatment,
    rounds: int,
    players: Secretive | None = None,
) -> tuple[Secretive, list[Event]]:
    events: list[Event] = []
    players = players or Secretive(seed)
    rows = models(5)
    environment = MultiModelEnvironment(
        training_mode=mode,
        seed=seed,
        communication=Communication.model_validate(
            {"topology": topology, "talk_rounds": rounds, "treatment": treatment.value, **CHOSEN}
        ),
        responders={row.model_id: players.answer for row in rows},
        memory=MemoryConfig(window=3),
        on_event=events.append,
    )
    for row in rows:
        environment.add_model(row)
    async with environment:
        await environment.run_task(TrainingTask(task_id="goods", task_type="public_goods", max_steps=3))
    return players, events


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    seed=st.integers(0, 10_000),
    mode=st.sampled_from([TrainingMode.COOPERATIVE, TrainingMode.TEAM_BATTLE, TrainingMode.COMPETITIVE]),
    topology=st.sampled_from(["complete", "ring", "star"]),
    treatment=st.sampled_from([Treatment.DELIVERED, Treatment.SHUFFLED, Treatment.SILENCED]),
    rounds=st.integers(1, 2),
)
def test_private_message_reaches_nobody_else(
    seed: int, mode: TrainingMode, topology: str, treatment: Treatment, rounds: int
) -> None:
    players, events = asyncio.run(_play(seed, mode, topology, treatment, rounds))
    sent = [event for event in events if isinstance(event, MessageSent)]
    assert sent
    for message in sent:
        allowed = {message.sender, *message.addressees}
        assert set(message.audience) <= set(message.addressees)
        assert {model for model, prompt in players.prompts if message.text in prompt} <= allowed
        others = [event for event in events if message.text in repr(event) and event is not message]
        assert {getattr(event, "model_id", "") for event in others if isinstance(event, DecisionMade)} <= allowed


def test_message_to_one_model_is_heard_by_it_alone() -> None:
    players, events = asyncio.run(_play(1, TrainingMode.COOPERATIVE, "complete", Treatment.DELIVERED, 1))
    sent = [event for event in events if isinstance(event, MessageSent)]
    private = [event for event in sent if len(event.addressees) == 1]
    assert private
    assert [event for event in sent if len(event.addressees) == 4]  # everyone was chosen too
    for message in private:
        assert message.audience == message.addressees
        heard = {model for model, prompt in players.prompts if message.text in prompt}
        assert set(message.addressees) <= heard


def test_sender_is_told_who_alone_gets_its_message() -> None:
    players, events = asyncio.run(_play(1, TrainingMode.COOPERATIVE, "complete", Treatment.DELIVERED, 1))
    told = [prompt for _, prompt in players.prompts if "Your message goes to" in prompt]
    private = [event for event in events if isinstance(event, MessageSent) and len(event.addressees) == 1]
    assert len(told) == len(private)


def test_chosen_addressees_are_calls_and_are_replayed(make_plan: MakePlan, runs: Path) -> None:
    run = run_scenario(make_plan(4, mode="cooperative", communication=CHOSEN), out=runs)
    assert set(run.calls["purpose"]) == {Purpose.ADDRESS.value, "talk", "decide"}
    assert {len(addressees) for addressees in run.messages["addressees"]} == {1, 3}
    assert replay_run(run.path, out=runs).log_identical


def test_page_of_a_run_names_only_those_who_heard(make_plan: MakePlan, runs: Path, tmp_path: Path) -> None:
    run = run_scenario(make_plan(4, mode="cooperative", communication=CHOSEN), out=runs)
    heard = run.messages.explode("audience").dropna(subset=["audience"])
    network = network_of(run)
    names = [node.name for node in network.nodes]
    links = {(names[sender], names[hearer]) for sender, hearer in network.links}
    assert links == set(zip(heard["sender"], heard["audience"], strict=True))
    assert write_report([run.path], tmp_path / "report.html").exists()


def test_choice_of_the_only_neighbour_is_not_asked(make_plan: MakePlan, runs: Path) -> None:
    run = run_scenario(make_plan(2, mode="cooperative", communication=CHOSEN), out=runs)
    assert Purpose.ADDRESS.value not in set(run.calls["purpose"])
    assert {len(addressees) for addressees in run.messages["addressees"]} == {1}


@pytest.mark.parametrize("rounds", [1, 2])
def test_muted_model_is_not_asked_whom_to_address(make_plan: MakePlan, runs: Path, rounds: int) -> None:
    run = muted(make_plan, runs, talk_rounds=rounds)
    silent = {(step, purpose) for step, purpose in asked_of(run, "m1") if step > 0}
    assert silent == {(1, "decide"), (2, "decide")}
    assert set(run.messages.query("step > 0")["sender"]) == {"m0", "m2", "m3"}
    assert {Purpose.ADDRESS.value, "talk"} <= {purpose for step, purpose in asked_of(run, "m1") if step == 0}


@pytest.mark.parametrize("rounds", [1, 2])
def test_muted_model_hears_what_is_addressed_to_it(make_plan: MakePlan, runs: Path, rounds: int) -> None:
    run = muted(make_plan, runs, talk_rounds=rounds)
    sent = run.messages[run.messages["step"] > 0]
    to_it = sent[[tuple(addressees) == ("m1",) for addressees in sent["addressees"]]]
    assert len(to_it)
    prompts = run.prompts.query("model_id == 'm1' and purpose == 'decide'").set_index("step")["user"]
    for step, sender, team, text, audience in zip(*(to_it[name] for name in HEARD), strict=True):
        assert tuple(audience) == ("m1",)
        assert HeardMessage(sender, team, text).line(Language.EN) in prompts[step]


HEARD = ("step", "sender", "team_id", "text", "audience")


def muted(make_plan: MakePlan, runs: Path, talk_rounds: int) -> Run:
    """A run in which m1 is muted from step 2 on."""
    task = {"task_id": "goods", "task_type": "public_goods", "max_steps": 3}
    talk = {**CHOSEN, "talk_rounds": talk_rounds}
    events = [{"at": "1.2", "to": "m1", "mute": True}]
    keys = {"tasks": [task], "episodes": 1, "mode": "cooperative", "communication": talk, "events": events}
    return run_scenario(make_plan(4, **keys), out=runs)


def asked_of(run: Run, model_id: str) -> set[tuple[int, str]]:
    """Step and purpose of every call for a model."""
    calls = run.calls[run.calls["model_id"] == model_id]
    return set(zip(calls["step"], calls["purpose"], strict=True))


class Vague(Secretive):
    """Players whose choice of an addressee is none."""

    async def answer(self, request: Request) -> Reply:
        reply = await super().answer(request)
        return Reply("perhaps", reply.provenance) if request.key.purpose is Purpose.ADDRESS else reply


def test_unclear_choice_reaches_nobody() -> None:
    players, events = asyncio.run(
        _play(1, TrainingMode.COOPERATIVE, "complete", Treatment.DELIVERED, 1, players=Vague(1))
    )
    sent = [event for event in events if isinstance(event, MessageSent)]
    assert {event.audience for event in sent} == {()}
    heard = [prompt for _, prompt in players.prompts if "Messages heard" in prompt]
    assert heard == []


def test_replaced_messages_and_chosen_addressees_are_refused() -> None:
    with pytest.raises((SocietyError, InvalidFileError, ValueError), match="private message"):
        Communication.model_validate({"treatment": "replaced", **CHOSEN})
