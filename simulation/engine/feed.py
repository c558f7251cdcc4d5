"""The social phase of a step: models see the newest posts of the episode, then each does one thing in the network.

Posts are public in every mode and are part of the prompts that follow. An episode starts with an empty feed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agents.inference.loops import gather_or_raise
from agents.inference.provenance import fallen
from agents.network import SocialActionName
from agents.social import FeedPost, social_tools
from simulation.store.events import SocialActed

if TYPE_CHECKING:
    from agents.lora_model import Act
    from agents.turn import TurnContext
    from simulation.engine.society import Society

FEED_LENGTH = 8


class Feed:
    """The posts of one episode, at most `FEED_LENGTH` of them shown."""

    def __init__(self, society: Society, actions: Sequence[SocialActionName]) -> None:
        self._society, self._actions = society, tuple(actions)
        self._after = 0
        self.posts: tuple[FeedPost, ...] = ()

    def begin(self) -> None:
        """Start an episode: posts of earlier ones are not shown."""
        if self._actions:
            self._after = self._society.newest_post()

    async def act(self, turns: Mapping[int, TurnContext]) -> list[tuple[int, Act, SocialActed]]:
        """Let every player decide at once what to do, then do it in the order of their numbers."""
        agents = self._society.agents
        tools = {player: social_tools(self._actions, self.posts, player) for player in turns}
        able = [player for player in turns if tools[player]]
        acts = await gather_or_raise(agents[player].act(turns[player], tools[player]) for player in able)
        pairs = zip(able, acts, strict=True)
        done = [(player, act, await self._perform(player, act, turns[player])) for player, act in pairs]
        self.posts = self._society.feed(self._after, FEED_LENGTH)
        return done

    async def _perform(self, player: int, act: Act, turn: TurnContext) -> SocialActed:
        error = act.error if act.move is None else await self._society.perform(player, act.move)
        return social_acted(self._society.configs[player].model_id, act, turn, error)


def social_acted(model_id: str, act: Act, turn: TurnContext, error: str, time: str = "", item: int = 0) -> SocialActed:
    """Return the event of a model's act.

    Args:
        model_id: The model.
        act: What it did.
        turn: What it was asked with.
        error: Why it did not succeed; empty where it did.
        time: As in the event.
        item: As in the event.
    """
    last = act.replies[-1]
    source = last.provenance
    return SocialActed(
        episode=turn.episode,
        step=turn.step,
        model_id=model_id,
        action=act.move.action.value if act.move else None,
        arguments=json.dumps(act.move.arguments, ensure_ascii=False, sort_keys=True) if act.move else "",
        success=act.move is not None and not error,
        error=error,
        text=last.tool_calls[0].arguments if last.tool_calls else last.text,
        asks=len(act.replies),
        tier=source.tier.value,
        adapter=source.adapter,
        endpoint=source.endpoint,
        latency=source.latency,
        fallback_from=fallen(source),
        reasoning=last.reasoning,
        time=time,
        seen=tuple(post.post_id for post in turn.network.shown) if turn.network else (),
        item=item,
    )
