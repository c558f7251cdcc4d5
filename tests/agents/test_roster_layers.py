"""Rosters that extend others: what a change does, and where every mistake is reported."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.problems import InvalidFileError
from agents.role import ModelRole
from agents.roster import ModelConfig, Roster, roster_schema
from agents.roster_layers import MAX_LAYERS
from agents.yaml_file import read_yaml
from tests.support.adapters import write_adapter

BASE = """\
name: base
base_model: Base
description: the first
models:
  - model_id: ada
    model_name: alpha
    role: leader
    lora_rank: 8
    sampling: {temperature: 0.5, top_p: 0.9}
  - model_id: ben
    model_name: beta
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, base: str = BASE) -> Roster:
    Path("base.yaml").write_text(base, encoding="utf-8")
    Path("own.yaml").write_text(text, encoding="utf-8")
    return Roster.load("own.yaml")


def mistakes(text: str, base: str = BASE) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        load(text, base)
    return [str(problem) for problem in caught.value.problems]


class TestChanges:
    def test_extending_without_changes_is_the_same_roster(self) -> None:
        assert load("extends: base.yaml\n") == Roster.load("base.yaml")

    def test_top_keys_replace_those_of_the_extended_roster(self) -> None:
        roster = load("extends: base.yaml\nname: own\ndescription: null\n")
        assert (roster.name, roster.description, roster.base_model) == ("own", "", "Base")

    def test_a_known_model_id_changes_its_row_key_by_key(self) -> None:
        roster = load("extends: base.yaml\nmodels:\n  - {model_id: ada, role: follower, sampling: {top_p: 0.1}}\n")
        ada, ben = roster.models
        assert (ada.role, ada.model_name, ada.lora_rank) == (ModelRole.FOLLOWER, "alpha", 8)
        assert (ada.sampling.temperature, ada.sampling.top_p) == (0.5, 0.1)
        assert ben == Roster.load("base.yaml").models[1]

    def test_null_removes_a_key(self) -> None:
        ada = load("extends: base.yaml\nmodels:\n  - {model_id: ada, lora_rank: null, sampling: null}\n").models[0]
        assert (ada.lora_rank, ada.sampling.temperature) == (None, None)

    def test_a_policy_replaces_a_model_name(self) -> None:
        ada = load("extends: base.yaml\nmodels:\n  - {model_id: ada, policy: grim}\n").models[0]
        assert ada == ModelConfig(model_id="ada", role=ModelRole.LEADER, policy="grim")

    def test_rows_are_removed_added_and_counted(self) -> None:
        roster = load(
            "extends: base.yaml\nmodels:\n  - {model_id: ada, remove: true}\n"
            "  - {model_id: cleo, policy: random}\n  - {model_id: ben, count: 2}\n"
        )
        assert [row.model_id for row in roster.expand()] == ["ben_1", "ben_2", "cleo"]

    def test_a_shipped_roster_can_be_extended(self) -> None:
        roster = load("extends: two_teams\nname: own\nmodels:\n  - {model_id: blue_lead, model_name: reciprocator}\n")
        assert len(roster.models) == len(Roster.load("two_teams").models)
        assert {row.model_id: row.model_name for row in roster.models}["blue_lead"] == "reciprocator"

    def test_adapter_paths_start_at_their_own_file(self) -> None:
        write_adapter(Path("sub/tuned"))
        Path("sub/base.yaml").write_text(BASE.replace("model_name: beta", "model_name: beta\n    adapter: tuned"))
        Path("own.yaml").write_text("extends: sub/base.yaml\n")
        assert Roster.load("own.yaml").models[1].adapter == str(Path("sub/tuned").absolute())

    def test_saving_writes_the_composed_roster_without_extends(self) -> None:
        roster = load("extends: base.yaml\nmodels:\n  - {model_id: ada, role: follower}\n")
        roster.save("own.yaml")
        Path("base.yaml").unlink()
        assert Roster.load("own.yaml") == roster

    def test_rosters_extend_in_a_chain(self) -> None:
        Path("middle.yaml").write_text("extends: base.yaml\nmodels:\n  - {model_id: ben, remove: true}\n")
        roster = load("extends: middle.yaml\nmodels:\n  - {model_id: ada, persona: Calm.}\n")
        assert [(row.model_id, row.persona) for row in roster.models] == [("ada", "Calm.")]


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("extends: 3\n", "own.yaml:1: extends: 3 is neither a roster file nor a shipped roster's name"),
            ("extends:\n", "own.yaml:1: extends: null is neither"),
            ("name: x\nextends: absent.yaml\n", "own.yaml:2: extends: 'absent.yaml': there is no such roster file"),
            ("extends: two_tems\n", "own.yaml:1: extends: 'two_tems': there is no roster of this name (did you mean t"),
            ("extends: ../../etc/passwd\n", "own.yaml:1: extends: '../../etc/passwd' is not a YAML file"),
            ("extends: own.yaml\n", "own.yaml:1: extends: goes in a circle: own.yaml extends own.yaml"),
        ],
    )
    def test_mistakes_of_the_extends_key(self, text: str, message: str) -> None:
        (only,) = mistakes(text)
        assert only.startswith(message)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (
                "{model_id: adda, remove: true}",
                "3: models.0.model_id: there is no 'adda' to remove (did you mean ada?)",
            ),
            ("{remove: true}", "3: models.0: removes a row, but has no model_id to say which"),
            ("{model_id: ada, remove: 1}", "3: models.0.remove: 1 is not true (leave remove out to keep the row)"),
            (
                "{model_id: ada, remove: true, role: leader}",
                "3: models.0.role: a row with remove: true has no other keys",
            ),
            ("{model_id: ada, role: boss}", "3: models.0.role: 'boss' is not known (known: leader, follower, "),
            ("{model_id: ada, colour: red}", "3: models.0.colour: unknown key 'colour'"),
            ("{model_id: ada, model_name: null}", "3: models.0: has neither a model_name nor a policy"),
            ("{model_id: [ada], policy: random}", "3: models.0.model_id: ['ada'] is not text"),
            ("3", "3: models.0: 3 is not a mapping of keys to values"),
        ],
    )
    def test_mistakes_of_a_row_have_its_own_line_and_place(self, row: str, message: str) -> None:
        (only,) = mistakes(f"extends: base.yaml\nmodels:\n  - {row}\n")
        assert only.startswith(f"own.yaml:{message}")

    def test_a_row_changed_twice_is_a_mistake(self) -> None:
        assert mistakes("extends: base.yaml\nmodels:\n  - {model_id: ada}\n  - {model_id: ada, role: leader}\n") == [
            "own.yaml:4: models.1.model_id: 'ada' is already changed by models.0"
        ]

    def test_mistakes_of_the_extended_file_are_reported_there(self) -> None:
        base = BASE.replace("role: leader", "role: boss")
        (only,) = mistakes("name: own\nextends: base.yaml\nmodels:\n  - {model_id: ben, role: leader}\n", base)
        assert only.startswith("base.yaml:7: models.0.role: 'boss' is not known")

    def test_a_replaced_value_is_no_mistake(self) -> None:
        base = BASE.replace("role: leader", "role: boss")
        assert load("extends: base.yaml\nmodels:\n  - {model_id: ada, role: leader}\n", base)

    def test_mistakes_of_both_files_are_reported_together(self) -> None:
        found = mistakes("extends: base.yaml\nname: ''\n", BASE.replace("role: leader", "rolle: leader"))
        assert [line.split(": ")[:2] for line in found] == [["base.yaml:7", "models.0.rolle"], ["own.yaml:2", "name"]]

    def test_a_circle_of_extends_names_its_files(self) -> None:
        found = mistakes("extends: base.yaml\n", "extends: own.yaml\n")
        assert found == ["base.yaml:1: extends: goes in a circle: own.yaml extends base.yaml extends own.yaml"]

    def test_a_chain_of_too_many_files_is_refused(self) -> None:
        for number in range(MAX_LAYERS + 5):
            Path(f"r{number}.yaml").write_text(f"extends: r{number + 1}.yaml\n")
        with pytest.raises(InvalidFileError, match="makes a chain of more than 20 files"):
            Roster.load("r0.yaml")

    def test_a_roster_mistake_in_a_scenario_has_its_own_place(self) -> None:
        from simulation.plan import Plan

        Path("base.yaml").write_text(BASE.replace("role: leader", "role: boss"))
        Path("own.yaml").write_text("extends: base.yaml\n")
        Path("play.yaml").write_text(
            "name: p\nmode: cooperative\nroster: own.yaml\ntasks:\n  - {task_id: a, task_type: commons}\n"
        )
        with pytest.raises(InvalidFileError, match=r"^base\.yaml:7: models\.0\.role"):
            Plan.load("play.yaml")


