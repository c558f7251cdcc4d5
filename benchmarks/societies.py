"""Our side: a society of any size, with the times of its events."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import Tier
from agents.role import ModelRole
from agents.roster import ModelConfig
from simulation.engine.batch.settings import BatchSettings
from simulation.engine.environment import MultiModelEnvironment
from simulation.store.blocks import is_block_of, takes_blocks
from simulation.store.events import CallMade, EpisodeStarted, Event, MessageSent, StepResolved
from simulation.task import TrainingTask
from simulation.topology.communication import Communication
from simulation.topology.graph import TopologyKind

ADAPTERS = ("cooperator", "defector", "reciprocator")
NOWHERE = "http://127.0.0.1:9/v1"
"""A URL at which no server answers."""


@dataclass
class Watched:
    """The seconds of every step, and the numbers of messages, of deliveries and of calls."""

    steps: list[float] = field(default_factory=list)
    messages: int = 0
    heard: int = 0
    calls: int = 0
    last: float = 0.0

    @takes_blocks
    def note(self, event: Event) -> None:
        if isinstance(event, EpisodeStarted):
            self.last = time.perf_counter()
        elif is_block_of(event, MessageSent):
            self.messages += len(event.rows)
            self.heard += sum(map(len, event.rows.values("audience")))
        elif isinstance(event, MessageSent):
            self.messages += 1
            self.heard += len(event.audience)
        elif isinstance(event, CallMade):
            self.calls += 1
        elif isinstance(event, StepResolved):
            now = time.perf_counter()
            self.steps.append(now - self.last)
            self.last = now


def rows(n: int, scripted: int = 0) -> list[ModelConfig]:
    """Return `n` rows of every role, the last `scripted` of them played by a policy."""
    roles = tuple(ModelRole)
    plays = [{"model_name": ADAPTERS[i % len(ADAPTERS)]} for i in range(n - scripted)]
    plays += [{"policy": "conditional_cooperator"}] * scripted
    return [ModelConfig(model_id=f"m{i}", role=roles[i % len(roles)], **each) for i, each in enumerate(plays)]


async def play(
    n: int,
    steps: int,
    tier: Tier = Tier.SIMULATED,
    url: str = NOWHERE,
    topology: TopologyKind = TopologyKind.SMALL_WORLD,
    concurrency: int = 64,
    in_columns: bool = False,
    scripted: int = 0,
) -> Watched:
    """Play one episode of public goods with `n` models on `tier`, at most `concurrency` calls at a time.

    In a small world each model has ten neighbours. With `in_columns` no prompt, request or record of a call is made but
    those of models that are asked. The last `scripted` models are played by a policy.
    """
    watched = Watched()
    environment = MultiModelEnvironment(
        url,
        max_models=n,
        settings=InferenceSettings(tiers=(tier,), retries=0, timeout=120, deadline=600, concurrency=concurrency),
        communication=Communication(topology=topology, degree=10),
        on_event=watched.note,
        batch=BatchSettings(in_columns),
    )
    for row in rows(n, scripted):
        environment.add_model(row)
    async with environment:
        await environment.run_task(TrainingTask(task_id="bench", task_type="public_goods", max_steps=steps))
    return watched
