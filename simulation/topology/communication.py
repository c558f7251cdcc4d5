"""The `communication` section of a scenario file: who can reach whom, and how much is said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from agents.file_model import FileModel, Real, Text, Whole, distinct_words, word_or_structure
from agents.findings import Finding, refuse
from agents.network import GAME_ACTIONS, SocialActionName
from simulation.seeds import derive_seed
from simulation.topology.file import read_network
from simulation.topology.graph import (
    FORMATS,
    Links,
    TopologyKind,
    build_topology,
    plain_topology,
    topology_findings,
)
from simulation.treatment import Treatment

if TYPE_CHECKING:
    import networkx as nx


def _form(value: object) -> str:
    return "<network>" if isinstance(value, (Mapping, Links)) else word_or_structure(value)


def _with_short_forms(schema: dict[str, Any]) -> None:
    """Add to a JSON Schema the forms that `plain_topology` turns into those of the model."""
    end = {"type": ["string", "integer"]}
    schema["anyOf"] = [
        *schema.pop("oneOf"),
        {"type": "string", "pattern": rf"({'|'.join(map(re.escape, FORMATS))})$"},
        {"type": "array", "items": {"type": "string", "pattern": "->"}},
        {"type": "array", "items": {"type": "array", "items": end, "minItems": 2, "maxItems": 2}},
    ]


TopologySetting = Annotated[
    Annotated[TopologyKind, Tag("<word>")]
    | Annotated[tuple[tuple[str, str], ...], Tag("<structure>")]
    | Annotated[Links, Tag("<network>")],
    Discriminator(_form),
    BeforeValidator(plain_topology),
]


def _beside_a_game(action: SocialActionName) -> SocialActionName:
    if action not in GAME_ACTIONS:
        known = ", ".join(each.value for each in GAME_ACTIONS)
        raise ValueError(f"only a task of type social_network has {action.value}; beside a game there are: {known}")
    return action


GameAction = Annotated[
    SocialActionName,
    AfterValidator(_beside_a_game),
    WithJsonSchema({"enum": [action.value for action in GAME_ACTIONS], "type": "string"}),
]


class Addressing(str, Enum):
    """Who gets a message: everyone in reach, or whom its sender chooses of them."""

    BROADCAST = "broadcast"
    CHOSEN = "chosen"


class Stepping(str, Enum):
    """Whom a player waits for: everyone, or those it hears and whose moves it sees."""

    TOGETHER = "together"
    BY_NEIGHBOURS = "by_neighbours"


class Communication(FileModel):
    """Who can reach whom, and how much is said. The mode narrows it further."""

    topology: Annotated[TopologySetting, Field(json_schema_extra=_with_short_forms)] = TopologyKind.COMPLETE
    """complete, ring, star (the first player is the hub), small_world, scale_free; pairs of model ids, `a -> b` for one
    direction; or a network's file (GraphML, GEXF, edge list, adjacency list, CSV of pairs). In Python also a networkx
    graph.
    """
    degree: Whole = Field(default=4, ge=2)
    """small_world and scale_free: the mean number of neighbours."""
    rewire: Real = Field(default=0.1, ge=0, le=1)
    """small_world: the probability that a link is moved."""
    talk_rounds: Whole = Field(default=1, ge=0)
    """Rounds of messages before each decision; 0 is silence."""
    words: tuple[Text, ...] = ()
    """The only messages there are, at least two; without them messages are free text."""
    message_budget: Whole | None = Field(default=None, ge=0)
    """Messages a model may send in an episode; null is no limit."""
    inbox_limit: Whole | None = Field(default=16, ge=1)
    """Messages a model hears in a talk round, drawn by the seed where more arrive; null is no limit."""
    social_actions: tuple[GameAction, ...] = ()
    """What models may do in the social network, once a step, by a tool call: create_post, create_comment, like_post,
    follow, do_nothing.
    """
    addressing: Addressing = Addressing.BROADCAST
    """broadcast: everyone in reach gets a message; chosen: before each message its sender chooses one model in reach
    or everyone, and nobody else ever reads it."""
    stepping: Stepping = Stepping.TOGETHER
    """together: all wait for the slowest reply; by_neighbours: a model waits only for those that it hears and whose
    moves it sees. The results are the same."""
    treatment: Treatment = Treatment.DELIVERED
    """What happens to messages before they are heard: delivered, silenced, shuffled or replaced."""
    senders: tuple[Text, ...] = ()
    """silenced only: the model_ids whose messages are silenced; without them everyone's are."""

    @field_validator("words")
    @classmethod
    def _two_or_more(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and (len(value) < 2 or not distinct_words(value)):
            raise ValueError("give two or more different words, without spaces around them")
        return value

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Communication:
        refuse(each.under("topology") for each in topology_findings(self.model_dump(mode="json")["topology"]))
        if self.addressing is Addressing.CHOSEN and self.treatment is Treatment.REPLACED:
            message = "replaced would show a private message to others"
            refuse([Finding(("treatment",), message, "write addressing: broadcast, or another treatment")])
        return self

    def has_links_of(self, other: Communication) -> bool:
        """Return whether the same models can reach each other."""
        return all(getattr(self, name) == getattr(other, name) for name in ("topology", "degree", "rewire"))

    def graph(self, players: Sequence[str], seed: int) -> nx.Graph[int]:
        """Return who can reach whom in a run: a graph over the players' numbers, the same in every episode.

        Args:
            players: The model ids, in the order of the roster.
            seed: The run's seed.

        Raises:
            SocietyError: The topology names a model that does not exist.
            InvalidFileError: The network's file cannot be read.
        """
        topology = self.topology
        if isinstance(topology, Links) and topology.edges is None:
            topology = read_network(Path(str(topology.file)), topology, players)
        return build_topology(topology, players, derive_seed(seed, "topology"), self.degree, self.rewire)
