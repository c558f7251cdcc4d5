"""What users may do in a network: the actions of a platform, their legal targets, and what each does. Pure.

Actions and platforms are OASIS's. All users of a step act on the world as it was before the step; none of their acts
makes another's illegal, so they are carried out in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from agents.network import NetworkView, SocialActionName, SocialMove, target_of, text_of
from simulation.network.search import find_posts, find_users, trend
from simulation.network.world import ChatGroup, ItemKind, World

Name = SocialActionName


class NetworkPlatform(str, Enum):
    """What a network looks like; OASIS's names."""

    TWITTER = "twitter"
    REDDIT = "reddit"


PLATFORM_ACTIONS: Mapping[NetworkPlatform, tuple[SocialActionName, ...]] = {
    NetworkPlatform.TWITTER: (
        Name.CREATE_POST,
        Name.REPOST,
        Name.QUOTE_POST,
        Name.LIKE_POST,
        Name.FOLLOW,
        Name.DO_NOTHING,
    ),
    NetworkPlatform.REDDIT: (
        Name.CREATE_POST,
        Name.LIKE_POST,
        Name.DISLIKE_POST,
        Name.CREATE_COMMENT,
        Name.LIKE_COMMENT,
        Name.DISLIKE_COMMENT,
        Name.SEARCH_POSTS,
        Name.SEARCH_USER,
        Name.TREND,
        Name.FOLLOW,
        Name.MUTE,
        Name.DO_NOTHING,
    ),
}
"""The actions of a platform where the task names none.

Source:
    OASIS's `ActionType.get_default_twitter_actions` and `get_default_reddit_actions`, without `refresh`: here every
    active user sees its feed.
"""

SUPPORT = frozenset({Name.REPOST, Name.QUOTE_POST, Name.LIKE_POST, Name.CREATE_COMMENT, Name.LIKE_COMMENT, Name.FOLLOW})
"""Actions that give another user attention or approval."""
REJECTION = frozenset(
    {
        Name.DISLIKE_POST,
        Name.DISLIKE_COMMENT,
        Name.UNLIKE_POST,
        Name.UNLIKE_COMMENT,
        Name.UNFOLLOW,
        Name.MUTE,
        Name.REPORT_POST,
    }
)
"""Actions that refuse or take them back."""


class Targets(NamedTuple):
    """What a user sees, by number: posts, comments and users."""

    posts: tuple[int, ...]
    comments: tuple[int, ...]
    users: tuple[int, ...]


def seen_targets(view: NetworkView) -> Targets:
    """Return what a view shows that an action can be about."""
    posts = tuple(dict.fromkeys(post.post_id for post in view.shown))
    replies = [comment for post in view.shown for comment in post.replies]
    authors = [post.user_id for post in view.shown] + [comment.user_id for comment in replies]
    users = dict.fromkeys([*authors, *(user.user_id for user in view.users)])
    comments = dict.fromkeys(comment.comment_id for comment in replies)
    return Targets(posts, tuple(comments), tuple(user for user in users if user != view.user_id))


Legal = Callable[[World, int, Targets], Iterable[int]]
Effect = Callable[[World, int, int, SocialMove, int], int]
"""World, user, target (0 without one), the move, the step -> the number of the item that it published, else 0."""


class ActRule(NamedTuple):
    """One action: its legal targets among what is seen (None: it needs no target), and what it does."""

    legal: Legal | None
    effect: Effect


def legal_targets(
    world: World, view: NetworkView, actions: Sequence[SocialActionName]
) -> dict[SocialActionName, tuple[int, ...] | None]:
    """Return the legal targets of each action for what a user sees; None for an action that needs none."""
    seen, user = seen_targets(view), view.user_id
    found: dict[SocialActionName, tuple[int, ...] | None] = {}
    for action in actions:
        legal = RULES[action].legal
        found[action] = None if legal is None else tuple(legal(world, user, seen))
    return found


def carry_out(world: World, user: int, move: SocialMove, step: int) -> int:
    """Let a user act; return the number of the item that it published, 0 where it published none."""
    return RULES[move.action].effect(world, user, target_of(move) or 0, move, step)


def _posts_if(may: Callable[[World, int, int], bool]) -> Legal:
    """Return the posts shown whose source fits; of several with one source, the first."""

    def legal(world: World, user: int, seen: Targets) -> Iterable[int]:
        first: dict[int, int] = {}
        for post in seen.posts:
            source = world.source(post)
            if source not in first and may(world, user, source):
                first[source] = post
        return first.values()

    return legal


def _comments_if(may: Callable[[World, int, int], bool]) -> Legal:
    return lambda world, user, seen: [comment for comment in seen.comments if may(world, user, comment)]


def _users_if(may: Callable[[World, int, int], bool]) -> Legal:
    return lambda world, user, seen: [other for other in seen.users if may(world, user, other)]


def _groups_if(member: bool) -> Legal:
    return lambda world, user, _seen: [
        number for number, group in shown_groups(world, user) if (user in group.members) is member
    ]


NEWEST_GROUPS = 5
"""Group chats of others that a user is shown, the newest."""


def shown_groups(world: World, user: int) -> list[tuple[int, ChatGroup]]:
    """Return the group chats of a user, and the newest of the others, by number from 1."""
    numbered = list(enumerate(world.groups, start=1))
    others = [each for each in numbered if user not in each[1].members][-NEWEST_GROUPS:]
    return sorted([*(each for each in numbered if user in each[1].members), *others], key=lambda each: each[0])


