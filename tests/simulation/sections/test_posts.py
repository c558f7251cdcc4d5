"""First posts from a file: every form of table, votes, draws, and errors that name file, line and fix."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.problems import InvalidFileError
from simulation import measure_experiment
from simulation.plan import Plan
from simulation.runs.runner import run_scenario

SCENARIO = """\
name: votes
mode: cooperative
roster: {roster}
tasks:
  - task_id: votes
    task_type: social_network
    max_steps: 2
    parameters:
      posts: {posts}
"""
COUNTERFACTUAL = [
    {"RS": {"title": "None", "selftext": "a post"}, "RC_1": {"body": "a comment", "group": group}}
    for group in ("up", "control", "down")
]


def posts_of(folder: Path, posts: str) -> list[dict[str, Any]]:
    (folder / "votes.yaml").write_text(SCENARIO.format(roster="mixed_society", posts=posts))
    plan = Plan.load(folder / "votes.yaml")
    found: list[dict[str, Any]] = plan.scenario.tasks[0].parameters["posts"]
    return found


def test_posts_are_read_from_csv_and_parquet(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": ["one", "two"], "author": ["north_lead", None], "likes": [2, 0]})
    rows.to_csv(tmp_path / "posts.csv", index=False)
    rows.to_parquet(tmp_path / "posts.parquet")
    expected = [{"text": "one", "author": "north_lead", "likes": 2}, {"text": "two", "likes": 0}]
    assert posts_of(tmp_path, "{file: posts.csv}") == expected
    assert posts_of(tmp_path, "{file: posts.parquet}") == expected


def test_counterfactual_posts_begin_with_their_groups_vote(tmp_path: Path) -> None:
    (tmp_path / "posts.json").write_text(json.dumps(COUNTERFACTUAL))
    found = posts_of(tmp_path, "{file: posts.json}")
    assert [post["text"] for post in found] == ["a post"] * 3
    votes = [(post["comments"][0]["likes"], post["comments"][0]["dislikes"]) for post in found]
    assert votes == [(1, 0), (0, 0), (0, 1)]


def test_vote_replaces_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "posts.json").write_text(json.dumps(COUNTERFACTUAL))
    found = posts_of(tmp_path, "{file: posts.json, vote: down}")
    assert [post["comments"][0]["dislikes"] for post in found] == [1, 1, 1]
    assert len(posts_of(tmp_path, "{file: posts.json, group: up}")) == 1


def test_sample_is_drawn_by_its_seed(tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text("\n".join(json.dumps({"text": f"post {n}"}) for n in range(30)))
    first, again = (posts_of(tmp_path, "{file: posts.jsonl, sample: 5, seed: 1}") for _ in range(2))
    other = posts_of(tmp_path, "{file: posts.jsonl, sample: 5, seed: 2}")
    assert len(first) == 5
    assert first == again != other


@pytest.mark.parametrize(
    ("posts", "content", "said"),
    [
        ("{file: away.csv}", "", "away.csv"),
        ("{file: posts.csv, sample: 3}", "text\none\n", "1 such posts; 3 cannot be drawn"),
        ("{file: posts.csv}", "text,likes\none,1\n,2\n", "posts.csv:3: a post has no text"),
        ("{file: posts.csv, votes: up}", "text\none\n", "votes"),
        ("{file: posts.csv}", "text,likes\none,many\n", "a row is not understood"),
        ("{file: posts.csv, vote: up}", "text,comments\none,many\n", "a row is not understood"),
        ("{file: posts.csv}", "text,author\none,nobody\n", "no model is called nobody"),
    ],
)
def test_wrong_posts_name_line_and_fix(tmp_path: Path, posts: str, content: str, said: str) -> None:
    (tmp_path / "posts.csv").write_text(content)
    with pytest.raises(InvalidFileError) as caught:
        posts_of(tmp_path, posts)
    problem = next(each for each in caught.value.problems if said in f"{each}")
    assert problem.line in (4, 8, 9)


def test_polya_voters_follow_the_first_vote(tmp_path: Path, runs: Path) -> None:
    """A positive control: a crowd that votes like an urn is moved by one vote, and one that does not read is not."""
    roster = tmp_path / "urn.yaml"
    roster.write_text("name: urn\nmodels:\n  - {model_id: voter, policy: polya, count: 16}\n")
    moved = measure_experiment("herding", seeds=12, tier="simulated", set={"roster": str(roster)}, out=runs)
    up, down = (moved.find("crowd_votes.score", arm).difference for arm in ("up", "down"))
    assert up is not None
    assert down is not None
    assert up.low > 0
    assert down.high < 0
    still = measure_experiment("herding", seeds=6, tier="simulated", out=runs)
    assert all(each.difference.value == 0 for each in still.figures if each.difference)


REAL = os.environ.get("SOCIETY_OASIS_DATA")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="SOCIETY_OASIS_DATA names no folder with OASIS's user_data_36.json and posts")
def test_oasis_people_and_posts_play_the_herding_scenario(tmp_path: Path, runs: Path) -> None:
    folder = Path(str(REAL))
    people = folder / "user_data_36.json"
    (tmp_path / "people.yaml").write_text(f"name: people\npeople: {{file: {people}, policy: polya}}\n")
    posts = f"{{file: {folder / 'counterfactual_36.json'}}}"
    text = SCENARIO.format(roster="people.yaml", posts=posts).replace("max_steps: 2", "max_steps: 36")
    (tmp_path / "votes.yaml").write_text(text)
    run = run_scenario(tmp_path / "votes.yaml", tier="simulated", out=runs)
    assert len(run.agents) == 36
    assert len(run.posts[run.posts["tier"] == "none"]) == 440
