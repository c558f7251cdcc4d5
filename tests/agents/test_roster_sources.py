"""Rosters made in Python: from a server, from a folder of adapters, and by adding and removing rows."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.problems import SocietyError, UsageError
from agents.role import ModelRole
from agents.roster import ModelConfig, Roster
from agents.roster_rules import free_id
from tests.support.adapters import lora_pair, write_adapter
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM


def row(model_id: str, model_name: str = "a") -> ModelConfig:
    return ModelConfig(model_id=model_id, model_name=model_name)


def of_rows(*rows: ModelConfig) -> Roster:
    return Roster(name="r", base_model="base", description="for tests", models=rows)


class TestFromServer:
    def test_from_server_gives_a_row_per_adapter(self) -> None:
        with in_thread(ScriptedVLLM(("calm", "org/bold"), base="org/base-7b")) as server:
            roster = Roster.from_server(server.url + "/")
        assert (roster.base_model, roster.name) == ("org/base-7b", server.url.split("/")[2])
        assert [(each.model_id, each.model_name, each.role) for each in roster.models] == [
            ("calm", "calm", ModelRole.NEUTRAL),
            ("bold", "org/bold", ModelRole.NEUTRAL),
        ]
        assert {each.base_model for each in roster.models} == {None}

    def test_from_server_reads_rank_and_alpha_of_local_folders(self, tmp_path: Path) -> None:
        server = ScriptedVLLM(("calm", "bold"))
        server.roots = {"calm": str(write_adapter(tmp_path / "calm", rank=16, lora_alpha=32))}
        with in_thread(server):
            roster = Roster.from_server(server.url)
        assert [(each.lora_rank, each.lora_alpha) for each in roster.models] == [(16, 32), (None, None)]

    def test_from_server_takes_the_base_model_given(self) -> None:
        with in_thread(ScriptedVLLM(("calm",), base="alias")) as server:
            roster = Roster.from_server(server.url, base_model="org/base-7b", name="mine")
        assert (roster.name, roster.base_model, roster.models[0].base_model) == ("mine", "org/base-7b", None)

    async def test_from_server_works_inside_a_running_loop(self) -> None:
        """As in a notebook, whose cells run in a loop of their own."""
        server = ScriptedVLLM(("calm",))
        with in_thread(server):
            roster = Roster.from_server(server.url)
            await asyncio.sleep(0)
        assert [each.model_name for each in roster.models] == ["calm"]

    def test_from_server_sends_the_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ROSTER_TEST_KEY", "s3cret")
        with in_thread(ScriptedVLLM(("calm",), api_key="s3cret")) as server:
            assert Roster.from_server(server.url, api_key_env="ROSTER_TEST_KEY").models
            with pytest.raises(SocietyError, match="it wants an API key"):
                Roster.from_server(server.url)

    def test_from_server_without_adapters_says_how_to_load_some(self) -> None:
        with (
            in_thread(ScriptedVLLM((), base="base-7b")) as server,
            pytest.raises(SocietyError, match=r"serves base-7b and no adapter; start vLLM with --enable-lora"),
        ):
            Roster.from_server(server.url)

    def test_from_server_names_a_server_that_is_not_there(self) -> None:
        with pytest.raises(SocietyError, match=r"nothing answers at http://127\.0\.0\.1:9/v1"):
            Roster.from_server("http://127.0.0.1:9/v1")


class TestFromFolder:
    def test_from_folder_gives_a_row_per_adapter(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "bold", base="org/base-7b", rank=8)
        write_adapter(tmp_path / "calm", base="org/base-7b", rank=16, lora_alpha=32)
        roster = Roster.from_folder(tmp_path)
        assert (roster.name, roster.base_model) == (tmp_path.name, "org/base-7b")
        assert [(each.model_id, each.lora_rank, each.adapter) for each in roster.models] == [
            ("bold", 8, str(tmp_path / "bold")),
            ("calm", 16, str(tmp_path / "calm")),
        ]

    def test_from_folder_takes_the_folder_of_one_adapter(self, tmp_path: Path) -> None:
        assert [each.model_id for each in Roster.from_folder(write_adapter(tmp_path / "calm")).models] == ["calm"]

    def test_from_folder_names_the_base_of_each_that_differs(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "bold", base="base-7b")
        write_adapter(tmp_path / "calm", base="other-3b")
        write_adapter(tmp_path / "mute", base=None)
        roster = Roster.from_folder(tmp_path)
        assert roster.base_model == "base-7b"
        assert [each.base_model for each in roster.models] == [None, "other-3b", None]

    def test_from_folder_needs_a_base_model(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "mute", base=None)
        with pytest.raises(UsageError, match="do not say which base model they belong to; give base_model="):
            Roster.from_folder(tmp_path)
        assert Roster.from_folder(tmp_path, base_model="base-7b").base_model == "base-7b"

    def test_from_folder_logs_adapters_that_cannot_be_used(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_adapter(tmp_path / "calm")
        (write_adapter(tmp_path / "torn") / "adapter_model.safetensors").unlink()
        write_adapter(tmp_path / "wild", tensors={name: each * float("nan") for name, each in lora_pair(8).items()})
        with caplog.at_level(logging.WARNING):
            roster = Roster.from_folder(tmp_path)
        assert [each.model_id for each in roster.models] == ["calm"]
        assert "left out: adapter 'torn'" in caplog.text
        assert "left out: adapter 'wild'" in caplog.text

    def test_from_folder_without_adapters_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"no subfolder has an adapter_config\.json"):
            Roster.from_folder(tmp_path)

    def test_a_roster_from_a_folder_can_be_saved_and_loaded(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "mine" / "calm")
        roster = Roster.from_folder(tmp_path / "mine")
        roster.save(tmp_path / "mine.yaml")
        assert Roster.load(tmp_path / "mine.yaml") == roster


class TestRows:
    def test_with_rows_adds_and_replaces_by_model_id(self) -> None:
        roster = of_rows(row("ada"), row("ben")).with_rows(row("ada", "b"), row("cleo"))
        assert [(each.model_id, each.model_name) for each in roster.models] == [
            ("ada", "b"),
            ("ben", "a"),
            ("cleo", "a"),
        ]
        assert (roster.name, roster.base_model, roster.description) == ("r", "base", "for tests")

    def test_with_rows_checks_the_whole_roster(self) -> None:
        roster = of_rows(row("ada_1"))
        with pytest.raises(ValidationError, match="'ada_1' is taken"):
            roster.with_rows(ModelConfig(model_id="ada", model_name="a", count=2))

    def test_with_rows_leaves_the_roster_as_it_was(self) -> None:
        roster = of_rows(row("ada"))
        roster.with_rows(row("ben"))
        assert [each.model_id for each in roster.models] == ["ada"]

    def test_without_removes_rows(self) -> None:
        roster = of_rows(row("ada"), row("ben"), row("cleo")).without("ada", "cleo")
        assert [each.model_id for each in roster.models] == ["ben"]

    def test_without_an_unknown_row_names_the_nearest(self) -> None:
        with pytest.raises(UsageError, match=r"roster r has no 'bem' \(did you mean ben\?\)"):
            of_rows(row("ada"), row("ben")).without("bem")

    def test_without_the_last_row_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            of_rows(row("ada")).without("ada")


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [("org/a b", (), "a_b"), ("a b", ("a_b",), "a_b_2"), ("///", (), "model"), ("x" * 80, (), "x" * 56)],
)
def test_free_id_is_valid_and_not_taken(name: str, taken: tuple[str, ...], expected: str) -> None:
    assert free_id(name, taken) == expected
