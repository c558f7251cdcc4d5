"""Rosters: one row per player, every mistake reported at once with its line, comments preserved."""

from __future__ import annotations

import contextlib
import json
import unicodedata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.problems import InvalidFileError
from agents.roster import FOLDER, ModelConfig, Roster, SamplingConfig, roster_schema, shipped_rosters
from agents.yaml_file import read_yaml
from tests.support.adapters import write_adapter

SHIPPED = sorted(FOLDER.glob("*.yaml"))
ADAPTERS = FOLDER.parent / "adapters"
ADAPTER_ROW = "name: r\nbase_model: B\nmodels:\n  - model_id: a\n    model_name: alpha\n    adapter: {adapter}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "roster.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    """Every problem of a roster file as `line: where: message (suggestion)`."""
    with pytest.raises(InvalidFileError) as caught:
        Roster.load(written(folder, text))
    return [str(problem).partition("roster.yaml:")[2] for problem in caught.value.problems]


def player(model_id: str, **fields: Any) -> ModelConfig:
    return ModelConfig(model_id=model_id, **{"policy": "random", **fields})


class TestShipped:
    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_every_roster_loads_by_name_and_pairs_up(self, path: Path) -> None:
        roster = Roster.load(path.stem)
        assert roster.name == path.stem
        assert roster.description
        assert len(roster.expand()) % 2 == 0

    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_every_roster_has_three_distinct_adapters(self, path: Path) -> None:
        assert len({row.model_name for row in Roster.load(path).models if row.model_name}) >= 3

    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_rank_and_alpha_are_those_of_the_adapters(self, path: Path) -> None:
        for row in Roster.load(path).models:
            config = ADAPTERS / (row.model_name or "") / "adapter_config.json"
            if row.model_name and config.exists():
                trained = json.loads(config.read_text(encoding="utf-8"))
                assert (row.lora_rank, row.lora_alpha) == (trained["r"], trained["lora_alpha"])

    def test_the_documented_rosters_are_shipped(self) -> None:
        asked = {"cooperative_team", "competitors", "two_teams", "mixed_society", "with_scripted_players"}
        assert asked | {"first_contact"} <= set(shipped_rosters())

    def test_an_unknown_roster_name_gives_the_nearest_and_all(self) -> None:
        with pytest.raises(InvalidFileError, match=r"did you mean two_teams\? shipped: competitors, "):
            Roster.load("two_tems")


class TestExpand:
    def test_count_clones_a_row(self) -> None:
        roster = Roster(name="r", models=(player("a", count=3, team_id="red"), player("b")))
        players = roster.expand()
        assert [row.model_id for row in players] == ["a_1", "a_2", "a_3", "b"]
        assert {row.count for row in players} == {1}
        assert [row.team_id for row in players] == ["red", "red", "red", None]

    def test_ids_may_be_of_any_script(self) -> None:
        assert Roster(name="队", models=(player("模型-1.a_b"),)).expand()[0].model_id == "模型-1.a_b"


