"""Train one folder in peace, and another that is killed at random moments; each process is forked from this one.

    python -m tests.support.killed_training PEACE KILLED KILLS

This process imports torch once and computes nothing itself, so a forked child can compute.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from statistics import median

import agents.learning.trainer  # noqa: F401  imported here, not in every child
from simulation.training.ledger import LEDGER, Ledger
from simulation.training.run import train
from tests.support.forks import Child, in_child


def main(peace: Path, killed: Path, kills: int) -> None:
    import transformers  # noqa: F401

    in_child(lambda: train(peace))
    update = median(line.seconds for line in Ledger(peace).lines)
    rng = random.Random()
    for _ in range(kills):
        child, before = Child.start(lambda: train(killed)), size(killed)
        while size(killed) == before:  # until it is at work
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 1.5 * update))
        os.kill(child.process, signal.SIGKILL)
        code, text = child.end()
        assert code == -signal.SIGKILL, text or f"it had ended with {code}"
        sys.stdout.write(f"killed after {len(Ledger(killed).lines)} lines\n")
    in_child(lambda: train(killed))


def size(folder: Path) -> int:
    return (folder / LEDGER).stat().st_size


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
