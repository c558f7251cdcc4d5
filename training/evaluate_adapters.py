"""Held-out figures of the shipped adapters: names, specializations, personas and tasks never trained on.

    python -m training.evaluate_adapters          # prints the tables, writes training/figures.json

Probabilities are the model's own over the legal choices at temperature 1, averaged over the prompts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agents.inference.embedded.backend import load_engine
from agents.inference.provenance import CallKey, Purpose, Request
from agents.players.policies import POLICIES
from simulation.games.base import Move
from simulation.games.prisoners_dilemma import COOPERATE, DEFECT
from training.dialogues import (
    HELD_OUT_WORDING,
    TEACHERS,
    Example,
    decide_example,
    make_table,
    messages_heard,
    play,
)

FIGURES = Path(__file__).with_name("figures.json")
BASE = "SmolLM2-135M-Instruct"
PASTS = {
    "first": None,
    "CC": (COOPERATE, COOPERATE),
    "CD": (COOPERATE, DEFECT),
    "DC": (DEFECT, COOPERATE),
    "DD": (DEFECT, DEFECT),
}
"""What the model itself, then its partner, did in the last step."""
SEED = 2024
GAMES = {"prisoners_dilemma": "trained", "public_goods": "trained", "commons": "never seen"}


def dilemma_examples(past: tuple[str, str] | None, count: int) -> Iterator[Example]:
    """Held-out dilemma prompts whose last step was `past`."""
    rng = random.Random(f"{SEED}/{past}")
    for _ in range(count):
        table = make_table(POLICIES["tit_for_tat"], "prisoners_dilemma", HELD_OUT_WORDING, rng)
        state = table.game.start(rng)
        if past is not None:
            moves = [Move(rng.choice((COOPERATE, DEFECT))) for _ in table.players]
            moves[0], moves[state.table[0]] = Move(past[0]), Move(past[1])
            state = table.game.resolve(state, moves)
        yield decide_example(table, state, messages_heard(table, state, rng), rng)


def request(example: Example, adapter: str) -> Request:
    """The example as a choice for `adapter`."""
    key = CallKey(0, 0, adapter, Purpose.DECIDE)
    return Request(key, adapter, example.messages, base_model=BASE, choices=example.choices)


def distributions(engine: Any, found: Sequence[Example], adapter: str) -> list[dict[str, float]]:
    answers: list[dict[str, float]] = engine.choice_distribution([request(example, adapter) for example in found])
    return answers


def p_cooperate(engine: Any, adapter: str, count: int) -> dict[str, float]:
    """Mean P(cooperate) after each past."""
    means = {}
    for name, past in PASTS.items():
        answers = distributions(engine, list(dilemma_examples(past, count)), adapter)
        means[name] = sum(answer[COOPERATE] for answer in answers) / len(answers)
    return means


def agreement(engine: Any, adapter: str, teacher: str, count: int) -> dict[str, float]:
    """Mean probability of the teacher's own choice, per game."""
    means = {}
    for game in GAMES:
        found = list(itertools.islice(held_out_decisions(teacher, game), count))
        answers = distributions(engine, found, adapter)
        means[game] = sum(a[e.reply] for a, e in zip(answers, found, strict=True)) / count
    return means


def held_out_decisions(teacher: str, game: str) -> Iterator[Example]:
    """One decision of each of endless held-out episodes: prompts of one episode are not independent."""
    rng = random.Random(f"{SEED}/{teacher}/{game}")
    while True:
        table = make_table(POLICIES[TEACHERS[teacher]], game, HELD_OUT_WORDING, rng)
        yield rng.choice([example for example in play(table, rng) if example.choices])


def evaluate(count: int) -> dict[str, Any]:
    engine = load_engine(print)
    dilemma = {adapter: p_cooperate(engine, adapter, count) for adapter in (*TEACHERS, BASE)}
    agreements = {
        teacher: {adapter: agreement(engine, adapter, teacher, count) for adapter in (teacher, BASE)}
        for teacher in TEACHERS
    }
    return {"prompts_per_cell": count, "seed": SEED, "p_cooperate": dilemma, "p_teachers_choice": agreements}


def tables(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| adapter | " + " | ".join(PASTS) + " |", "|---" * (len(PASTS) + 1) + "|"]
    for adapter, row in figures["p_cooperate"].items():
        lines.append(f"| {adapter} | " + " | ".join(f"{row[past]:.2f}" for past in PASTS) + " |")
    heads = " | ".join(f"{game} ({kind})" for game, kind in GAMES.items())
    lines += ["", f"| teacher | model | {heads} |", "|---" * (len(GAMES) + 2) + "|"]
    for teacher, models in figures["p_teachers_choice"].items():
        for model, row in models.items():
            lines.append(f"| {teacher} | {model} | " + " | ".join(f"{row[game]:.2f}" for game in GAMES) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=32, help="prompts per cell")
    figures = evaluate(parser.parse_args().count)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    print(tables(figures))


if __name__ == "__main__":
    main()
