"""Scenarios: checked whole together with their roster, every mistake reported once with its line."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.provenance import FALLBACK_ORDER, Sampling, Tier
from agents.inference.servers.balancing import Balancing
from agents.language import Language
from agents.problems import InvalidFileError
from agents.roster import ModelConfig, Roster, shipped_rosters
from agents.strategy import TrainingMode
from agents.yaml_file import read_yaml
from simulation.authoring.schema import scenario_schema, shipped_schemas
from simulation.games import task_types
from simulation.games.prisoners_dilemma import DilemmaParameters
from simulation.modes import MixingPolicy
from simulation.plan import Plan, Settings, make_plan
from simulation.scenario import FOLDER, Mixing, Scenario, shipped_scenarios
from simulation.sections.inference import InferenceConfig
from simulation.task import TrainingTask
from simulation.topology.communication import Communication
from simulation.topology.graph import TopologyKind

SHIPPED = sorted(FOLDER.glob("*.yaml"))

SOUND = """\
name: sound
mode: cooperative
roster: first_contact
tasks:
  - task_id: t
    task_type: prisoners_dilemma
"""


def written(folder: Path, text: str, name: str = "s.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path, **overrides: str) -> list[str]:
    """Every problem of a scenario, without its folder."""
    with pytest.raises(InvalidFileError) as caught:
        Plan.load(path, overrides)
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def sound_with(folder: Path, more: str) -> Path:
    return written(folder, SOUND + more)


def overridden(**overrides: str) -> Plan:
    return Plan.load("first_contact", {key.replace("__", "."): text for key, text in overrides.items()})


class TestShipped:
    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_every_scenario_loads_by_name(self, path: Path) -> None:
        plan = Plan.load(path.stem)
        assert plan.path == path
        assert plan.scenario.name == path.stem
        assert plan.scenario.description
        assert plan.roster.name in shipped_rosters()

    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_every_scenario_survives_its_manifest(self, path: Path) -> None:
        scenario = Scenario.load(path)
        assert Scenario.model_validate(json.loads(json.dumps(scenario.model_dump(mode="json")))) == scenario

    def test_every_mode_every_game_and_both_languages_appear(self) -> None:
        scenarios = [Scenario.load(name) for name in shipped_scenarios()]
        assert {scenario.mode for scenario in scenarios} == set(TrainingMode)
        assert {scenario.language for scenario in scenarios} == set(Language)
        played = {task.task_type for scenario in scenarios for task in scenario.tasks}
        assert {"public_goods", "prisoners_dilemma", "commons", "strategy"} <= played

    def test_file_in_the_working_directory_wins_over_a_shipped_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        written(tmp_path, SOUND, "cooperative")
        assert Scenario.load("cooperative").name == "sound"
        assert Scenario.load("competitive").name == "competitive"

    def test_an_unknown_name_is_told_the_nearest_and_all(self) -> None:
        with pytest.raises(InvalidFileError, match=r"did you mean team_battle\? shipped: .*commons.*, mixed"):
            Scenario.load("team_batle")


class TestMode:
    def test_a_word_takes_the_default_mixing(self) -> None:
        scenario = overridden(mode="mixed").scenario
        assert (scenario.mode, scenario.mixing) == (TrainingMode.MIXED, Mixing())
        assert scenario.mixing.policy is MixingPolicy.UCB1

    def test_a_mapping_spells_the_mixing_out(self) -> None:
        scenario = overridden(mode="{mixed: {policy: exp3, gamma: 0.5}}").scenario
        assert scenario.mode is TrainingMode.MIXED
        assert scenario.mixing == Mixing(policy=MixingPolicy.EXP3, gamma=0.5)

    def test_in_python_mode_is_what_the_file_calls_it(self) -> None:
        task = TrainingTask(task_id="t", task_type="public_goods")
        scenario = Scenario(name="n", mode="competitive", roster="first_contact", tasks=[task])
        assert scenario.mode is TrainingMode.COMPETITIVE
        assert scenario.model_dump()["mode"] is TrainingMode.COMPETITIVE

    def test_top_level_keys_are_those_promised(self) -> None:
        keys = (
            "name mode roster seed episodes language tasks communication inference sweep prompts description training"
        )
        assert set(scenario_schema()["properties"]) == {
            *keys.split(),
            "training",
            "prompt_templates",
            "surveys",
            "events",
            "memory",
            "oasis_db",
        }


class TestTask:
    def test_needs_a_name_and_a_game_only(self) -> None:
        task = TrainingTask(task_id="t", task_type="prisoners_dilemma")
        assert (task.difficulty, task.reward_pool, task.cooperation_level) == (0.5, 100.0, 0.5)
        assert (task.max_steps, task.required_models, dict(task.parameters)) == (5, 2, {})
        assert task.game_parameters() == DilemmaParameters()

    def test_parameters_are_the_games_own(self) -> None:
        task = TrainingTask(task_id="t", task_type="prisoners_dilemma", parameters={"temptation": 7})
        assert task.game_parameters() == DilemmaParameters(temptation=7)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"task_type": "public_good"}, r"did you mean public_goods\?"),
            ({"task_type": "commons", "parameters": {"growht": 2}}, r"did you mean growth\?"),
            ({"task_type": "commons", "parameters": {"growth": 0.5}}, "0.5 is below 1"),
            ({"task_type": "prisoners_dilemma", "parameters": {"reward": 9}}, "temptation > reward"),
        ],
    )
    def test_in_python_the_same_rules_hold(self, fields: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            TrainingTask(task_id="t", **fields)


class TestInference:
    def test_mirrors_the_settings_of_a_client(self) -> None:
        assert InferenceConfig().settings() == InferenceSettings(balancing=Balancing.LEAST_PENDING)
        assert InferenceConfig().sampling() == Sampling()
        assert InferenceConfig().tiers == FALLBACK_ORDER

    def test_hands_on_what_is_set(self) -> None:
        inference = overridden(
            inference__require="http",
            inference__timeout="5",
            inference__top_p="0.5",
            inference__max_tokens="9",
        ).scenario.inference
        assert inference.settings() == InferenceSettings(
            require=Tier.HTTP, timeout=5, balancing=Balancing.LEAST_PENDING
        )
        assert inference.sampling() == Sampling(temperature=0.7, top_p=0.5, max_tokens=9)

    def test_an_endpoint_is_a_url_or_spelt_out(self) -> None:
        spelt_out = "{url: http://b:2/v1, api_key_env: KEY, adapters: [skeptic]}"
        inference = overridden(inference__endpoints=f"[http://a:1/v1, {spelt_out}]").scenario.inference
        assert inference.servers() == (
            EndpointSettings("http://a:1/v1"),
            EndpointSettings("http://b:2/v1", "KEY", ("skeptic",)),
        )


class TestCommunication:
    def test_topology_is_a_word_or_pairs_of_models(self) -> None:
        assert Communication().topology is TopologyKind.COMPLETE
        pairs = overridden(communication__topology="[[ada, ben], [ben, cleo]]").scenario.communication.topology
        assert pairs == (("ada", "ben"), ("ben", "cleo"))

    def test_null_lifts_a_limit(self) -> None:
        communication = overridden(communication__inbox_limit="null").scenario.communication
        assert (communication.inbox_limit, communication.message_budget) == (None, None)


class TestMistakes:
    def test_five_make_five_messages_with_their_lines(self, tmp_path: Path) -> None:
        text = """\
