"""The trainer of LoRA adapters: any causal language model that transformers loads, on a CPU or a GPU.

    trainer = LoRATrainer("HuggingFaceTB/SmolLM2-135M-Instruct", {"ann": AdapterStart()}, learning_rate=1e-3)
    trainer.forward_backward([Sample(prompt, values=(3.0, 5.0))], LossWeights())
    trainer.optim_step("ann")
    version = trainer.save_weights("ann", folder)

All learners' samples go through the base together. Equal prompts are computed once, and so is what prompts begin with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.learning.adapters import (
    AdapterStart,
    TrainableAdapter,
    learner_generator,
    new_adapter,
    stored_adapter,
)
from agents.learning.base_model import FrozenBase
from agents.learning.loss import PromptLesson, lessons_of
from agents.learning.samples import LossFigures, LossWeights, Prompt, Sample, Version
from agents.learning.scoring import Question, ReplyScorer
from agents.learning.served import TokenPrompt
from agents.learning.torch_import import torch
from agents.learning.versions import VersionRecipe, read_recipe, read_tensors, write_version
from agents.problems import SocietyError

_CPU_TOKENS, _GPU_TOKENS = 2048, 8192
_GENERATOR = "generator"


@dataclass
class LearnerState:
    """One learner: its adapter, what it began as, its optimizer and its random generator."""

    adapter: TrainableAdapter
    start: TrainableAdapter
    optimizer: Any
    generator: Any
    steps: int = 0
    version: str = ""
    parent_chances: dict[Prompt, tuple[float, ...]] = field(default_factory=dict)


class LoRATrainer:
    """Trains LoRA adapters of one base model with Adam, each learner with an optimizer of its own.

    Args:
        base: The base model: a local folder, or a name at the hub.
        learners: What each learner's adapter begins as, by learner.
        learning_rate: Adam's, at least 0.
        seed: Of new adapters.
        dtype: The base's numbers, "float32" or "bfloat16"; adapters are trained in fp32.
        device: As torch names it; None is the GPU where there is one, else the CPU.
        batch_tokens: How many tokens are computed at a time; fewer need less memory. None: 2048, on a GPU 8192.
        checkpointing: Whether activations are computed again in the backward pass: less memory, a third more time.

    Raises:
        SocietyError: The base or an adapter cannot be used.
    """

    def __init__(
        self,
        base: str,
        learners: Mapping[str, AdapterStart],
        *,
        learning_rate: float = 1e-3,
        seed: int = 0,
        dtype: str = "float32",
        device: str | None = None,
        batch_tokens: int | None = None,
        checkpointing: bool = False,
    ) -> None:
        self._base = FrozenBase(str(base), dtype, device, checkpointing)
        self._settings: dict[str, str | float] = {
            "learning_rate": learning_rate,
            "seed": seed,
            "dtype": dtype,
            "optimizer": "Adam",
        }
        self._scorer = ReplyScorer(self._base, batch_tokens or (_CPU_TOKENS if self.device == "cpu" else _GPU_TOKENS))
        self._learners = {name: self._begin(name, start, learning_rate, seed) for name, start in learners.items()}

    def _begin(self, name: str, start: AdapterStart, rate: float, seed: int) -> LearnerState:
        generator = learner_generator(seed, name)
        if start.folder is not None:
            adapter = stored_adapter(self._base.layers, start.folder)
        else:
            adapter = new_adapter(self._base.layers, start, generator)
        return LearnerState(adapter, adapter.frozen(), torch.optim.Adam(adapter.parameters(), lr=rate), generator)

    @property
    def device(self) -> str:
        """Return where the model is computed: "cpu" or "cuda"."""
        return str(self._base.device.type)

    def adapter(self, learner: str) -> TrainableAdapter:
        """Return a learner's matrices, with the gradients that wait.

        Raises:
            SocietyError: There is no such learner.
        """
        return self._state(learner).adapter

    def _state(self, learner: str) -> LearnerState:
        if learner not in self._learners:
            raise SocietyError(f"{learner!r} is no learner of this trainer; it has: {', '.join(self._learners)}")
        return self._learners[learner]

    # -- probabilities ----------------------------------------------------------------------------------

    def probabilities(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """Return each prompt's probability of every choice, in order; each sums to 1.

        Raises:
            SocietyError: A prompt has no choices, is too long, or is of an unknown learner.
        """
        adapters = {prompt.learner: self._state(prompt.learner).adapter for prompt in prompts}
        distinct = list(dict.fromkeys(prompts))
        found = dict(zip(distinct, self._chances(distinct, adapters), strict=True))
        return [found[prompt] for prompt in prompts]

    def in_tokens(self, prompts: Sequence[Prompt]) -> list[TokenPrompt]:
        """Return prompts with choices as the tokens that `probabilities` is computed from.

        Raises:
            PermanentError: A prompt has no choices, or two with the same tokens.
        """
        return self._scorer.in_tokens(prompts)

    def parent_probabilities(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """Return the probabilities that the weights give which the training began with.

        Each prompt is computed by itself, so the numbers do not depend on what was asked before.
        """
        for prompt in prompts:
            state = self._state(prompt.learner)
            if prompt not in state.parent_chances:
                (state.parent_chances[prompt],) = self._chances([prompt], {prompt.learner: state.start})
        return [self._state(prompt.learner).parent_chances[prompt] for prompt in prompts]

    def _chances(self, prompts: Sequence[Prompt], adapters: Mapping[str, TrainableAdapter]) -> list[tuple[float, ...]]:
        if free := next((prompt for prompt in prompts if not prompt.choices), None):
            raise SocietyError(f"{free.learner}: a prompt without choices has no probabilities of choices")
        found: dict[int, tuple[float, ...]] = {}
        with torch.no_grad():
            for batch in self._scorer.batches([(prompt, "") for prompt in prompts]):
                with batch.scored(adapters) as scores:
                    found.update({number: tuple(logs.exp().tolist()) for number, logs in scores.items()})
        return [found[number] for number in range(len(prompts))]

    # -- learning ---------------------------------------------------------------------------------------

    def forward_backward(self, samples: Sequence[Sample], loss: LossWeights) -> Mapping[str, LossFigures]:
        """Add the gradients of samples of any learners to what is waiting; return the figures of each learner.

        The divergence is measured where its weight is above 0, and is not a number (NaN) otherwise.

        Raises:
            SocietyError: A sample is of an unknown learner, is too long, or its loss is not finite.
        """
        counts = Counter(sample.prompt.learner for sample in samples)
        adapters = {learner: self._state(learner).adapter for learner in counts}
        lessons = lessons_of(samples)
        if loss.kl:
            self._add_parents(lessons)
        sums = {learner: [0.0, 0.0, 0.0] for learner in counts}
        questions: list[Question] = [(lesson.prompt, lesson.reply) for lesson in lessons]
        for batch in self._scorer.batches(questions):
            with batch.scored(adapters) as scores:
                self._backward({number: lessons[number] for number in scores}, scores, loss, counts, sums)
        tokens = self._prompt_lengths(samples)
        return {name: _figures(sums[name], counts[name], tokens[name], loss) for name in counts}

    def _add_parents(self, lessons: Sequence[PromptLesson]) -> None:
        asked = [lesson for lesson in lessons if lesson.prompt.choices]
        for lesson, chances in zip(asked, self.parent_probabilities([each.prompt for each in asked]), strict=True):
            lesson.parent = chances

    def _backward(
        self,
        lessons: Mapping[int, PromptLesson],
        scores: Mapping[int, Any],
        weights: LossWeights,
        counts: Mapping[str, int],
        sums: Mapping[str, list[float]],
    ) -> None:
        losses = []
        for number, lesson in lessons.items():
            learner = lesson.prompt.learner
            parts = lesson.loss(scores[number], weights)
            losses.append(parts.loss / counts[learner])
            figures = parts.figures()
            for place, figure in enumerate(figures):
                sums[learner][place] += figure / counts[learner]
            if not math.isfinite(figures[0]):
                raise SocietyError(f"{learner}: its loss is not finite (NaN or infinite); lower the learning rate")
        total = torch.stack(losses).sum()
        if total.requires_grad:
            total.backward()

    def _prompt_lengths(self, samples: Sequence[Sample]) -> Counter[str]:
        lengths: Counter[str] = Counter()
        for sample in samples:
            lengths[sample.prompt.learner] += len(self._scorer.prompt_tokens(sample.prompt.messages))
        return lengths

    def optim_step(self, learner: str) -> float:
        """Change a learner by its waiting gradients and clear them; return the length of the gradient.

        Without waiting gradients nothing changes.

        Raises:
            SocietyError: The gradient is not finite; it is cleared, and the weights stay.
        """
        state = self._state(learner)
        slopes = [matrix.grad for matrix in state.adapter.parameters() if matrix.grad is not None]
        if not slopes:
            return 0.0
        length = float(torch.stack([slope.double().square().sum() for slope in slopes]).sum().sqrt())
        if math.isfinite(length):
            state.optimizer.step()
            state.steps += 1
        state.optimizer.zero_grad(set_to_none=True)
        if not math.isfinite(length):
            raise SocietyError(f"{learner}: its gradient is not finite (NaN or infinite); lower the learning rate")
        return length

    # -- versions ---------------------------------------------------------------------------------------

    def save_weights(self, learner: str, folder: Path) -> Version:
        """Write a learner's version below `folder`: beside first, then synced and renamed.

        Gradients that wait are not in it.

        Raises:
            SocietyError: The version cannot be written.
        """
        state = self._state(learner)
        settings: dict[str, str | float] = {**self._settings, "rank": state.adapter.rank, "alpha": state.adapter.alpha}
        recipe = VersionRecipe(
            learner=learner,
            parent=state.version,
            base=self._base.name,
            steps=state.steps,
            settings={**settings, "modules": ", ".join(state.adapter.modules)},
        )
        version = write_version(folder, recipe, state.adapter, _optimizer_tensors(state))
        state.version = version.name
        return version

    def load_weights(self, learner: str, version: Path) -> None:
        """Make a learner what a version is: weights, optimizer and generators. Gradients that wait are cleared.

        Raises:
            SocietyError: The folder is no version, is damaged, or has another rank or other layers.
        """
        state, recipe = self._state(learner), read_recipe(version)
        weights, moments = read_tensors(version)
        try:
            state.adapter.take(weights)
        except SocietyError as error:
            raise SocietyError(f"{version} cannot be loaded as {learner}: {error}") from None
        _restore_optimizer(state, moments)
        state.steps, state.version = recipe.steps, version.name


def _figures(sums: Sequence[float], samples: int, tokens: int, weights: LossWeights) -> LossFigures:
    loss, entropy, kl = sums
    return LossFigures(loss, entropy, kl if weights.kl else math.nan, samples, tokens)


def _optimizer_tensors(state: LearnerState) -> dict[str, Any]:
    """Return the optimizer's moments by the number of their matrix, and the generator's state."""
    moments = state.optimizer.state_dict()["state"]
    named = {f"{number}.{key}": value for number, each in moments.items() for key, value in each.items()}
    plain = {name: torch.as_tensor(value).detach().cpu().contiguous() for name, value in named.items()}
    return {**plain, _GENERATOR: state.generator.get_state()}


def _restore_optimizer(state: LearnerState, tensors: Mapping[str, Any]) -> None:
    moments: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        if name != _GENERATOR:
            number, key = name.split(".", 1)
            moments.setdefault(int(number), {})[key] = value
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    state.optimizer.zero_grad(set_to_none=True)
    state.generator.set_state(tensors[_GENERATOR])
