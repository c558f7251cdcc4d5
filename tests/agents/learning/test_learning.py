"""What updates do: choices that pay become likely, and the signs of entropy and divergence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.adapters import AdapterStart
from agents.learning.loss import PromptLesson
from agents.learning.samples import LossWeights, Sample
from agents.learning.trainer import LoRATrainer
from agents.problems import SocietyError
from tests.agents.learning.conftest import CHOICES, ENDINGS, ask, asks, trainer_of

torch = pytest.importorskip("torch")


def fresh(base: Path, *learners: str, **options: Any) -> LoRATrainer:
    options = {"learning_rate": 1e-2, "device": "cpu"} | options
    return LoRATrainer(str(base), dict.fromkeys(learners, AdapterStart(modules="all")), **options)


def learn(trainer: LoRATrainer, samples: list[Sample], updates: int, weights: LossWeights | None = None) -> None:
    for _ in range(updates):
        trainer.forward_backward(samples, weights or LossWeights())
        trainer.optim_step("ann")


def test_all_action_learns_the_better_choice(base: Path) -> None:
    trainer = fresh(base, "ann")
    learn(trainer, [Sample(prompt, values=(0.0, 1.0, 0.0)) for prompt in asks("ann")], 15)
    assert min(chances[1] for chances in trainer.probabilities(asks("ann"))) > 0.9


def test_reinforce_learns_the_better_choice(base: Path) -> None:
    """Replies are drawn; the weight of each is its payoff above the mean."""
    trainer, draws = fresh(base, "ann"), np.random.default_rng(0)
    for _ in range(25):
        samples = []
        for prompt, chances in zip(asks("ann"), trainer.probabilities(asks("ann")), strict=True):
            picks = draws.choice(3, size=16, p=np.array(chances) / sum(chances))
            paid = (picks == 1).astype(float)
            samples += [
                Sample(prompt, CHOICES[pick], float(weight), behaviour=chances[pick])
                for pick, weight in zip(picks, paid - paid.mean(), strict=True)
            ]
        learn(trainer, samples, 1)
    assert min(chances[1] for chances in trainer.probabilities(asks("ann"))) > 0.9


def test_different_prompts_learn_different_choices(base: Path) -> None:
    """What follows a shared beginning is learned apart."""
    trainer = fresh(base, "ann")
    samples = [Sample(prompt, CHOICES[place]) for place, prompt in enumerate(asks("ann"))]
    learn(trainer, samples, 40)
    assert min(chances[place] for place, chances in enumerate(trainer.probabilities(asks("ann")))) > 0.8


def test_a_reply_in_free_text_becomes_likelier(base: Path) -> None:
    trainer, prompt = fresh(base, "ann"), ask("ann", "Say something.", ())
    sample = Sample(prompt, "I will cooperate.")
    first = trainer.forward_backward([sample], LossWeights())["ann"]
    trainer.optim_step("ann")
    learn(trainer, [sample], 30)
    assert (first.entropy, first.tokens) == (0, len(trainer._base.text.prompt(prompt.messages)))
    assert trainer.forward_backward([sample], LossWeights())["ann"].loss < first.loss / 10


def test_the_end_of_a_reply_is_learned_too(base: Path) -> None:
    """A longer reply is no likelier reply: the end token counts."""
    trainer = fresh(base, "ann")
    prompt = ask("ann", "Say something.", ())
    losses = [
        trainer.forward_backward([Sample(prompt, text)], LossWeights())["ann"].loss for text in ("Hi", "Hi there")
    ]
    text = trainer._base.text
    tokens = [*text.prompt(prompt.messages), *text.encode("Hi"), text.end]
    with torch.no_grad():
        logs = trainer._base._model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(1)
    reply = range(len(text.prompt(prompt.messages)), len(tokens))
    assert losses[0] == pytest.approx(-sum(float(logs[place - 1, tokens[place]]) for place in reply), abs=1e-4)
    assert losses[1] != pytest.approx(losses[0])


def test_entropy_keeps_a_learner_undecided(base: Path) -> None:
    trainer = trainer_of(base, "ann")
    samples = [Sample(prompt, values=(0.0, 0.0, 0.0)) for prompt in asks("ann")]
    before = trainer.forward_backward(samples, LossWeights())["ann"].entropy
    learn(trainer, samples, 60, LossWeights(entropy=1.0))
    after = trainer.forward_backward(samples, LossWeights())["ann"].entropy
    assert before < after
    assert after > 0.95 * math.log(3)


def test_divergence_draws_a_learner_to_its_parent(base: Path) -> None:
    """The parent is what the training began with, whatever version is loaded later."""
    trainer = trainer_of(base, "ann", learning_rate=2e-3)  # its B was changed after the beginning
    samples = [Sample(prompt, values=(0.0, 0.0, 0.0)) for prompt in asks("ann")]
    first = trainer.forward_backward(samples, LossWeights(kl=1.0))["ann"].kl
    own, parent = np.array(trainer.probabilities(asks("ann"))), np.array(trainer.parent_probabilities(asks("ann")))
    assert first == pytest.approx((own * np.log(own / parent)).sum(axis=1).mean(), abs=1e-6)
    learn(trainer, samples, 40, LossWeights(kl=1.0))
    assert 0 <= trainer.forward_backward(samples, LossWeights(kl=1.0))["ann"].kl < first / 10


def test_divergence_is_unknown_where_it_has_no_weight(base: Path) -> None:
    figures = trainer_of(base, "ann").forward_backward([Sample(asks("ann")[0], "defect")], LossWeights())
    assert math.isnan(figures["ann"].kl)
    assert figures["ann"].entropy > 0


CHANCES = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda each: np.array(each) / sum(each))
SAMPLES = st.lists(
    st.one_of(
        st.builds(Sample, st.just(asks("ann")[0]), values=st.tuples(*[st.floats(-2, 2)] * 3)),
        st.builds(
            Sample,
            st.just(asks("ann")[0]),
            st.sampled_from(CHOICES),
            st.floats(-2, 2),
            behaviour=st.one_of(st.none(), st.floats(0.01, 1)),
        ),
    ),
    min_size=1,
    max_size=5,
)


@given(chances=CHANCES, parent=CHANCES, samples=SAMPLES)
def test_loss_is_the_sum_of_the_table(chances: Any, parent: Any, samples: list[Sample]) -> None:
    """Against each sample by itself, in plain numbers; grouping changes nothing."""
    weights = LossWeights(entropy=0.3, kl=0.7, ratio_limit=1.5)
    logs, wanted = np.log(chances), 0.0
    for sample in samples:
        place = CHOICES.index(sample.picked) if sample.picked else 0
        ratio = min(chances[place] / sample.behaviour, 1.5) if sample.behaviour else 1.0
        own = -float(chances @ np.array(sample.values)) if sample.values else -sample.weight * ratio * logs[place]
        wanted += own + 0.3 * float(chances @ logs) + 0.7 * float(chances @ (logs - np.log(parent)))
    lesson = PromptLesson(samples[0].prompt, samples=samples, parent=tuple(parent))
    assert float(lesson.loss(torch.tensor(logs), weights).loss) == pytest.approx(wanted, abs=1e-9)


def test_one_choice_alone_teaches_nothing(base: Path) -> None:
    trainer = trainer_of(base, "ann")
    prompt = ask("ann", ENDINGS[0], ("cooperate",))
    assert trainer.probabilities([prompt]) == [(1.0,)]
    assert trainer.forward_backward([Sample(prompt, "cooperate")], LossWeights())["ann"].loss == 0
    assert trainer.optim_step("ann") == 0


def test_choices_that_begin_alike_sum_to_one(base: Path) -> None:
    """ "1" and "10" differ in their last token, the end."""
    prompt = ask("ann", "How much?", ("1", "10", "100", "2"))
    (chances,) = trainer_of(base, "ann").probabilities([prompt])
    assert sum(chances) == pytest.approx(1)
    assert min(chances) > 0


def test_mistakes_are_named(base: Path) -> None:
    trainer = trainer_of(base, "ann")
    with pytest.raises(SocietyError, match="'bo' is no learner of this trainer; it has: ann"):
        trainer.probabilities(asks("bo"))
    with pytest.raises(SocietyError, match="'bo' is no learner"):
        trainer.forward_backward([Sample(asks("bo")[0], "defect")], LossWeights())
    with pytest.raises(SocietyError, match="without choices"):
        trainer.probabilities([ask("ann", "Speak.", ())])
    with pytest.raises(SocietyError, match="reads 1024; shorten the prompt"):
        trainer.probabilities([ask("ann", "word " * 2000)])
    with pytest.raises(SocietyError, match="no Linear layer named 'query'; it has: down_proj"):
        LoRATrainer(str(base), {"ann": AdapterStart(modules=("query",))}, device="cpu")
    with pytest.raises(SocietyError, match="rank is 0"):
        LoRATrainer(str(base), {"ann": AdapterStart(rank=0)}, device="cpu")
    with pytest.raises(SocietyError, match="cannot be loaded"):
        LoRATrainer(str(base / "missing"), {}, device="cpu")


def test_a_gradient_that_is_not_finite_leaves_the_weights(base: Path) -> None:
    trainer = trainer_of(base, "ann")
    before = trainer.probabilities(asks("ann"))
    for weight in (math.inf, math.nan):
        with pytest.raises(SocietyError, match="not finite"):
            trainer.forward_backward([Sample(asks("ann")[0], "defect", weight)], LossWeights())
    trainer.adapter("ann").parameters()[0].grad = torch.full_like(trainer.adapter("ann").parameters()[0], math.nan)
    with pytest.raises(SocietyError, match="gradient is not finite"):
        trainer.optim_step("ann")
    assert trainer.probabilities(asks("ann")) == before
