"""How often the gate of a training promotes what is no better, and how often it sees a gain: docs/howto/gate.md.

    python -m benchmarks.gates              # writes benchmarks/results/gates.json (about a quarter of an hour)
    python -m benchmarks.gates --played 0   # without the 200 trainings that are played as `society train` plays them

Drawn trainings are tables in a game's graph (`simulation.studies.verify.gates`). Played ones are whole trainings: a
table learns matching pennies by `reinforce` against a partner that plays at random, so nothing it learns earns more.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import Any

import orjson

from agents.roster import ModelConfig, Roster
from benchmarks.measure import machine
from simulation.plan import Plan
from simulation.scenario import Scenario
from simulation.sections.gate import GateConfig
from simulation.studies.verify.gates import found_gains, null_promotions
from simulation.studies.verify.learning import pennies, planted
from simulation.training.ledger import Ledger
from simulation.training.run import begin_training, train

OUT = Path(__file__).parent / "results" / "gates.json"
PAIRS = (8, 16, 24, 48)
DELTA = 0.25
STEP = {"actions": ["heads", "tails"], "payoffs": [[1, -1], [-1, 1]]}
ROWS = (ModelConfig(model_id="ann", policy="tabular"), ModelConfig(model_id="bo", policy="random"))


def share(hits: float, trainings: int) -> dict[str, float | int]:
    """Return a share with its standard error."""
    return {"share": hits, "trainings": trainings, "standard_error": math.sqrt(hits * (1 - hits) / trainings)}


def drawn(trainings: int) -> list[dict[str, Any]]:
    """Return both figures by number of pairs."""
    rows, graph = [], pennies(3)
    first, better = planted(graph, DELTA)
    for pairs in PAIRS:
        gate = GateConfig(held_out=("random",), delta=DELTA, episodes=pairs)
        kinds = {
            name: found_gains(graph, first, better, gate, trainings, common=common)
            for name, common in (("own_draws", False), ("common_draws", True))
        }
        rows.append(
            {
                "pairs": pairs,
                "no_better": share(null_promotions(graph, gate, trainings), trainings),
                "published_power": kinds["own_draws"].published,
                **{name: share(found.found, trainings) for name, found in kinds.items()},
            }
        )
    return rows


def played_plan(seed: int) -> Plan:
    """Return a training in which nothing that is learned earns more; its held-out partner cannot refuse."""
    scenario = {
        "name": "no_better",
        "mode": "competitive",
        "roster": "inline",
        "seed": seed,
        "tasks": [{"task_id": "pennies", "task_type": "matrix_game", "max_steps": 1, "parameters": STEP}],
        "communication": {"talk_rounds": 0},
        "training": {
            "learners": {"ann": {}},
            "method": "reinforce",
            "updates": 4,
            "episodes": 8,
            "adapter": {"learning_rate": 4.0},
            "gate": {"every": 2, "held_out": ["always_defect"], "delta": 10.0, "episodes": 16},
        },
    }
    return Plan(Scenario.model_validate(scenario), Roster(name="inline", models=ROWS))


def played(trainings: int) -> dict[str, Any]:
    """Return the share of played trainings with a promotion."""
    promoted, changed = 0, 0
    for seed in range(trainings):
        with tempfile.TemporaryDirectory() as place:
            folder = begin_training(played_plan(seed), place)
            train(folder)
            found = [each for line in Ledger(folder).lines for each in line.gates.values()]
        promoted += any(each.promoted for each in found)
        changed += any(each.evidence[0].low != each.evidence[0].high for each in found)
    return {**share(promoted / trainings, trainings), "changed_play": changed / trainings}


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawn", type=int, default=2000, help="drawn trainings for each number of pairs")
    parser.add_argument("--played", type=int, default=200, help="trainings that are played; 0 leaves them out")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "delta": DELTA, "error": 0.05, "drawn": drawn(arguments.drawn)}
    if arguments.played:
        found["played"] = played(arguments.played)
    OUT.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main()