class TestMistakes:
    def test_mistakes_are_reported_at_once_with_line_and_fix(self, tmp_path: Path) -> None:
        text = """\
name: 12
base_modl: Base
models:
  - model_id: a b
    model_nme: alpha
  - model_id: c
    model_name: beta
    role: leeder
    count: 0
  - model_id: c
    policy: tit_for_tt
    lora_rank: x
    sampling: {temprature: 1, top_p: 2}
  - model_id: e
  - 5
"""
        assert mistakes(tmp_path, text) == [
            "1: name: 12 is not text (put it in quotes)",
            "2: base_modl: unknown key 'base_modl' (did you mean base_model?)",
            "4: models.0.model_id: 'a b' may contain only letters, digits, _ - . and at most 64 characters "
            "(nearest valid: a_b)",
            "5: models.0.model_nme: unknown key 'model_nme' (did you mean model_name?)",
            "8: models.1.role: 'leeder' is not known (did you mean leader?)",
            "9: models.1.count: 0 is below 1 (nearest valid: 1)",
            "10: models.2.model_id: the model_id 'c' is taken by models.1 (nearest free: c_2)",
            "11: models.2.policy: there is no policy 'tit_for_tt' (did you mean tit_for_tat?)",
            "12: models.2.lora_rank: 'x' is not a whole number",
            "13: models.2.sampling.temprature: unknown key 'temprature' (did you mean temperature?)",
            "13: models.2.sampling.top_p: 2 is above 1 (nearest valid: 1)",
            "14: models.3: has neither a model_name nor a policy "
            "(model_name asks for a served adapter, policy for a scripted player)",
            "15: models.4: 5 is not a mapping of keys to values",
        ]

    @pytest.mark.parametrize(
        ("rows", "mistake"),
        [
            ("models: []", "2: models: [] has 0 entries and needs at least 1"),
            ("models: alpha", "2: models: 'alpha' is not a list"),
            (
                "models:\n  - {model_id: a, model_name: x}",
                "3: models.0.model_name: asks for 'x', but the roster has no base_model",
            ),
            (
                "models:\n  - {model_id: a, model_name: x}\n  - {model_id: b, model_name: y}",
                "3: models.0.model_name: asks for 'x', but the roster has no base_model",
            ),
            (
                "base_model: B\nmodels:\n  - {model_id: a, model_name: x, policy: random}",
                "4: models.0: has both a model_name, 'x', and a policy, 'random' (keep one of the two)",
            ),
            (
                "models:\n  - {model_id: a, policy: random, count: 2}\n  - {model_id: a_2, policy: random}",
                "4: models.1.model_id: the model_id 'a_2' is taken by models.0 (nearest free: a_2_2)",
            ),
            (
                "models:\n  - {model_id: a, policy: random, count: two}",
                "3: models.0.count: 'two' is not a whole number",
            ),
            (
                "models:\n  - {model_id: a, policy: random, count: true}",
                "3: models.0.count: true is not a whole number",
            ),
            ("models:\n  - {policy: random}", "3: models.0.model_id: is missing"),
            (
                "models:\n  - {model_id: 7, policy: random}",
                "3: models.0.model_id: 7 is not text (put it in quotes)",
            ),
            (
                "models:\n  - model_id: a\n    policy: random\n    model_id: b",
                "5: models.0.model_id: the key 'model_id' is given twice (first in line 3)",
            ),
            (
                f"models:\n  - {{model_id: {'m' * 63}, policy: random, count: 2}}",
                f"3: models.0.model_id: '{'m' * 63}_2' is longer than 64 characters",
            ),
            (
                "models:\n  - {model_id: a, policy: random, lora_alpha: .nan}",
                "3: models.0.lora_alpha: nan is not a finite number",
            ),
        ],
    )
    def test_mistakes_are_reported_once_each(self, tmp_path: Path, rows: str, mistake: str) -> None:
        assert mistakes(tmp_path, f"name: r\n{rows}\n") == [mistake]

    def test_too_many_players_are_refused_before_they_are_made(self, tmp_path: Path) -> None:
        rows = "".join(f"  - {{model_id: m{n}, policy: random, count: 600000}}\n" for n in range(2))
        assert mistakes(tmp_path, f"name: r\nmodels:\n{rows}") == [
            "2: models: makes 1,200,000 players; a roster may have 1,000,000"
        ]

    def test_the_same_rules_apply_in_python(self) -> None:
        with pytest.raises(ValidationError, match="neither a model_name nor a policy"):
            ModelConfig(model_id="a")
        with pytest.raises(ValidationError, match=r"did you mean tit_for_tat\?"):
            player("a", policy="tit_for_tt")
        with pytest.raises(ValidationError, match=r"the model_id 'a' is taken by models\.0"):
            Roster(name="r", models=(player("a"), player("a")))
        with pytest.raises(ValidationError, match="the roster has no base_model"):
            Roster(name="r", models=(ModelConfig(model_id="a", model_name="x"),))
        with pytest.raises(ValidationError, match="at least 1 item"):
            Roster(name="r", models=())


