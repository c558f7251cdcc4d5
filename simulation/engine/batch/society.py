"""The OASIS database of a society that is played in columns: the rows that OASIS's own actions write, and no agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.profile import bio
from simulation.topology.graph import neighbours

if TYPE_CHECKING:
    import networkx as nx

    from agents.lora_model import LoRAModel
    from agents.roster import ModelConfig
    from simulation.engine.oasis_platform import SocietyPlatform

Audiences = Sequence[Sequence[int]] | Mapping[int, Sequence[int]]
"""Whom each player reaches."""
LARGE = 10_000
"""Players whose database gets large pages."""


class BatchSociety:
    """Who is in a society, and where OASIS's database keeps what they say. Use `async with`.

    Args:
        configs: The players' roster rows.
        topology: Who can reach whom.
        database: The file; None keeps no database, and OASIS is then not imported.
        agents: The players that are asked by requests, in their order.
    """

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        topology: nx.Graph[int],
        database: Path | None,
        agents: Mapping[int, LoRAModel] | None = None,
    ) -> None:
        self.configs, self.agents = tuple(configs), agents or {}
        self.neighbours = neighbours(topology)
        self._database = database
        self._platform: SocietyPlatform | None = None
        self._groups: dict[tuple[int, ...], int] = {}
        self._numbered: tuple[Audiences, dict[int, int]] = ((), {})
        self._messages = 0

    async def __aenter__(self) -> BatchSociety:
        if self._database is not None:
            from simulation.engine.oasis_platform import LARGE_PAGE, PAGE, FutureChannel, SocietyPlatform

            page = LARGE_PAGE if len(self.configs) >= LARGE else PAGE
            self._platform = SocietyPlatform(self._database, FutureChannel(), page)
            self._platform.sign_up_all([(config.model_id, bio(config)) for config in self.configs])
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._platform is not None:
            self._platform.save()
            self._platform.drop()

    async def listen(self) -> None:
        """Do nothing: here nobody waits for what an interrupted episode left."""

    def groups(self, audiences: Audiences, speakers: Sequence[int]) -> list[int]:
        """Return the group chat of each speaker with its audience; those that do not exist yet are made.

        Args:
            audiences: Whom each player reaches. The same object has the same groups.
            speakers: The players that speak, in their order.
        """
        if self._numbered[0] is not audiences:
            self._numbered = (audiences, {})
        known = self._numbered[1]
        missing = [player for player in speakers if player not in known]
        circles = {player: tuple(sorted((player, *audiences[player]))) for player in missing}
        new = [circle for circle in dict.fromkeys(circles.values()) if circle not in self._groups]
        self._groups.update({circle: number for number, circle in enumerate(new, start=len(self._groups) + 1)})
        if self._platform is not None and new:
            named = [("+".join(self.configs[one].model_id for one in each[:8]), each) for each in new]
            self._platform.open_groups(named)
        known.update({player: self._groups[circle] for player, circle in circles.items()})
        return [known[player] for player in speakers]

    def post(self, groups: Sequence[int], speakers: Sequence[int], said: Sequence[int], texts: Sequence[str]) -> int:
        """Store messages, each the number of its text, and return the id of the first; the others follow it."""
        first = self._messages + 1
        self._messages += len(speakers)
        if self._platform is not None:
            self._platform.sandbox_clock.time_step += 1  # OASIS counts its environment's steps
            self._platform.post_texts(groups, speakers, said, texts)
            self._platform.save()
        return first
