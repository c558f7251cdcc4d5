"""OASIS's platform and channel without their costs: polled answers, a commit per statement, growth with history."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import Any

from agents.lora_model import PlatformError
from agents.oasis_import import contained_import
from simulation.engine.sqlite import StepConnection, StepCursor, opened

with contained_import():
    from oasis.clock.clock import Clock
    from oasis.social_platform.channel import Channel
    from oasis.social_platform.database import get_schema_dir_path
    from oasis.social_platform.platform import Platform
    from oasis.social_platform.platform_utils import PlatformUtils
    from oasis.social_platform.typing import RecsysType

_SENT = '{"group_id": %d, "message_id": %d, "content": %s}'
_JOINED = '{"group_id": %d}'
"""What OASIS traces of a message to a group, and of who joins one."""


PAGE, LARGE_PAGE = 4_096, 65_536
"""Bytes of a page of the database: SQLite's own choice, and what takes a quarter less time where a society is large."""


def create_database(db_path: Path, page: int = PAGE) -> tuple[StepConnection, StepCursor]:
    """Make OASIS's empty database at `db_path` from the SQL files that OASIS ships.

    OASIS's own `create_db` prints the path and waits for the disk after each of 16 tables, which takes longer than an
    episode on a busy disk. A run's database can be made again from its events, so nothing here waits for the disk.

    Args:
        db_path: The file.
        page: Bytes of a page.

    Raises:
        PlatformError: SQLite cannot write there.
    """
    with opened(str(db_path)) as connection, connection.writing():
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute("PRAGMA synchronous = OFF")
        for script in sorted(Path(get_schema_dir_path()).glob("*.sql")):
            connection.executescript(script.read_text(encoding="utf-8"))
        return connection, connection.cursor(StepCursor)


