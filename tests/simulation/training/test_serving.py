"""Versions at servers: loaded everywhere, checked before an episode is played, unloaded when nothing needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agents.inference.provenance import ChatMessage
from agents.inference.vllm.lifecycle import LifecycleError
from agents.learning.adapters import AdapterStart
from agents.learning.canary import LIMIT, CanaryError
from agents.learning.samples import LossWeights, Prompt, Sample, Version
from agents.learning.trainer import LoRATrainer
from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.training.lesson import UpdateContext
from simulation.training.rollout import ROLLOUTS, play_update
from simulation.training.run import VERSIONS, config_of
from simulation.training.serving import serve_versions, servers_of
from tests.integration.vllm.tiny_model import tiny_model
from tests.support.in_thread import in_thread
from tests.support.peer_scores import peer_scores
from tests.support.scripted_vllm import Scores, ScriptedVLLM

LEARNERS = ("ann", "bo")
ASKED = ("Cooperate or defect?", "They cooperated. Your move?", "They defected. Your move?")
PROMPTS = tuple(
    Prompt(learner, (ChatMessage("user", text),), ("cooperate", "defect")) for learner in LEARNERS for text in ASKED
)
MakePlan = Callable[..., Plan]


class IgnoresLoads(ScriptedVLLM):
    """Says that it loaded, and answers with the learner's version before."""

    def folder_of(self, name: str) -> str | None:
        learner = name.rpartition("-")[0]
        return next((self.roots[each] for each in self.loads if each.startswith(learner)), None)


class ServesTheBase(ScriptedVLLM):
    """Answers with the base under every name."""

    def folder_of(self, name: str) -> str | None:
        return None


class ForgetsQuietly(ScriptedVLLM):
    """Still lists after a restart what it had, without the weights."""

    restarted = False

    def folder_of(self, name: str) -> str | None:
        return None if self.restarted else super().folder_of(name)


@dataclass
class Lessons:
    """A trainer of two learners, and the context of its next update."""

    plan: Plan
    folder: Path
    trainer: LoRATrainer
    versions: dict[str, Version] = field(default_factory=dict)
    update: int = 0

    def learn(self) -> dict[str, Version]:
        """Make new versions; the first ones are the base."""
        if self.update:
            self.trainer.forward_backward([Sample(each, values=(1.0, 0.0)) for each in PROMPTS], LossWeights())
        for learner in LEARNERS:
            self.trainer.optim_step(learner)
            self.versions[learner] = self.trainer.save_weights(learner, self.folder / VERSIONS)
        self.update += 1
        return dict(self.versions)

    @property
    def context(self) -> UpdateContext:
        return UpdateContext(self.plan, config_of(self.plan), self.folder, self.update, self.trainer, self.versions)

    def serve(self) -> dict[tuple[str, str], float]:
        """Serve the versions; return the distances by version and server."""
        return {(each.version, each.url): each.distance for each in serve_versions(self.context, PROMPTS)}


@pytest.fixture
def served_plan(training_plan: MakePlan) -> MakePlan:
    """Make the plan of two learners with a model that servers answer for."""

    def make(*servers: ScriptedVLLM | str, tiers: tuple[str, ...] = ("http",), **row: Any) -> Plan:
        rows = tuple(ModelConfig(model_id=name, model_name="base", **row) for name in LEARNERS)
        urls = [each if isinstance(each, str) else each.url for each in servers]
        inference = {"endpoints": urls, "tiers": list(tiers), "retries": 0}
        return training_plan(rows=rows, steps=1, inference=inference, training={"method": "reinforce"})

    return make


@pytest.fixture
def teach(served_plan: MakePlan, tmp_path: Path) -> Callable[..., Lessons]:
    """Begin to train at servers."""

    def begin(*servers: ScriptedVLLM | str, **options: Any) -> Lessons:
        starts = dict.fromkeys(LEARNERS, AdapterStart(rank=4))
        trainer = LoRATrainer(str(tiny_model().base), starts, learning_rate=5e-3, device="cpu")
        return Lessons(served_plan(*servers, **options), tmp_path, trainer)

    return begin


@pytest.fixture(scope="module")
def scores() -> Scores:
    return peer_scores(tiny_model().base)


@pytest.fixture
def start(scores: Scores) -> Iterator[Callable[..., ScriptedVLLM]]:
    """Start servers of the tiny base."""
    with ExitStack() as stack:

        def make(kind: type[ScriptedVLLM] = ScriptedVLLM, **options: Any) -> ScriptedVLLM:
            return stack.enter_context(in_thread(kind([], base=str(tiny_model().base), scores=scores, **options)))

        yield make


Start, Teach = Callable[..., ScriptedVLLM], Callable[..., Lessons]


def names(versions: dict[str, Version]) -> list[str]:
    return [each.name for each in versions.values()]


def test_versions_are_served_everywhere_and_old_ones_unloaded(start: Start, teach: Teach) -> None:
    servers = start(), start()
    lessons, made = teach(*servers), []
    for _ in range(4):
        made.append(names(lessons.learn()))
        found = lessons.serve()
        assert set(found) == {(name, server.url) for name in made[-1] for server in servers}
        assert max(found.values()) < 1e-3
        for server in servers:
            assert sorted(server.adapters) == sorted(name for each in made[-2:] for name in each)
    assert len({name for each in made for name in each}) == 8
    assert servers[0].loads == [name for each in made for name in each]


