"""What earlier sessions of a run left in its event log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.inference.provenance import CallKey, Provenance, Purpose, Reply, Tier
from agents.inference.recording import Recorded
from agents.network import SocialActionName, SocialMove
from simulation.store.blocks import LEAST, EventBlock, is_block_of
from simulation.store.events import (
    CallMade,
    DecisionMade,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    MessageSent,
    RunResumed,
    SocialActed,
    StepResolved,
)
from simulation.store.intervention_events import SCENARIO, EventHappened
from simulation.store.log import read_log
from simulation.store.rows import Rows


@dataclass
class History:
    """Finished episodes, their messages, acts and events, and the unfinished episode's calls that brought a reply.

    The messages of a large step are a block, unless it was played by requests: `by_requests` says that one was. `live`
    are the events from outside by episode and step, and `reached` is the last step that anything is known of: up to
    there a resumed run takes no others.
    """

    finished: dict[int, tuple[EpisodeStarted, EpisodeEnded]] = field(default_factory=dict)
    recorded: dict[CallKey, Recorded] = field(default_factory=dict)
    messages: list[MessageSent | EventBlock] = field(default_factory=list)
    acts: list[SocialActed] = field(default_factory=list)
    happened: list[EventHappened] = field(default_factory=list)
    live: dict[tuple[int, int], list[EventHappened]] = field(default_factory=dict)
    reached: tuple[int, int] = (-1, -1)
    tier_mix: Counter[str] = field(default_factory=Counter)
    by_requests: bool = False

    @classmethod
    def read(cls, path: Path) -> History:
        history, started = cls(), {}
        came: dict[str, EventHappened] = {}  # from outside: a session that was cut off may not have repeated them
        if not path.exists():
            return history
        for event in read_log(path):
            history.recorded.update(said(event))
            history.reached = max(history.reached, place_in(event))
            history.by_requests = history.by_requests or is_large_step_in_lines(event)
            if isinstance(event, EpisodeStarted):
                started[event.episode] = event
            elif isinstance(event, MessageSent) or is_block_of(event, MessageSent):
                history.messages.append(event)
            elif isinstance(event, SocialActed):
                history.acts.append(event)
            elif isinstance(event, EventHappened):
                history.happened.append(event)
                came[event.source] = event
            elif isinstance(event, RunResumed):  # what was said and done in this episode comes again below
                history.messages = [said for said in history.messages if said.episode != event.episode]
                history.acts = [done for done in history.acts if done.episode != event.episode]
                history.happened = [each for each in history.happened if each.episode != event.episode]
            elif isinstance(event, CallMade) and event.record.reply is not None:
                history.tier_mix[event.record.tier.value] += 1
            elif isinstance(event, EpisodeEnded):
                history.finished[event.episode] = (started[event.episode], event)
        done = history.finished
        history.live = live_events(came.values())
        history.happened = [each for each in history.happened if each.episode in done]
        history.recorded = {key: reply for key, reply in history.recorded.items() if key.episode not in done}
        history.messages = [message for message in history.messages if message.episode in done]
        history.acts = [act for act in history.acts if act.episode in done]
        return history


def live_events(happened: Iterable[EventHappened]) -> dict[tuple[int, int], list[EventHappened]]:
    """Return the events that came from outside, by episode and step."""
    found: dict[tuple[int, int], list[EventHappened]] = {}
    for event in happened:
        if event.source != SCENARIO:
            found.setdefault((event.episode, event.step), []).append(event)
    return found


def is_large_step_in_lines(event: Event) -> bool:
    """Tell whether an event is a large step that is a line of the log: it was played by requests."""
    return isinstance(event, StepResolved) and len(event.rows) >= LEAST and not isinstance(event.rows, Rows)


def place_in(event: Event) -> tuple[int, int]:
    """Return the episode and step that an event belongs to; (-1, -1) for none."""
    key = event.record.key if isinstance(event, CallMade) else event
    return getattr(key, "episode", -1), getattr(key, "step", -1)


def said(event: Event) -> Mapping[CallKey, Recorded]:
    """Return the reply that an event holds, under its call's key; empty where it holds none.

    No call is made for what a person types, so the message or the decision itself holds it.
    """
    if isinstance(event, CallMade) and event.record.reply is not None:
        return {event.record.key: Recorded(event.record.reply, event.record.prompt_hash)}
    if not isinstance(event, (MessageSent, DecisionMade)) or event.tier != Tier.HUMAN.value:
        return {}
    source = Provenance(Tier.HUMAN, event.adapter, latency=event.latency)
    if isinstance(event, MessageSent):
        key = CallKey(event.episode, event.step, event.sender, Purpose.TALK, event.talk_round)
    else:
        key = CallKey(event.episode, event.step, event.model_id, Purpose.DECIDE)
    return {key: Recorded(Reply(event.text, source))}


def recorded_move(event: SocialActed) -> SocialMove | None:
    """Return the move of an act in a log; None where the act was not legal."""
    if event.action is None:
        return None
    return SocialMove(SocialActionName(event.action), json.loads(event.arguments))
