"""What one model's prompt in one step is made from."""

from __future__ import annotations

from dataclasses import dataclass

from agents.adapter_sources import AdapterSwap
from agents.dataclass_init import changed, quick_init
from agents.deliberation import UNSET, Deliberation
from agents.inference.provenance import Sampling
from agents.network import NetworkView
from agents.players.observation import Observation
from agents.prompts import EpisodeContext, HeardMessage
from agents.social import FeedPost


@quick_init
@dataclass(frozen=True)
class TurnContext:
    """What one model's prompt in one step is made from, and what its player may know.

    Args:
        episode: The episode's number, from 0.
        step: The step's number, from 0.
        seed: The seed of this model's calls in this step.
        system: The system prompt, which all models of the episode share.
        common: What the system prompt is made from.
        observation: What the player sees of the game.
        identity: The part of the prompt that stays the same for this model throughout the episode.
        observation_text: The game's own words for the observation.
        sampling: How replies are drawn where the row says nothing else.
        talk_round: The number of the talk round, from 0.
        heard: The messages that reached this model.
        feed: The posts that it sees in the social network.
        words: The only messages there are; empty where messages are free text.
        deliberation: How replies are thought over where the row says nothing else.
        network: What it sees where the task is a social network.
        announced: Texts that an event shows it in this step.
        adapter: The adapter that it is asked for in place of its row's.
        remembered: Lines on earlier steps, oldest first.
        addressee: Who alone gets its message; empty where everyone in reach does.
    """

    episode: int
    step: int
    seed: int
    system: str
    common: EpisodeContext
    observation: Observation
    identity: str
    observation_text: str
    sampling: Sampling
    talk_round: int = 0
    heard: tuple[HeardMessage, ...] = ()
    feed: tuple[FeedPost, ...] = ()
    words: tuple[str, ...] = ()
    deliberation: Deliberation = UNSET
    network: NetworkView | None = None
    announced: tuple[str, ...] = ()
    adapter: AdapterSwap | None = None
    remembered: tuple[str, ...] = ()
    addressee: str = ""

    @property
    def full_observation(self) -> Observation:
        """Return the observation with the texts heard, which is all that a scripted player uses."""
        return changed(self.observation, heard=tuple([message.text for message in self.heard]))
