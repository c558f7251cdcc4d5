"""The shipped adapters' figures are those of the shipped weights, on prompts that no training has."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.embedded.model_sources import file_sha256
from benchmarks import held_out
from benchmarks.adapters import GAMES, OUT, PAGE, PASTS, PICTURE, TEACHERS, adapter_figures, draw, merged, tables
from benchmarks.held_out import decisions, dilemma_decisions
from benchmarks.measure import between_marks
from simulation.plan import make_plan
from simulation.training.shipped import shipped_trainings

FIGURES = json.loads(OUT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("adapter", TEACHERS)
def test_adapter_ships_as_safetensors_for_the_named_base(adapter: str) -> None:
    folder = shipped_adapters()[adapter]
    files = {path.name for path in folder.iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "training.json"}
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_figures_are_of_the_shipped_adapters() -> None:
    digests = {name: file_sha256(folder / WEIGHTS_FILE) for name, folder in shipped_adapters().items()}
    assert {name: FIGURES["adapters"][name]["weights"] for name in TEACHERS} == digests


def test_page_and_picture_show_the_measured_figures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert between_marks(page, tables(FIGURES)) == page
    assert PICTURE.read_text(encoding="utf-8") == draw(FIGURES)


def test_between_marks_refuses_a_page_without_marks() -> None:
    with pytest.raises(ValueError, match="has no <!-- figures: begin -->"):
        between_marks("# A page\n<!-- figures: end -->\n", "")


def test_merged_replaces_figures_of_the_measured_adapters_only() -> None:
    old = {"adapters": {"a": 1, "b": 2}, "base": 3, "seed": 4}
    assert merged(old, {"adapters": {"b": 5}, "seed": 6}) == {"adapters": {"a": 1, "b": 5}, "base": 3, "seed": 6}


def test_held_out_words_are_in_no_shipped_training() -> None:
    plans = [make_plan(path) for path in shipped_trainings().values()]
    rows = [row for plan in plans for row in plan.roster.expand()]
    assert {row.model_id for row in rows}.isdisjoint(held_out.NAMES)
    assert {row.specialization for row in rows}.isdisjoint(held_out.SPECIALIZATIONS)
    assert {task.task_id for plan in plans for task in plan.scenario.tasks}.isdisjoint(held_out.TASKS)
    assert {row.persona for row in rows} & set(held_out.PERSONAS) == {""}


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("policy", TEACHERS.values())
def test_held_out_decisions_repeat_and_are_legal(policy: str, game: str) -> None:
    found = list(islice(decisions(policy, game, "a"), 20))
    assert found == list(islice(decisions(policy, game, "a"), 20))
    assert found != list(islice(decisions(policy, game, "b"), 20))
    assert all(each.taken in each.choices for each in found)


@pytest.mark.parametrize("past", PASTS.values())
def test_dilemma_decisions_tell_the_past_and_have_its_reply(past: tuple[str, str] | None) -> None:
    own, other = past or ("", "cooperate")
    for each in islice(dilemma_decisions(past), 20):
        told = each.messages[-1].content
        assert (f"Last step you chose {own}; " in told and f" chose {other}." in told) if past else "first step" in told
        assert each.taken == other  # the seat is tit-for-tat's


@pytest.mark.thorough
def test_adapter_figures_measure_what_the_reciprocator_does() -> None:
    found = adapter_figures("reciprocator", None, count=1)["p_cooperate"]
    assert min(found["CC"], found["DC"]) > 0.9
    assert max(found["CD"], found["DD"]) < 0.1
