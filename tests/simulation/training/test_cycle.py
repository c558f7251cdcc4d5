"""Rows of an environment that learn: one update a cycle, by the same folder, credit and trainer as a training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.inference.backend import InferenceSettings
from agents.inference.loops import run_blocking
from agents.inference.provenance import Provenance, Reply, Tier
from agents.problems import InvalidFileError, SocietyError, UsageError
from agents.roster import ModelConfig
from simulation.engine.environment import MultiModelEnvironment
from simulation.runs.folders import at_work
from simulation.task import TrainingTask
from simulation.topology.communication import Communication
from simulation.training.cycle import Learners
from simulation.training.ledger import Ledger
from simulation.training.run import VERSIONS
from simulation.training.start import resume_training
from simulation.training.tables import load_training
from tests.integration.vllm.tiny_model import tiny_model
from tests.support.in_thread import in_thread
from tests.support.peer_scores import peer_scores
from tests.support.scripted_vllm import ScriptedVLLM

TABLES = tuple(ModelConfig(model_id=name, policy="tabular") for name in ("ann", "bo"))
DILEMMA = TrainingTask(task_id="dilemma", task_type="prisoners_dilemma", max_steps=1)
BOTH: dict[str, dict[str, Any]] = {"ann": {}, "bo": {}}


@pytest.fixture
def society(tmp_path: Path) -> Callable[..., tuple[MultiModelEnvironment, Learners]]:
    """Make an environment and its learners: two silent tables unless told otherwise."""

    def make(
        rows: tuple[ModelConfig, ...] = TABLES, who: dict[str, dict[str, Any]] = BOTH, rate: float = 2.0, **keys: Any
    ) -> tuple[MultiModelEnvironment, Learners]:
        learners = Learners(who, adapter={"learning_rate": rate, "rank": 4}, out=tmp_path)
        keys = {"training_mode": "competitive", "communication": Communication(talk_rounds=0), **keys}
        env = MultiModelEnvironment(learners=learners, **keys)
        for row in rows:
            env.add_model(row)
        return env, learners

    return make


Society = Callable[..., tuple[MultiModelEnvironment, Learners]]


@pytest.mark.parametrize("mode", ["cooperative", "competitive"])
async def test_cycles_move_play_as_the_objective_says(society: Society, mode: str) -> None:
    env, learners = society(training_mode=mode)
    async with env:
        ended = await env.run_training_cycle(cycles=6, tasks=[DILEMMA] * 16)
        assert env.get_environment_stats().episodes == len(ended) == 6 * 16
    first, last = (sum(each.welfare for each in part) / 16 for part in (ended[:16], ended[-16:]))
    assert last > first + 0.6 if mode == "cooperative" else last < first - 0.6
    values = load_training(learners.folder).updates.set_index("update")["value"]
    assert values[1].sum() == pytest.approx(first)


async def test_every_cycle_makes_one_version_of_each_learner(society: Society) -> None:
    env, learners = society()
    async with env:
        await env.run_training_cycle(cycles=3, tasks=[DILEMMA] * 4)
    made = load_training(learners.folder).versions
    assert list(made.groupby("learner")["update"].max()) == [3, 3]
    assert made.groupby("learner")["version"].nunique().min() > 1
    assert {path.name for path in (learners.folder / VERSIONS).iterdir()} == set(made["version"])


async def test_same_environment_learns_the_same_versions(society: Society) -> None:
    found = []
    for cycles in ((3,), (1, 2)):
        env, learners = society(seed=5)
        async with env:
            for count in cycles:
                await env.run_training_cycle(cycles=count, tasks=[DILEMMA] * 4)
        found.append([line.learners for line in Ledger(learners.folder).lines])
    assert found[0] == found[1]


async def test_partner_does_not_learn_and_tasks_outside_of_cycles_teach_nothing(society: Society) -> None:
    env, learners = society((TABLES[0], ModelConfig(model_id="bo", policy="tit_for_tat")), {"ann": {}})
    async with env:
        await env.run_task(DILEMMA)
        with pytest.raises(UsageError, match="begins with run_training_cycle"):
            _ = learners.folder
        await env.run_training_cycle(tasks=[DILEMMA] * 4)
        await env.run_task(DILEMMA)
    (first, second) = Ledger(learners.folder).lines
    assert set(second.learners) == {"ann"}
    assert (second.learners["ann"].samples, second.learners["ann"].parent) == (4, first.learners["ann"].version)


async def test_training_of_an_environment_goes_on_without_it(society: Society) -> None:
    env, learners = society()
    async with env:
        await env.run_training_cycle(cycles=2, tasks=[DILEMMA] * 4)
        training = resume_training(learners.folder, updates=4)
        assert training.updates["update"].max() == 4
        with pytest.raises(SocietyError, match="was gone on with elsewhere"):
            await env.run_training_cycle(tasks=[DILEMMA])
    assert len(Ledger(learners.folder).lines) == 5


def full(_ledger: Ledger, _line: object) -> None:
    raise SocietyError("the disk is full")


async def test_failed_update_leaves_the_versions_before_it(society: Society, monkeypatch: pytest.MonkeyPatch) -> None:
    env, learners = society()
    async with env:
        await env.run_training_cycle(tasks=[DILEMMA] * 4)
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "append", full)
            with pytest.raises(SocietyError, match="disk is full"):
                await env.run_training_cycle(tasks=[DILEMMA] * 4)
        assert len(Ledger(learners.folder).lines) == 2
        await env.run_training_cycle(tasks=[DILEMMA] * 4)
    lines = Ledger(learners.folder).lines
    assert lines[2].learners["ann"].parent == lines[1].learners["ann"].version
    assert {path.name for path in (learners.folder / VERSIONS).iterdir()} == set(Ledger(learners.folder).versions)


class DrawsByTheSeed(ScriptedVLLM):
    """Takes one of the choices by the call's seed, each as likely."""

    def _answer(self, body: dict[str, Any]) -> web.Response:
        choices = body["structured_outputs"]["choice"]
        picked = random.Random(body["seed"]).choice(choices)
        return super()._answer({**body, "structured_outputs": {"choice": [picked, *choices]}})


