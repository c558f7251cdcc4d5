"""Measure a step of a social network, beside plain OASIS doing the same, and the tokens of its prompts.

    python -m benchmarks.network            # --quick: smaller sizes

In a step a tenth of the agents is active; each is shown five posts by Reddit's hot score and does one thing. Ours
computes the feed of each active agent, offers it tools with legal targets, and writes OASIS's database and the events.
Plain OASIS updates its recommendations and carries out `refresh` and one given action of each active agent; no model
is asked on either side.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import logging
import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from agents.inference.provenance import Tier
from agents.oasis_import import contained_import
from agents.roster import ModelConfig
from benchmarks.measure import Spread, machine
from benchmarks.peers import social_agents
from simulation import MultiModelEnvironment, TrainingTask
from simulation.engine.environment import InferenceSettings
from simulation.store.events import CallBegun, Event, SocialActed, StepResolved
from simulation.topology.communication import Communication

with contained_import():
    import oasis
    from oasis import ActionType, AgentGraph, ManualAction
    from oasis.social_platform.channel import Channel
    from oasis.social_platform.platform import Platform

OUT = Path(__file__).parent / "results" / "network.json"
ACTIVE, FEED, FOLLOWED = 0.1, 5, 10
OASIS_TOKENS = 335_600
"""Input tokens of 100 agents and one step that OASIS's own documentation states."""
PERSONA = (
    "James is a seasoned professional in hospitality with a keen interest in economics. When not working he travels, "
    "tries local food and reads about other cultures. He is 40, from the UK, and likes to discuss what he reads."
)
POST = "If you look for insight into how the album was made, consider that some fans say it was first sung in Hebrew."


def network_task(steps: int, past: int, agents: int, **parameters: Any) -> TrainingTask:
    """Return a task in which `past` posts stand in the network before the first step."""
    posts = [{"author": f"m{number % agents}", "text": f"{POST} ({number})"} for number in range(past)]
    given = {"feed": {"kind": "hot", "length": FEED}, "activity": {"chance": ACTIVE}, "posts": posts, **parameters}
    return TrainingTask(task_id="net", task_type="social_network", max_steps=steps, parameters=given)


def links(agents: int) -> Communication:
    """Return a network in which each agent follows `FOLLOWED` others, drawn by a seed."""
    rng = random.Random(1)
    pairs = [[f"m{other}", f"m{user}"] for user in range(agents) for other in rng.sample(range(agents), FOLLOWED)]
    edges = [pair for pair in pairs if pair[0] != pair[1]]
    return Communication.model_validate({"topology": {"edges": edges, "directed": True}, "talk_rounds": 0})


async def played(agents: int, task: TrainingTask, rows: Sequence[ModelConfig]) -> tuple[list[float], list[Event]]:
    """Return the seconds of each step, and the events."""
    marks, events = [time.perf_counter()], list[Event]()

    def note(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepResolved):
            marks.append(time.perf_counter())

    settings = InferenceSettings(tiers=(Tier.SIMULATED,))
    environment = MultiModelEnvironment(
        max_models=agents, settings=settings, communication=links(agents), on_event=note, seed=1
    )
    for row in rows:
        environment.add_model(row)
    async with environment:
        await environment.run_task(task)
    return [after - before for before, after in pairwise(marks[1:])], events


def ours(agents: int, past: int, steps: int = 8, **parameters: Any) -> list[float]:
    """Return the seconds of our steps, without the first, which opens the database."""
    rows = [ModelConfig(model_id=f"m{number}", role="neutral", policy="random") for number in range(agents)]
    return asyncio.run(played(agents, network_task(steps, past, agents, **parameters), rows))[0]


async def _stock(agents: int, past: int, steps: int, folder: Path) -> list[float]:
    rng, graph, path = random.Random(1), AgentGraph(), str(folder / "plain.db")
    users = social_agents(agents, "http://localhost:9/v1", [ActionType.DO_NOTHING], graph)
    for user in users:
        graph.add_agent(user)
    with contextlib.redirect_stdout(io.StringIO()):
        platform = Platform(path, Channel(), recsys_type="reddit", refresh_rec_post_count=FEED, max_rec_post_len=100)
    environment = oasis.make(agent_graph=graph, platform=platform, database_path=path)
    await environment.reset()
    for number in range(past):
        await platform.create_post(number % agents, f"{POST} ({number})")
    seconds = []
    for _ in range(steps):
        active = rng.sample(users, round(agents * ACTIVE))
        like = [ManualAction(ActionType.LIKE_POST, {"post_id": rng.randint(1, past)}) for _ in active]
        acts = [[ManualAction(ActionType.REFRESH, {}), each] for each in like]
        began = time.perf_counter()
        await environment.step(dict(zip(active, acts, strict=True)))
        seconds.append(time.perf_counter() - began)
    await environment.close()
    return seconds[1:]


def stock(agents: int, past: int, steps: int = 4) -> list[float]:
    """Return the seconds of plain OASIS's steps."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_stock(agents, past, steps, Path(folder)))


def prompt_tokens(agents: int = 100) -> int:
    """Return the tokens of the prompts and tools of agents that all act once, by the embedded model's tokenizer."""
    from transformers import AutoTokenizer

    from agents.inference.embedded.model_store import pull

    tokenizer = AutoTokenizer.from_pretrained(str(pull(None)))
    rows = [
        ModelConfig(model_id=f"m{number}", model_name="cooperator", role="neutral", persona=PERSONA)
        for number in range(agents)
    ]
    task = network_task(1, 100, agents, activity={"chance": 1.0})
    _, events = asyncio.run(played(agents, task, rows))
    asked = [event.request for event in events if isinstance(event, CallBegun)]
    texts = ["\n".join([*(each.content for each in one.messages), orjson.dumps(one.tools).decode()]) for one in asked]
    assert len(texts) == agents == sum(isinstance(event, SocialActed) for event in events)
    return sum(len(tokenizer(text)["input_ids"]) for text in texts)


def measured(quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each figure with its name."""
    agents, pasts = (1_000, (100, 5_000)) if quick else (10_000, (100, 100_000))
    ours(100, 100, 3)  # imports are not measured
    for past in pasts:
        yield f"{agents:,} agents, {past:,} past posts: seconds a step", {"values": ours(agents, past), "goal": 2.0}
    for kind in ("chronological", "followed", "popular", "random", "similar", "bridging"):
        found = ours(agents, pasts[0], 4, feed={"kind": kind, "length": FEED})
        yield f"{agents:,} agents, feed {kind}: seconds a step", {"values": found, "goal": 2.0}
    size = 200 if quick else 1_000
    mine, theirs = ours(size, 1_000), stock(size, 1_000)
    yield f"{size:,} agents, ours: seconds a step", {"values": mine}
    yield f"{size:,} agents, plain OASIS: seconds a step", {"values": theirs}
    yield "plain OASIS / ours", {"values": [median(theirs) / median(mine)], "goal": 50}
    tokens = prompt_tokens()
    yield "prompt tokens of 100 agents, one step", {"values": [tokens], "goal": OASIS_TOKENS / 5, "oasis": OASIS_TOKENS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # CAMEL warns about the model of every stock agent
    table, figures = Table("measured", "least / middle / most", "goal"), {}
    for name, found in measured(options.quick):
        sys.stderr.write(f"{name}: {Spread.of(found['values'])}\n")
        figures[name] = found
        table.add_row(name, str(Spread.of(found["values"])), str(found.get("goal", "")))
    report = {"machine": machine(), "quick": options.quick, "figures": figures}
    OUT.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
