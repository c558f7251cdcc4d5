"""The OASIS platform of a society: messages go through its group chats and into its SQLite file.

The rest of the project uses `Society` alone. It builds the agent graph from a topology, lets agents speak at once and
listen afterwards, and shuts OASIS down. Every workaround of OASIS 0.2.5 is here, in
`simulation/engine/oasis_platform.py` or in `agents/lora_model.py`, with its reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.answers import ReaderVersion
from agents.dataclass_init import quick_init
from agents.inference.provenance import Reply
from agents.lora_model import LoRAModel, PlatformError, Responder, SpokenMessage
from agents.network import SocialMove
from agents.oasis_import import contained_import, log_to
from agents.problems import SocietyError
from agents.social import FeedPost
from agents.turn import TurnContext
from simulation.engine.network_store import NetworkStore
from simulation.engine.oasis_platform import FutureChannel, SocietyPlatform
from simulation.topology.graph import neighbours

with contained_import():
    import oasis
    from oasis.social_agent.agent_graph import AgentGraph

if TYPE_CHECKING:
    import networkx as nx

    from agents.inference.client import VLLMClient
    from agents.roster import ModelConfig
    from simulation.network.acts import NetworkPlatform
    from simulation.network.world import World


@quick_init
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
        responders: Mapping[str, Responder] | None = None,
        reader: ReaderVersion = ReaderVersion.SENTENCES,
    ) -> None:
        self.configs = tuple(configs)
        self.neighbours = neighbours(topology)
        self._folder = folder
        self._channel = FutureChannel()
        self.graph = AgentGraph()
        seated = responders or {}
        self.agents = [
            LoRAModel(
                number, config, client, self._channel, base_model, self.graph, seated.get(config.model_id), reader
            )
            for number, config in enumerate(configs)
        ]
        for agent in self.agents:
            self.graph.add_agent(agent)
        # one call: AgentGraph.add_edge rebuilds igraph's index at every edge
        self.graph.graph.add_edges(list(topology.to_directed().edges))
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
        self.noticed: set[str] = set()
        """The notices that are given once in a society, so far."""

    async def __aenter__(self) -> Society:
        self._stack.enter_context(log_to(self._folder))
        try:
            await self._env.reset()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Shut OASIS down. Its database is complete afterwards, unless the disk refused a write."""
        try:
            if not self._env.platform_task.done():
                await self._env.close()
            elif not self._env.platform_task.cancelled():
                self._env.platform_task.exception()  # its callers got the error already
        finally:
            self._env.platform_task.cancel()  # still running where the disk refused a write
            self._channel.fail(PlatformError("the society was closed"))
            self._platform.drop()
            self._stack.close()

    async def speak(
        self, turns: Mapping[int, TurnContext | Reply], audiences: Sequence[Sequence[int]]
    ) -> dict[int, SpokenMessage]:
        """Let all players of `turns` generate at once, then send in the order of their numbers.

        Args:
            turns: What each speaking player is given, or the reply that it gave before (`generate`).
            audiences: Per player, the players who are to hear it.

        Returns:
            The message of each player that spoke.

        Raises:
            SocietyError: The first agent's error, after all have finished.
        """
        order = sorted(turns)
        self._channel.check()
        groups = dict(zip(order, self._groups_of([(player, *audiences[player]) for player in order]), strict=True))
        for player in order:
            self.agents[player].turn, self.agents[player].spoken = turns[player], None
        await self._env.step(dict.fromkeys([self.agents[player] for player in order], oasis.LLMAction()))
        self._channel.check()
        spoken = {player: self.agents[player].spoken for player in order}
        replies = {player: reply for player, reply in spoken.items() if isinstance(reply, Reply)}
        posted = self._platform.post([(groups[player], player, reply.text) for player, reply in replies.items()])
        self._platform.save()
        for player, reply in spoken.items():
            if isinstance(reply, SocietyError):
                raise reply
            if reply is None:
                raise PlatformError(f"OASIS did not step {self.agents[player].config.model_id}")
        return {
            player: SpokenMessage(reply, number, groups[player])
            for (player, reply), number in zip(replies.items(), posted, strict=True)
        }

    async def generate(self, player: int, turn: TurnContext) -> Reply:
        """Let one player generate its message, which `speak` sends later. Raises SocietyError as `speak` does."""
        self._channel.check()
        return await self.agents[player].message(turn)

    async def listen(self) -> list[list[Arrival]]:
        """Return, per player, the messages that arrived since it last listened, oldest first."""
        self._channel.check()
        inboxes: list[list[Arrival]] = [[] for _ in self.agents]
        for number, sender, text, hearers in self._platform.deliver():
            arrival = Arrival(number, sender, text)
            for hearer in hearers:
                inboxes[hearer].append(arrival)
        return inboxes

    def newest_post(self) -> int:
        """Return the id of the newest post, 0 without one."""
        return self._platform.newest_post()

    def feed(self, after: int, limit: int) -> tuple[FeedPost, ...]:
        """Return the newest posts after the post `after`, newest first."""
        rows = self._platform.posts_after(after, limit)
        return tuple(
            FeedPost(post_id, user_id, self.configs[user_id].model_id, text, likes, comments)
            for post_id, user_id, text, likes, comments in rows
        )

    def network_store(self, world: World, platform: NetworkPlatform) -> NetworkStore:
        """Return what writes an episode's network into the database, after it has written the network as it is."""
        self._channel.check()
        return NetworkStore(self._platform.db_cursor, world, platform)

    async def perform(self, player: int, move: SocialMove) -> str:
        """Do something in the social network; return OASIS's refusal, or the empty string."""
        return await self.agents[player].perform(move)

    def store_again(self, messages: Iterable[tuple[int, Sequence[int], str]]) -> None:
        """Store the messages of a talk round of an earlier session, so that a resumed run's database is complete.

        Args:
            messages: Who sent each message, who was to hear it, and its text.
        """
        sent = list(messages)
        self._channel.check()
        groups = self._groups_of([(player, *audience) for player, audience, _ in sent])
        self._platform.sandbox_clock.time_step += 1  # as OASIS's step does: rows of later rounds have later times
        self._platform.post([(group, player, text) for group, (player, _, text) in zip(groups, sent, strict=True)])

    def _groups_of(self, members: Iterable[Sequence[int]]) -> list[int]:
        """Return the group chats of exactly these members; those that do not exist yet are made."""
        circles = list(map(frozenset, members))
        missing = list(dict.fromkeys(circle for circle in circles if circle not in self._groups))
        self._open_groups(missing)
        return [self._groups[circle] for circle in circles]

    def _open_groups(self, missing: Sequence[frozenset[int]]) -> None:
        """Make the group chats of exactly these members."""
        members = [sorted(circle) for circle in missing]
        named = [("+".join(self.configs[one].model_id for one in each[:8]), each) for each in members]
        self._groups.update(zip(missing, self._platform.open_groups(named), strict=True))
