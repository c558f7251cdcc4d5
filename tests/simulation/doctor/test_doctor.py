"""The doctor without a server, with a healthy one, one without an adapter, and worse; and what the docs show."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from agents.inference.backend import Completion, EndpointSettings, InferenceSettings
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.embedded.model_store import CACHE_VARIABLE
from agents.inference.provenance import Request, Tier
from agents.roster import ModelConfig, Roster
from simulation.cli.app import app
from simulation.cli.doctor import findings_table, summary
from simulation.doctor import Diagnosis, DoctorCase, Verdict, examine
from simulation.doctor.packages import examine_packages
from simulation.doctor.storage import examine_storage
from simulation.plan import Plan
from simulation.scenario import Scenario
from tests.support.adapters import lora_pair, write_adapter
from tests.support.faults import Fault
from tests.support.scripted_vllm import Route, ScriptedVLLM

UNUSED = "http://127.0.0.1:9/v1"
SHOWN = Path(__file__).parents[3] / "docs" / "troubleshooting.md"
ROSTER = Roster.load("first_contact")
BASE = "SmolLM2-135M-Instruct"


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def case_of(*urls: str, **inference: object) -> DoctorCase:
    task = {"task_id": "t", "task_type": "public_goods"}
    data = {"name": "s", "mode": "cooperative", "roster": "first_contact", "tasks": [task]}
    scenario = Scenario.model_validate({**data, "inference": {"endpoints": urls, **inference}})
    return DoctorCase.of(Plan(scenario, ROSTER))


def server() -> ScriptedVLLM:
    return ScriptedVLLM(("cooperator", "defector", "reciprocator"), base="SmolLM2-135M-Instruct")


def of(found: Sequence[Diagnosis], area: str, verdict: Verdict) -> list[Diagnosis]:
    return [each for each in found if (each.area, each.verdict) == (area, verdict)]


class TestServers:
    async def test_missing_server_is_a_warning_with_a_start_command(self) -> None:
        found = await examine(case_of(UNUSED))
        [missing] = of(found, "endpoints", Verdict.WARNING)
        assert "connection refused" in missing.finding
        assert "vllm serve BASE --port 9" in missing.remedy
        assert not [each for each in found if each.verdict is Verdict.FAILURE]
        assert [each.subject for each in of(found, "generation", Verdict.OK)] == ["simulated"]

    async def test_missing_server_is_a_failure_if_only_servers_may_answer(self) -> None:
        found = await examine(case_of(UNUSED, tiers=["http"]))
        assert [each.subject for each in of(found, "endpoints", Verdict.FAILURE)] == [UNUSED]
        assert of(await examine(DoctorCase.at([UNUSED])), "endpoints", Verdict.FAILURE)

    async def test_healthy_server_has_version_and_answers_on_both_tiers(self) -> None:
        async with server() as vllm:
            found = await examine(case_of(vllm.url))
            said = [body["model"] for body in vllm.bodies]
        here, adapters = of(found, "endpoints", Verdict.OK)
        assert "vLLM 0.32.0, serves SmolLM2-135M-Instruct, cooperator" in here.finding
        assert "all that the roster needs are served" in adapters.finding
        assert [each.subject for each in of(found, "generation", Verdict.OK)] == [
            "camel",
            "http",
            "embedded",
            "simulated",
        ]
        assert said == [ROSTER.models[0].model_name] * 2

    async def test_missing_adapter_is_a_failure_with_name_and_command(self) -> None:
        async with ScriptedVLLM(("cooperater", "defector", "reciprocator"), base="SmolLM2-135M-Instruct") as vllm:
            found = await examine(case_of(vllm.url))
        [missing] = of(found, "endpoints", Verdict.FAILURE)
        assert missing.subject == "cooperator"
        assert "did you mean cooperater?" in missing.finding
        assert f"society serve adapters load {vllm.url} PATH --name cooperator" in missing.remedy

    async def test_unhealthy_server_wrong_url_and_missing_key_differ(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_SUCH_KEY", raising=False)
        async with server() as vllm, vllm.faulty(Fault.SERVER_ERROR, Route.HEALTH):
            endpoints = (
                EndpointSettings(vllm.url),
                EndpointSettings(vllm.url.removesuffix("/v1")),
                EndpointSettings(vllm.url, api_key_env="NO_SUCH_KEY"),
            )
            failures = of(await examine(DoctorCase(endpoints)), "endpoints", Verdict.FAILURE)
        assert ["/health reports an error" in failures[0].finding, "/v1?" in failures[1].finding] == [True, True]
        assert failures[2].remedy == "export NO_SUCH_KEY=... or: python -m keyring set lora-society NO_SUCH_KEY"

    async def test_other_base_and_short_context_are_warnings(self) -> None:
        async with ScriptedVLLM(("cooperator", "defector", "reciprocator"), base="other", max_model_len=512) as vllm:
            case = case_of(vllm.url)
            found = of(await examine(case), "endpoints", Verdict.WARNING)
        assert any("the roster says" in each.finding for each in found)
        assert any("accepts 512 tokens" in each.finding for each in found)


class TestAdapters:
    def rows(self, folder: Path) -> DoctorCase:
        row = ModelConfig(model_id="a", model_name="a", adapter=str(folder))
        settings = InferenceSettings(tiers=(Tier.HTTP, Tier.EMBEDDED, Tier.SIMULATED))
        return DoctorCase((EndpointSettings(UNUSED),), (row,), MODEL_ID, settings)

    async def test_a_folder_that_can_be_loaded_is_ok(self, tmp_path: Path) -> None:
        found = await examine(self.rows(write_adapter(tmp_path / "a", base=MODEL_ID)))
        assert [each.finding for each in of(found, "adapters", Verdict.OK)] == ["can be loaded: a"]

    async def test_an_adapter_that_changes_nothing_is_a_warning(self, tmp_path: Path) -> None:
        tensors = {name: each * ("lora_A" in name) for name, each in lora_pair(8).items()}
        found = await examine(self.rows(write_adapter(tmp_path / "a", base=MODEL_ID, tensors=tensors)))
        [warned] = of(found, "adapters", Verdict.WARNING)
        assert "changes nothing: one matrix of each of its pairs is 0" in warned.finding

    async def test_weights_that_are_not_finite_are_a_failure(self, tmp_path: Path) -> None:
        tensors = {name: each * float("nan") for name, each in lora_pair(8).items()}
        found = await examine(self.rows(write_adapter(tmp_path / "a", base=MODEL_ID, tensors=tensors)))
        [failed] = of(found, "adapters", Verdict.FAILURE)
        assert "numbers that are not finite" in failed.finding

    async def test_another_base_is_a_failure_and_another_label_a_warning(self, tmp_path: Path) -> None:
        found = await examine(self.rows(write_adapter(tmp_path / "a", base="other-3b")))
        assert [each.subject for each in of(found, "adapters", Verdict.FAILURE)] == ["a"]
        found = await examine(self.rows(write_adapter(tmp_path / "a", base=f"/models/{BASE}")))
        assert [each.subject for each in of(found, "adapters", Verdict.WARNING)] == ["a"]

    async def test_a_tier_that_the_run_does_not_need_is_a_note(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As for a base model that only the servers have."""
        monkeypatch.setattr("agents.inference.embedded.model_store.model_path", lambda: Path("/models/here"))
        row = ModelConfig(model_id="a", model_name="cooperator")
        settings = InferenceSettings(tiers=(Tier.HTTP, Tier.EMBEDDED))
        async with ScriptedVLLM(("cooperator",), base="qwen2-7b") as vllm:
            found = await examine(DoctorCase((EndpointSettings(vllm.url),), (row,), "qwen2-7b", settings))
        [note] = of(found, "generation", Verdict.NOTE)
        assert note.subject == "embedded"
        assert "is not needed, an earlier tier answers; it fails: " in note.finding
        assert not [each for each in found if each.verdict is Verdict.FAILURE]
        assert summary(found) == "no problems found"

    async def test_the_doctor_asks_what_the_run_asks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("agents.inference.embedded.model_store.model_path", lambda: Path("/models/here"))
        asked: list[Request] = []

        async def complete(_self: object, request: Request, _route: object = None) -> Completion:
            asked.append(request)
            return Completion("yes")

        monkeypatch.setattr("agents.inference.embedded.backend.EmbeddedBackend.complete", complete)
        case = self.rows(write_adapter(tmp_path / "a", base="/models/run-7"))
        row = case.models[0].model_copy(update={"base_model": MODEL_ID})
        found = await examine(replace(case, models=(row,)))
        assert [each.subject for each in of(found, "generation", Verdict.OK)] == ["embedded", "simulated"]
        [request] = asked
        assert (request.adapter, request.adapter_path, request.base_model, request.base_stated) == (
            "a",
            str(tmp_path / "a"),
            MODEL_ID,
            True,
        )


