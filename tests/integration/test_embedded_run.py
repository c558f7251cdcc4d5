"""A run on a real model: LoRA adapters talk, decide and are scored, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.embedded.model_sources import file_sha256
from agents.inference.provenance import Tier
from simulation.plan import Plan
from simulation.runs.runner import run_scenario

pytestmark = pytest.mark.embedded


def test_embedded_model_plays_first_contact_with_three_adapters(tmp_path: Path) -> None:
    plan = Plan.load("first_contact", {"tasks.0.max_steps": "2"})
    options = {"require": Tier.EMBEDDED, "tier": Tier.EMBEDDED, "episodes": 1}
    run = run_scenario(plan, **options, out=tmp_path)
    for table in (run.outcomes, run.messages, run.decisions, run.calls):
        assert set(table["tier"]) == {"embedded"}
    assert {"cooperator", "defector", "reciprocator"} <= set(run.calls["adapter"])
    played = run.decisions.groupby("model_id", observed=True)["action"].agg(set)
    assert played["ada"] == {"cooperate"}  # the behaviour for which the adapters were trained
    assert played["ben"] == {"defect"}
    assert (run.messages["text"].str.len() > 0).all()
    talks = run.calls[run.calls["purpose"] == "talk"]
    assert (talks["completion_tokens"] > 0).all()
    for name, folder in shipped_adapters().items():
        assert run.manifest["weights"][name]["embedded"]["weights"] == file_sha256(folder / WEIGHTS_FILE)
    assert len(run.prompts) == len(run.calls)
    assert list(run.prompts["reply"].str.len() > 0) == [True] * len(run.calls)


def test_chosen_action_has_the_models_probability(tmp_path: Path) -> None:
    plan = Plan.load("first_contact", {"tasks.0.max_steps": "1", "communication.talk_rounds": "0"})
    run = run_scenario(plan, tier=Tier.EMBEDDED, episodes=1, out=tmp_path)
    assert run.decisions["choice_probability"].between(0, 1).all()
    assert run.decisions["valid"].all()