async def test_real_adapters_learn_at_a_server(society: Society) -> None:
    """Two adapters of a tiny base: each cycle plays the versions that the cycle before has made."""
    base = str(tiny_model().base)
    server = DrawsByTheSeed([], base=base, scores=peer_scores(tiny_model().base))
    rows = tuple(ModelConfig(model_id=name, model_name="base") for name in BOTH)
    settings = InferenceSettings(tiers=(Tier.HTTP,), retries=0)
    with in_thread(server):
        env, learners = society(rows, rate=5e-3, vllm_url=server.url, base_model=base, settings=settings)
        async with env:
            await env.run_training_cycle(cycles=2, tasks=[DILEMMA] * 6)
            played = [row.model_name for row in env.models]
            await env.run_task(DILEMMA)
    made = load_training(learners.folder).versions
    assert list(made[made["update"] == 2]["version"]) == played
    assert made["version"].nunique() == 6
    assert server.loads == list(made.sort_values("update", kind="stable")["version"])
    assert {row.adapter for row in env.models} == {str(learners.folder.resolve() / VERSIONS / name) for name in played}


async def test_simulated_replies_teach_nothing(society: Society) -> None:
    rows = tuple(ModelConfig(model_id=name, model_name="base") for name in BOTH)
    env, _ = society(rows, base_model=str(tiny_model().base), settings=InferenceSettings(tiers=(Tier.SIMULATED,)))
    with pytest.raises(SocietyError, match="is simulated, and nothing is learned from it"):
        async with env:
            await env.run_training_cycle(tasks=[DILEMMA])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"who": {"eve": {}}}, "no model is called 'eve'"),
        ({"communication": Communication(talk_rounds=1)}, "cannot speak"),
        ({"who": {"ann": {"objective": "team"}}}, "a team of the learner's own"),
    ],
)
def test_learners_that_do_not_fit_are_refused_before_an_episode(
    society: Society, tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    env, _ = society(**keys)
    with pytest.raises(InvalidFileError, match=message):
        run_blocking(lambda: env.run_training_cycle(tasks=[DILEMMA]))
    assert (env.episodes, list(tmp_path.iterdir())) == (0, [])


async def test_environment_without_learners_says_that_nobody_learns(caplog: pytest.LogCaptureFixture) -> None:
    env = MultiModelEnvironment(communication=Communication(talk_rounds=0))
    for row in TABLES:
        env.add_model(row)
    with caplog.at_level("INFO", "society.notice"):
        async with env:
            await env.run_training_cycle(cycles=2, tasks=[DILEMMA])
    assert [record.message for record in caplog.records] == [
        "no row of this environment learns: a cycle plays its tasks; give it learners=Learners(...)"
    ]


async def test_second_process_on_the_folder_is_refused(society: Society) -> None:
    env, learners = society()
    async with env:
        await env.run_training_cycle(tasks=[DILEMMA])
        with at_work(learners.folder), pytest.raises(SocietyError, match="another process"):
            await env.run_training_cycle(tasks=[DILEMMA])


def test_a_learner_answers_for_itself(society: Society) -> None:
    async def answer(_request: object) -> Reply:
        return Reply("defect", Provenance(Tier.HUMAN))

    with pytest.raises(UsageError, match="ann: a row that learns answers for itself"):
        society(responders={"ann": answer})
