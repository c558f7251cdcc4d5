"""The section `people` of a roster: rows from a table, with a persona of a template, drawn by a seed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.problems import InvalidFileError, UsageError
from agents.roster import Roster

PEOPLE = [
    {"username": f"user{i}", "bio": f"Bakes {i} breads.", "age": 20 + i, "mbti": "ENTJ" if i % 2 else None}
    for i in range(10)
]


def roster_of(folder: Path, people: dict[str, Any], name: str = "people.json") -> Roster:
    if not (folder / name).exists():
        (folder / name).write_text(json.dumps(PEOPLE), encoding="utf-8")
    file = folder / "roster.yaml"
    file.write_text(json.dumps({"name": "r", "base_model": "b", "people": {"file": name, **people}}), encoding="utf-8")
    return Roster.load(file)


def test_people_are_rows_with_personas_and_attributes(tmp_path: Path) -> None:
    roster = roster_of(tmp_path, {"persona": "{{ bio }} {{ age }} years{% if mbti %}, {{ mbti }}{% endif %}."})
    first, second = roster.models[:2]
    assert (first.model_id, first.model_name, first.persona) == ("user0", "b", "Bakes 0 breads. 20 years.")
    assert second.persona == "Bakes 1 breads. 21 years, ENTJ."
    assert (first.attributes, second.attributes) == ({"age": 20}, {"age": 21, "mbti": "ENTJ"})


def test_people_are_drawn_by_the_seed(tmp_path: Path) -> None:
    def drawn(seed: int) -> list[str]:
        return [row.model_id for row in roster_of(tmp_path, {"count": 4, "seed": seed}).models]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 4
    assert drawn(1) == sorted(drawn(1))


@pytest.mark.parametrize(
    ("models", "counts"),
    [
        (["a", "b", "c"], {"a": 4, "b": 3, "c": 3}),
        ({"a": 0.68, "b": 0.32}, {"a": 7, "b": 3}),
        ("a", {"a": 10}),
    ],
)
def test_models_are_assigned_in_turn_or_by_share(tmp_path: Path, models: Any, counts: dict[str, int]) -> None:
    assert Counter(row.model_name for row in roster_of(tmp_path, {"model_name": models}).models) == counts


def test_people_can_be_scripted(tmp_path: Path) -> None:
    assert {row.policy for row in roster_of(tmp_path, {"policy": "tit_for_tat"}).models} == {"tit_for_tat"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_every_kind_of_table_gives_the_same_people(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(PEOPLE)
    if suffix == ".parquet":
        frame.to_parquet(tmp_path / "people.parquet")
    elif suffix == ".csv":
        frame.to_csv(tmp_path / "people.csv", index=False)
    else:
        frame.to_json(tmp_path / "people.jsonl", orient="records", lines=True)
    found = roster_of(tmp_path, {"persona": "{{ bio }}"}, f"people{suffix}")
    assert [row.persona for row in found.models] == [f"Bakes {i} breads." for i in range(10)]
    in_python = Roster.from_table(frame, base_model="b", persona="{{ bio }}", count=3, seed=1)
    assert [row.attributes["age"] for row in in_python.models] == sorted(
        20 + int(row.model_id.removeprefix("user")) for row in in_python.models
    )


@pytest.mark.parametrize(
    ("people", "found"),
    [
        ({"persona": "{{ boi }}"}, r"people\.persona: .* has no column 'boi' \(.*bio"),
        ({"persona": "{{ bio "}, r"people\.persona: .*cannot be read"),
        ({"persona": "{{ ''.__class__.__mro__ }}"}, r"people\.persona: .*cannot be filled in"),
        ({"count": 11}, r"people\.file: .*has 10 people; 11 cannot be drawn"),
        ({"file": "none.json"}, r"people\.file"),
        ({"conut": 3}, r"people\.conut"),
    ],
)
def test_mistake_in_people_names_its_key(tmp_path: Path, people: dict[str, Any], found: str) -> None:
    with pytest.raises(InvalidFileError, match=found):
        roster_of(tmp_path, people)


def test_persona_in_python_names_the_column() -> None:
    with pytest.raises(UsageError, match=r"persona: .* has no column 'boi'"):
        Roster.from_table(PEOPLE, base_model="b", persona="{{ boi }}")


def test_own_rows_stand_before_the_people(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text(json.dumps(PEOPLE), encoding="utf-8")
    file = tmp_path / "roster.yaml"
    rows = [{"model_id": "ada", "model_name": "b"}]
    file.write_text(
        json.dumps({"name": "r", "base_model": "b", "models": rows, "people": {"file": "people.json", "count": 2}})
    )
    assert Roster.load(file).models[0].model_id == "ada"
    assert len(Roster.load(file).models) == 3
