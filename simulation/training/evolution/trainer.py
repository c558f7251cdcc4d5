"""What an evolution changes: the weights of a mixture of given adapters, for each learner. No base model is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.inference.adapter_folder import WEIGHTS_FILE, read_adapter_folder
from agents.inference.embedded.model_sources import file_sha256
from agents.learning.adapters import TrainableAdapter, read_adapter
from agents.learning.mixture import mixed
from agents.learning.samples import LossFigures, LossWeights, Prompt, Sample, Version
from agents.learning.torch_import import torch
from agents.learning.versions import VersionRecipe, read_recipe, read_tensors, write_version
from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.training.evolution.search import SearchState, moved

_MEAN, _SPREAD = "mean", "spread"


@dataclass
class _Searched:
    """A learner's search, where it goes next, and its version."""

    state: SearchState
    following: SearchState | None = None
    steps: int = 0
    version: str = ""


class MixtureTrainer:
    """Searches the weights of a mixture of adapters for each learner.

    Args:
        base: The name of the base model, where the first adapter names none.
        learners: The learners; each begins with equal weights that sum to 1.
        adapters: The folders of the adapters, by name.
        spread: The standard deviation of a weight among the first candidates.

    Raises:
        UnusableAdapterError: A folder holds no plain LoRA of one rank.
        SocietyError: The adapters are of different bases.
    """

    def __init__(self, base: str, learners: Sequence[str], adapters: Mapping[str, Path], spread: float) -> None:
        self._base = read_adapter_folder(next(iter(adapters.values()))).config.base_model_name_or_path or base
        self._adapters = {name: read_adapter(folder) for name, folder in adapters.items()}
        self._given = {name: file_sha256(folder / WEIGHTS_FILE) for name, folder in adapters.items()}
        count = len(adapters)
        first = SearchState(np.full(count, 1 / count), np.full(count, spread))
        self._mixture(first.mean)  # refuses adapters of different bases before anything is played
        self._searched = {name: _Searched(first) for name in learners}

    def state(self, learner: str) -> SearchState:
        """Return where a learner's search is."""
        return self._searched[learner].state

    def _mixture(self, weights: Vector) -> TrainableAdapter:
        return mixed(list(self._adapters.values()), weights.tolist())

    def save_candidate(self, learner: str, weights: Vector, folder: Path) -> Version:
        """Write a mixture with these weights below `folder`."""
        return self._save(learner, SearchState(weights, self.state(learner).spread), folder)

    def grade(self, learner: str, tried: Matrix, payoffs: Sequence[float]) -> None:
        """Take what candidates were paid; `optim_step` moves the learner by it.

        Args:
            learner: Whose candidates.
            tried: Their offsets, one row each.
            payoffs: What each was paid.
        """
        own = self._searched[learner]
        own.following = moved(own.state, tried, payoffs)

    # -- what every trainer does ------------------------------------------------------------------------

    def probabilities(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """Raise SocietyError: without a base model no probability is known."""
        raise SocietyError(
            "an evolution has no base model in this process, so the probabilities of choices are unknown"
        )

    def forward_backward(self, samples: Sequence[Sample], loss: LossWeights) -> Mapping[str, LossFigures]:
        """Return nothing: no gradient is computed."""
        return {}

    def optim_step(self, learner: str) -> float:
        """Move a learner's weights by what its candidates were paid; return how far."""
        own = self._searched[learner]
        if own.following is None:
            return 0.0
        far = float(np.linalg.norm(own.following.mean - own.state.mean))
        own.state, own.following, own.steps = own.following, None, own.steps + 1
        return far

    def save_weights(self, learner: str, folder: Path) -> Version:
        """Write a learner's mixture and its search below `folder`."""
        own = self._searched[learner]
        version = self._save(learner, own.state, folder)
        own.version = version.name
        return version

    def _save(self, learner: str, state: SearchState, folder: Path) -> Version:
        own, mixture = self._searched[learner], self._mixture(state.mean)
        weights = dict(zip(self._adapters, state.mean.tolist(), strict=True))
        recipe = VersionRecipe(
            learner=learner,
            parent=own.version,
            base=self._base,
            steps=own.steps,
            settings={"rank": mixture.rank, "alpha": mixture.alpha, "modules": ", ".join(mixture.modules)},
            mixture=weights,
            given=self._given,
        )
        search = {_MEAN: torch.from_numpy(state.mean), _SPREAD: torch.from_numpy(state.spread)}
        return write_version(folder, recipe, mixture, search)

    def load_weights(self, learner: str, version: Path) -> None:
        """Make a learner what a version is.

        Raises:
            SocietyError: The folder is no version, or is a mixture of other adapters.
        """
        recipe = read_recipe(version)
        for name, digest in self._given.items():
            if recipe.given.get(name) != digest:
                raise SocietyError(
                    f"{version} is a mixture of other weights than those of {name}: put the old ones back"
                )
        _, search = read_tensors(version)
        state = SearchState(search[_MEAN].numpy(), search[_SPREAD].numpy())
        self._searched[learner] = _Searched(state, None, recipe.steps, version.name)