class TestPackages:
    def test_installed_packages_are_ok(self) -> None:
        assert {each.verdict for each in examine_packages()} == {Verdict.OK}

    @pytest.mark.parametrize(
        ("name", "there", "subject", "remedy"),
        [
            (
                "oasis",
                "0.1.3",
                "oasis",
                "pip uninstall -y oasis && pip install --force-reinstall --no-deps",
            ),
            ("openai-agents", "0.4.0", "agents", "pip uninstall -y openai-agents"),
            ("camel-ai", "0.2.90", "camel-ai", "pip install 'camel-ai==0.2.78'"),
            ("mcp", "2.0.0", "mcp", "pip install 'mcp<2'"),
        ],
    )
    def test_wrong_package_is_named_with_the_fix(
        self, monkeypatch: pytest.MonkeyPatch, name: str, there: str, subject: str, remedy: str
    ) -> None:
        real = metadata.version
        monkeypatch.setattr("simulation.doctor.packages.version", lambda each: there if each == name else real(each))
        [found] = [each for each in examine_packages() if each.verdict is not Verdict.OK]
        assert found.subject == subject
        assert there in found.finding
        assert found.remedy.startswith(remedy)


def test_read_only_folder_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # tests may run as root, who may write anywhere
    assert {each.verdict for each in examine_storage(tmp_path)} == {Verdict.FAILURE}


