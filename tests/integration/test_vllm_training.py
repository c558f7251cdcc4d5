"""A training on a real vLLM: three updates, each version loaded, checked, played, and unloaded when it is old."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.inference.loops import run_blocking
from agents.inference.provenance import Tier
from agents.inference.vllm.lifecycle import LoraLifecycle
from agents.learning.canary import LIMIT
from agents.roster import ModelConfig, Roster
from simulation.plan import Plan
from simulation.scenario import Scenario
from simulation.serving.vllm_server import VLLMServer
from simulation.tables.run import Run
from simulation.training.ledger import Ledger
from simulation.training.run import begin_training, train
from simulation.training.serving import ServedCheck
from tests.integration.vllm.servers import BASE
from tests.integration.vllm.tiny_model import NAMES, TinyModel

pytestmark = pytest.mark.vllm

LEARNERS = ("ann", "bo")
UPDATES = 3


@pytest.fixture
def plan(vllm_server: VLLMServer, tiny: TinyModel) -> Plan:
    """Two learners of the tiny base in a dilemma of one step."""
    data = {
        "name": "learned",
        "mode": "competitive",
        "roster": "inline",
        "seed": 3,
        "tasks": [{"task_id": "dilemma", "task_type": "prisoners_dilemma", "max_steps": 1}],
        "communication": {"talk_rounds": 0},
        "inference": {"endpoints": [vllm_server.url], "tiers": ["http"], "temperature": 1.0},
        "training": {
            "learners": {name: {} for name in LEARNERS},
            "method": "reinforce",
            "updates": UPDATES,
            "episodes": 24,
            "base_model": str(tiny.base),
            "adapter": {"rank": 8, "learning_rate": 1e-3},
        },
    }
    rows = tuple(ModelConfig(model_id=name, model_name=BASE) for name in LEARNERS)
    return Plan(Scenario.model_validate(data), Roster(name="inline", base_model=BASE, models=rows))


@pytest.fixture
def served_names(vllm_server: VLLMServer) -> Iterator[Callable[[], set[str]]]:
    """Ask for the names of adapters served; unload after the test what it has loaded."""

    async def names() -> set[str]:
        async with LoraLifecycle(vllm_server.url) as server:
            return set((await server.served()).names)

    async def clear() -> None:
        async with LoraLifecycle(vllm_server.url) as server:
            for name in set((await server.served()).names) - set(NAMES):
                await server.unload(name)

    yield lambda: run_blocking(names)
    run_blocking(clear)


def test_three_versions_are_served_checked_and_played(
    served_names: Callable[[], set[str]], plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = begin_training(plan, tmp_path)
    with caplog.at_level(logging.INFO, "society.training"):
        train(folder)
    checks = [record.args[0] for record in caplog.records if record.name == "society.training" and record.args]
    assert all(isinstance(check, ServedCheck) for check in checks)
    lines = Ledger(folder).lines
    versions = [[line.learners[name].version for name in LEARNERS] for line in lines]
    assert len({name for made in versions for name in made}) == 2 * (UPDATES + 1)

    # every version that played was checked first, and from the second update on the check could tell
    assert [check.version for check in checks] == [name for made in versions[:UPDATES] for name in made]
    assert max(check.distance for check in checks) < 1e-3 < LIMIT
    assert [check.tells for check in checks[2:]] == [True] * 4
    for line, made in zip(lines[1:], versions, strict=False):
        calls = Run(folder / line.run).calls
        assert set(calls["tier"].astype(str)) == {Tier.HTTP.value}
        assert set(zip(calls["model_id"].astype(str), calls["adapter"].astype(str), strict=True)) == set(
            zip(LEARNERS, made, strict=True)
        )

    # nothing needs the first versions any more
    kept = {name for made in versions[UPDATES - 2 : UPDATES] for name in made}
    assert served_names() == {*NAMES, *kept}