def test_the_schema_knows_extends_and_remove() -> None:
    checker = jsonschema.Draft202012Validator(roster_schema())
    assert checker.is_valid({"extends": "base.yaml"})
    assert checker.is_valid({"extends": "base.yaml", "models": [{"model_id": "ada", "remove": True}]})
    assert not checker.is_valid({"name": "x"})
    assert not checker.is_valid({"extends": ""})
    assert not checker.is_valid({"extends": "b", "models": [{"model_id": "ada", "remove": "yes"}]})


IDS = ("ada", "ben", "cleo", "dan")
ROWS = st.builds(
    ModelConfig,
    model_id=st.sampled_from(IDS),
    policy=st.sampled_from(["random", "grim"]),
    role=st.sampled_from(ModelRole),
    team_id=st.none() | st.sampled_from(["red", "blue"]),
    persona=st.sampled_from(["", "Calm."]),
    count=st.integers(1, 3),
)
ROSTERS = st.lists(ROWS, min_size=1, max_size=4, unique_by=lambda row: row.model_id).map(
    lambda rows: Roster(name="r", models=tuple(rows))
)


def difference(before: Roster, after: Roster) -> list[dict[str, Any]]:
    """The rows of a file that makes `after` out of `before`."""
    old = {row.model_id: row.model_dump(mode="json") for row in before.models}
    new = {row.model_id: row.model_dump(mode="json") for row in after.models}
    rows: list[dict[str, Any]] = [{"model_id": name, "remove": True} for name in old if name not in new]
    for name, row in new.items():
        changed = {key: value for key, value in row.items() if value != old.get(name, {}).get(key) or key == "model_id"}
        changed.pop("sampling", None)
        rows.append(changed if name in old else {key: value for key, value in changed.items() if value is not None})
    return rows


