"""The shipped adapters: where they came from can be made again, and their figures are the documented ones."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from training.dialogues import HELD_OUT_WORDING, TEACHERS, TRAINING_WORDING, data_hash, examples
from training.evaluate_adapters import FIGURES, tables
from training.picture import PICTURE, draw
from training.train_adapters import ADAPTERS, TRAINING_GAMES, Recipe, training_data

PAGE = (Path(__file__).parent.parent.parent / "docs/howto/adapters.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("teacher", TEACHERS)
def test_the_training_data_of_a_shipped_adapter_can_still_be_made(teacher: str) -> None:
    card = json.loads((ADAPTERS / teacher / "training.json").read_text())
    recipe = Recipe(**card["recipe"])
    data = itertools.islice(training_data(teacher, recipe), recipe.steps * recipe.batch)
    assert data_hash(data) == card["data_sha256"]
    assert tuple(card["games"]) == TRAINING_GAMES


@pytest.mark.parametrize("teacher", TEACHERS)
def test_an_adapter_ships_as_safetensors_for_the_named_base(teacher: str) -> None:
    files = {path.name for path in (ADAPTERS / teacher).iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "training.json"}
    config = json.loads((ADAPTERS / teacher / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_held_out_wordings_share_nothing_with_training() -> None:
    for field in ("names", "specializations", "tasks"):
        assert not set(getattr(TRAINING_WORDING, field)) & set(getattr(HELD_OUT_WORDING, field))
    assert set(TRAINING_WORDING.personas) & set(HELD_OUT_WORDING.personas) == {""}


@pytest.mark.parametrize("teacher", TEACHERS)
def test_a_decision_is_always_one_of_its_choices(teacher: str) -> None:
    for example in itertools.islice(examples(teacher, ("commons", *TRAINING_GAMES), HELD_OUT_WORDING, 5), 100):
        assert example.choices is None or example.reply in example.choices


def test_the_page_of_adapters_tells_the_measured_figures() -> None:
    figures = json.loads(FIGURES.read_text())
    told = {
        cells[0].strip("* "): [float(cell) for cell in cells[1:]]
        for line in PAGE.splitlines()
        if re.fullmatch(r"\|[^|]+(\| \d\.\d\d ){5}\|", line)
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    measured = {name: [round(value, 2) for value in row.values()] for name, row in figures["p_cooperate"].items()}
    measured["base model"] = measured.pop("SmolLM2-135M-Instruct")
    assert told == measured
    for teacher, models in figures["p_teachers_choice"].items():
        own, base = models[teacher].values(), models["SmolLM2-135M-Instruct"].values()
        cells = " | ".join(f"{a:.2f} ({b:.2f})" for a, b in zip(own, base, strict=True))
        assert f"| {teacher} | {cells} |" in PAGE
    assert "| reciprocator |" in tables(figures)


def test_the_picture_is_drawn_from_the_measured_figures() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw(json.loads(FIGURES.read_text()))
