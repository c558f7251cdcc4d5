"""What a model sees of a social network, and what it may do there. Pure.

The actions are OASIS's own. One count numbers posts, reposts, quotes and comments of an episode, so `post 3` and
`comment 4` never share a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

LONGEST_TEXT = 2000
"""Characters of a post or comment."""


class SocialActionName(str, Enum):
    """The social actions, by OASIS's names."""

    CREATE_POST = "create_post"
    CREATE_COMMENT = "create_comment"
    LIKE_POST = "like_post"
    FOLLOW = "follow"
    DO_NOTHING = "do_nothing"
    REPOST = "repost"
    QUOTE_POST = "quote_post"
    UNLIKE_POST = "unlike_post"
    DISLIKE_POST = "dislike_post"
    UNDO_DISLIKE_POST = "undo_dislike_post"
    LIKE_COMMENT = "like_comment"
    UNLIKE_COMMENT = "unlike_comment"
    DISLIKE_COMMENT = "dislike_comment"
    UNDO_DISLIKE_COMMENT = "undo_dislike_comment"
    UNFOLLOW = "unfollow"
    MUTE = "mute"
    UNMUTE = "unmute"
    REPORT_POST = "report_post"
    SEARCH_POSTS = "search_posts"
    SEARCH_USER = "search_user"
    TREND = "trend"
    CREATE_GROUP = "create_group"
    JOIN_GROUP = "join_group"
    LEAVE_GROUP = "leave_group"
    SEND_TO_GROUP = "send_to_group"


GAME_ACTIONS = (
    SocialActionName.CREATE_POST,
    SocialActionName.CREATE_COMMENT,
    SocialActionName.LIKE_POST,
    SocialActionName.FOLLOW,
    SocialActionName.DO_NOTHING,
)
"""The actions of a social network beside a game; a task of type social_network has all."""


@dataclass(frozen=True)
class SocialMove:
    """One legal action with its arguments, by OASIS's parameter names."""

    action: SocialActionName
    arguments: Mapping[str, int | str]


class Shape(NamedTuple):
    """A tool of the network: what it does, and OASIS's names for its target and its text; empty without one."""

    description: str
    target: str = ""
    text: str = ""


SHAPES: Mapping[SocialActionName, Shape] = {
    SocialActionName.CREATE_POST: Shape("Publish a post.", text="content"),
    SocialActionName.REPOST: Shape("Share a post with your followers.", "post_id"),
    SocialActionName.QUOTE_POST: Shape("Share a post with a comment of your own.", "post_id", "quote_content"),
    SocialActionName.LIKE_POST: Shape("Like a post.", "post_id"),
    SocialActionName.UNLIKE_POST: Shape("Take back your like of a post.", "post_id"),
    SocialActionName.DISLIKE_POST: Shape("Dislike a post.", "post_id"),
    SocialActionName.UNDO_DISLIKE_POST: Shape("Take back your dislike of a post.", "post_id"),
    SocialActionName.CREATE_COMMENT: Shape("Comment on a post.", "post_id", "content"),
    SocialActionName.LIKE_COMMENT: Shape("Like a comment.", "comment_id"),
    SocialActionName.UNLIKE_COMMENT: Shape("Take back your like of a comment.", "comment_id"),
    SocialActionName.DISLIKE_COMMENT: Shape("Dislike a comment.", "comment_id"),
    SocialActionName.UNDO_DISLIKE_COMMENT: Shape("Take back your dislike of a comment.", "comment_id"),
    SocialActionName.FOLLOW: Shape("Follow a user.", "followee_id"),
    SocialActionName.UNFOLLOW: Shape("Stop following a user.", "followee_id"),
    SocialActionName.MUTE: Shape("See nothing of a user any more.", "mutee_id"),
    SocialActionName.UNMUTE: Shape("See the posts of a muted user again.", "mutee_id"),
    SocialActionName.REPORT_POST: Shape("Report a post.", "post_id", "report_reason"),
    SocialActionName.SEARCH_POSTS: Shape("Search posts; you see what was found next time.", text="query"),
    SocialActionName.SEARCH_USER: Shape("Search users by name; you see who was found next time.", text="query"),
    SocialActionName.TREND: Shape("See the most liked posts of the week next time."),
    SocialActionName.CREATE_GROUP: Shape("Open a group chat.", text="group_name"),
    SocialActionName.JOIN_GROUP: Shape("Join a group chat.", "group_id"),
    SocialActionName.LEAVE_GROUP: Shape("Leave a group chat.", "group_id"),
    SocialActionName.SEND_TO_GROUP: Shape("Write to a group chat.", "group_id", "message"),
    SocialActionName.DO_NOTHING: Shape("Do nothing now."),
}
"""What each action does, in the order in which tools are offered, and the names of its arguments."""


