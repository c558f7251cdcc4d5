"""The canary against servers that cheat: each serves the wrong thing under the right name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.adapters import AdapterStart
from agents.learning.canary import LIMIT, Canary, CanaryError, telling_prompts
from agents.learning.samples import LossWeights, Prompt, Sample
from agents.learning.trainer import LoRATrainer
from tests.agents.learning.conftest import ask, asks

Chances = list[tuple[float, ...]]
PROMPTS = tuple(ask("ann", f"Step {step}. Your move?") for step in range(8))


class Server:
    """Serves the versions that it was asked to load, as an honest server does."""

    def __init__(self, base: Path, cheat: str = "") -> None:
        self._trainer = LoRATrainer(str(base), {"ann": AdapterStart()}, device="cpu")
        self._cheat = cheat

    def load(self, version: Path) -> None:
        if self._cheat != "ignores loads" or not version.name.endswith("new"):
            self._trainer.load_weights("ann", version)

    def restart(self, wanted: Path) -> None:
        if self._cheat == "forgets":
            self._trainer.load_weights("ann", wanted)

    def probabilities(self, prompts: Sequence[Prompt]) -> Chances:
        if self._cheat == "serves the base":
            return self._trainer.parent_probabilities(prompts)
        return self._trainer.probabilities(prompts)


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Canary, Path, Path]:
    """A version after two updates, with the version before it; neither is decided, so that they can be told apart."""
    trainer, place = LoRATrainer(str(base), {"ann": AdapterStart()}, device="cpu", learning_rate=3e-3), []
    tables = []
    for name in ("old", "new"):
        trainer.forward_backward([Sample(prompt, values=(0.0, 1.0, 0.0)) for prompt in PROMPTS], LossWeights())
        trainer.optim_step("ann")
        version = trainer.save_weights("ann", tmp_path_factory.mktemp(name))
        place.append(version.folder.rename(version.folder.with_name(f"ann-{name}")))
        tables.append(tuple(trainer.probabilities(PROMPTS)))
    return Canary("ann-new", PROMPTS, own=tables[1], parent=tables[0]), place[0], place[1]


def test_an_honest_server_passes(base: Path, trained: tuple[Canary, Path, Path]) -> None:
    canary, old, new = trained
    server = Server(base)
    for version in (old, new):
        server.load(version)
    assert canary.tells
    assert canary.check(server.probabilities, "http://a:8000") < 1e-4


@pytest.mark.parametrize(
    ("cheat", "reason"),
    [
        ("ignores loads", "It answers with the version before: it ignored the load"),
        ("serves the base", "It answers with the base or with another adapter"),
        ("forgets", "or forgot it in a restart"),
    ],
)
def test_a_cheat_is_caught(base: Path, trained: tuple[Canary, Path, Path], cheat: str, reason: str) -> None:
    canary, old, new = trained
    server = Server(base, cheat)
    for version in (old, new):
        server.load(version)
    server.restart(old)
    with pytest.raises(CanaryError, match=rf"http://a:8000 does not answer with ann-new: P\(.* {reason}"):
        canary.check(server.probabilities, "http://a:8000")


def test_a_server_that_answers_too_little_is_refused(trained: tuple[Canary, Path, Path]) -> None:
    canary = trained[0]
    for found in ([], [(1.0,)] * 8, list(canary.own)[:7]):
        with pytest.raises(CanaryError, match="did not answer each choice"):
            canary.check(lambda _prompts, found=found: found, "a")  # type: ignore[misc]
    with pytest.raises(CanaryError, match="does not answer with ann-new"):
        canary.check(lambda _prompts: [(float("nan"),) * 3] * 8, "a")


SHARE = st.floats(0.002, 0.998)


@given(own=SHARE, parent=SHARE, served=SHARE)
def test_what_passes_is_near_and_nearer_than_the_parent(own: float, parent: float, served: float) -> None:
    prompt = ask("ann", "Your move?", ("a", "b"))
    rows = {name: ((share, 1 - share),) for name, share in (("own", own), ("parent", parent))}
    canary = Canary("ann-new", (prompt,), **rows)
    try:
        distance = canary.check(lambda _prompts: [(served, 1 - served)], "a")
    except CanaryError:
        distance = float("inf")
    if distance <= LIMIT:
        assert abs(own - served) <= 0.06
        assert not canary.tells or abs(own - served) <= abs(parent - served)
    if own == served:
        assert distance == 0


def test_the_most_telling_prompts_are_taken() -> None:
    own = [(0.5, 0.5), (0.9, 0.1), (0.2, 0.8)]
    assert telling_prompts(asks("ann"), own, [(0.5, 0.5)] * 3, count=2) == [1, 2]
    assert telling_prompts(asks("ann"), own, own) == [0, 1, 2]
