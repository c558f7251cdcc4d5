"""The probabilities of choices at a server are the trainer's: vLLM's answers are taken from transformers and peft."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.embedded.sampling import choice_probabilities, choice_tree
from agents.inference.vllm.lifecycle import LifecycleError, LoraLifecycle
from agents.learning.served import TokenPrompt, served_chances
from tests.agents.learning.conftest import CHOICES, ask, trainer_of
from tests.support.faults import Fault
from tests.support.peer_scores import peer_scores
from tests.support.scripted_vllm import Route, ScriptedVLLM

NUMBERS = tuple(str(number) for number in range(21))
PLACES = ("in the north", "in the north-east", "in the sea")


async def test_served_probabilities_are_the_trainers(base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(base, "ann")
    version = trainer.save_weights("ann", tmp_path)
    prompts = [ask("ann", "Your move?", choices) for choices in (CHOICES, NUMBERS, PLACES, ("alone",))]
    async with ScriptedVLLM([], scores=peer_scores(base)) as stub, LoraLifecycle(stub.url) as server:
        loaded = await server.load(version.folder, version.name, base="tiny")
        found = await served_chances(server, loaded.name, trainer.in_tokens(prompts))
        plain = await served_chances(server, stub.base, trainer.in_tokens(prompts))
    for mine, theirs, untrained in zip(trainer.probabilities(prompts), found, plain, strict=True):
        np.testing.assert_allclose(theirs, mine, atol=1e-5)
        assert len(mine) == 1 or np.abs(np.subtract(mine, untrained)).max() > 1e-4


async def test_a_server_that_cannot_say_is_named(base: Path) -> None:
    asked = trainer_of(base, "ann").in_tokens([ask("ann", "Your move?")])
    async with ScriptedVLLM(["old"], scores=peer_scores(base)) as stub, LoraLifecycle(stub.url) as server:
        with pytest.raises(LifecycleError, match=f"{stub.url} does not answer as 'new' .404"):
            await served_chances(server, "new", asked)
        stub.script(Fault.SERVER_ERROR, route=Route.COMPLETIONS)
        with pytest.raises(LifecycleError, match=f"{stub.url} does not answer as 'old' .500"):
            await served_chances(server, "old", asked)


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"text": "a"}]},
        {"choices": []},
        {},
        [],
        {"choices": [{"index": number, "prompt_logprobs": None} for number in range(3)]},
        {"choices": [{"index": number, "prompt_logprobs": [None, {"1": {"logprob": 0}}]} for number in range(3)]},
    ],
)
async def test_an_answer_without_log_probabilities_is_refused(
    base: Path, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def complete(*_: object) -> object:
        return answer

    asked = trainer_of(base, "ann").in_tokens([ask("ann", "Your move?")])
    server = LoraLifecycle("http://a:8000/v1")
    monkeypatch.setattr(server, "complete", complete)
    with pytest.raises(LifecycleError, match="http://a:8000/v1 gives no log-probabilities of prompts as 'new'"):
        await served_chances(server, "new", asked)


WORDS = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


@given(words=WORDS, seed=st.integers(0, 999))
def test_only_what_parts_at_a_branch_counts(words: list[str], seed: int) -> None:
    """Log-probabilities over a whole vocabulary give what the logits of the allowed tokens give."""
    tree = choice_tree(words, lambda word: [ord(letter) for letter in word], end=0)
    rng = np.random.default_rng(seed)
    prefixes = {path[:depth] for path in tree.paths.values() for depth in range(len(path))}
    logits = {prefix: rng.normal(0, 3, 200) for prefix in sorted(prefixes)}
    logs = {prefix: row - np.log(np.exp(row).sum()) for prefix, row in logits.items()}
    rows = [[logs[path[:depth]][token] for depth, token in enumerate(path)] for path in tree.paths.values()]
    wanted = choice_probabilities(tree, {prefix: logits[prefix][list(ways)] for prefix, ways in tree.branches.items()})
    found = TokenPrompt((1, 2), tree).chances(rows)
    np.testing.assert_allclose(found, list(wanted.values()), atol=1e-9)
    assert sum(found) == pytest.approx(1)