class TestAdapters:
    def test_adapter_paths_start_at_the_roster_file(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "tuned")
        roster = Roster.load(written(tmp_path, ADAPTER_ROW.format(adapter="./tuned")))
        assert roster.models[0].adapter == str(tmp_path / "tuned")

    def test_a_missing_adapter_path_gives_the_nearest_folder(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "tuned")
        assert mistakes(tmp_path, ADAPTER_ROW.format(adapter="tunned")) == [
            "6: models.0.adapter: 'tunned' is not a folder (did you mean tuned?)"
        ]

    def test_an_adapter_path_must_be_a_peft_folder(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert mistakes(tmp_path, ADAPTER_ROW.format(adapter="empty")) == [
            "6: models.0.adapter: 'empty' has no adapter_config.json (name the folder that PEFT saved to)"
        ]

    def test_a_scripted_player_has_no_adapter(self, tmp_path: Path) -> None:
        (tmp_path / "adapter_config.json").write_text("{}")
        text = "name: r\nmodels:\n  - {model_id: a, policy: random, adapter: .}\nbase_model: B\n"
        assert mistakes(tmp_path, text) == [
            "3: models.0.adapter: a scripted player has no adapter (leave adapter or policy out)"
        ]


def test_the_roster_schema_gives_the_ranges_of_numbers() -> None:
    rank = roster_schema()["$defs"]["ModelConfig"]["properties"]["lora_rank"]
    top_p = roster_schema()["$defs"]["SamplingConfig"]["properties"]["top_p"]
    assert rank["anyOf"][0] == {"minimum": 1, "type": "integer"}
    assert top_p["anyOf"][0] == {"exclusiveMinimum": 0, "maximum": 1, "type": "number"}


class TestSchema:
    def test_shipped_rosters_match_the_schema(self) -> None:
        for path in SHIPPED:
            jsonschema.validate(read_yaml(path).data, roster_schema())

    def test_the_schema_knows_roles_and_policies_and_no_other_keys(self) -> None:
        row = {"model_id": "a", "policy": "random"}
        checker = jsonschema.Draft202012Validator(roster_schema())
        assert checker.is_valid({"name": "r", "models": [row]})
        for change in ({"policy": "nobody"}, {"role": "boss"}, {"colour": "red"}, {"count": 0}):
            assert not checker.is_valid({"name": "r", "models": [{**row, **change}]})


KEYS = sorted({"name", "base_model", "models", "x", *ModelConfig.model_fields, *SamplingConfig.model_fields})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(KEYS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.dictionaries(st.sampled_from(KEYS), VALUES), top=st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_mapping_is_valid_or_has_findings(tmp_path: Path, row: dict[str, Any], top: dict[str, Any]) -> None:
    sound = {"model_id": "a", "policy": "random"}
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps({"name": "r", "models": [sound, {**sound, **row}], **top}), encoding="utf-8")
    with contextlib.suppress(InvalidFileError):
        assert Roster.load(path).expand()


class TestNamesInUnicode:
    @pytest.mark.parametrize("name", ["हिन्दी", "ไทย้", "אבגַ", "张伟", "Zoë", "José-1", "ناصر"])
    def test_marks_of_a_script_belong_to_a_name(self, name: str) -> None:
        assert ModelConfig(model_id=name, policy="random").model_id == unicodedata.normalize("NFC", name)

    def test_equal_names_are_equal_however_they_are_composed(self) -> None:
        twice = [ModelConfig(model_id=unicodedata.normalize(form, "café"), policy="random") for form in ("NFC", "NFD")]
        assert twice[0].model_id == twice[1].model_id
        with pytest.raises(ValidationError, match=r"is taken by models\.0"):
            Roster(name="r", models=tuple(twice))

    @pytest.mark.parametrize("name", ["\u0301a", "a b", "a\u200bb", "😀", "a/b", ""])
    def test_other_characters_are_refused(self, name: str) -> None:
        with pytest.raises(ValidationError, match="may contain only letters"):
            ModelConfig(model_id=name, policy="random")