@pytest.mark.parametrize("tier", ["camel", "http"])
def test_episodes_are_played_under_the_names_of_versions(start: Start, teach: Teach, tier: str) -> None:
    server = start()
    lessons = teach(server, tiers=(tier,))
    lessons.learn()
    for _ in range(2):
        made = lessons.learn()
        run, acts = play_update(lessons.context)
        calls = run.calls.astype({"model_id": str, "adapter": str, "tier": str})
        assert set(zip(calls["model_id"], calls["adapter"], strict=True)) == {(n, v.name) for n, v in made.items()}
        assert (set(calls["tier"]), len(acts)) == ({tier}, 2 * lessons.context.config.episodes)
        assert set(names(made)) <= set(server.adapters)
    loads = list(server.loads)
    play_update(lessons.context)
    assert server.loads == loads  # the run is finished: nothing is asked again


def test_serving_changes_nothing_of_the_trainer(start: Start, teach: Teach, tmp_path: Path) -> None:
    server = start()
    digests = []
    for place, told in (("told", True), ("quiet", False)):
        lessons = replace(teach(server), folder=tmp_path / place)
        for _ in range(3):
            versions = lessons.learn()
            if told:
                lessons.serve()
        digests.append([each.digest for each in versions.values()])
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (IgnoresLoads, "It answers with the version before: it ignored the load"),
        (ServesTheBase, "It answers with the base or with another adapter"),
    ],
)
def test_a_cheat_is_caught_before_an_episode(start: Start, teach: Teach, kind: type[ScriptedVLLM], reason: str) -> None:
    honest, cheat = start(), start(kind)
    lessons = teach(honest, cheat)
    lessons.learn()
    assert max(lessons.serve().values()) < LIMIT  # first versions answer as the base does
    if kind is ServesTheBase:
        lessons.learn()  # so that the base is not the version before
        with pytest.raises(CanaryError):
            lessons.serve()
    version = lessons.learn()["ann"]
    with pytest.raises(CanaryError, match=f"{cheat.url} does not answer with {version.name}: .*{reason}"):
        play_update(lessons.context)
    assert not (lessons.folder / ROLLOUTS).exists()
    assert not cheat.bodies
    assert not honest.bodies


def test_a_server_that_loses_weights_in_a_restart_is_caught(start: Start, teach: Teach) -> None:
    server = start(ForgetsQuietly)
    lessons = teach(server)
    lessons.learn()
    version = lessons.learn()["ann"]
    lessons.serve()
    server.restarted = True
    with pytest.raises(CanaryError, match=f"{version.name}: .*it ignored the load, or forgot it in a restart"):
        play_update(lessons.context)
    assert not (lessons.folder / ROLLOUTS).exists()


def test_a_server_that_restarted_is_given_its_versions_again(start: Start, teach: Teach) -> None:
    server = start()
    lessons = teach(server)
    made = names(lessons.learn())
    lessons.serve()
    server.adapters.clear()
    server.roots.clear()
    lessons.serve()
    assert (server.loads, server.adapters) == (made * 2, made)


def test_learners_that_have_decided_are_still_told_apart(start: Start, teach: Teach) -> None:
    """Where every prompt of the game has one answer, a prompt of no game shows which version answers."""
    server = start(IgnoresLoads)
    lessons = teach(server)
    for _ in range(12):
        lessons.learn()
    assert min(share for share, _ in lessons.trainer.probabilities(PROMPTS)) > 0.999
    made = names(lessons.versions)
    server.loads, server.roots = [*made], {name: str(lessons.folder / VERSIONS / name) for name in made}
    server.adapters[:] = made
    lessons.serve()
    lessons.learn()
    with pytest.raises(CanaryError, match="It answers with the version before"):
        lessons.serve()


def test_adapters_of_others_stay(start: Start, teach: Teach) -> None:
    server = start()
    server.adapters.append("ann-0123456789ab")
    lessons = teach(server)
    for _ in range(3):
        lessons.learn()
        lessons.serve()
    assert "ann-0123456789ab" in server.adapters


def test_a_server_that_cannot_serve_is_named(start: Start, teach: Teach, tmp_path: Path) -> None:
    server = start()
    gone = "http://127.0.0.1:9/v1"
    lessons = teach(server, gone)
    lessons.learn()
    with pytest.raises(LifecycleError, match=f"nothing answers at {gone}"):
        lessons.serve()
    for options, reason in (
        ({"runtime_lora": False}, "cannot load adapters while it runs; start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        ({"max_lora_rank": 2}, "--max-lora-rank .*The server reads .* itself: the folder must be at this place"),
    ):
        with pytest.raises(LifecycleError, match=reason):
            replace(lessons, plan=teach(start(**options)).plan).serve()


def test_versions_are_served_only_where_a_server_may_answer(start: Start, teach: Teach, served_plan: MakePlan) -> None:
    gone, server = "http://127.0.0.1:9/v1", start()
    lessons = teach(gone, tiers=("camel", "http", "embedded"))
    lessons.learn()
    assert lessons.serve() == {}
    for tiers in (("embedded",), ("embedded", "http"), ("simulated",)):
        assert servers_of(served_plan(server, tiers=tiers), LEARNERS) == {}
    with pytest.raises(LifecycleError, match="nothing answers at"):
        replace(lessons, plan=served_plan(gone, tiers=("camel", "simulated"))).serve()
    pinned = servers_of(served_plan(gone, endpoint=server.url), LEARNERS)
    assert {settings.url: who for settings, who in pinned.items()} == {server.url: list(LEARNERS)}


def test_a_server_limited_to_adapters_is_refused(training_plan: MakePlan) -> None:
    rows = tuple(ModelConfig(model_id=name, model_name="base") for name in LEARNERS)
    limited = {"endpoints": [{"url": "http://a:8000/v1", "adapters": ["base"]}], "tiers": ["http"]}
    with pytest.raises(SocietyError, match=r"http://a:8000/v1 is asked for base only.*leave `adapters` out"):
        servers_of(training_plan(rows=rows, inference=limited), LEARNERS)
