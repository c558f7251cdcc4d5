"""The tabular learner: a table of logits, one row per prompt, and no model. It learns as an adapter does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from agents.learning.samples import LossFigures, LossWeights, Prompt, Sample, Version
from agents.problems import SocietyError
from simulation.metrics.arrays import Vector
from simulation.store.files import atomic_directory, replace_file

WEIGHTS = "table.json"


@dataclass
class PolicyTable:
    """A learner's logits by prompt, its parent's, and the gradient that waits for a step."""

    logits: dict[str, Vector] = field(default_factory=dict)
    parent: dict[str, Vector] = field(default_factory=dict)
    waiting: dict[str, Vector] = field(default_factory=dict)
    steps: int = 0


def row_key(prompt: Prompt) -> str:
    """The name of a prompt's row: a digest of its texts and choices."""
    texts = [message.content for message in prompt.messages]
    return hashlib.sha256(orjson.dumps([texts, prompt.choices])).hexdigest()[:24]


class TabularTrainer:
    """Trains tables of logits by gradient descent.

    Args:
        learning_rate: The length of a step, above 0.
        spread: Standard deviation of the first logits; 0 starts every row undecided.
        seed: Of the first logits.
    """

    def __init__(self, learning_rate: float = 1.0, *, spread: float = 0.0, seed: int = 0) -> None:
        self._rate, self._spread, self._seed = learning_rate, spread, seed
        self._tables: dict[str, PolicyTable] = {}

    def table(self, learner: str) -> PolicyTable:
        """A learner's table."""
        return self._tables.setdefault(learner, PolicyTable())

    def start_at(self, prompt: Prompt, probabilities: Sequence[float]) -> None:
        """Let a prompt's row begin with these probabilities, all above 0."""
        table, key = self.table(prompt.learner), row_key(prompt)
        table.logits[key] = np.log(np.array(probabilities, dtype=np.float64))
        table.parent[key] = table.logits[key].copy()

    def logits(self, prompt: Prompt) -> Vector:
        """A prompt's logits, in the order of its choices."""
        if not prompt.choices:
            raise SocietyError(f"{prompt.learner}: a tabular learner does not speak freely: set talk_rounds to 0")
        table = self.table(prompt.learner)
        key = row_key(prompt)
        if key not in table.logits:
            drawn = np.random.default_rng([self._seed, int(key, 16) % 2**63]).normal(0, 1, len(prompt.choices))
            table.logits[key] = self._spread * drawn
            table.parent[key] = table.logits[key].copy()
        return table.logits[key]

    def probabilities(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """Return each prompt's probability of every choice."""
        return [tuple(_softmax(self.logits(prompt)).tolist()) for prompt in prompts]

    def forward_backward(self, samples: Sequence[Sample], loss: LossWeights) -> Mapping[str, LossFigures]:
        """Add the gradients of samples to what is waiting."""
        counts: dict[str, int] = {}
        for sample in samples:
            counts[sample.prompt.learner] = counts.get(sample.prompt.learner, 0) + 1
        figures = {learner: np.zeros(3) for learner in counts}
        for sample in samples:
            learner = sample.prompt.learner
            figures[learner] += self._add(sample, loss, 1 / counts[learner])
        return {
            name: LossFigures(float(loss_), float(entropy), float(kl), counts[name], 0)
            for name, (loss_, entropy, kl) in figures.items()
        }

    def _add(self, sample: Sample, loss: LossWeights, share: float) -> Vector:
        """Add one sample's gradient; return its part of loss, entropy and divergence."""
        logits, table = self.logits(sample.prompt), self.table(sample.prompt.learner)
        key, chances = row_key(sample.prompt), _softmax(logits)
        logs = np.log(np.maximum(chances, 1e-300))
        if sample.values:
            worth = np.array(sample.values)
            value, slope = -float(chances @ worth), -chances * (worth - chances @ worth)
        else:
            place = sample.prompt.choices.index(sample.picked)
            ratio = 1.0 if sample.behaviour is None else min(chances[place] / sample.behaviour, loss.ratio_limit)
            value = -sample.weight * ratio * float(logs[place])
            slope = -sample.weight * ratio * (np.eye(len(chances))[place] - chances)
        entropy = -float(chances @ logs)
        slope += loss.entropy * chances * (logs + entropy)
        shift = logs - np.log(_softmax(table.parent[key]))
        divergence = float(chances @ shift)
        slope += loss.kl * chances * (shift - divergence)
        table.waiting[key] = table.waiting.get(key, np.zeros_like(logits)) + share * slope
        return share * np.array([value - loss.entropy * entropy + loss.kl * divergence, entropy, divergence])

    def optim_step(self, learner: str) -> float:
        """Change a learner's table by its waiting gradient."""
        table = self.table(learner)
        for key, slope in table.waiting.items():
            table.logits[key] = table.logits[key] - self._rate * slope
        length = float(np.sqrt(sum(float(slope @ slope) for slope in table.waiting.values())))
        table.waiting, table.steps = {}, table.steps + 1
        return length

    def save_weights(self, learner: str, folder: Path) -> Version:
        """Write the table as JSON: written beside, synced, renamed."""
        table = self.table(learner)
        data = orjson.dumps(_plain(table), option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(data).hexdigest()
        name = f"{learner}-{digest[:12]}"
        place = folder / name
        if not place.exists():
            with atomic_directory(place) as part:
                replace_file(part / WEIGHTS, data)
        return Version(learner, name, digest, place)

    def load_weights(self, learner: str, version: Path) -> None:
        """Read a table."""
        data = orjson.loads((version / WEIGHTS).read_bytes())
        rows = {name: {key: np.array(row) for key, row in data[name].items()} for name in ("logits", "parent")}
        self._tables[learner] = PolicyTable(rows["logits"], rows["parent"], {}, data["steps"])


def _plain(table: PolicyTable) -> dict[str, object]:
    rows = {"logits": table.logits, "parent": table.parent}
    return {
        **{name: {key: row.tolist() for key, row in each.items()} for name, each in rows.items()},
        "steps": table.steps,
    }


def _softmax(logits: Vector) -> Vector:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
