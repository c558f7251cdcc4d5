"""A network in OASIS's database: the rows that OASIS's own actions write, in a few statements a step.

OASIS counts posts and comments apart and over all episodes of a run; a network counts both together from 1 in each
episode. `NetworkStore` translates. The tables `follow` and `mute` hold the network of the episode played last.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.network import SocialActionName, target_of, text_of
from simulation.engine.sqlite import StepCursor
from simulation.games.social_network import NetworkAct
from simulation.network.acts import NetworkPlatform
from simulation.network.clock import STORED
from simulation.network.world import ItemKind, World

Name = SocialActionName
Rows = list[tuple[Any, ...]]

_INSERT: Mapping[str, str] = {
    "post": "post (post_id, user_id, original_post_id, content, quote_content, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    "comment": "comment (comment_id, post_id, user_id, content, created_at) VALUES (?, ?, ?, ?, ?)",
    "like": "'like' (like_id, user_id, post_id, created_at) VALUES (?, ?, ?, ?)",
    "dislike": "dislike (dislike_id, user_id, post_id, created_at) VALUES (?, ?, ?, ?)",
    "comment_like": "comment_like (comment_like_id, user_id, comment_id, created_at) VALUES (?, ?, ?, ?)",
    "comment_dislike": "comment_dislike (comment_dislike_id, user_id, comment_id, created_at) VALUES (?, ?, ?, ?)",
    "follow": "follow (follow_id, follower_id, followee_id, created_at) VALUES (?, ?, ?, ?)",
    "mute": "mute (mute_id, muter_id, mutee_id, created_at) VALUES (?, ?, ?, ?)",
    "report": "report (report_id, user_id, post_id, report_reason, created_at) VALUES (?, ?, ?, ?, ?)",
    "chat_group": "chat_group (group_id, name, created_at) VALUES (?, ?, ?)",
    "group_members": "group_members (group_id, agent_id, joined_at) VALUES (?, ?, ?)",
    "group_messages": "group_messages (message_id, group_id, sender_id, content, sent_at) VALUES (?, ?, ?, ?, ?)",
    "rec": "rec (user_id, post_id) VALUES (?, ?)",
    "trace": "trace (user_id, created_at, action, info) VALUES (?, ?, ?, ?)",
}
_DELETE: Mapping[str, str] = {
    "like": "'like' WHERE user_id = ? AND post_id = ?",
    "dislike": "dislike WHERE user_id = ? AND post_id = ?",
    "comment_like": "comment_like WHERE user_id = ? AND comment_id = ?",
    "comment_dislike": "comment_dislike WHERE user_id = ? AND comment_id = ?",
    "follow": "follow WHERE follower_id = ? AND followee_id = ?",
    "mute": "mute WHERE muter_id = ? AND mutee_id = ?",
    "group_members": "group_members WHERE agent_id = ? AND group_id = ?",
}
_COUNTED = ("post", "comment", "like", "dislike", "comment_like", "comment_dislike", "follow", "mute", "report")
_KEYS: Mapping[str, str] = {
    **{table: f"{table}_id" for table in _COUNTED},
    "chat_group": "group_id",
    "group_messages": "message_id",
}
_VOTES: Mapping[SocialActionName, tuple[str, bool]] = {
    Name.LIKE_POST: ("like", False),
    Name.UNLIKE_POST: ("like", True),
    Name.DISLIKE_POST: ("dislike", False),
    Name.UNDO_DISLIKE_POST: ("dislike", True),
    Name.LIKE_COMMENT: ("comment_like", False),
    Name.UNLIKE_COMMENT: ("comment_like", True),
    Name.DISLIKE_COMMENT: ("comment_dislike", False),
    Name.UNDO_DISLIKE_COMMENT: ("comment_dislike", True),
}
"""The table of a vote, and whether the action takes it back."""


class NetworkStore:
    """Writes one episode's network into OASIS's tables.

    Args:
        cursor: A cursor of OASIS's database.
        world: The network, as it is before the first step.
        platform: Says how OASIS writes a time: a date for reddit, minutes for twitter.
    """

    def __init__(self, cursor: StepCursor, world: World, platform: NetworkPlatform) -> None:
        self._cursor, self._world, self._platform = cursor, world, platform
        self._next = {table: self._highest(table) + 1 for table in _KEYS}
        self._ids: list[int] = [0]
        self._groups: list[int] = [0]
        self._links: dict[tuple[str, int, int], int] = {}
        self._insert: defaultdict[str, Rows] = defaultdict(list)
        self._delete: defaultdict[str, Rows] = defaultdict(list)
        self._touched: set[int] = set()
        self._now: str = self._time(0)
        self._begin()

    def _highest(self, table: str) -> int:
        found = self._cursor.execute(f"SELECT COALESCE(MAX({_KEYS[table]}), 0) FROM '{table}'").fetchone()[0]
        kept = self._cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return max(int(found), int(kept[0]) if kept else 0)

    def _time(self, step: int) -> str:
        if self._platform is NetworkPlatform.REDDIT:
            return self._world.clock.at(step).strftime(STORED)
        return str(int(self._world.clock.minutes * step))

    def _begin(self) -> None:
        """Write who follows whom, and the posts that stand there."""
        for table in ("follow", "mute", "rec"):
            self._cursor.execute(f"DELETE FROM {table}")
        for user, followed in enumerate(self._world.following):
            for other in sorted(followed):
                self._link("follow", user, other)
        for item in range(1, self._world.newest + 1):
            self._publish(self._world.author[item], item)
            self._touched.add(item)
        self._flush(range(len(self._world.names)))

    def seed(self, item: int, step: int) -> None:
        """Write a post that no act published."""
        self._now = self._time(step)
        self._publish(self._world.author[item], item)
        self._flush(())

    def recount(self, item: int, step: int) -> None:
        """Write the counts of an item that changed without an act."""
        self._now = self._time(step)
        self._touched.add(item)
        self._flush(())

    def write(self, acts: Sequence[NetworkAct], items: Sequence[int], step: int) -> None:
        """Write the acts of a step, each with the item that it published, and what its players were shown."""
        self._now = self._time(step)
        self._cursor.execute("DELETE FROM rec")
        for act, item in zip(acts, items, strict=True):
            shown = dict.fromkeys(self._ids[number] for number in act.seen)
            self._insert["rec"] += [(act.player, number) for number in shown]
            self._trace(act.player, "refresh", {"posts": [{"post_id": number} for number in shown]})
            if act.move is not None:
                self._write(act, item)
        linked = {Name.FOLLOW, Name.UNFOLLOW}
        moved = [act for act in acts if act.move is not None and act.move.action in linked]
        users = {user for act in moved if act.move for user in (act.player, target_of(act.move) or 0)}
        self._flush(sorted(users))

    def _write(self, act: NetworkAct, item: int) -> None:
        assert act.move is not None
        action, target = act.move.action, target_of(act.move) or 0
        if item:
            self._publish(act.player, item)
        elif action in _VOTES:
            self._vote(act.player, action, self._world.source(target))
        elif action in _OTHERS:
            _OTHERS[action](self, act.player, target, text_of(act.move))
        else:  # a search, trend, nothing
            query = {"query": text_of(act.move)} if act.move.arguments else {}
            self._trace(act.player, action.value, query)

    # -- each kind of action ---------------------------------------------------------------------------------

    def _publish(self, user: int, item: int) -> None:
        world, kind = self._world, self._world.kind[item]
        table = "comment" if kind is ItemKind.COMMENT else "post"
        number = self._number(table)
        self._ids.append(number)
        parent, about, text = self._ids[world.parent[item]], world.original[item], world.text[item]
        original = self._ids[about] or None
        self._touched.add(about)
        if kind is ItemKind.COMMENT:
            self._insert[table].append((number, original, user, text, self._now))
            self._trace(user, "create_comment", {"content": text, "comment_id": number})
        elif kind is ItemKind.REPOST:
            self._insert[table].append((number, user, original, "", None, self._now))
            self._trace(user, "repost", {"reposted_id": parent, "new_post_id": number})
        elif kind is ItemKind.QUOTE:
            self._insert[table].append((number, user, original, self._content(about), text, self._now))
            self._trace(user, "quote_post", {"quoted_id": parent, "new_post_id": number})
        else:
            self._insert[table].append((number, user, None, text, None, self._now))
            self._trace(user, "create_post", {"content": text, "post_id": number})

    def _content(self, item: int) -> str:
        """Return OASIS's `content` of a post: of a quote, the text of the post that it is about."""
        while self._world.kind[item] is ItemKind.QUOTE:
            item = self._world.original[item]
        return self._world.text[item]

    def _vote(self, user: int, action: SocialActionName, item: int) -> None:
        table, undo = _VOTES[action]
        number = self._unlink(table, user, self._ids[item]) if undo else self._link(table, user, self._ids[item])
        self._touched.add(item)
        about = "comment_id" if table.startswith("comment") else "post_id"
        self._trace(user, action.value, {about: self._ids[item], f"{table}_id": number})

    def _follow(self, user: int, other: int, _text: str) -> None:
        self._trace(user, "follow", {"follow_id": self._link("follow", user, other)})

    def _unfollow(self, user: int, other: int, _text: str) -> None:
        self._unlink("follow", user, other)
        self._trace(user, "unfollow", {"followee_id": other})

    def _mute(self, user: int, other: int, _text: str) -> None:
        self._link("mute", user, other)
        self._trace(user, "mute", {"mutee_id": other})

    def _unmute(self, user: int, other: int, _text: str) -> None:
        self._unlink("mute", user, other)
        self._trace(user, "unmute", {"mutee_id": other})

    def _report(self, user: int, target: int, text: str) -> None:
        number, post = self._number("report"), self._ids[target]
        self._insert["report"].append((number, user, post, text, self._now))
        self._touched.add(target)
        self._trace(user, "report_post", {"post_id": post, "report_id": number})

    def _create_group(self, user: int, _target: int, text: str) -> None:
        number = self._number("chat_group")
        self._groups.append(number)
        self._insert["chat_group"].append((number, text, self._now))
        self._insert["group_members"].append((number, user, self._now))
        self._trace(user, "create_group", {"group_id": number, "group_name": text})

    def _join(self, user: int, target: int, _text: str) -> None:
        self._insert["group_members"].append((self._groups[target], user, self._now))
        self._trace(user, "join_group", {"group_id": self._groups[target]})

    def _leave(self, user: int, target: int, _text: str) -> None:
        self._delete["group_members"].append((user, self._groups[target]))
        self._trace(user, "leave_group", {"group_id": self._groups[target]})

    def _send(self, user: int, target: int, text: str) -> None:
        number, group = self._number("group_messages"), self._groups[target]
        self._insert["group_messages"].append((number, group, user, text, self._now))
        self._trace(user, "send_to_group", {"group_id": group, "message_id": number, "content": text})

    # -- rows ----------------------------------------------------------------------------------------------

    def _number(self, table: str) -> int:
        self._next[table] += 1
        return self._next[table] - 1

    def _link(self, table: str, user: int, other: int) -> int:
        number = self._number(table)
        self._links[table, user, other] = number
        self._insert[table].append((number, user, other, self._now))
        return number

    def _unlink(self, table: str, user: int, other: int) -> int:
        self._delete[table].append((user, other))
        return self._links.pop((table, user, other))

    def _trace(self, user: int, action: str, info: Mapping[str, Any]) -> None:
        self._insert["trace"].append((user, self._now, action, json.dumps(info)))

    def _flush(self, users: Sequence[int]) -> None:
        """Write the rows that wait, the counts of what they are about, and how many users follow and are followed."""
        world = self._world
        for table, rows in self._delete.items():
            self._cursor.executemany(f"DELETE FROM {_DELETE[table]}", rows)
        for table, rows in self._insert.items():
            self._cursor.executemany(f"INSERT OR IGNORE INTO {_INSERT[table]}", rows)
        items = sorted(self._touched - {0})
        self._cursor.executemany(
            "UPDATE post SET num_likes = ?, num_dislikes = ?, num_shares = ?, num_reports = ? WHERE post_id = ?",
            [
                (world.likes[item], world.dislikes[item], world.shares[item], world.reports[item], self._ids[item])
                for item in items
                if world.kind[item] is not ItemKind.COMMENT
            ],
        )
        self._cursor.executemany(
            "UPDATE comment SET num_likes = ?, num_dislikes = ? WHERE comment_id = ?",
            [
                (world.likes[item], world.dislikes[item], self._ids[item])
                for item in items
                if world.kind[item] is ItemKind.COMMENT
            ],
        )
        self._cursor.executemany(
            "UPDATE user SET num_followings = ?, num_followers = ? WHERE user_id = ?",
            [(len(world.following[user]), world.followers[user], user) for user in users],
        )
        for waiting in (self._delete, self._insert):
            waiting.clear()
        self._touched.clear()
        self._cursor.connection.save()


_OTHERS: Mapping[SocialActionName, Callable[[NetworkStore, int, int, str], None]] = {
    Name.FOLLOW: NetworkStore._follow,
    Name.UNFOLLOW: NetworkStore._unfollow,
    Name.MUTE: NetworkStore._mute,
    Name.UNMUTE: NetworkStore._unmute,
    Name.REPORT_POST: NetworkStore._report,
    Name.CREATE_GROUP: NetworkStore._create_group,
    Name.JOIN_GROUP: NetworkStore._join,
    Name.LEAVE_GROUP: NetworkStore._leave,
    Name.SEND_TO_GROUP: NetworkStore._send,
}
"""How the other actions are written."""