class FutureChannel(Channel):
    """A channel whose answers resolve futures; OASIS's own is polled every 100 ms."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._failure: Exception | None = None

    async def write_to_receive_queue(self, action_info: Any) -> int:
        self.check()
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.receive_queue.put((number, action_info))
        return number

    async def send_to(self, message: tuple[int, int, Any]) -> None:
        waiting = self._waiting.get(message[0])
        if waiting is not None and not waiting.done():  # the caller may have failed or been cancelled
            waiting.set_result(message)

    async def read_from_send_queue(self, message_id: int) -> Any:
        try:
            return await self._waiting[message_id]
        finally:
            del self._waiting[message_id]

    def check(self) -> None:
        """Raise the error given to `fail`, if any."""
        if self._failure is not None:
            raise self._failure

    def fail(self, error: Exception) -> None:
        """Make every caller, now and later, fail with the first error given here."""
        self._failure = self._failure or error
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._failure)
                waiting.exception()  # a caller that was cancelled will not ask for it


class SocietyPlatform(Platform):
    """OASIS's platform without the costs that grow with history."""

    def __init__(self, db_path: Path, channel: FutureChannel, page: int = PAGE) -> None:
        # Platform.__init__ calls `create_db` (see `create_database`), so its attributes are set here instead;
        # a test compares them with those of a stock platform
        self.db_path = str(db_path)
        self.sandbox_clock = Clock(60)
        self.start_time = datetime.now()
        self.db, self.db_cursor = create_database(db_path, page)
        self.channel = channel
        self.recsys_type = RecsysType.RANDOM  # needs no model; the others load one from a hub
        self.show_score, self.allow_self_rating, self.use_openai_embedding = False, True, False
        self.refresh_rec_post_count, self.max_rec_post_len, self.following_post_count = 1, 2, 3
        self.rec_prob, self.trend_num_days, self.trend_top_k, self.report_threshold = 0.7, 7, 1, 2
        self.pl_utils = PlatformUtils(
            self.db,
            self.db_cursor,
            self.start_time,
            self.sandbox_clock,
            self.show_score,
            self.recsys_type,
            self.report_threshold,
        )
        self.db.on_refusal = channel.fail
        self._heard: dict[int, int] = {}
        self._delivered = 0
        self._members: dict[int, tuple[int, ...]] = {}

    async def running(self) -> None:
        """Run OASIS's loop. It dies on an unknown action and leaves every caller waiting; here callers get an error."""
        try:
            await super().running()
        except Exception as error:  # the boundary of the platform's task
            self.channel.fail(PlatformError(f"the OASIS platform stopped: {error}"))
            raise

    async def update_rec_table(self) -> None:
        """Do nothing.

        OASIS reads its whole trace before every step to recommend posts; our feed is the newest posts.
        """

    def newest_post(self) -> int:
        """Return the id of the newest post, 0 without one."""
        return int(self.db_cursor.execute("SELECT COALESCE(MAX(post_id), 0) FROM post").fetchone()[0])

    def posts_after(self, post_id: int, limit: int) -> list[Any]:
        """Return the newest posts after `post_id`, newest first: id, author, text, likes, comments."""
        rows: list[Any] = self.db_cursor.execute(
            "SELECT p.post_id, p.user_id, p.content, p.num_likes, "
            "(SELECT COUNT(*) FROM comment c WHERE c.post_id = p.post_id) "
            "FROM post p WHERE p.post_id > ? ORDER BY p.post_id DESC LIMIT ?",
            (post_id, limit),
        ).fetchall()
        return rows

    def save(self) -> None:
        """Commit what was written since the last call."""
        self.db.save()

    def drop(self) -> None:
        """Close the database; what was not saved is lost."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed already
            self.db_cursor.close()  # SQLite keeps the file open as long as a cursor is
        self.db.drop()

    def open_groups(self, groups: Sequence[tuple[str, Sequence[int]]]) -> list[int]:
        """Make group chats of (name, members, the founder first) and return their ids.

        This stores what OASIS's create_group and join_group store, in four statements instead of several per member.
        """
        now, first = self.sandbox_clock.get_time_step(), self._next("chat_group", "group_id")
        numbered = list(enumerate(groups, start=first))
        traces = (
            (member, now, "create_group", json.dumps({"group_id": number, "group_name": name}))
            if member == members[0]
            else (member, now, "join_group", _JOINED % number)
            for number, (name, members) in numbered
            for member in members
        )
        joined = ((number, member, now) for number, (_, members) in numbered for member in members)
        self.db_cursor.executemany(
            "INSERT INTO chat_group (group_id, name, created_at) VALUES (?, ?, ?)",
            [(number, name, now) for number, (name, _) in numbered],
        )
        self.db_cursor.executemany("INSERT INTO group_members (group_id, agent_id, joined_at) VALUES (?, ?, ?)", joined)
        self._trace(traces)
        self._members.update((number, tuple(sorted(members))) for number, (_, members) in numbered)
        return [number for number, _ in numbered]

    def post(self, messages: Sequence[tuple[int, int, str]]) -> list[int]:
        """Store messages of (group, one of its members, text) as OASIS's send_to_group does, and return their ids."""
        groups, senders = [group for group, _, _ in messages], [sender for _, sender, _ in messages]
        texts = [text for _, _, text in messages]
        return list(self.post_texts(groups, senders, range(len(texts)), texts))

    def post_texts(
        self, groups: Sequence[int], senders: Sequence[int], said: Sequence[int], texts: Sequence[str]
    ) -> range:
        """Do what `post` does, for messages that are each the number of one of `texts`; return their ids."""
        now, first = self.sandbox_clock.get_time_step(), self._next("group_messages", "message_id")
        numbers = range(first, first + len(senders))
        written = [json.dumps(text) for text in texts]
        self.db_cursor.executemany(
            "INSERT INTO group_messages (message_id, group_id, sender_id, content, sent_at) VALUES (?, ?, ?, ?, ?)",
            zip(numbers, groups, senders, map(texts.__getitem__, said), repeat(now), strict=False),
        )
        self._trace(
            (
                sender,
                now,
                "send_to_group",
                _SENT % (group, number, written[text]),
            )
            for number, group, sender, text in zip(numbers, groups, senders, said, strict=True)
        )
        return numbers

    def sign_up_all(self, users: Sequence[tuple[str, str]]) -> None:
        """Store users (name, bio) as OASIS's sign_up does, in two statements."""
        now = self.sandbox_clock.get_time_step()
        self.db_cursor.executemany(
            "INSERT INTO user (user_id, agent_id, user_name, name, bio, created_at, num_followings, num_followers) "
            "VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
            ((number, number, name, name, bio, now) for number, (name, bio) in enumerate(users)),
        )
        self._trace(
            (number, now, "sign_up", json.dumps({"name": name, "user_name": name, "bio": bio}))
            for number, (name, bio) in enumerate(users)
        )

    def deliver(self) -> Iterator[tuple[int, int, str, list[int]]]:
        """Yield what was sent since the last delivery, oldest first: id, sender, text and who has not heard it yet.

        The cost depends on what is new, not on what was said before.
        """
        rows = self.db_cursor.execute(
            "SELECT message_id, group_id, sender_id, content FROM group_messages WHERE message_id > ? "
            "ORDER BY message_id",
            (self._delivered,),
        ).fetchall()
        for number, group, sender, text in rows:
            hearers = (member for member in self._members_of(group) if member != sender)
            yield number, sender, text, [member for member in hearers if self._heard.get(member, 0) < number]
            self._delivered = number

    async def join_group(self, agent_id: int, group_id: int) -> Any:
        self._members.pop(group_id, None)
        return await super().join_group(agent_id, group_id)

    async def leave_group(self, agent_id: int, group_id: int) -> Any:
        self._members.pop(group_id, None)
        return await super().leave_group(agent_id, group_id)

    def _members_of(self, group: int) -> tuple[int, ...]:
        if group not in self._members:
            found = self.db_cursor.execute(
                "SELECT agent_id FROM group_members WHERE group_id = ? ORDER BY agent_id", (group,)
            )
            self._members[group] = tuple(member for (member,) in found.fetchall())
        return self._members[group]

    def _next(self, table: str, key: str) -> int:
        return int(self.db_cursor.execute(f"SELECT COALESCE(MAX({key}), 0) + 1 FROM {table}").fetchone()[0])

    def _trace(self, rows: Iterable[tuple[int, int, str, str]]) -> None:
        self.db_cursor.executemany(
            "INSERT OR IGNORE INTO trace (user_id, created_at, action, info) VALUES (?, ?, ?, ?)", rows
        )

    async def listen_from_group(self, agent_id: int) -> dict[str, Any]:
        """Return what is new to this agent; OASIS returns every message since the beginning, each time."""
        last = max(self._delivered, self._heard.get(agent_id, 0))
        rows = self.db_cursor.execute(
            "SELECT m.group_id, m.message_id, m.content, m.sender_id, m.sent_at FROM group_messages m "
            "JOIN group_members g ON g.group_id = m.group_id AND g.agent_id = ? "
            "WHERE m.message_id > ? AND m.sender_id != ? ORDER BY m.message_id",
            (agent_id, last, agent_id),
        ).fetchall()
        newest = self.db_cursor.execute("SELECT MAX(message_id) FROM group_messages").fetchone()[0]
        self._heard[agent_id] = newest or 0
        groups: dict[int, list[dict[str, Any]]] = {}
        for group_id, message_id, content, sender_id, sent_at in rows:
            message = {
                "message_id": message_id,
                "content": content,
                "sender_id": sender_id,
                "sent_at": sent_at,
            }
            groups.setdefault(group_id, []).append(message)
        return {"success": True, "all_groups": {}, "joined_groups": list(groups), "messages": groups}
