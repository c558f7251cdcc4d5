"""Tables of people become rosters: CSV, JSON, DataFrames, and OASIS's own profile files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agents import roster_table
from agents.problems import InvalidFileError, UsageError
from agents.roster import Roster

TWITTER = (
    ",user_id,name,username,following_agentid_list,previous_tweets,user_char,description\n"
    '0,11,user_0,ada_ex,[1],[],"steers ships, dislikes waste",pilot\n'
    "1,12,user_1,2024,[0],[],bakes,baker\n"
    "2,13,user_2,ada_ex,[],[],,a third\n"
)
REDDIT = [
    {"realname": "Ada Example", "username": "ada ex", "bio": "pilot", "persona": "Ada steers.", "profession": "Pilot"},
    {"realname": "Bo", "username": "bo", "bio": "bakes", "persona": "", "age": 23},
]
ROSTER = (
    "model_id,model_name,role,team_id,lora_rank,temperature,persona\nada,calm,leader,1,8,0.5,x\n2024,,follower,2,,,\n"
)


def ids(roster: Roster) -> list[tuple[Any, ...]]:
    return [(row.model_id, row.model_name, row.persona) for row in roster.models]


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_twitter_users_of_oasis(tmp_path: Path) -> None:
    roster = Roster.from_table(write(tmp_path, "users.csv", TWITTER), base_model="b", adapters=["x", "y"])
    assert roster.name == "users"
    assert ids(roster) == [
        ("ada_ex", "x", "steers ships, dislikes waste"),
        ("2024", "y", "bakes"),
        ("ada_ex_2", "x", "a third"),
    ]


def test_reddit_users_of_oasis(tmp_path: Path) -> None:
    roster = Roster.from_table(write(tmp_path, "users.json", json.dumps(REDDIT)), base_model="b")
    assert ids(roster) == [("ada_ex", "b", "Ada steers."), ("bo", "b", "bakes")]
    assert [row.specialization for row in roster.models] == ["Pilot", "general"]
    assert {"realname", "age"} <= {name for row in roster.models for name in row.attributes}


@pytest.mark.parametrize("form", ["csv", "tsv", "semicolons", "json", "jsonl", "mapping", "frame", "list"])
def test_every_form_gives_the_same_roster(form: str, tmp_path: Path) -> None:
    frame = pd.read_csv(write(tmp_path, "roster.csv", ROSTER))
    records = json.loads(frame.to_json(orient="records"))
    whole = {"name": "people", "base_model": "b", "models": records}
    sources: dict[str, Any] = {
        "csv": lambda: tmp_path / "roster.csv",
        "tsv": lambda: write(tmp_path, "r.tsv", ROSTER.replace(",", "\t")),
        "semicolons": lambda: str(write(tmp_path, "r.csv", "\ufeff" + ROSTER.replace(",", ";"))),
        "json": lambda: write(tmp_path, "r.json", json.dumps(records)),
        "jsonl": lambda: write(tmp_path, "r.jsonl", "\n".join(map(json.dumps, records))),
        "mapping": lambda: write(tmp_path, "r.json", json.dumps(whole)),
        "frame": lambda: frame,
        "list": lambda: records,
    }
    roster = Roster.from_table(sources[form](), base_model="b", name="people")
    assert ids(roster) == [("ada", "calm", "x"), ("2024", "b", "")]
    first, second = roster.models
    assert (first.role.value, first.team_id, first.lora_rank, first.sampling.temperature) == ("leader", "1", 8, 0.5)
    assert (second.team_id, second.lora_rank, second.sampling.temperature) == ("2", None, None)


def test_gaps_and_numpy_values_of_a_frame_are_plain() -> None:
    frame = pd.DataFrame({"username": ["a", "b"], "persona": [np.nan, "p"], "lora_rank": [8.0, pd.NA], "count": [2, 1]})
    roster = Roster.from_table(frame, base_model="b")
    assert [(row.persona, row.lora_rank, row.count) for row in roster.models] == [("", 8, 2), ("p", None, 1)]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("r.csv", "model_id,role\nada,boss\n", "r.csv:2: models.0.role: 'boss' is not known"),
        (
            "r.csv",
            'model_id,persona\nada,"two\nlines"\nada,x\n',
            "r.csv:4: models.1.model_id: the model_id 'ada'",
        ),
        ("r.csv", "model_id\nada,b\n", "r.csv:2: has more values than the first line has columns"),
        ("r.csv", "model_id,lora_rank\nada,many\n", "r.csv:2: models.0.lora_rank: 'many' is not a whole number"),
        ("r.json", "[{]", "r.json:1: is not valid JSON"),
        ("r.json", '{"a": 1}', "r.json: has no list of people"),
        ("r.jsonl", "{}\n{", "r.jsonl:2: is not valid JSON"),
    ],
)
def test_mistakes_name_line_value_and_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidFileError) as caught:
        Roster.from_table(write(tmp_path, name, text), base_model="b")
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(("people", "why"), [([], "no rows"), (3, "cannot be read from 3"), ([1], "not a mapping")])
def test_what_is_no_table_is_refused(people: object, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Roster.from_table(people, base_model="b")


def test_table_that_is_no_text_or_too_large_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"model_id\nad\xe4\n")
    with pytest.raises(InvalidFileError, match=r"r\.csv:2: is not UTF-8 text.*save it as UTF-8"):
        Roster.from_table(path, base_model="b")
    monkeypatch.setattr(roster_table, "_MOST_BYTES", 10)
    with pytest.raises(InvalidFileError, match=r"larger than 10 bytes.*give the DataFrame"):
        Roster.from_table(path, base_model="b")


def test_a_base_model_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give base_model="):
        Roster.from_table(write(tmp_path, "users.csv", TWITTER))


@pytest.mark.parametrize(("name", "text"), [("p.csv", TWITTER), ("p.json", "[]"), ("p.tsv", "a\tb\n")])
def test_a_table_in_the_place_of_a_roster_names_the_importer(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"is a table and not a roster in YAML \(make a roster of it: "):
        Roster.load(write(tmp_path, name, text))
