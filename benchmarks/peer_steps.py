"""Measure the same step in other frameworks, each in a separate process and environment.

Mesa calls no language model, builds no prompt and writes no log: it shows the speed limit of plain Python. It is
compared with the simulated tier in columns, which draws by seeds, plays a game's rules and writes OASIS's database.
Concordia calls a server that answers after 50 ms, with two calls per agent on both sides.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from agents.inference.provenance import Tier
from benchmarks.lean_server import lean_server
from benchmarks.measure import Spread
from benchmarks.peer_environments import CONCORDIA, MESA, NotInstalledError, Peer, interpreter
from benchmarks.societies import ADAPTERS, NOWHERE, play

SCRIPTS = Path(__file__).parent / "peer_scripts"
MESA_WORK = (
    "no language model and no prompt on either side; Mesa keeps nothing of what is said, ours writes OASIS's database"
)
CONCORDIA_WORK = (
    "two calls an agent to a server of 50 ms on both sides; ours 64 at once, its simultaneous engine a thread an entity"
)


@dataclass(frozen=True)
class Comparison:
    """Seconds of a step on both sides, one pair per repetition; without any, `not_run` says why."""

    peer: str
    agents: int
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    detail: str
    not_run: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Our steps per second over the peer's, by repetition: below 1 the peer is faster."""
        return tuple(theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def as_json(self) -> dict[str, object]:
        spread = asdict(Spread.of(self.ratios)) if self.ratios else None
        return asdict(self) | {"ratios": self.ratios, "spread": spread}


def peer_steps(quick: bool) -> Iterator[Comparison]:
    """Compare with each peer at each size. If a peer fails, stderr and the figures say so."""
    repetitions = 1 if quick else 3
    for n in (100,) if quick else (1_000, 10_000):
        yield _compare(MESA, n, MESA_WORK, repetitions, _mesa)
    for n in (4,) if quick else (10, 100):
        yield _compare(CONCORDIA, n, CONCORDIA_WORK, repetitions, _concordia)


def _compare(
    peer: Peer, n: int, detail: str, repetitions: int, measure: Callable[[Path, int], tuple[float, float]]
) -> Comparison:
    try:
        python = interpreter(peer)
        asyncio.run(play(2, 1))  # imports are not measured
        pairs = [measure(python, n) for _ in range(repetitions)]
    except (NotInstalledError, RuntimeError, subprocess.CalledProcessError) as error:
        reason = f"not run: {getattr(error, 'stderr', None) or error}".strip()[-500:]
        sys.stderr.write(f"\n*** {peer.label} WAS NOT COMPARED: {reason}\n\n")
        return Comparison(peer.label, n, (), (), detail, reason)
    ours, theirs = zip(*pairs, strict=True)
    return Comparison(peer.label, n, ours, theirs, detail)


def _mesa(python: Path, n: int) -> tuple[float, float]:
    ours = _ours(n, 3, Tier.SIMULATED, NOWHERE)
    return ours, _step(python, "mesa_society.py", n, 10)


def _concordia(python: Path, n: int) -> tuple[float, float]:
    with lean_server(0.05, *ADAPTERS) as url:
        ours = _ours(n, 4, Tier.HTTP, url)
        return ours, _step(python, "concordia_society.py", n, 4, "--url", url)


def _ours(n: int, steps: int, tier: Tier, url: str) -> float:
    """Return the seconds of our median step, without the first one, which opens connections."""
    watched = asyncio.run(play(n, steps, tier, url, in_columns=tier is Tier.SIMULATED))
    return median(watched.steps[1:])


def _step(python: Path, script: str, n: int, steps: int, *more: str) -> float:
    """Return the same for the peer. The option -I hides our modules from it."""
    command = [str(python), "-I", str(SCRIPTS / script), "--agents", str(n), "--steps", str(steps), *more]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    if report["messages"] != n * steps or report["calls"] not in {0, 2 * n * steps}:
        raise RuntimeError(f"{script} did other work than ours: {report['messages']} messages, {report['calls']} calls")
    return float(median(report["seconds"][1:]))
