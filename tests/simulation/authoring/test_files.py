"""`society new roster|show` and `society new scenario`: questions, messages and the files written."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest

from agents.adapter_sources import Candidate
from agents.inference.servers.served_model import ServedModel
from agents.roster import FOLDER, Roster, roster_schema
from agents.yaml_file import read_yaml
from simulation.answer.audiences import audience_maps
from simulation.authoring.roster_draft import deal
from simulation.authoring.roster_picture import picture
from simulation.authoring.schema import scenario_schema, shipped_schemas
from simulation.cli import roster as cli_roster
from simulation.games import task_types
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from tests.simulation.cli.test_app import society
from tests.support.adapters import write_adapter

SHIPPED = FOLDER.parent / "adapters"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made_for(name: str, base: str, rank: int = 8) -> None:
    write_adapter(Path("mine") / name, base=base, rank=rank, lora_alpha=2 * rank)


class TestFromAFolder:
    def test_folder_gives_base_rank_alpha_and_relative_paths(self, capsys: pytest.CaptureFixture[str]) -> None:
        made_for("calm", "org/base-7b", rank=4)
        made_for("bold", "base-7b", rank=16)
        assert society(capsys, "new", "roster", "r.yaml", "--folder", "mine", "--teams", "2")[0] == 0
        roster = Roster.load("r.yaml")
        assert roster.base_model == "base-7b"
        assert [(row.model_id, row.lora_rank, row.lora_alpha, row.team_id) for row in roster.models] == [
            ("bold", 16, 32, "team_a"),
            ("calm", 4, 8, "team_b"),
        ]
        assert "adapter: mine/calm" in Path("r.yaml").read_text()

    def test_adapter_of_another_base_is_left_out_with_a_note(self, capsys: pytest.CaptureFixture[str]) -> None:
        made_for("calm", "base-7b")
        made_for("stray", "other-3b")
        code, _, err = society(capsys, "new", "roster", "r.yaml", "--folder", "mine", "--base", "base-7b")
        assert code == 0
        assert "left out: stray is made for base model other-3b, not for base-7b" in err
        assert [row.model_id for row in Roster.load("r.yaml").models] == ["calm"]

    def test_a_named_adapter_and_a_base_insist(self, capsys: pytest.CaptureFixture[str]) -> None:
        made_for("stray", "/models/run-7")
        options = ("--folder", "mine", "--base", "base-7b")
        assert society(capsys, "new", "roster", "r.yaml", *options)[0] == 2
        code, _, err = society(capsys, "new", "roster", "r.yaml", *options, "--adapter", "stray")
        assert (code, "stray names the base model /models/run-7; taken for base-7b" in err) == (0, True)
        assert [row.base_model for row in Roster.load("r.yaml").models] == ["base-7b"]

    def test_labels_of_one_base_make_one_roster(self, capsys: pytest.CaptureFixture[str]) -> None:
        for name, label in (("a", "C:\\models\\Base-7B"), ("b", "org/Base-7B"), ("c", "unsloth/base-7b-bnb-4bit")):
            made_for(name, label)
        code, _, err = society(capsys, "new", "roster", "r.yaml", "--folder", "mine")
        assert code == 0
        assert Roster.load("r.yaml").base_model == "org/Base-7B"
        assert "models.0: adapter 'a': its adapter_config.json names the base model" in err

    def test_adapters_of_two_bases_need_the_base_option(self, capsys: pytest.CaptureFixture[str]) -> None:
        made_for("calm", "base-7b")
        made_for("stray", "other-3b")
        code, _, err = society(capsys, "new", "roster", "r.yaml", "--folder", "mine")
        assert code == 2
        assert "calm is made for base-7b; stray is made for other-3b" in err
        assert not Path("r.yaml").exists()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--base", "qwen"), "no adapter fits --base qwen: cooperator is made for base model HuggingFaceTB/Smol"),
            (("--adapter", "defectr"), "--adapter defectr: did you mean defector?"),
            (("--role", "boss"), "--role boss: known: leader"),
            (("--endpoint", "http://localhost:1/v1"), "give only one of the two"),
            (("--language", "fr"), "--language fr"),
        ],
    )
    def test_bad_options_are_refused(
        self, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
    ) -> None:
        code, _, err = society(capsys, "new", "roster", "r.yaml", "--folder", str(SHIPPED), *options)
        assert code == 2
        assert message in err
        assert not Path("r.yaml").exists()

    def test_folder_without_adapters_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = society(capsys, "new", "roster", "r.yaml", "--folder", ".")
        assert code == 2
        assert "no subfolder has an adapter_config.json" in err


class TestFromAServer:
    def test_served_models_with_a_parent_are_adapters(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def served(*_: object) -> list[ServedModel]:
            return [
                ServedModel("org/base"),
                ServedModel("calm", parent="org/base", root=str(SHIPPED / "cooperator")),
                ServedModel("bold", parent="org/base", root="/elsewhere"),
            ]

        monkeypatch.setattr("agents.adapter_sources.list_models", served)
        assert society(capsys, "new", "roster", "r.yaml", "--endpoint", "http://localhost:8001/v1")[0] == 0
        roster = Roster.load("r.yaml")
        assert roster.base_model == "org/base"
        assert [(row.model_name, row.lora_rank) for row in roster.models] == [("calm", 8), ("bold", None)]

    def test_missing_server_is_an_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = society(capsys, "new", "roster", "r.yaml", "--endpoint", "http://127.0.0.1:9/v1")
        assert code == 1
        assert "nothing answers at http://127.0.0.1:9/v1" in err

    def test_bad_url_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = society(capsys, "new", "roster", "r.yaml", "--endpoint", "here")
        assert code == 2
        assert "--endpoint here: not an http(s) URL" in err


class TestAsked:
    @pytest.fixture(autouse=True)
    def _a_person_at_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cli_roster, "at_terminal", lambda: True)

    def test_answers_make_the_roster(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"r.yaml\nnowhere\n{SHIPPED}\n\ndefector, cooperator\n2\n"))
        code, out, err = society(capsys, "new", "roster")
        assert (code, "cooperator (base HuggingFaceTB/SmolLM2-135M-Instruct, rank 8, alpha 16)" in out) == (0, True)
        assert "nowhere: no subfolder" in err
        assert [(row.model_id, row.team_id) for row in Roster.load("r.yaml").models] == [
            ("defector", "team_a"),
            ("cooperator", "team_b"),
        ]

    def test_wrong_answer_asks_again(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        Path("taken.yaml").write_text("precious")
        answers = (
            "taken.yaml",
            "nowhere/r.yaml",
            "r.yaml",
            "shipped",
            "nobase",
            "",
            "coperator",
            "cooperator",
            "many",
            "99",
            "0",
        )
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(answers) + "\n"))
        code, _, err = society(capsys, "new", "roster")
        assert code == 0, err
        complaints = (
            "taken.yaml exists",
            "no folder nowhere",
            "nobase",
            "did you mean cooperator?",
            "many is not",
            "99 is not",
        )
        assert [said for said in complaints if said not in err] == []
        assert [row.model_name for row in Roster.load("r.yaml").models] == ["cooperator"]
        assert Path("taken.yaml").read_text() == "precious"

    def test_ending_the_questions_early_writes_nothing(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("r.yaml\nshipped\n"))
        code, _, err = society(capsys, "new", "roster")
        assert code == 1
        assert "Traceback" not in err
        assert list(Path().iterdir()) == []


class TestValidate:
    ROSTER = "name: r\nbase_model: base-7b\nmodels:\n  - {model_id: a, model_name: a, adapter: mine/a}\n"

    def test_an_adapter_that_nothing_can_serve_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        write_adapter(Path("mine/a"), base="base-7b", use_dora=True)
        Path("r.yaml").write_text(self.ROSTER)
        code, _, err = society(capsys, "validate", "r.yaml")
        assert code == 2
        assert "r.yaml:4: models.0.adapter: 'mine/a' cannot be used: use_dora is not supported" in err

    def test_an_adapter_of_another_base_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        write_adapter(Path("mine/a"), base="other-3b")
        Path("r.yaml").write_text(self.ROSTER)
        code, _, err = society(capsys, "validate", "r.yaml")
        assert (code, "belongs to base model other-3b, and the roster's base_model is base-7b" in err) == (2, True)

    def test_an_adapter_is_named_in_the_file_and_line_of_its_row(self, capsys: pytest.CaptureFixture[str]) -> None:
        write_adapter(Path("rosters/mine/a"), base="other-3b")
        Path("rosters/base.yaml").write_text(f"{self.ROSTER}  - {{model_id: b, policy: tit_for_tat}}\n")
        Path("rosters/r.yaml").write_text("extends: base.yaml\nname: r\n")
        task = "{task_id: t, task_type: prisoners_dilemma}"
        Path("s.yaml").write_text(f"name: s\nmode: cooperative\nroster: rosters/r.yaml\ntasks:\n  - {task}\n")
        for file in ("rosters/r.yaml", "s.yaml"):
            code, _, err = society(capsys, "validate", file)
            assert (code, err.startswith("rosters/base.yaml:4: models.0.adapter: ")) == (2, True), err

    def test_a_scenario_is_checked_for_its_tiers(self, capsys: pytest.CaptureFixture[str]) -> None:
        base = "SmolLM2-135M-Instruct"
        write_adapter(Path("mine/a"), base=base, alpha_pattern={"q_proj": 2})
        row = "  - {model_id: NAME, model_name: a, adapter: mine/a}\n"
        rows = row.replace("NAME", "a") + row.replace("NAME", "b")
        Path("r.yaml").write_text(f"name: r\nbase_model: {base}\nmodels:\n{rows}")
        task = "{task_id: t, task_type: prisoners_dilemma, required_models: 2}"
        text = f"name: s\nmode: cooperative\nroster: r.yaml\ntasks:\n  - {task}\ninference: {{tiers: [TIERS]}}\n"
        Path("s.yaml").write_text(text.replace("TIERS", "http, embedded"))
        code, _, err = society(capsys, "validate", "s.yaml")
        assert (code, "alpha_pattern is not supported by the embedded tier" in err) == (0, True)
        Path("s.yaml").write_text(text.replace("TIERS", "embedded"))
        code, _, err = society(capsys, "validate", "s.yaml")
        assert (code, "cannot be used: alpha_pattern is not supported" in err) == (2, True)


def test_roster_new_without_a_terminal_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "new", "roster")
    assert code == 2
    assert "name the file to write" in err


def test_deal_makes_unique_ids_and_assigns_roles_in_turn() -> None:
    from agents.role import ModelRole

    rows = deal([Candidate("org/a b"), Candidate("a b"), Candidate("///")], 0, [ModelRole.LEADER, ModelRole.FOLLOWER])
    assert [(row.model_id, row.role.value) for row in rows] == [
        ("a_b", "leader"),
        ("a_b_2", "follower"),
        ("model", "leader"),
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("game", task_types())
def test_scenario_new_writes_valid_parameters_as_comments(
    capsys: pytest.CaptureFixture[str], game: str, language: str
) -> None:
    options = ("--game", game, "--language", language, "--roster", "two_teams")
    code, _, err = society(capsys, "new", "scenario", "play.yaml", *options)
    if code:
        assert "task_type" in err  # two teams of three cannot play this game
        return
    text = Path("play.yaml").read_text(encoding="utf-8")
    jsonschema.validate(read_yaml(Path("play.yaml")).data, scenario_schema())
    settings = [line for line in text.splitlines() if line.startswith("    #   ") or line == "    # parameters:"]
    if settings:
        uncommented = "\n".join(line.replace("# ", "", 1) for line in settings)
        block = "\n".join(settings)
        Path("uncommented.yaml").write_text(text.replace(block, uncommented), encoding="utf-8")
        assert Plan.load("uncommented.yaml").scenario.tasks[0].parameters


def test_schema_line_names_an_existing_schema(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, extra in (("roster", ()), ("scenario", ()), ("roster", ("--schema",)), ("scenario", ("--schema",))):
        path = Path(f"{kind}{len(extra)}.yaml")
        assert society(capsys, "new", kind, str(path), *extra)[0] == 0
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        named = path.parent / first.partition("$schema=")[2]
        assert json.loads(named.read_text(encoding="utf-8"))["title"].lower() == kind
        jsonschema.validate(read_yaml(path).data, json.loads(named.read_text(encoding="utf-8")))


def test_shipped_schemas_match_the_code() -> None:
    for path, schema in shipped_schemas().items():
        assert json.loads(path.read_text(encoding="utf-8")) == schema, "run: python -m simulation.authoring.schema"
    assert "extends" in roster_schema()["properties"]


class TestShow:
    def test_show_has_teams_roles_and_audiences(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = society(capsys, "show", "two_teams", "--scenario", "team_battle")
        assert code == 0
        assert "red (3)" in out
        assert "red_lead: leader, cooperator, rank 8, planning" in out
        assert "red_lead -> red_mate, red_scout" in out

    def test_audience_maps_has_every_mode_of_a_mixed_scenario(self) -> None:
        assert [each.mode.value for each in audience_maps(Plan.load("mixed"))][:2] == ["cooperative", "competitive"]
        assert set(audience_maps(Plan.load("mixed"))[1].heard_by.values()) == {()}

    @pytest.mark.parametrize("topology", ["small_world", "scale_free", "ring", "[m_1 -> m_2, m_2 -> m_3]"])
    def test_drawn_network_is_the_played_one(self, topology: str) -> None:
        Path("r.yaml").write_text("name: r\nmodels:\n  - {model_id: m, policy: random, count: 24}\n")
        keys = {"communication.topology": topology, "seed": 5, "tasks.0.max_steps": 1, "episodes": 2}
        run = run_scenario("cooperative", roster="r.yaml", tier="simulated", set=keys)
        drawn = audience_maps(Plan.of(run.manifest))[0].heard_by
        played = run.messages[["episode", "sender", "addressees"]].itertuples(index=False)
        assert {(episode, sender): tuple(heard) for episode, sender, heard in played} == {
            (episode, sender): drawn[sender]
            for episode in range(2 * len(run.manifest["scenario"]["tasks"]))
            for sender in drawn
        }

    def test_picture_has_a_line_between_those_who_hear_each_other(self) -> None:
        plan = Plan.load("team_battle")
        drawn = picture(plan.roster, audience_maps(plan)[0])
        assert drawn.count("<line") == 6  # three pairs in each of two teams of three
        assert drawn.count('r="13"') == 6

    def test_markup_in_a_name_is_escaped(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("r.yaml").write_text(
            'name: "[red]<b>\\e[31m"\nmodels:\n  - {model_id: a, policy: random, team_id: "</text><script>"}\n'
        )
        code, out, _ = society(capsys, "show", "r.yaml", "--picture", "r.svg")
        assert code == 0
        assert "[red]<b>\\x1b[31m" in out
        assert "<script>" not in Path("r.svg").read_text()
