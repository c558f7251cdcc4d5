"""A training of real adapters that is killed at random moments ends in the versions of one that is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.roster import ModelConfig
from simulation.training.ledger import Ledger
from simulation.training.run import VERSIONS
from tests.integration.vllm.tiny_model import tiny_model

KILLS, UPDATES = 5, 18


@pytest.mark.slow
def test_five_kills_of_real_adapters_end_in_the_same_versions(begin: Callable[..., Path]) -> None:
    rows = tuple(ModelConfig(model_id=name, model_name="base") for name in ("ann", "bo"))
    training = {"base_model": str(tiny_model().base), "updates": UPDATES, "adapter": {"learning_rate": 5e-3, "rank": 4}}
    peace, killed = (begin(rows=rows, steps=1, training=training) for _ in range(2))
    code = [sys.executable, "-m", "tests.support.killed_training", str(peace), str(killed), str(KILLS)]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("killed") == KILLS
    lines, others = Ledger(peace).lines, Ledger(killed).lines
    assert [line.learners for line in others] == [line.learners for line in lines]
    assert len({line.learners["ann"].digest for line in lines}) == UPDATES + 1
    assert {path.name for path in (killed / VERSIONS).iterdir()} == set(Ledger(killed).versions)
