"""What a message announces, and whether the decision follows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from agents.roster import ModelConfig
from simulation.metrics.words import words
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from tests.support.in_thread import in_thread
from tests.support.replies import completion
from tests.support.scripted_vllm import ScriptedVLLM

DILEMMA = [{"task_id": "d", "task_type": "prisoners_dilemma", "max_steps": 2}]
PAIR = tuple(
    ModelConfig(model_id=name, model_name=name, team_id=name) for name in ("honest", "liar", "vague", "babbler")
)
SAYS = {
    "honest": ("I will cooperate, as we agreed.", "cooperate"),
    "liar": ("I cooperate this time.", "defect"),
    "vague": ("Let us see how it goes.", "defect"),
    "babbler": ("I defect.", "perhaps I could defect"),
}


async def play(request: web.Request) -> web.StreamResponse:
    """Each adapter answers every request with its entry in `SAYS`."""
    body: dict[str, Any] = await request.json()
    message, deed = SAYS[body["model"]]
    return web.json_response(completion(deed if "structured_outputs" in body else message, body["model"]))


def characters(make_plan: Callable[..., Plan], runs: Path, episodes: int = 2, **keys: Any) -> Run:
    """A run on a server with four adapters; `keys` replace the scenario's."""
    with in_thread(ScriptedVLLM(tuple(SAYS))) as server:
        server.mishaps.extend([play] * 500)
        inference = {"tiers": ["http"], "endpoints": [server.url], "retries": 0}
        return run_scenario(
            make_plan(rows=PAIR, tasks=DILEMMA, episodes=episodes, inference=inference, **keys), out=runs
        )


def test_words_show_who_does_what_it_announces(make_plan: Callable[..., Plan], runs: Path) -> None:
    found = list(words(characters(make_plan, runs)))
    assert len(found) == 4 * 2 * 2
    assert {word.tier for word in found} == {"http"}
    by_name = {word.point.model_id: word for word in found}
    announced = {name: word.announced.action if word.announced else None for name, word in by_name.items()}
    assert announced == {"honest": "cooperate", "liar": "cooperate", "vague": None, "babbler": "defect"}
    assert {name: word.kept for name, word in by_name.items()} == {
        "honest": True,
        "liar": False,
        "vague": False,
        "babbler": False,  # it named the option, but its decision was not legal
    }
    assert by_name["babbler"].action is None


def test_words_count_the_last_message_of_a_step(make_plan: Callable[..., Plan], runs: Path) -> None:
    found = list(words(characters(make_plan, runs, 1, communication={"talk_rounds": 3})))
    assert len(found) == 4 * 2


def test_simulated_players_do_what_they_announce(make_plan: Callable[..., Plan], runs: Path) -> None:
    found = list(words(run_scenario(make_plan(tasks=DILEMMA, language="zh"), out=runs)))
    assert found
    assert all(word.kept for word in found)
