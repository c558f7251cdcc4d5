"""Versions: what is written loads elsewhere, and a training that was stopped continues as if it had not been."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from agents.inference.adapter_folder import read_adapter_folder
from agents.learning.adapters import AdapterStart
from agents.learning.samples import LossWeights, Sample
from agents.learning.trainer import LoRATrainer
from agents.learning.versions import clear_unfinished, read_recipe
from agents.problems import SocietyError
from tests.agents.learning.conftest import CHOICES, asks, trainer_of

torch = pytest.importorskip("torch")
SAMPLES = [Sample(prompt, values=(1.0, -0.5, 0.25)) for prompt in asks("ann")]
WEIGHTS = LossWeights(entropy=0.1, kl=0.2)


def update(trainer: LoRATrainer, place: Path, samples: list[Sample] = SAMPLES) -> str:
    trainer.forward_backward(samples, WEIGHTS)
    trainer.optim_step("ann")
    return trainer.save_weights("ann", place).digest


def fresh(base: Path) -> LoRATrainer:
    return LoRATrainer(str(base), {"ann": AdapterStart(modules="all")}, learning_rate=1e-2, device="cpu")


def test_a_version_is_named_by_its_weights(base: Path, tmp_path: Path) -> None:
    version = trainer_of(base, "ann").save_weights("ann", tmp_path)
    stored = hashlib.sha256((version.folder / "adapter_model.safetensors").read_bytes()).hexdigest()
    assert (version.digest, version.name) == (stored, f"ann-{stored[:12]}")
    assert [path.name for path in tmp_path.iterdir()] == [version.name]
    assert read_adapter_folder(version.folder).check_values()
    assert json.loads((version.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base)


def test_same_inputs_give_the_same_digest(base: Path, tmp_path: Path) -> None:
    first, second = ([update(trainer, tmp_path) for _ in range(3)] for trainer in (fresh(base), fresh(base)))
    assert first == second
    assert len(set(first)) == 3


def test_a_stopped_training_continues_with_the_same_digest(base: Path, tmp_path: Path) -> None:
    """The optimizer and the parent are those of the training that never stopped, though other prompts came first."""
    steady, place = fresh(base), tmp_path / "steady"
    steps = [SAMPLES, SAMPLES[:1], SAMPLES[1:], SAMPLES]
    digests = [update(steady, place, samples) for samples in steps]
    for number, samples in enumerate(steps[1:]):
        again = fresh(base)
        again.load_weights("ann", next(place.glob(f"ann-{digests[number][:12]}")))
        assert update(again, tmp_path / "again", samples) == digests[number + 1]


def test_loading_restores_steps_and_parents(base: Path, tmp_path: Path) -> None:
    trainer = fresh(base)
    update(trainer, tmp_path)
    first = trainer.save_weights("ann", tmp_path)
    update(trainer, tmp_path)
    second = trainer.save_weights("ann", tmp_path)
    assert read_recipe(second.folder).steps == 2
    trainer.load_weights("ann", first.folder)
    trainer.forward_backward(SAMPLES, WEIGHTS)
    trainer.optim_step("ann")
    third = read_recipe(trainer.save_weights("ann", tmp_path).folder)
    assert (third.parent, third.steps, third.learner, third.base) == (first.name, 2, "ann", str(base))
    assert third.settings["learning_rate"] == 1e-2
    assert third.settings["modules"] == "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"


def test_a_loaded_version_forgets_waiting_gradients(base: Path, tmp_path: Path) -> None:
    trainer = fresh(base)
    version = trainer.save_weights("ann", tmp_path)
    trainer.forward_backward(SAMPLES, WEIGHTS)
    trainer.load_weights("ann", version.folder)
    assert trainer.optim_step("ann") == 0
    assert trainer.save_weights("ann", tmp_path).digest == version.digest


def test_equal_weights_take_the_newer_optimizer(base: Path, tmp_path: Path) -> None:
    """With a learning rate of 0 the weights stay and the optimizer moves on."""
    trainer = LoRATrainer(str(base), {"ann": AdapterStart()}, learning_rate=0.0, device="cpu")
    digests = {update(trainer, tmp_path) for _ in range(2)}
    (version,) = tmp_path.iterdir()
    assert digests == {read_recipe(version).weights}
    assert read_recipe(version).steps == 2


def test_a_version_loads_in_peft(base: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    trainer = trainer_of(base, "ann")
    update(trainer, tmp_path)
    version = trainer.save_weights("ann", tmp_path)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), version.folder)
    prompt = asks("ann")[0]
    tokens = trainer._base.text.prompt(prompt.messages)
    with torch.no_grad(), trainer._base.hooks.applied([trainer.adapter("ann")]):
        own = trainer._base._model(input_ids=torch.tensor([tokens])).logits
        torch.testing.assert_close(model(input_ids=torch.tensor([tokens])).logits, own, rtol=1e-4, atol=1e-4)


def test_a_training_begins_from_a_version(base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(base, "ann")
    version = trainer.save_weights("ann", tmp_path)
    again = LoRATrainer(str(base), {"bo": AdapterStart(folder=version.folder)}, device="cpu")
    own, other = trainer.probabilities(asks("ann")), again.probabilities(asks("bo"))
    assert np.shape(own) == (3, len(CHOICES))
    assert again.adapter("bo").rank == 4
    np.testing.assert_allclose(other, again.parent_probabilities(asks("bo")), atol=1e-6)
    same = LoRATrainer(str(base), {"ann": AdapterStart(folder=version.folder)}, device="cpu")
    np.testing.assert_allclose(same.probabilities(asks("ann")), own, atol=1e-6)


def test_damaged_and_foreign_versions_are_refused(base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(base, "ann")
    version = trainer.save_weights("ann", tmp_path)
    with pytest.raises(SocietyError, match=r"cannot be loaded as ann: .* other layers or another rank"):
        LoRATrainer(str(base), {"ann": AdapterStart(rank=2)}, device="cpu").load_weights("ann", version.folder)
    with pytest.raises(SocietyError, match="is no version of a learner"):
        trainer.load_weights("ann", base)
    weights = version.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(SocietyError, match=r"adapter_model\.safetensors changed since it was written"):
        trainer.load_weights("ann", version.folder)


def test_a_write_that_fails_leaves_nothing(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of(base, "ann")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SocietyError, match="a version of ann cannot be written"):
        trainer.save_weights("ann", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [True, False], ids=["new one in place", "killed between the two renames"])
def test_what_a_killed_writer_left_is_cleared(base: Path, tmp_path: Path, kept: bool) -> None:
    version = trainer_of(base, "ann").save_weights("ann", tmp_path)
    old = tmp_path / f".{version.name}.old"
    (shutil.copytree if kept else shutil.move)(version.folder, old)
    shutil.copytree(old, tmp_path / ".ann.4242.part")
    others = [tmp_path / ".anna.4242.part", tmp_path / ".part", tmp_path / ".bo-0123456789ab.old"]
    for other in others:
        other.mkdir()
    clear_unfinished(tmp_path, ["ann"])
    assert set(tmp_path.iterdir()) == {version.folder, *others}
    assert read_recipe(version.folder).learner == "ann"
