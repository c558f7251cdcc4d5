"""The tables of social networks: cascades, and what each model's posts brought it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.network.world import ItemKind
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.store.events import EpisodeStarted, Event, SocialActed
from simulation.store.log import EventLog, read_events
from simulation.store.network_events import PostSeeded
from simulation.tables.builder import build_tables
from simulation.tables.columns import OPTIONAL_TABLES, TableName
from simulation.tables.network import NetworkEpisode
from simulation.tables.parquet import stored_file
from simulation.tables.run import Run, load_run
from simulation.tables.runs import load_runs
from tests.simulation.engine.test_network_phase import network_plan


def acted(step: int, model_id: str, action: str, arguments: str, item: int = 0, seen: tuple[int, ...] = ()) -> Event:
    return SocialActed(
        0, step, model_id, action, arguments, True, "", "", 1, "scripted", "p", "", 0.0, "", "", f"t{step}", seen, item
    )


HISTORY = (
    EpisodeStarted(0, "evening", "social_network", "cooperative", "set", 1.0, False, 100.0, 0.5, 0.5),
    PostSeeded(0, 0, "t0", 1, "m0", "rumour"),
    acted(0, "m1", "repost", '{"post_id": 1}', 2, (1,)),
    acted(1, "m2", "quote_post", '{"post_id": 2, "quote_content": "hm"}', 3, (2,)),
    acted(1, "m3", "like_post", '{"post_id": 2}', 0, (2,)),
    acted(2, "m3", "create_comment", '{"post_id": 3, "content": "no"}', 4, (3, 1)),
    acted(3, "m2", "create_comment", '{"post_id": 3, "content": "well"}', 5),
    acted(3, "m3", "follow", '{"followee_id": 0}'),
)


@pytest.fixture
def played(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(network_plan(make_plan, 40, episodes=2), out=runs)


def test_a_cascade_is_in_the_posts(make_plan: Callable[..., Plan]) -> None:
    posts = build_tables(HISTORY, make_plan().roster)["posts"]
    columns = ["item", "author", "kind", "parent", "root", "step", "time", "likes", "shares", "comments", "impressions"]
    assert posts[columns].values.tolist() == [
        [1, "m0", "post", 0, 1, 0, "t0", 1, 2, 0, 4],
        [2, "m1", "repost", 1, 1, 0, "t0", 0, 0, 0, 0],
        [3, "m2", "quote", 2, 1, 1, "t1", 0, 0, 2, 1],
        [4, "m3", "comment", 3, 1, 2, "t2", 0, 0, 0, 0],
        [5, "m2", "comment", 3, 1, 3, "t3", 0, 0, 0, 0],
    ]


def test_each_model_has_what_its_posts_brought_it(make_plan: Callable[..., Plan]) -> None:
    network = build_tables(HISTORY, make_plan().roster)["network"].set_index("model_id")
    columns = [
        "acts",
        "posts",
        "comments_made",
        "reach",
        "likes",
        "shares",
        "comments",
        "followers_gained",
        "influence",
    ]
    assert network.loc["m0", columns].tolist() == [0, 1, 0, 3, 1, 2, 0, 1, 4]
    assert network.loc["m2", columns].tolist() == [2, 1, 1, 1, 0, 0, 2, 0, 1]
    assert network.loc["m3", columns].tolist() == [3, 0, 1, 0, 0, 0, 0, 0, 0]
    assert network["tier"].tolist() == ["none", "scripted", "scripted", "scripted"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), max_size=25))
def test_influence_counts_items_of_others_below(items: list[tuple[int, int]]) -> None:
    names = ["a", "b", "c", "d"]
    network, authors, parents = NetworkEpisode(names, False), [-1], [0]
    for number, (author, place) in enumerate(items):
        parent = place % (number + 1)  # 0, or an earlier item
        kind = ItemKind.QUOTE if parent else ItemKind.POST
        network.world.add(author, 0, "text", kind, parent)
        network._dated("", "none")
        authors.append(author)
        parents.append(parent)
    expected = Counter[str]()
    for item in range(1, len(authors)):
        above, parent = set[int](), parents[item]
        while parent:
            above.add(authors[parent])
            parent = parents[parent]
        expected.update(names[author] for author in above - {authors[item]})
    assert {row["model_id"]: row["influence"] for row in network.models(0)} == {name: expected[name] for name in names}


def test_items_are_numbered_as_the_events_say(played: Run) -> None:
    events = read_events(played.path / EventLog.NAME)
    acts = [(each.episode, each.item) for each in events if isinstance(each, SocialActed) and each.item]
    published = played.posts[played.posts["tier"] != "none"]
    assert acts == list(zip(published["episode"], published["item"], strict=True))


def test_sums_of_posts_and_models_agree(played: Run) -> None:
    for name in ("likes", "dislikes", "shares", "comments", "impressions"):
        assert played.posts[name].sum() == played.network[name].sum() > 0
    shares = played.posts["kind"].isin(["repost", "quote"]).sum()
    assert played.posts["shares"].sum() == shares


def test_stored_and_derived_networks_are_the_same(played: Run) -> None:
    derived = build_tables(read_events(played.path / EventLog.NAME), played.roster)
    for name in (TableName.POSTS, TableName.NETWORK):
        assert stored_file(played.path, name).exists()
        assert derived[name].equals(getattr(load_run(played.path), name.value))
        assert len(getattr(load_runs(played.path), name.value)) == len(derived[name])


def test_a_run_without_a_network_has_no_file_of_it(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    assert [name for name in OPTIONAL_TABLES if stored_file(run.path, name).exists()] == []
    assert run.posts.empty
    assert load_runs(run.path).network.empty