def test_exit_code_is_1_on_failure() -> None:
    run = CliRunner().invoke
    assert run(app, ["doctor", "first_contact", "--endpoint", UNUSED]).exit_code == 0
    failed = run(app, ["doctor", "--endpoint", UNUSED, "--json"])
    assert failed.exit_code == 1
    assert {each["verdict"] for each in json.loads(failed.stdout)} >= {"ok", "failure"}


# -- what the docs show -------------------------------------------------------------------------------------


def printed(found: Sequence[Diagnosis]) -> str:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(findings_table(found))
    return console.export_text() + summary(found)


def masked(text: str) -> list[str]:
    """Return the lines without what differs between machines: numbers, folders, the width of columns."""
    text = re.sub(r"(free at|left at) \S+", r"\1 FOLDER", re.sub(r"127\.0\.0\.1", "localhost", text))
    return [" ".join(re.sub(r"\d+(\.\d+)*", "N", line).split()) for line in text.splitlines() if line.strip()]


def shown(title: str) -> str:
    text = SHOWN.read_text(encoding="utf-8")
    return re.findall(rf"## {title}\n.*?```text\n\$[^\n]*\n(.*?)```", text, flags=re.DOTALL)[0]


async def test_docs_show_the_output_without_a_server() -> None:
    assert masked(printed(await examine(case_of(UNUSED)))) == masked(shown("No server answers"))


async def test_docs_show_the_output_for_a_healthy_server() -> None:
    async with server() as vllm:
        found = await examine(case_of(vllm.url))
    assert masked(printed(found)) == masked(shown("No problems"))


async def test_docs_show_the_output_for_a_missing_adapter() -> None:
    async with ScriptedVLLM(("defector", "reciprocator"), base="SmolLM2-135M-Instruct") as vllm:
        found = await examine(case_of(vllm.url))
    assert masked(printed(found)) == masked(shown("An adapter is missing"))
