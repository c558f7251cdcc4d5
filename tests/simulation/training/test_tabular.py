"""The tabular learner: its gradients are those of the loss, and a version is the whole learner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.inference.provenance import ChatMessage
from agents.learning.samples import LossWeights, Prompt, Sample
from agents.problems import SocietyError
from simulation.training.tabular import TabularTrainer, row_key

PROMPT = Prompt("ann", (ChatMessage("user", "choose"),), ("a", "b", "c"))


def loss_of(trainer: TabularTrainer, sample: Sample, weights: LossWeights) -> float:
    return trainer.forward_backward([sample], weights)["ann"].loss


@pytest.mark.parametrize(
    "sample",
    [
        Sample(PROMPT, values=(1.0, -2.0, 0.5)),
        Sample(PROMPT, picked="b", weight=1.5),
        Sample(PROMPT, picked="c", weight=-0.5),
    ],
)
@pytest.mark.parametrize("weights", [LossWeights(), LossWeights(entropy=0.3, kl=0.2)])
def test_table_gradient_equals_finite_differences(sample: Sample, weights: LossWeights) -> None:
    trainer = TabularTrainer(spread=1.0, seed=2)
    logits, key = trainer.logits(PROMPT), row_key(PROMPT)
    trainer.table("ann").parent[key] = np.array([0.3, 0.0, -0.4])
    trainer.forward_backward([sample], weights)
    slope = trainer.table("ann").waiting[key].copy()
    for place in range(3):
        found = []
        for shift in (1e-5, -1e-5):
            logits[place] += shift
            found.append(loss_of(trainer, sample, weights))
            logits[place] -= shift
        assert (found[0] - found[1]) / 2e-5 == pytest.approx(slope[place], abs=1e-6)


def test_truncated_ratio_limits_a_rare_reply() -> None:
    trainer = TabularTrainer()
    rare = Sample(PROMPT, picked="a", behaviour=0.01)
    trainer.forward_backward([rare], LossWeights(ratio_limit=2.0))
    capped = trainer.table("ann").waiting[row_key(PROMPT)]
    plain = TabularTrainer()
    plain.forward_backward([Sample(PROMPT, picked="a", weight=2.0)], LossWeights())
    assert capped == pytest.approx(plain.table("ann").waiting[row_key(PROMPT)])


def test_entropy_keeps_a_table_undecided_and_kl_keeps_it_near_its_parent() -> None:
    def after(weights: LossWeights) -> float:
        trainer = TabularTrainer(0.5)
        for _ in range(200):
            trainer.forward_backward([Sample(PROMPT, values=(1.0, 0.0, 0.0))], weights)
            trainer.optim_step("ann")
        return trainer.probabilities([PROMPT])[0][0]

    assert after(LossWeights()) > 0.97
    assert 0.6 < after(LossWeights(entropy=0.5)) < 0.9
    assert 0.6 < after(LossWeights(kl=0.5)) < 0.9


def test_version_restores_the_table_and_goes_on_alike(tmp_path: Path) -> None:
    def step(trainer: TabularTrainer) -> str:
        trainer.forward_backward([Sample(PROMPT, values=(1.0, 0.2, 0.0))], LossWeights(kl=0.1))
        trainer.optim_step("ann")
        return trainer.save_weights("ann", tmp_path).digest

    first = TabularTrainer(spread=1.0, seed=5)
    step(first)
    version = first.save_weights("ann", tmp_path)
    restored = TabularTrainer(spread=1.0, seed=5)
    restored.load_weights("ann", version.folder)
    assert restored.probabilities([PROMPT]) == first.probabilities([PROMPT])
    assert step(restored) == step(first)


def test_table_refuses_to_speak() -> None:
    with pytest.raises(SocietyError, match="talk_rounds"):
        TabularTrainer().probabilities([Prompt("ann", PROMPT.messages)])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "either a reply"),
        ({"picked": "a", "values": (1.0, 1.0, 1.0)}, "either a reply"),
        ({"values": (1.0,)}, "1 values for 3 choices"),
        ({"picked": "z"}, "none of its choices"),
        ({"picked": "a", "behaviour": 0.0}, "above 0"),
    ],
)
def test_sample_refuses_what_teaches_nothing(keys: dict[str, object], message: str) -> None:
    with pytest.raises(SocietyError, match=message):
        Sample(PROMPT, **keys)  # type: ignore[arg-type]
