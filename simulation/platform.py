"""The OASIS platform of a society: messages go through its group chats and into its SQLite file.

`Society` is what the rest of the project sees: it builds the agent graph from a topology, lets agents speak
at once and listen afterwards, and shuts OASIS down. Every workaround of OASIS 0.2.5 stands here or in
`agents/lora_model.py`, with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.lora_model import Brief, LoRAModel, PlatformError, SpokenMessage, Turn, Turnstile, Voice, checked
from agents.problems import SocietyError
from agents.quiet import contained_import, log_to
from agents.social import FeedPost, SocialMove
from simulation.topology import neighbours

with contained_import():
    import oasis
    from oasis.social_agent.agent_graph import AgentGraph
    from oasis.social_platform import platform as oasis_platform
    from oasis.social_platform.channel import Channel
    from oasis.social_platform.database import create_db
    from oasis.social_platform.platform import Platform

if TYPE_CHECKING:
    import networkx as nx

    from agents.inference.client import VLLMClient
    from agents.roster import ModelConfig

_building = threading.Lock()


def create_at_once(db_path: str) -> tuple[sqlite3.Connection, sqlite3.Cursor]:
    """OASIS's empty database at `db_path`. Its own way waits for the disk after each of 16 tables, which on a busy
    disk takes longer than an episode; run directories can be made again from their events."""
    made, _ = create_db(":memory:")
    connection = sqlite3.connect(db_path)
    connection.execute("PRAGMA synchronous = OFF")  # as OASIS sets it, once the tables are there
    with contextlib.closing(made):
        made.backup(connection)
    return connection, connection.cursor()


@contextlib.contextmanager
def _built_quickly() -> Iterator[None]:
    """While a platform of ours is built: its database is made at once, and OASIS does not print the path of it.

    Both reach into the process, so only one platform is built at a time, and what is exchanged is put back.
    """
    with _building, contextlib.redirect_stdout(io.StringIO()):
        own, oasis_platform.create_db = oasis_platform.create_db, create_at_once
        try:
            yield
        finally:
            oasis_platform.create_db = own


class FutureChannel(Channel):
    """A channel whose answers resolve futures; OASIS's own is polled every 100 ms."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._failure: Exception | None = None

    async def write_to_receive_queue(self, action_info: Any) -> int:
        if self._failure is not None:
            raise self._failure
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.receive_queue.put((number, action_info))
        return number

    async def send_to(self, message: tuple[int, int, Any]) -> None:
        waiting = self._waiting[message[0]]
        if not waiting.done():  # the caller may have been cancelled
            waiting.set_result(message)

    async def read_from_send_queue(self, message_id: int) -> Any:
        try:
            return await self._waiting[message_id]
        finally:
            del self._waiting[message_id]

    def fail(self, error: Exception) -> None:
        """Tell every caller, now and later, that no answer will come."""
        self._failure = error
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # a caller that was cancelled will not ask for it


class SocietyPlatform(Platform):
    """OASIS's platform without its costs that grow with history."""

    def __init__(self, db_path: Path, channel: FutureChannel) -> None:
        with _built_quickly():
            # recsys "random" needs no model; the others load one from a hub
            super().__init__(db_path=str(db_path), channel=channel, recsys_type="random")
        self._heard: dict[int, int] = {}

    async def running(self) -> None:
        """OASIS dies on an unknown action and leaves every caller waiting: they are told instead."""
        try:
            await super().running()
        except Exception as error:  # the boundary of the platform's task
            self.channel.fail(PlatformError(f"the OASIS platform stopped: {error}"))
            raise

    async def update_rec_table(self) -> None:
        """Nothing: OASIS reads its whole trace before every step to recommend posts; our feed is the newest ones."""

    def newest_post(self) -> int:
        """The id of the newest post, 0 without one."""
        return int(self.db_cursor.execute("SELECT COALESCE(MAX(post_id), 0) FROM post").fetchone()[0])

    def posts_after(self, post_id: int, limit: int) -> list[Any]:
        """The newest posts after `post_id`, newest first: id, author, text, likes, comments."""
        rows: list[Any] = self.db_cursor.execute(
            "SELECT p.post_id, p.user_id, p.content, p.num_likes, "
            "(SELECT COUNT(*) FROM comment c WHERE c.post_id = p.post_id) "
            "FROM post p WHERE p.post_id > ? ORDER BY p.post_id DESC LIMIT ?",
            (post_id, limit),
        ).fetchall()
        return rows

    async def listen_from_group(self, agent_id: int) -> dict[str, Any]:
        """What is new to this agent; OASIS returns every message since the beginning, each time."""
        last = self._heard.get(agent_id, 0)
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


