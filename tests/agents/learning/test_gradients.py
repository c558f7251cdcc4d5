"""The gradients of a trainer against finite differences, against peft, and against each learner alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.inference.embedded.sampling import choice_tree
from agents.learning.adapters import AdapterStart
from agents.learning.samples import LossWeights, Sample
from agents.learning.trainer import LoRATrainer
from tests.agents.learning.conftest import ask, asks, gradient, trainer_of

STEP = 5e-3  # the model's norms compute in fp32, so a shorter step measures rounding
WEIGHTS = LossWeights(entropy=0.1, kl=0.2, ratio_limit=1.5)
LEVELS = [
    [Sample(prompt, values=(1.0, -0.5, 0.25)) for prompt in asks("ann")],
    [Sample(prompt, "defect", weight=-0.7, behaviour=1e-6) for prompt in asks("ann")],
    [Sample(ask("ann", "Say something.", ()), "I will cooperate.", weight=0.3)],
]


@pytest.mark.parametrize("samples", LEVELS, ids=["values", "picked", "text"])
@pytest.mark.parametrize("modules", ["attention", "all", ("down_proj",)])
def test_gradient_is_that_of_finite_differences(base: Path, samples: list[Sample], modules: Any) -> None:
    trainer = trainer_of(base, "ann", start=AdapterStart(rank=2, modules=modules), dtype="float64")
    trainer.forward_backward(samples, WEIGHTS)
    for matrix in trainer.adapter("ann").parameters()[:4]:
        with torch.no_grad():
            place = divmod(int(matrix.grad.abs().argmax()), matrix.shape[1])
            wanted = float(matrix.grad[place])
            losses = [moved_loss(trainer, samples, matrix, place, steps * STEP) for steps in (-2, -1, 1, 2)]
        slope = (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / (12 * STEP)
        assert slope == pytest.approx(wanted, rel=1e-3, abs=1e-5)


def moved_loss(trainer: LoRATrainer, samples: list[Sample], matrix: Any, place: tuple[int, int], by: float) -> float:
    before = float(matrix[place])
    matrix[place] += by
    loss = loss_of(trainer, samples)
    matrix[place] = before
    return loss


def loss_of(trainer: LoRATrainer, samples: list[Sample]) -> float:
    kept = [matrix.grad for matrix in trainer.adapter("ann").parameters()]
    for matrix in trainer.adapter("ann").parameters():
        matrix.grad = None
    with torch.enable_grad():
        loss = trainer.forward_backward(samples, WEIGHTS)["ann"].loss
    for matrix, slope in zip(trainer.adapter("ann").parameters(), kept, strict=True):
        matrix.grad = slope
    return loss


# -- peft -----------------------------------------------------------------------------------------------


def peft_of(trainer: LoRATrainer, base: Path, folder: Path) -> Any:
    """The trainer's adapter in peft's own model."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    version = trainer.save_weights("ann", folder)
    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), version.folder, is_trainable=True)


