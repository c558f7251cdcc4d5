"""The folders that a roster's adapters are found in, and the errors if there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.inference.embedded.adapters import SHIPPED
from agents.inference.vllm.served_roster import UnservableRosterError, read_served_roster
from agents.roster import ModelConfig, Roster, shipped_rosters
from tests.support.adapters import lora_pair, write_adapter

BASE = "qwen2-7b"


def roster(*rows: dict[str, Any], base: str | None = BASE) -> Roster:
    models = tuple(ModelConfig(model_id=f"m{number}", **row) for number, row in enumerate(rows))
    return Roster(name="mine", base_model=base, models=models)


class TestAdapterFolders:
    def test_an_adapter_comes_from_its_rows_folder_first(self, tmp_path: Path) -> None:
        own, other = write_adapter(tmp_path / "own", base=BASE), write_adapter(tmp_path / "all/a", base=BASE)
        served = read_served_roster(roster({"model_name": "a", "adapter": str(own)}), adapters=tmp_path / "all")
        assert [(each.name, each.path) for each in served.adapters] == [("a", own)]
        served = read_served_roster(roster({"model_name": "a"}), adapters=tmp_path / "all")
        assert [each.path for each in served.adapters] == [other]

    def test_an_adapter_comes_from_the_shipped_ones_last(self) -> None:
        served = read_served_roster(roster({"model_name": "cooperator"}, base="SmolLM2-135M-Instruct"))
        assert [each.path for each in served.adapters] == [SHIPPED / "cooperator"]

    def test_a_name_is_served_once_for_many_rows(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a", base=BASE)
        served = read_served_roster(roster({"model_name": "a", "count": 3}, {"model_name": "a"}), adapters=tmp_path)
        assert [each.name for each in served.adapters] == ["a"]

    def test_every_row_without_an_adapter_folder_is_named(self, tmp_path: Path) -> None:
        rows = ({"model_name": "a"}, {"policy": "tit_for_tat"}, {"model_name": "b"})
        with pytest.raises(UnservableRosterError) as caught:
            read_served_roster(roster(*rows), adapters=tmp_path)
        first, second = str(caught.value).splitlines()
        assert "mine: models.0 (m0): there is no folder for adapter 'a'" in first
        assert "models.2 (m2): there is no folder for adapter 'b'" in second
        assert f"{tmp_path} has no folder of that name; shipped are cooperator" in first

    def test_one_name_cannot_be_two_adapters(self, tmp_path: Path) -> None:
        folders = [str(write_adapter(tmp_path / name, base=BASE)) for name in ("x", "y")]
        with pytest.raises(UnservableRosterError, match=r"models\.1 .*one name, one adapter"):
            read_served_roster(roster(*({"model_name": "a", "adapter": folder} for folder in folders)))

    def test_an_adapter_of_another_base_is_refused(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a", base="Llama-3-8B")
        with pytest.raises(UnservableRosterError, match="belongs to base model Llama-3-8B, and qwen2-7b is served"):
            read_served_roster(roster({"model_name": "a"}), adapters=tmp_path)
        write_adapter(tmp_path / "a", base="Qwen/Qwen2-7B")  # the same but for owner and case
        assert read_served_roster(roster({"model_name": "a"}), adapters=tmp_path).adapters

    def test_a_folder_without_a_lora_in_safetensors_is_refused(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a", base=BASE, peft_type="IA3")
        with pytest.raises(UnservableRosterError, match="its kind is IA3"):
            read_served_roster(roster({"model_name": "a"}), adapters=tmp_path)
        (write_adapter(tmp_path / "a", base=BASE) / "adapter_model.safetensors").unlink()
        with pytest.raises(UnservableRosterError, match=r"there is no adapter_model\.safetensors"):
            read_served_roster(roster({"model_name": "a"}), adapters=tmp_path)


class TestExamination:
    def test_weights_that_are_not_finite_are_refused(self, tmp_path: Path) -> None:
        tensors = lora_pair(8)
        next(iter(tensors.values()))[0, 0] = float("nan")
        write_adapter(tmp_path / "a", base=BASE, tensors=tensors)
        with pytest.raises(UnservableRosterError, match=r"models\.0 \(m0\): adapter 'a' .* are not finite"):
            read_served_roster(roster({"model_name": "a"}), adapters=tmp_path)

    def test_a_rank_above_the_largest_of_vllm_is_refused(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a", base=BASE, rank=600)
        with pytest.raises(UnservableRosterError, match="it has rank 600, and vLLM loads 512 at most"):
            read_served_roster(roster({"model_name": "a"}), adapters=tmp_path)

    def test_the_same_base_under_another_label_is_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_adapter(tmp_path / "a", base="unsloth/Qwen2-7B-bnb-4bit")
        assert read_served_roster(roster({"model_name": "a"}), adapters=tmp_path).adapters
        assert "names the base model 'unsloth/Qwen2-7B-bnb-4bit'; taken for qwen2-7b" in caplog.text

    def test_a_row_may_insist_on_its_base_model(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_adapter(tmp_path / "a", base="/models/run-7")
        row = {"model_name": "a"}
        with pytest.raises(UnservableRosterError, match="say so by base_model in its row"):
            read_served_roster(roster(row), adapters=tmp_path)
        assert read_served_roster(roster({**row, "base_model": BASE}), adapters=tmp_path).adapters
        assert "names the base model '/models/run-7'" in caplog.text
        with pytest.raises(UnservableRosterError, match="its row says base_model other-3b, and qwen2-7b is served"):
            read_served_roster(roster({**row, "base_model": "other-3b"}), adapters=tmp_path)

    def test_a_spelling_that_vllm_refuses_is_a_warning(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        config = write_adapter(tmp_path / "a", base=BASE) / "adapter_config.json"
        config.write_bytes(config.read_bytes().decode().encode("utf-8-sig"))
        assert read_served_roster(roster({"model_name": "a"}), adapters=tmp_path).adapters
        assert "vLLM does not read adapter_config.json with a byte order mark" in caplog.text


class TestTheBase:
    def test_rows_that_ask_for_the_base_give_it_their_name(self) -> None:
        served = read_served_roster(roster({"model_name": "Qwen/Qwen2-7B"}, {"model_name": BASE}))
        assert served.base_names == (BASE, "Qwen/Qwen2-7B")
        assert (served.base, served.adapters) == (BASE, ())

    def test_the_weights_of_the_base_can_be_elsewhere(self, tmp_path: Path) -> None:
        served = read_served_roster(roster({"model_name": BASE}), base=str(tmp_path))
        assert (served.base, served.base_names) == (str(tmp_path), (BASE,))

    def test_a_roster_of_scripted_players_has_nothing_to_serve(self) -> None:
        with pytest.raises(UnservableRosterError, match="no base_model"):
            read_served_roster(roster({"policy": "tit_for_tat"}, base=None))


class TestTheRank:
    def test_the_rank_is_the_largest_of_the_files(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a", base=BASE, rank=8)
        write_adapter(tmp_path / "b", base=BASE, rank=48)
        rows = ({"model_name": "a", "lora_rank": 64}, {"model_name": "b"})
        assert read_served_roster(roster(*rows), adapters=tmp_path).rank == 48

    def test_the_rank_counts_the_modules_with_a_rank_of_their_own(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a", base=BASE, rank=8, rank_pattern={"q_proj": 100}, tensors=lora_pair(100))
        assert read_served_roster(roster({"model_name": "a"}), adapters=tmp_path).rank == 100

    def test_the_rank_is_the_rows_if_the_files_have_none(self, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a", base=BASE, rank=None)
        rows = ({"model_name": "a", "lora_rank": 64},)
        assert read_served_roster(roster(*rows), adapters=tmp_path).rank == 64


@pytest.mark.parametrize("name", shipped_rosters())
def test_every_shipped_roster_can_be_served(name: str) -> None:
    served = read_served_roster(Roster.load(name))
    assert served.base.endswith("SmolLM2-135M-Instruct")
    assert {adapter.name for adapter in served.adapters} <= {"cooperator", "defector", "reciprocator"}
