"""The running society of an environment, and the folder of its database."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

    from agents.lora_model import LoRAModel
    from agents.roster import ModelConfig
    from simulation.engine.batch.society import BatchSociety
    from simulation.engine.society import Society


class SocietyHome:
    """Opens one society at a time; another roster, other links or another way of playing need a new one.

    Args:
        folder: Where databases are kept; None is a temporary folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self._own = self._folder = folder
        self._stack = contextlib.ExitStack()
        self._society: Society | BatchSociety | None = None
        self._databases = 0

    async def agents(self, models: tuple[ModelConfig, ...], make: Callable[[Path, str], Society]) -> Society:
        """Return the society of OASIS's agents for `models`; `make` gets the folder and the database's name."""
        from simulation.engine.society import Society

        if isinstance(self._society, Society) and self._society.configs == models:
            return self._society
        society = make(*await self._next_place())
        self._society = await society.__aenter__()
        return self._society

    async def columns(
        self,
        models: tuple[ModelConfig, ...],
        topology: Callable[[], nx.Graph[int]],
        agents: Callable[[], Mapping[int, LoRAModel]],
        *,
        database: bool,
    ) -> BatchSociety:
        """Return the society that is played in columns for `models`, with a database or without.

        Args:
            models: The players' roster rows.
            topology: Makes the links.
            agents: Makes those that are asked by requests; the same for the same models.
            database: Whether OASIS's database is kept.
        """
        from simulation.engine.batch.society import BatchSociety

        if isinstance(self._society, BatchSociety) and self._society.configs == models:
            return self._society
        folder, name = await self._next_place()
        society = BatchSociety(models, topology(), folder / name if database else None, agents())
        self._society = await society.__aenter__()
        return self._society

    async def _next_place(self) -> tuple[Path, str]:
        """Close the running society; return the folder and the name of the next one's database."""
        await self.close()
        if self._folder is None:
            self._folder = Path(self._stack.enter_context(TemporaryDirectory()))
        self._databases += 1
        return self._folder, "oasis.db" if self._databases == 1 else f"oasis-{self._databases}.db"

    async def close(self) -> None:
        """Close the running society, if there is one."""
        society, self._society = self._society, None
        if society is not None:
            await society.__aexit__()

    async def aclose(self) -> None:
        """Close the running society and remove a temporary folder."""
        try:
            await self.close()
        finally:
            self._stack.close()
            self._folder, self._databases = self._own, 0
