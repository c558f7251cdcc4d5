"""How a crowd votes: likes and dislikes of models, without those that items came with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.roster import ModelConfig
from simulation.metrics.herding import crowd_votes, first_items, votes_of
from simulation.plan import Plan
from simulation.runs.runner import play_plan
from simulation.tables.run import Run

MakePlan = Callable[..., Plan]


def voted(make_plan: MakePlan, runs: Path, post: dict[str, Any], *actions: str) -> Run:
    parameters = {"actions": list(actions), "posts": [post], "activity": {"in_turn": 1}}
    task = {"task_id": "net", "task_type": "social_network", "max_steps": 6, "parameters": parameters}
    rows = tuple(ModelConfig(model_id=f"m{place}", policy="polya") for place in range(6))
    return play_plan(make_plan(rows=rows, mode="cooperative", episodes=2, tasks=[task]), out=runs)


def test_votes_that_a_post_came_with_are_not_the_crowds(make_plan: MakePlan, runs: Path) -> None:
    post = {"author": "m0", "text": "first", "likes": 40, "dislikes": 3}
    run = voted(make_plan, runs, post, "like_post", "dislike_post")
    found = crowd_votes(run)
    likes, dislikes = int(run.posts["likes"].sum()) - 80, int(run.posts["dislikes"].sum()) - 6
    assert found is not None
    assert likes + dislikes == 10  # five users besides the author, two episodes
    assert found["votes"] == 5
    assert found["score"] == pytest.approx((likes - dislikes) / 2)
    assert found["likes"] == pytest.approx(likes / 10)


def test_comments_are_voted_on_where_there_are_any(make_plan: MakePlan, runs: Path) -> None:
    post = {"author": "m0", "text": "first", "comments": [{"author": "m1", "text": "no"}]}
    run = voted(make_plan, runs, post, "like_comment", "dislike_comment")
    assert first_items(run) == [(0, 2), (1, 2)]
    ups, downs = votes_of(run)
    assert sum(ups.values()) + sum(downs.values()) == len(run.acts)


def test_crowd_votes_of_a_game_is_none(make_plan: MakePlan, runs: Path) -> None:
    assert crowd_votes(play_plan(make_plan(), out=runs)) is None