def move_of(action: SocialActionName, target: int | None = None, text: str = "") -> SocialMove:
    """Return a move with its arguments under OASIS's names."""
    shape = SHAPES[action]
    targets: Mapping[str, int | str] = {} if target is None else {shape.target: target}
    return SocialMove(action, {**targets, **({shape.text: text} if shape.text else {})})


def target_of(move: SocialMove) -> int | None:
    """Return the number of what a move is about; None for a move that needs no target."""
    found = move.arguments.get(SHAPES[move.action].target)
    return found if isinstance(found, int) else None


def text_of(move: SocialMove) -> str:
    """Return the text of a move; empty for a move without one."""
    return str(move.arguments.get(SHAPES[move.action].text, ""))


@dataclass(frozen=True)
class SeenComment:
    """A comment as a model reads it."""

    comment_id: int
    user_id: int
    author: str
    text: str
    likes: int = 0
    dislikes: int = 0


@dataclass(frozen=True)
class SeenPost:
    """A post, repost or quote as a model reads it.

    Args:
        post_id: Its number.
        user_id: The number of the user that published it.
        author: That user's name.
        text: Its own text; of a repost, the text of the post it shares.
        kind: post, repost or quote.
        root: The number of the post that a repost or quote began with; its own number for a post.
        original_author: Who wrote the post that a repost or quote is about; empty for a post.
        original_text: The text of the post that a quote is about.
        likes: Likes; of a repost, those of the post it shares. So are dislikes, shares and comments.
        dislikes: Dislikes.
        shares: Reposts and quotes.
        comments: Comments.
        reports: Reports.
        replies: The newest comments, oldest first.
    """

    post_id: int
    user_id: int
    author: str
    text: str
    kind: str = "post"
    root: int = 0
    original_author: str = ""
    original_text: str = ""
    likes: int = 0
    dislikes: int = 0
    shares: int = 0
    comments: int = 0
    reports: int = 0
    replies: tuple[SeenComment, ...] = ()


@dataclass(frozen=True)
class SeenUser:
    """A user as a search finds it."""

    user_id: int
    name: str
    followers: int


@dataclass(frozen=True)
class SeenGroup:
    """A group chat; a member reads its newest messages as (author, text)."""

    group_id: int
    name: str
    member: bool
    messages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class NetworkView:
    """What one model sees of the network when it acts.

    Args:
        user_id: Its own number.
        platform: twitter or reddit.
        time: The simulated clock, as `2026-01-01 08:00`.
        posts: Its feed.
        found: The posts that its last search, or the trend, showed.
        users: The users that its last search found.
        groups: The group chats that it may join, or is in.
        followers: How many follow it.
        targets: The legal targets of each offered action; None for an action that needs no target.
        new: The numbers in `posts` and `found` that this model was not shown before; a repost counts by its root.
    """

    user_id: int
    platform: str
    time: str
    posts: tuple[SeenPost, ...] = ()
    found: tuple[SeenPost, ...] = ()
    users: tuple[SeenUser, ...] = ()
    groups: tuple[SeenGroup, ...] = ()
    followers: int = 0
    targets: Mapping[SocialActionName, tuple[int, ...] | None] = field(default_factory=dict)
    new: frozenset[int] = frozenset()

    @property
    def shown(self) -> tuple[SeenPost, ...]:
        """Return the posts of the feed and of the search."""
        return (*self.posts, *self.found)
