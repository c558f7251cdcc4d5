"""An update's episodes in parts: whoever plays them, the training ends in the same versions, and none counts twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.problems import InvalidFileError
from agents.roster import ModelConfig
from simulation.plan import Plan, Settings, make_plan
from simulation.runs.engines import Workers
from simulation.training.credit import LearnerAct
from simulation.training.ledger import Ledger
from simulation.training.parts import SeenPart, divided, joined
from simulation.training.run import train
from simulation.training.shipped import shipped_trainings
from simulation.training.tables import load_training
from tests.agents.learning.conftest import asks
from tests.integration.vllm.tiny_model import tiny_model

Begin = Callable[..., Path]
ADAPTERS = tuple(ModelConfig(model_id=name, model_name="base") for name in ("ann", "bo"))
EPISODES, PARTS = 4, 2


@pytest.mark.parametrize(("episodes", "parts"), [(6, 3), (7, 3), (5, 5), (4, 1)])
def test_parts_have_all_episodes_and_seeds_of_their_own(
    training_plan: Callable[..., Plan], episodes: int, parts: int
) -> None:
    plan = training_plan()
    whole = Plan(plan.scenario.model_copy(update={"episodes": episodes}), plan.roster)
    found = [part.scenario for part in divided(whole, parts)]
    assert sum(each.episodes for each in found) == episodes
    assert min(each.episodes for each in found) >= 1
    assert len({each.seed for each in found} | {plan.scenario.seed}) == parts + 1


def test_joined_parts_number_their_episodes_on() -> None:
    prompt = asks("ann")[0]

    def part(payoff: float) -> SeenPart:
        keys = [(0, 0, "ann"), (1, 0, "ann")]
        acts = [LearnerAct(episode, 0, prompt, "cooperate") for episode in (0, 1)]
        return SeenPart(acts, dict.fromkeys(keys, payoff), {keys[1]: {"a": payoff}}, {0: "x", 1: "y"}, [1, 3])

    whole = joined([part(1.0), part(2.0)])
    assert [act.where for act in whole.acts] == [(number, 0, "ann") for number in range(4)]
    assert whole.to_go == {(0, 0, "ann"): 1.0, (1, 0, "ann"): 1.0, (2, 0, "ann"): 2.0, (3, 0, "ann"): 2.0}
    assert whole.worths == {(1, 0, "ann"): {"a": 1.0}, (3, 0, "ann"): {"a": 2.0}}
    assert (whole.tasks, whole.steps) == ({0: "x", 1: "y", 2: "x", 3: "y"}, [1, 3, 1, 3])


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"training.method": "exact", "training.parts": 2}, "only the method reinforce"),
        ({"training.parts": 50}, "50 is more than the 32 episodes"),
        ({"training.parts": 2}, "tables are played in one process"),
        ({"training.parts": 2, "mode": "mixed"}, "picks each episode's mode by those before it"),
    ],
)
def test_parts_that_cannot_be_are_refused(setting: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidFileError, match=why):
        make_plan(shipped_trainings()["dilemma_tables"], Settings(set=setting))


@pytest.fixture
def begin_parts(begin: Begin) -> Begin:
    def make(updates: int = 2) -> Path:
        training = {
            "method": "reinforce",
            "base_model": str(tiny_model().base),
            "updates": updates,
            "episodes": EPISODES,
            "parts": PARTS,
            "adapter": {"learning_rate": 5e-3, "rank": 4},
        }
        return begin(rows=ADAPTERS, steps=1, training=training, inference={"tiers": ["embedded"]})

    return make


def learned(folder: Path) -> list[Any]:
    return [line.learners for line in Ledger(folder).lines]


def every_episode_counts_once(folder: Path) -> None:
    for update in range(1, len(Ledger(folder).lines)):
        runs = [path.parent for path in (folder / "rollouts" / f"{update:04}").glob("*/[!.]*/manifest.json")]
        assert len(runs) == PARTS
    updates = load_training(folder).updates
    assert set(updates["samples"]) == {0, EPISODES}


@pytest.mark.slow
def test_parts_end_in_the_same_whoever_plays_them(begin_parts: Begin) -> None:
    alone, together = begin_parts(), begin_parts()
    train(alone)
    train(together, workers=Workers(jobs=2))
    every_episode_counts_once(alone)
    every_episode_counts_once(together)
    assert learned(alone) == learned(together)


@contextmanager
def two_nodes() -> Iterator[str]:
    """A Ray cluster of two nodes of one processor each, on this machine; its address."""
    pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


def at_work() -> list[int]:
    """The processes of Ray's workers that play a part."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().startswith("ray::attempt"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_cluster_of_two_nodes_trains_the_same_though_a_worker_is_killed(begin_parts: Begin) -> None:
    alone, spread = begin_parts(updates=1), begin_parts(updates=1)
    train(alone)
    with two_nodes() as address:
        line = [sys.executable, "-m", "simulation.cli.app", "train", str(spread), "--jobs", "2", "--engine", "ray"]
        environment = {**os.environ, "RAY_ADDRESS": address, "PYTHONPATH": str(Path.cwd())}
        with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) as process:
            while not at_work() and process.poll() is None:
                time.sleep(0.01)
            victim = at_work()[0]
            time.sleep(0.5)
            os.kill(victim, signal.SIGKILL)
            _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "a worker process died; its run is being retried" in said
    every_episode_counts_once(spread)
    assert learned(alone) == learned(spread)