def peft_loss(model: Any, trainer: LoRATrainer, samples: list[Sample]) -> Any:
    """The all-action loss with each prompt and choice in a padded row of its own, by peft and plain torch."""
    text = trainer._base.text
    losses = []
    for sample in samples:
        prompt = text.prompt(sample.prompt.messages)
        tree = choice_tree(sample.prompt.choices, text.encode, text.end)
        rows = [[*prompt, *path] for path in tree.paths.values()]
        width = max(map(len, rows))
        ids = torch.tensor([row + [text.end] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        logits = model(input_ids=ids, attention_mask=mask).logits
        logs = []
        for number, path in enumerate(tree.paths.values()):
            log = torch.zeros(())
            for depth, token in enumerate(path):
                ways = list(tree.branches.get(path[:depth], (token,)))
                at = logits[number, len(prompt) - 1 + depth, ways].log_softmax(0)
                log = log + at[ways.index(token)]
            logs.append(log)
        losses.append(-(torch.stack(logs).exp() * torch.tensor(sample.values)).sum())
    return torch.stack(losses).mean()


def test_gradient_is_that_of_peft_on_padded_rows(base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(base, "ann")
    figures = trainer.forward_backward(LEVELS[0], LossWeights())["ann"]
    model = peft_of(trainer, base, tmp_path)
    loss = peft_loss(model, trainer, LEVELS[0])
    loss.backward()
    assert figures.loss == pytest.approx(float(loss), abs=1e-5)
    theirs = {name.replace(".default", ""): each.grad for name, each in model.named_parameters() if each.requires_grad}
    for name, pair in trainer.adapter("ann").pairs.items():
        for end, matrix in zip("AB", pair, strict=True):
            wanted = theirs[f"base_model.model.{name}.lora_{end}.weight"]
            torch.testing.assert_close(matrix.grad, wanted, rtol=1e-4, atol=1e-5)


def test_a_new_adapter_begins_as_peft_begins(base: Path) -> None:
    """A uniform within 1 / sqrt(inputs), B zero: the first version is the base."""
    trainer = LoRATrainer(str(base), {"ann": AdapterStart(rank=8)}, device="cpu", seed=1)
    for name, (down, up) in trainer.adapter("ann").pairs.items():
        assert "self_attn" in name
        assert not up.any()
        assert float(down.abs().max()) <= 1 / math.sqrt(down.shape[1])
        assert float(down.std()) == pytest.approx(1 / math.sqrt(3 * down.shape[1]), rel=0.2)
    own, parent = trainer.probabilities(asks("ann")), trainer.parent_probabilities(asks("ann"))
    np.testing.assert_allclose(own, parent, atol=1e-5)
    np.testing.assert_allclose(np.sum(own, axis=1), 1)


# -- sharing --------------------------------------------------------------------------------------------


def test_sharing_beginnings_changes_no_gradient(base: Path) -> None:
    samples = [*LEVELS[0], *LEVELS[1], *LEVELS[2]]
    shared, plain = trainer_of(base, "ann"), trainer_of(base, "ann")
    plain._base.shares_prefixes = False
    first, second = (each.forward_backward(samples, WEIGHTS)["ann"] for each in (shared, plain))
    assert first.loss == pytest.approx(second.loss, abs=1e-5)
    torch.testing.assert_close(gradient(shared, "ann"), gradient(plain, "ann"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"batch_tokens": 1}, {"checkpointing": True}])
def test_saving_memory_changes_no_gradient(base: Path, options: dict[str, Any]) -> None:
    samples = [*LEVELS[0], *LEVELS[1], *LEVELS[2]]
    usual, lean = trainer_of(base, "ann"), trainer_of(base, "ann", **options)
    for each in (usual, lean):
        each.forward_backward(samples, WEIGHTS)
    torch.testing.assert_close(gradient(usual, "ann"), gradient(lean, "ann"), rtol=1e-4, atol=1e-5)


def test_calls_of_forward_backward_add_up(base: Path) -> None:
    """Two calls of one sample are one call of two, whose mean is half their sum."""
    once, twice = trainer_of(base, "ann"), trainer_of(base, "ann")
    once.forward_backward(LEVELS[0][:2], WEIGHTS)
    for sample in LEVELS[0][:2]:
        twice.forward_backward([sample], WEIGHTS)
    torch.testing.assert_close(2 * gradient(once, "ann"), gradient(twice, "ann"), rtol=1e-4, atol=1e-5)


def test_equal_prompts_are_computed_once(base: Path) -> None:
    trainer = trainer_of(base, "ann")
    (batch,) = trainer._scorer.batches([(prompt, "") for prompt in asks("ann")])
    (row,) = batch.rows
    alone = [len(trainer._base.text.prompt(prompt.messages)) for prompt in asks("ann")]
    assert max(alone) < len(row.tree) < sum(alone) - 40
    single = trainer.forward_backward(LEVELS[0][:1], WEIGHTS)["ann"]
    slope = gradient(trainer, "ann")
    trainer.optim_step("ann")
    again = trainer_of(base, "ann")
    many = again.forward_backward(LEVELS[0][:1] * 50, WEIGHTS)["ann"]
    assert (many.samples, many.tokens) == (50, 50 * single.tokens)
    assert many.loss == pytest.approx(single.loss, abs=1e-5)
    torch.testing.assert_close(gradient(again, "ann"), slope, rtol=1e-4, atol=1e-5)


def test_learners_in_one_step_are_each_alone(base: Path, tmp_path: Path) -> None:
    """Also where their ranks and layers differ."""
    starts = {
        "ann": AdapterStart(rank=4, modules="all"),
        "bo": AdapterStart(rank=2, alpha=2, modules=("q_proj", "down_proj")),
        "cy": AdapterStart(rank=3),
    }
    samples = {name: [Sample(prompt, values=(1.0, -2.0, 0.5)) for prompt in asks(name)] for name in starts}
    samples["bo"].append(Sample(ask("bo", "Speak.", ()), "Trust me."))
    together = LoRATrainer(str(base), starts, learning_rate=1e-2, device="cpu")
    alone = {
        name: LoRATrainer(str(base), {name: start}, learning_rate=1e-2, device="cpu") for name, start in starts.items()
    }
    for _ in range(2):
        figures = together.forward_backward([each for some in samples.values() for each in some], WEIGHTS)
        for name, trainer in alone.items():
            own = trainer.forward_backward(samples[name], WEIGHTS)[name]
            assert figures[name].loss == pytest.approx(own.loss, abs=1e-5)
            torch.testing.assert_close(gradient(together, name), gradient(trainer, name), rtol=1e-3, atol=1e-5)
            assert together.optim_step(name) == pytest.approx(trainer.optim_step(name), rel=1e-3)


def test_a_step_of_one_learner_leaves_the_others(base: Path) -> None:
    trainer = trainer_of(base, "ann", "bo")
    before = trainer.probabilities(asks("bo"))
    trainer.forward_backward(LEVELS[0], WEIGHTS)
    assert trainer.optim_step("ann") > 0
    assert trainer.optim_step("bo") == 0
    assert trainer.probabilities(asks("bo")) == pytest.approx(before)
