"""The studies as functions of a notebook: one call plays all runs and returns the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import simulation
from agents.inference.provenance import Tier
from agents.problems import UsageError
from agents.role import PopulationPart
from agents.roster import ModelConfig, Roster
from simulation import hold_tournament, measure_effect, measure_fingerprints, measure_population
from simulation.studies.population.tables import Population
from simulation.treatment import Treatment

ROSTER = Roster(
    name="r", models=(ModelConfig(model_id="tit", policy="tit_for_tat"), ModelConfig(model_id="x", policy="random"))
)
OPTIONS: dict[str, Any] = {"tier": Tier.SIMULATED, "episodes": 2}
SHORT = {"tasks.0.max_steps": "1"}


def test_measure_population_returns_per_capita_returns(runs: Path) -> None:
    report = measure_population("first_contact", ["ada"], ["free_rider"], **OPTIONS, set=SHORT, out=runs)
    assert {each.population for each in report.returns} == set(Population)
    assert {each.background for each in report.returns} == {"free_rider"}
    visitor = [each for each in report.returns if each.population is Population.VISITOR]
    assert {each.players for each in visitor if each.part is PopulationPart.FOCAL} == {1}
    assert list(runs.glob("population-first_contact-*/population.json"))


def test_measure_population_refuses_unknown_model(runs: Path) -> None:
    with pytest.raises(UsageError, match=r"--focal adda: .*did you mean ada"):
        measure_population("first_contact", ["adda"], ["free_rider"], **OPTIONS, out=runs)
    assert not runs.exists()


def test_measure_effect_pairs_episodes(runs: Path) -> None:
    report = measure_effect("first_contact", [Treatment.SILENCED], **OPTIONS, set=SHORT, out=runs)
    assert {each.treatment for each in report.effects} == {Treatment.SILENCED}
    assert {each.interval.n for each in report.effects} == {2}


def test_measure_fingerprints_of_a_roster(runs: Path) -> None:
    report = measure_fingerprints(ROSTER, **OPTIONS, out=runs)
    assert report.subjects == ("policy:tit_for_tat", "policy:random")
    assert report.origin.episodes == 2


def test_hold_tournament_plays_every_pair(runs: Path) -> None:
    result = hold_tournament(ROSTER, "chicken", steps=1, **OPTIONS, out=runs)
    assert set(result.matrix["n"]) == {2}
    assert len(result.matrix) == 4


def test_every_study_is_public() -> None:
    for study in (hold_tournament, measure_effect, measure_fingerprints, measure_population):
        assert study.__name__ in simulation.__all__
        assert "Args:" in (study.__doc__ or "")
