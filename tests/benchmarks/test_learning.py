"""The benchmark of the trainer compares equal work: eight prompts that begin alike, or not at all."""

from __future__ import annotations

from benchmarks.learning import LEARNERS, ROWS, apart, decision_prompts, ratios


def first_words(texts: list[str]) -> set[str]:
    return {text[:20] for text in texts}


def test_prompts_of_decisions_begin_alike() -> None:
    prompts = decision_prompts()
    assert len(set(prompts)) == ROWS == len(LEARNERS)
    assert len(first_words([prompt.messages[0].content for prompt in prompts])) == 1
    assert len(first_words([prompt.messages[0].content for prompt in apart(prompts)])) == ROWS


def test_ratios_are_of_the_first_step_over_the_second() -> None:
    found, least = ratios({"long": lambda: sum(range(2_000_000)), "short": lambda: sum(range(200_000))}, 3)
    assert len(found) == 3
    assert min(found) > 1
    assert least["long"] > least["short"]
