"""Every action has legal targets only, does what it says, and can be taken back."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.answers import ReaderVersion
from agents.inference.provenance import Provenance, Reply, Tier
from agents.network import SHAPES, NetworkView, SocialActionName, move_of, target_of, text_of
from agents.social import LONGEST_TEXT, network_tools, plan_call, read_act
from simulation.network.acts import PLATFORM_ACTIONS, RULES, NetworkPlatform, carry_out
from simulation.network.view import Viewer
from simulation.network.world import ItemKind, World
from tests.simulation.network.worlds import world_of

ALL = tuple(SocialActionName)
Name = SocialActionName


def sight(world: World, user: int, step: int = 9) -> NetworkView:
    """Return what a user sees whose feed is every post of others."""
    feed = [item for item in world.posts if world.author[item] != user]
    return Viewer(world, step).view(user, feed, NetworkPlatform.REDDIT, ALL)


def targets(world: World, user: int, action: SocialActionName) -> tuple[int, ...] | None:
    return sight(world, user).targets[action]


def do(world: World, user: int, action: SocialActionName, target: int | None = None, text: str = "words") -> int:
    return carry_out(world, user, move_of(action, target, text), step=9)


def started() -> World:
    world = world_of({0: {1}})
    world.add(1, 0, "hello world")
    world.add(2, 0, "no", ItemKind.COMMENT, 1)
    return world


def test_every_action_has_a_rule_a_shape_and_a_tool() -> None:
    assert set(RULES) == set(SHAPES) == set(SocialActionName)
    assert all((RULES[action].legal is not None) == bool(SHAPES[action].target) for action in ALL)


def test_actions_of_a_platform_are_those_of_oasis() -> None:
    from oasis.social_platform.typing import ActionType  # noqa: TID251 - compared with OASIS itself

    def names(actions: list[ActionType]) -> set[str]:
        return {action.value for action in actions} - {"refresh"}

    assert {each.value for each in ALL} <= {each.value for each in ActionType}
    reddit, twitter = (PLATFORM_ACTIONS[platform] for platform in (NetworkPlatform.REDDIT, NetworkPlatform.TWITTER))
    assert {each.value for each in reddit} == names(ActionType.get_default_reddit_actions())
    assert {each.value for each in twitter} == names(ActionType.get_default_twitter_actions())


@pytest.mark.parametrize(
    ("action", "back", "target"),
    [
        (Name.LIKE_POST, Name.UNLIKE_POST, 1),
        (Name.DISLIKE_POST, Name.UNDO_DISLIKE_POST, 1),
        (Name.LIKE_COMMENT, Name.UNLIKE_COMMENT, 2),
        (Name.DISLIKE_COMMENT, Name.UNDO_DISLIKE_COMMENT, 2),
        (Name.FOLLOW, Name.UNFOLLOW, 2),
        (Name.MUTE, Name.UNMUTE, 2),
    ],
)
def test_what_is_done_can_be_taken_back_once(action: Name, back: Name, target: int) -> None:
    world, user = started(), 3
    before = started()
    assert targets(world, user, back) == ()
    do(world, user, action, target)
    assert target not in (targets(world, user, action) or ())
    assert targets(world, user, back) == (target,)
    do(world, user, back, target)
    assert (world.likes, world.dislikes, world.followers) == (before.likes, before.dislikes, before.followers)
    assert targets(world, user, back) == ()


def test_a_post_is_shared_once_and_quoted_again() -> None:
    world = started()
    share = do(world, 3, Name.REPOST, 1)
    assert (world.kind[share], world.parent[share]) == (ItemKind.REPOST, 1)
    assert targets(world, 3, Name.REPOST) == ()
    assert targets(world, 3, Name.QUOTE_POST) == (1,)


def test_acts_on_a_share_are_about_the_post() -> None:
    world = started()
    share = do(world, 3, Name.REPOST, 1)
    do(world, 0, Name.LIKE_POST, share)
    do(world, 0, Name.CREATE_COMMENT, share)
    assert (world.likes[1], world.comments[1], world.likes[share]) == (1, 2, 0)


def test_nobody_follows_or_mutes_themselves() -> None:
    world = started()
    assert targets(world, 2, Name.FOLLOW) == (1,)  # its own comment is shown below the post
    assert targets(world, 2, Name.MUTE) == (1,)


def test_a_search_is_shown_next_time() -> None:
    world = started()
    world.add(2, 1, "Hello again")
    do(world, 0, Name.SEARCH_POSTS, text="HELLO")
    assert [post.post_id for post in sight(world, 0).found] == [3, 1]
    do(world, 0, Name.SEARCH_POSTS, text="hello world")
    assert [post.post_id for post in sight(world, 0).found] == [1]
    do(world, 0, Name.SEARCH_POSTS, text="nothing like it")
    assert sight(world, 0).found == ()
    do(world, 0, Name.SEARCH_USER, text="LE")
    assert [user.name for user in sight(world, 0).users] == ["cleo"]


def test_chinese_is_searched_by_its_characters() -> None:
    world = world_of()
    world.add(1, 0, "今天天气很好")
    do(world, 0, Name.SEARCH_POSTS, text="天气")
    assert [post.post_id for post in sight(world, 0).found] == [1]


def test_trend_is_the_most_popular_of_a_week() -> None:
    world = world_of()
    old, new = world.add(1, 0, "old"), world.add(2, 24 * 7 + 1, "new")
    world.vote(old, 3, up=True)
    do(world, 0, Name.TREND)
    assert world.found[0] == (old, new)
    carry_out(world, 0, move_of(Name.TREND), step=24 * 7 + 1)
    assert world.found[0] == (new,)


def test_only_members_read_a_group_and_write_to_it() -> None:
    world = started()
    do(world, 0, Name.CREATE_GROUP, text="club")
    do(world, 0, Name.SEND_TO_GROUP, 1, "secret")
    assert targets(world, 3, Name.SEND_TO_GROUP) == ()
    assert sight(world, 3).groups[0].messages == ()
    do(world, 3, Name.JOIN_GROUP, 1)
    assert sight(world, 3).groups[0].messages == (("ada", "secret"),)
    do(world, 3, Name.LEAVE_GROUP, 1)
    assert targets(world, 3, Name.JOIN_GROUP) == (1,)


@given(st.integers(0, 10_000))
def test_any_offered_call_is_legal_and_keeps_the_counts(seed: int) -> None:
    rng, world = random.Random(seed), started()
    for step in range(30):
        user = rng.randrange(4)
        tools = network_tools(sight(world, user))
        call = plan_call(tools, lambda: "words", rng)
        move, error = read_act(
            Reply("", Provenance(Tier.SCRIPTED, "x"), tool_calls=(call,)), tools, ReaderVersion.SENTENCES
        )
        assert move is not None, error
        carry_out(world, user, move, step)
    for votes, counts in (
        (world.liked, world.likes),
        (world.disliked, world.dislikes),
        (world.reported, world.reports),
    ):
        assert [len(votes[item]) for item in range(len(counts))] == counts
    assert world.followers == [sum(user in each for each in world.following) for user in range(4)]
    assert sum(world.shares) == sum(kind in (ItemKind.REPOST, ItemKind.QUOTE) for kind in world.kind)
    assert sum(world.comments) == sum(kind is ItemKind.COMMENT for kind in world.kind)


@given(st.sampled_from(ALL), st.integers(1, 99), st.text(min_size=1, max_size=LONGEST_TEXT))
def test_a_move_gives_back_its_target_and_text(action: Name, target: int, text: str) -> None:
    shape = SHAPES[action]
    move = move_of(action, target if shape.target else None, text)
    assert target_of(move) == (target if shape.target else None)
    assert text_of(move) == (text if shape.text else "")
