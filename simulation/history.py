"""What earlier sittings of a run left in its event log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from agents.inference.provenance import CallKey, CallRecord
from simulation.events import CallMade, EpisodeEnded, EpisodeStarted, MessageSent, RunResumed, read_events


@dataclass
class History:
    """What an earlier sitting left: finished episodes, the unfinished one's calls that brought a reply, messages."""

    finished: dict[int, tuple[EpisodeStarted, EpisodeEnded]] = field(default_factory=dict)
    records: dict[CallKey, CallRecord] = field(default_factory=dict)
    messages: list[MessageSent] = field(default_factory=list)
    tier_mix: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, path: Path) -> History:
        history, started = cls(), {}
        if not path.exists():
            return history
        for event in read_events(path):
            if isinstance(event, EpisodeStarted):
                started[event.episode] = event
            elif isinstance(event, MessageSent):
                history.messages.append(event)
            elif isinstance(event, RunResumed):  # what was said of this episode is said again below
                history.messages = [said for said in history.messages if said.episode != event.episode]
            elif isinstance(event, CallMade) and event.record.reply is not None:
                history.records[event.record.key] = event.record
                history.tier_mix[event.record.tier.value] += 1
            elif isinstance(event, EpisodeEnded):
                history.finished[event.episode] = (started[event.episode], event)
        done = history.finished
        history.records = {key: record for key, record in history.records.items() if key.episode not in done}
        history.messages = [message for message in history.messages if message.episode in done]
        return history