@settings(max_examples=60, deadline=None)
@given(chain=st.lists(ROSTERS, min_size=2, max_size=4))
def test_any_roster_can_be_made_from_any_other(chain: list[Roster]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain[0].save(folder / "r0.yaml")
        for number, (before, after) in enumerate(itertools.pairwise(chain)):
            data = {"extends": f"r{number}.yaml", "models": difference(before, after)}
            (folder / f"r{number + 1}.yaml").write_text(json.dumps(data), encoding="utf-8")
            made = Roster.load(folder / f"r{number + 1}.yaml")
            assert {row.model_id: row for row in made.models} == {row.model_id: row for row in after.models}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["model_id", "remove", "role", "policy", "count", "sampling", "model_name", "x"]),
            st.sampled_from([*IDS, None, True, 3, "leader", "random", [], {}, {"top_p": 0.5}, ["ada"]]),
        )
        | st.integers(),
        max_size=5,
    )
)
def test_every_mistake_of_any_row_has_a_line_of_a_file(rows: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "base.yaml").write_text(BASE, encoding="utf-8")
        own = folder / "own.yaml"
        own.write_text("extends: base.yaml\nmodels:\n" + "".join(f"  - {json.dumps(row)}\n" for row in rows))
        try:
            Roster.load(own)
        except InvalidFileError as error:
            for problem in error.problems:
                lines = Path(problem.file).read_text(encoding="utf-8").splitlines()
                assert 1 <= problem.line <= len(lines)
                assert problem.where == "" or problem.where.split(".")[-1] in (
                    *lines[problem.line - 1].split(),
                    *_words(lines, problem.line),
                )
        else:
            assert read_yaml(own).data["extends"] == "base.yaml"


def _words(lines: list[str], line: int) -> list[str]:
    """Keys, and entries of lists by number, that a place may end in."""
    words = lines[line - 1].replace('"', " ").replace(":", " ").replace("{", " ").replace(",", " ").split()
    return [*words, *map(str, range(10)), "model_id"]
