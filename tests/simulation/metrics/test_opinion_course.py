"""How the opinions of a run moved, from runs of scripted players whose end is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.roster import ModelConfig
from simulation.metrics.opinion_course import opinion_course, opinion_steps
from simulation.plan import Plan
from simulation.runs.runner import play_plan

MakePlan = Callable[..., Plan]


def _plan(make_plan: MakePlan, policy: str, initial: list[int], **keys: object) -> Plan:
    rows = tuple(ModelConfig(model_id=f"m{place}", policy=policy) for place in range(len(initial)))
    task = {
        "task_id": "talk",
        "task_type": "opinion",
        "max_steps": 12,
        "parameters": {"low": 0, "high": 100, "initial": initial},
    }
    return make_plan(rows=rows, mode="cooperative", episodes=1, tasks=[task], **keys)


def test_opinion_course_of_stubborn_players(make_plan: MakePlan, runs: Path) -> None:
    run = play_plan(_plan(make_plan, "stubborn", [0, 0, 100, 100]), out=runs)
    found = opinion_course(run)
    assert found is not None
    assert found["polarisation"] == pytest.approx(1)
    assert found["polarisation_change"] == pytest.approx(0)
    assert found["clusters"] == 2
    assert found["echo"] == pytest.approx(-1 / 3)  # a complete graph of two camps of two


def test_opinion_course_of_averaging_players(make_plan: MakePlan, runs: Path) -> None:
    run = play_plan(_plan(make_plan, "degroot", [0, 0, 100, 100]), out=runs)
    found = opinion_course(run)
    assert found is not None
    assert found["mean"] == pytest.approx(0.5, abs=0.01)
    assert found["polarisation"] == pytest.approx(0, abs=0.01)


def test_opinion_course_echo_follows_the_links(make_plan: MakePlan, runs: Path) -> None:
    links = [["m0", "m1"], ["m2", "m3"]]
    run = play_plan(_plan(make_plan, "stubborn", [0, 0, 100, 100], communication={"topology": links}), out=runs)
    assert [step.echo for step in opinion_steps(run)][-1] == pytest.approx(1)
    assert [step.camps for step in opinion_steps(run)][-1] == pytest.approx(0.5)


def test_opinion_course_of_another_game_is_none(make_plan: MakePlan, runs: Path) -> None:
    assert opinion_course(play_plan(make_plan(), out=runs)) is None
