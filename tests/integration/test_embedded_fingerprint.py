"""The documented fingerprints of the shipped adapters: this test measures a part of them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.inference.provenance import Tier
from agents.roster import Roster
from simulation.metrics.behaviour import together, watch
from simulation.plan import Settings
from simulation.runs.runner import run_scenario
from simulation.studies.fingerprint.cells import CELLS
from simulation.studies.fingerprint.probes import Conditions, Probe, probe_plans
from tests.benchmarks.test_fingerprints import PUBLISHED

EPISODES = 3


@pytest.mark.embedded
def test_reciprocator_is_within_the_documented_intervals(tmp_path: Path) -> None:
    options = {"tier": Tier.EMBEDDED, "seed": PUBLISHED.origin.seed, "episodes": EPISODES}
    plans = probe_plans(Roster.load("first_contact"), Conditions(settings=Settings(**options)))
    runs = {
        probe: run_scenario(plans[f"02-reciprocator/{probe.value}"], out=tmp_path)
        for probe in (Probe.DILEMMA, Probe.CONDITIONAL, Probe.EXPLOITED)
    }
    assert all(set(run.outcomes["tier"]) == {"embedded", "scripted"} for run in runs.values())
    frames = {probe: watch(run) for probe, run in runs.items()}
    measured = {}
    for cell in CELLS:
        if set(cell.probes) <= set(frames):
            sums = cell.sums(together([frames[probe] for probe in cell.probes]))
            measured[cell.name] = float(cell.statistic(sums.sum(axis=0, keepdims=True))[0])
    assert {"opening", "CC", "CD", "DC", "DD", "exploitability"} <= set(measured)
    for name, value in measured.items():
        interval = PUBLISHED.figure("reciprocator", name).interval
        assert interval is not None
        assert interval.low - 1e-9 <= value <= interval.high + 1e-9, name