def _voted(up: bool) -> Callable[[World, int, int], bool]:
    return lambda world, user, item: user in (world.liked if up else world.disliked)[item]


def _not_voted(up: bool) -> Callable[[World, int, int], bool]:
    return lambda world, user, item: user not in (world.liked if up else world.disliked)[item]


def _vote(up: bool, undo: bool = False) -> Effect:
    def effect(world: World, user: int, target: int, _move: SocialMove, _step: int) -> int:
        world.vote(world.source(target), user, up, undo)
        return 0

    return effect


def _publish(kind: ItemKind) -> Effect:
    return lambda world, user, target, move, step: world.add(user, step, text_of(move), kind, target)


def _nothing(_world: World, _user: int, _target: int, _move: SocialMove, _step: int) -> int:
    return 0


def _follow(world: World, user: int, target: int, move: SocialMove, _step: int) -> int:
    world.follow(user, target, undo=move.action is Name.UNFOLLOW)
    return 0


def _mute(world: World, user: int, target: int, move: SocialMove, _step: int) -> int:
    (world.muted[user].discard if move.action is Name.UNMUTE else world.muted[user].add)(target)
    return 0


def _report(world: World, user: int, target: int, _move: SocialMove, _step: int) -> int:
    world.reported[target].add(user)
    world.reports[target] += 1
    return 0


def _search_posts(world: World, user: int, _target: int, move: SocialMove, _step: int) -> int:
    world.found[user] = find_posts(world, text_of(move))
    return 0


def _search_user(world: World, user: int, _target: int, move: SocialMove, _step: int) -> int:
    world.found_users[user] = find_users(world, text_of(move))
    return 0


def _trend(world: World, user: int, _target: int, _move: SocialMove, step: int) -> int:
    world.found[user] = trend(world, step)
    return 0


def _create_group(world: World, user: int, _target: int, move: SocialMove, _step: int) -> int:
    world.groups.append(ChatGroup(text_of(move), {user}))
    return 0


def _membership(world: World, user: int, target: int, move: SocialMove, _step: int) -> int:
    members = world.groups[target - 1].members
    (members.discard if move.action is Name.LEAVE_GROUP else members.add)(user)
    return 0


def _send(world: World, user: int, target: int, move: SocialMove, _step: int) -> int:
    world.groups[target - 1].messages.append((user, text_of(move)))
    return 0


def _every_post(world: World, user: int, item: int) -> bool:
    return True


RULES: Mapping[SocialActionName, ActRule] = {
    Name.CREATE_POST: ActRule(None, _publish(ItemKind.POST)),
    Name.REPOST: ActRule(_posts_if(lambda w, user, item: user not in w.shared[item]), _publish(ItemKind.REPOST)),
    Name.QUOTE_POST: ActRule(_posts_if(_every_post), _publish(ItemKind.QUOTE)),
    Name.LIKE_POST: ActRule(_posts_if(_not_voted(up=True)), _vote(up=True)),
    Name.UNLIKE_POST: ActRule(_posts_if(_voted(up=True)), _vote(up=True, undo=True)),
    Name.DISLIKE_POST: ActRule(_posts_if(_not_voted(up=False)), _vote(up=False)),
    Name.UNDO_DISLIKE_POST: ActRule(_posts_if(_voted(up=False)), _vote(up=False, undo=True)),
    Name.CREATE_COMMENT: ActRule(_posts_if(_every_post), _publish(ItemKind.COMMENT)),
    Name.LIKE_COMMENT: ActRule(_comments_if(_not_voted(up=True)), _vote(up=True)),
    Name.UNLIKE_COMMENT: ActRule(_comments_if(_voted(up=True)), _vote(up=True, undo=True)),
    Name.DISLIKE_COMMENT: ActRule(_comments_if(_not_voted(up=False)), _vote(up=False)),
    Name.UNDO_DISLIKE_COMMENT: ActRule(_comments_if(_voted(up=False)), _vote(up=False, undo=True)),
    Name.FOLLOW: ActRule(_users_if(lambda w, user, other: other not in w.following[user]), _follow),
    Name.UNFOLLOW: ActRule(_users_if(lambda w, user, other: other in w.following[user]), _follow),
    Name.MUTE: ActRule(_users_if(lambda w, user, other: other not in w.muted[user]), _mute),
    Name.UNMUTE: ActRule(lambda w, user, _seen: sorted(w.muted[user]), _mute),
    Name.REPORT_POST: ActRule(
        lambda w, user, seen: [post for post in seen.posts if user not in w.reported[post]], _report
    ),
    Name.SEARCH_POSTS: ActRule(None, _search_posts),
    Name.SEARCH_USER: ActRule(None, _search_user),
    Name.TREND: ActRule(None, _trend),
    Name.CREATE_GROUP: ActRule(None, _create_group),
    Name.JOIN_GROUP: ActRule(_groups_if(member=False), _membership),
    Name.LEAVE_GROUP: ActRule(_groups_if(member=True), _membership),
    Name.SEND_TO_GROUP: ActRule(_groups_if(member=True), _send),
    Name.DO_NOTHING: ActRule(None, _nothing),
}
"""The rule of each action."""