@dataclass(frozen=True)
class Arrival:
    """A message as it reached one hearer; both are player numbers."""

    message_id: int
    sender: int
    text: str


class Society:
    """The running OASIS society of a roster. Use `async with`."""

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        client: VLLMClient,
        topology: nx.Graph[int],
        folder: Path,
        base_model: str | None = None,
        database: str = "oasis.db",
        voices: Mapping[str, Voice] | None = None,
    ) -> None:
        self.configs = tuple(configs)
        self.neighbours = neighbours(topology)
        self._folder = folder
        self._channel = FutureChannel()
        self.graph = AgentGraph()
        seated = voices or {}
        self.agents = [
            LoRAModel(number, config, client, self._channel, base_model, self.graph, seated.get(config.model_id))
            for number, config in enumerate(configs)
        ]
        for agent in self.agents:
            self.graph.add_agent(agent)
        # one call: AgentGraph.add_edge rebuilds igraph's index at every edge
        self.graph.graph.add_edges([edge for a, b in topology.edges for edge in ((a, b), (b, a))])
        self._platform = SocietyPlatform(folder / database, self._channel)
        # the semaphore must let every agent in: they wait for each other before they send
        self._env = oasis.make(
            agent_graph=self.graph,
            platform=self._platform,
            database_path=str(folder / database),
            semaphore=len(self.agents) + 1,
        )
        self._groups: dict[frozenset[int], int] = {}
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> Society:
        self._stack.enter_context(log_to(self._folder))
        await self._env.reset()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Shut OASIS down; its database is complete afterwards."""
        try:
            if not self._env.platform_task.done():
                await self._env.close()
            elif not self._env.platform_task.cancelled():
                self._env.platform_task.exception()  # its callers were told already
        finally:
            self._channel.fail(PlatformError("the society was closed"))
            self._stack.close()

    async def speak(self, briefs: Mapping[int, Brief], audiences: Sequence[Sequence[int]]) -> dict[int, SpokenMessage]:
        """All agents in `briefs` generate at once, then send in the order of their numbers.

        `audiences` holds, per player, who is to hear it. Raises the first agent's SocietyError, if any, after
        all have finished.
        """
        order = sorted(briefs)
        turnstile = Turnstile(order)
        for player in order:
            group_id = await self._group(frozenset((player, *audiences[player])))
            self.agents[player].turn, self.agents[player].spoken = Turn(briefs[player], group_id, turnstile), None
        await self._env.step({self.agents[player]: oasis.LLMAction() for player in order})
        return {player: self._spoken(player) for player in order}

    def _spoken(self, player: int) -> SpokenMessage:
        spoken = self.agents[player].spoken
        if isinstance(spoken, SocietyError):
            raise spoken
        if spoken is None:
            raise PlatformError(f"OASIS did not step {self.agents[player].config.model_id}")
        return spoken

    async def listen(self) -> list[list[Arrival]]:
        """Per player, the messages that arrived since it last listened, oldest first."""
        heard = await asyncio.gather(*(agent.listen() for agent in self.agents))
        return [[Arrival(m["message_id"], m["sender_id"], m["content"]) for m in inbox] for inbox in heard]

    def newest_post(self) -> int:
        """The id of the newest post, 0 without one."""
        return self._platform.newest_post()

    def feed(self, after: int, limit: int) -> tuple[FeedPost, ...]:
        """The newest posts after the post `after`, newest first."""
        rows = self._platform.posts_after(after, limit)
        return tuple(
            FeedPost(post_id, user_id, self.configs[user_id].model_id, text, likes, comments)
            for post_id, user_id, text, likes, comments in rows
        )

    async def perform(self, player: int, move: SocialMove) -> str:
        """Do something in the social network; what OASIS has against it, or the empty string."""
        return await self.agents[player].perform(move)

    async def retell(self, player: int, audience: Sequence[int], text: str) -> None:
        """Store a message of an earlier sitting, so that a resumed run's database is complete."""
        group_id = await self._group(frozenset((player, *audience)))
        await self.agents[player].send(group_id, text)

    async def _group(self, members: frozenset[int]) -> int:
        """The group chat of exactly these members, made when first needed."""
        if members not in self._groups:
            founder, *others = sorted(members)
            name = "+".join(self.agents[member].config.model_id for member in sorted(members)[:8])
            made = checked(await self.agents[founder].env.action.create_group(name), "create_group")
            for other in others:
                checked(await self.agents[other].env.action.join_group(made["group_id"]), "join_group")
            self._groups[members] = made["group_id"]
        return self._groups[members]
