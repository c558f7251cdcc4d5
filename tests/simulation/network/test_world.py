"""A network keeps what was published as columns, from which cascades and counts are read."""

from __future__ import annotations

import pickle  # noqa: TID251 - only to weigh a network

from simulation.network.world import ItemKind, World
from tests.simulation.network.worlds import world_of


def a_cascade() -> World:
    """Ada posts, Ben shares it, Cleo shares Ben's share and quotes it, Dan comments on Cleo's share."""
    world = world_of()
    post = world.add(0, 0, "first")
    share = world.add(1, 1, "", ItemKind.REPOST, post)
    again = world.add(2, 2, "", ItemKind.REPOST, share)
    world.add(2, 3, "mine", ItemKind.QUOTE, again)
    world.add(3, 3, "why", ItemKind.COMMENT, again)
    return world


def test_items_of_a_cascade_have_their_parent_and_root() -> None:
    world = a_cascade()
    assert world.parent == [0, 0, 1, 2, 3, 3]
    assert world.root == [0, 1, 1, 1, 1, 1]
    assert world.author == [-1, 0, 1, 2, 2, 3]
    assert world.step == [-1, 0, 1, 2, 3, 3]


def test_shares_and_comments_count_at_what_they_are_about() -> None:
    world = a_cascade()
    assert (world.shares[1], world.comments[1]) == (3, 1)
    assert sum(world.shares) == 3
    assert world.shared[1] == {1, 2}


def test_a_share_of_a_quote_counts_at_the_quote() -> None:
    world = a_cascade()
    share = world.add(0, 4, "", ItemKind.REPOST, 4)
    assert (world.source(share), world.root[share], world.shares[4]) == (4, 1, 1)


def test_a_vote_taken_back_leaves_no_trace() -> None:
    world = world_of()
    post = world.add(0, 0, "first")
    world.vote(post, 1, up=True)
    assert (world.likes[post], world.liked[post]) == (1, {1})
    world.vote(post, 1, up=True, undo=True)
    assert (world.likes[post], world.liked[post]) == (0, set())


def test_follows_are_counted_both_ways() -> None:
    world = world_of({1: {0}, 2: {0}})
    assert world.followers == [2, 0, 0, 0]
    world.follow(3, 0)
    world.follow(1, 0, undo=True)
    assert (world.followers[0], world.following[1], world.following[3]) == (2, set(), {0})


def test_a_world_is_equal_to_one_with_the_same_history() -> None:
    assert a_cascade() == a_cascade()
    assert pickle.loads(pickle.dumps(a_cascade())) == a_cascade()
    other = a_cascade()
    other.vote(1, 3, up=False)
    assert other != a_cascade()