name: five
mode: coperative
roster: first_contact
episodes: 0
tasks:
  - task_id: a
    task_type: prisoner_dilemma
  - task_id: b
    task_type: public_goods
    dificulty: 0.2
    required_models: 9
"""
        assert mistakes(written(tmp_path, text)) == [
            "s.yaml:2: mode: 'coperative' is not known (did you mean cooperative?)",
            "s.yaml:4: episodes: 0 is below 1 (nearest valid: 1)",
            "s.yaml:7: tasks.0.task_type: there is no game 'prisoner_dilemma' (did you mean prisoners_dilemma?)",
            "s.yaml:10: tasks.1.dificulty: unknown key 'dificulty' (did you mean difficulty?)",
            "s.yaml:11: tasks.1.required_models: needs 9 models; the roster has 4 (nearest valid: 4)",
        ]

    @pytest.mark.parametrize(
        ("more", "mistake"),
        [
            ("seed: -1", "7: seed: -1 is below 0 (nearest valid: 0)"),
            ("seed: '3'", "7: seed: '3' is not a whole number"),
            ("seed: true", "7: seed: true is not a whole number"),
            ("language: fr", "7: language: 'fr' is not known (known: en, zh)"),
            ("mixing: {policy: exp3}", "7: mixing: unknown key 'mixing' (did you mean training?)"),
            ("    difficulty: 1.5", "7: tasks.0.difficulty: 1.5 is above 1 (nearest valid: 1)"),
            ("    reward_pool: .inf", "7: tasks.0.reward_pool: inf is not a finite number"),
            ("    max_steps: 0", "7: tasks.0.max_steps: 0 is below 1 (nearest valid: 1)"),
            ("    noise: 2", "7: tasks.0.noise: 2 is above 1 (nearest valid: 1)"),
            ("    reward: 6", "7: tasks.0.reward: unknown key 'reward' (it belongs under parameters)"),
            ("    parameters: [1]", "7: tasks.0.parameters: [1] is not a mapping of keys to values"),
            (
                "    parameters:\n      temptaton: 6",
                "8: tasks.0.parameters.temptaton: unknown key 'temptaton' (did you mean temptation?)",
            ),
            (
                "    parameters:\n      reward: 9",
                "7: tasks.0.parameters: {'reward': 9}: a dilemma needs temptation > reward",
            ),
            (
                "  - {task_id: t, task_type: public_goods}",
                "7: tasks.1.task_id: the task_id 't' is taken by tasks.0",
            ),
            (
                "  - {task_id: u, task_type: public_goods, parameters: {endowment: 1}}",
                "7: tasks.1.parameters: contributions go up to 20, above the endowment 1",
            ),
            ("  - {task_typ: public_goods, task_id: u}", "7: tasks.1.task_typ: unknown key 'task_typ'"),
            ("  - {task_type: public_goods}", "7: tasks.1.task_id: is missing"),
            ("communication: ring", "7: communication: 'ring' is not a mapping of keys to values"),
            (
                "communication:\n  topology: rnig",
                "8: communication.topology: 'rnig' is not known (did you mean ring?)",
            ),
            (
                "communication:\n  topology:\n    - [ada, cloe]",
                "9: communication.topology.0.1: no model is called 'cloe' (did you mean cleo?)",
            ),
            (
                "communication:\n  topology:\n    - [ada, ada]",
                "9: communication.topology.0: joins 'ada' to itself",
            ),
            (
                "communication:\n  topology:\n    - [ada]",
                "9: communication.topology.0: ['ada'] has too few entries",
            ),
            (
                "communication: {message_budget: -1}",
                "7: communication.message_budget: -1 is below 0 (nearest valid: 0)",
            ),
            (
                "inference:\n  endpoints: [localhost:8001]",
                "8: inference.endpoints.0: 'localhost:8001' is not an http(s) URL "
                "(nearest valid: http://localhost:8001/v1)",
            ),
            ("inference: {endpoints: []}", "7: inference.endpoints: [] has 0 entries and needs at least 1"),
            ("inference: {tiers: [htp]}", "7: inference.tiers.0: 'htp' is not known (did you mean http?)"),
            (
                "inference: {tiers: [scripted]}",
                "7: inference.tiers.0: 'scripted' is not known (did you mean simulated?)",
            ),
            (
                "inference: {tiers: [simulated], require: http}",
                "7: inference.require: 'http' leaves none of the tiers allowed (nearest valid: simulated)",
            ),
            ("inference: {temperature: 2.5}", "7: inference.temperature: 2.5 is above 2 (nearest valid: 2)"),
        ],
    )
    def test_are_told_once_each(self, tmp_path: Path, more: str, mistake: str) -> None:
        (found,) = mistakes(sound_with(tmp_path, more + "\n"))
        assert found.startswith(f"s.yaml:{mistake}")

    def test_a_scenario_that_says_nothing_is_told_what_it_lacks(self, tmp_path: Path) -> None:
        assert mistakes(written(tmp_path, "name: x\ntaskz: []\n")) == [
            "s.yaml:1: mode: is missing",
            "s.yaml:1: roster: is missing (name a roster, or give one: roster=)",
            "s.yaml:2: taskz: unknown key 'taskz' (did you mean tasks?)",
        ]

    @pytest.mark.parametrize(
        ("mode", "mistake"),
        [
            ("{mixed: {policy: ucb2}}", "mode.mixed.policy: 'ucb2' is not known (did you mean ucb1?)"),
            ("{mixed: {gama: 0.1}}", "mode.mixed.gama: unknown key 'gama' (did you mean gamma?)"),
            ("{mixd: {}}", "mode.mixd: unknown key 'mixd' (did you mean mixed?)"),
            ("7", "mode: 7 is not known (known: cooperative, competitive, team_battle, mixed)"),
            (
                "team_battle",
                "mode: team_battle needs two teams; teams of the roster first_contact: none (give its rows a team_id)",
            ),
        ],
    )
    def test_in_the_mode(self, mode: str, mistake: str) -> None:
        with pytest.raises(InvalidFileError) as caught:
            overridden(mode=mode)
        assert [str(problem) for problem in caught.value.problems] == [f"--set mode={mode}: {mistake}"]


class TestWithItsRoster:
    ODD = "name: odd\nmodels:\n  - {model_id: a, policy: random, team_id: red, count: 3}\n"

    def test_a_roster_lies_beside_its_scenario(self, tmp_path: Path) -> None:
        written(tmp_path, self.ODD.replace("3", "2"), "mine.yaml")
        plan = Plan.load(written(tmp_path, SOUND.replace("first_contact", "mine.yaml")))
        assert [row.model_id for row in plan.roster.expand()] == ["a_1", "a_2"]

    def test_an_unknown_roster_is_a_mistake_of_the_scenario(self, tmp_path: Path) -> None:
        (found,) = mistakes(written(tmp_path, SOUND.replace("first_contact", "two_team")))
        assert found.startswith("s.yaml:3: roster: 'two_team': there is no roster of this name (did you mean two_t")

    def test_what_the_game_refuses_is_told(self, tmp_path: Path) -> None:
        written(tmp_path, self.ODD, "odd.yaml")
        text = SOUND.replace("first_contact", "odd.yaml").replace("cooperative", "team_battle")
        assert mistakes(written(tmp_path, text)) == [
            "s.yaml:2: mode: team_battle needs two teams; teams of the roster odd.yaml: red (give its rows a team_id)",
            "s.yaml:6: tasks.0.task_type: prisoners_dilemma pairs its players and needs an even number of "
            "models; there are 3",
        ]

    def test_mistakes_of_both_files_come_together(self, tmp_path: Path) -> None:
        written(
            tmp_path,
            self.ODD.replace("red,", "red, role: boss,") + "  - {model_id: a, polcy: x}\n",
            "odd.yaml",
        )
        text = SOUND.replace("first_contact", "odd.yaml") + "    required_models: 9\nepisodes: none\n"
        assert mistakes(written(tmp_path, text)) == [
            "odd.yaml:3: models.0.role: 'boss' is not known (known: leader, follower, competitor, teammate, neutral)",
            "odd.yaml:4: models.1.polcy: unknown key 'polcy' (did you mean policy?)",
            "s.yaml:7: tasks.0.required_models: needs 9 models; the roster has 4 (nearest valid: 4)",
            "s.yaml:8: episodes: 'none' is not a whole number",
        ]

    def test_broken_roster_hides_no_other_mistake(self, tmp_path: Path) -> None:
        written(tmp_path, self.ODD.replace("3", "0"), "odd.yaml")
        text = SOUND.replace("first_contact", "odd.yaml") + "    required_models: 9\nepisodes: 0\n"
        assert mistakes(written(tmp_path, text)) == [
            "odd.yaml:3: models.0.count: 0 is below 1 (nearest valid: 1)",
            "s.yaml:8: episodes: 0 is below 1 (nearest valid: 1)",
        ]

    def test_a_roster_that_is_no_yaml_is_told_with_its_line(self, tmp_path: Path) -> None:
        written(tmp_path, "name: x\nmodels: ]\n", "odd.yaml")
        found = mistakes(written(tmp_path, SOUND.replace("first_contact", "odd.yaml") + "episodes: 0\n"))
        assert [problem.split(": ")[0] for problem in found] == ["odd.yaml:2", "s.yaml:7"]

    def test_a_plan_made_in_python_must_fit_too(self) -> None:
        task = TrainingTask(task_id="t", task_type="prisoners_dilemma")
        scenario = Scenario(name="n", mode="cooperative", roster="r", tasks=[task])
        players = tuple(ModelConfig(model_id=name, policy="random") for name in "abc")
        with pytest.raises(InvalidFileError, match=r"n: tasks\.0\.task_type: .* even number of models; there are 3"):
            Plan(scenario, Roster(name="r", models=players))
        assert Plan(scenario, Roster(name="r", models=players[:2])).path is None


class TestOverrides:
    def test_are_read_as_yaml(self) -> None:
        scenario = overridden(
            tasks__0__max_steps="7",
            inference__temperature="0",
            language="zh",
            tasks__0__parameters__temptation="6",
        ).scenario
        assert scenario.tasks[0].max_steps == 7
        assert scenario.inference.temperature == 0
        assert scenario.language is Language.ZH
        assert scenario.tasks[0].game_parameters() == DilemmaParameters(temptation=6)

    def test_of_the_roster_start_at_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        written(tmp_path, TestWithItsRoster.ODD.replace("3", "4"), "four.yaml")
        assert len(overridden(roster="four.yaml").roster.expand()) == 4
        assert overridden(roster="competitors").roster.name == "competitors"

    def test_that_are_wrong_name_their_key_and_come_together(self) -> None:
        with pytest.raises(InvalidFileError) as caught:
            overridden(tasks__0__max_steps="-1", tasks__4__max_steps="1", infrence__retries="1", seed="[")
        assert [str(problem).partition(": ")[0] for problem in caught.value.problems] == [
            "--set infrence.retries=1",
            "--set seed=[",
            "--set tasks.0.max_steps=-1",
            "--set tasks.4.max_steps=1",
        ]


class TestSchema:
    def test_shipped_scenarios_keep_to_it(self) -> None:
        for path in SHIPPED:
            jsonschema.validate(read_yaml(path).data, scenario_schema())

    def test_knows_games_and_their_parameters(self) -> None:
        task = {"task_id": "t", "task_type": "commons", "parameters": {"growth": 2}}
        scenario = {"name": "n", "mode": {"mixed": {"policy": "exp3"}}, "roster": "r", "tasks": [task]}
        checker = jsonschema.Draft202012Validator(scenario_schema())
        assert checker.is_valid(scenario)
        assert not checker.is_valid({**scenario, "mode": "mixd"})
        for wrong in ({"task_type": "comons"}, {"parameters": {"temptation": 5}}, {"max_steps": 0}):
            assert not checker.is_valid({**scenario, "tasks": [{**task, **wrong}]})
        assert scenario_schema()["$defs"]["TrainingTask"]["properties"]["task_type"]["enum"] == list(task_types())

    @pytest.mark.parametrize("path", shipped_schemas(), ids=lambda path: path.name)
    def test_the_files_editors_read_are_current(self, path: Path) -> None:
        shipped = json.loads(path.read_text(encoding="utf-8"))
        assert names_in(shipped) == names_in(shipped_schemas()[path]), "run: python -m simulation.authoring.schema"

    @pytest.mark.parametrize("path", shipped_schemas(), ids=lambda path: path.name)
    def test_shipped_files_name_the_schema_beside_them(self, path: Path) -> None:
        for file in path.parent.glob("*.yaml"):
            first = file.read_text(encoding="utf-8").splitlines()[0]
            assert first == f"# yaml-language-server: $schema={path.name}"


def names_in(schema: object) -> set[str]:
    """Every key, word and limit a schema knows, whatever shape this pydantic gives it."""
    if isinstance(schema, dict):
        return set(schema.get("properties", {})).union(*map(names_in, schema.values()))
    if isinstance(schema, list):
        return set().union(*map(names_in, schema))
    return {str(schema)}


KEYS = sorted({*Scenario.model_fields, "mode", *TrainingTask.model_fields, *Communication.model_fields, "mixed"})
WORDS = st.text(max_size=4) | st.sampled_from([*KEYS, "ada", "http://[", "simulated", "commons", "team_battle"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
)
MAPPINGS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=MAPPINGS, task=MAPPINGS, communication=MAPPINGS)
def test_no_mapping_does_worse_than_be_invalid(
    tmp_path: Path, top: dict[str, Any], task: dict[str, Any], communication: dict[str, Any]
) -> None:
    sound = {"task_id": "t", "task_type": "public_goods"}
    scenario = {"name": "n", "mode": "mixed", "roster": "first_contact", "communication": communication}
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps({**scenario, "tasks": [sound, {**sound, **task}], **top}), encoding="utf-8")
    with contextlib.suppress(InvalidFileError):
        assert Plan.load(path).roster.expand()


@pytest.mark.parametrize("key", ["seed", "episodes", "tasks.0.max_steps", "communication.inbox_limit"])
def test_integers_beyond_64_bits_are_refused_at_the_door(tmp_path: Path, key: str) -> None:
    (said,) = mistakes(written(tmp_path, SOUND), **{key: str(2**63)})
    assert said == f"--set {key}={2**63}: {key}: {2**63} is above {2**63 - 1} (nearest valid: {2**63 - 1})"
    Plan.load(written(tmp_path, SOUND), {"seed": str(2**63 - 1)})


def test_plan_takes_values_of_numpy_enums_and_models() -> None:
    changed = {"seed": np.int64(3), "mode": TrainingMode.COMPETITIVE, "communication": Communication(talk_rounds=2)}
    scenario = make_plan("first_contact", Settings(set=changed)).scenario
    assert (scenario.seed, scenario.mode, scenario.communication.talk_rounds) == (3, TrainingMode.COMPETITIVE, 2)


def test_parameters_that_a_game_refuses_are_reported_where_they_are_set() -> None:
    with pytest.raises(InvalidFileError) as caught:
        Plan.load("cooperative", {"tasks.0.parameters": "{contributions: [0, 50]}"})
    assert [problem.file for problem in caught.value.problems] == [
        "--set tasks.0.parameters={contributions: [0, 50]}"
    ] * len(caught.value.problems)
