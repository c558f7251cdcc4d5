"""What comes into a run from outside, before each step: from its inbox, or again from what was recorded."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from agents.problems import UsageError
from agents.roster import Roster
from simulation.engine.interventions import Asked
from simulation.interventions.intervention import Intervention
from simulation.plan import load_from_manifest
from simulation.store.inbox import Inbox, put
from simulation.store.intervention_events import EventHappened
from simulation.store.run_directory import RunStatus
from simulation.tables.run import read_manifest

notices = logging.getLogger("society.notice")  # shown without --verbose
EVERY = "*.*"
"""The `at` of an event from outside: it happens before the step in which it is taken."""
Recorded = Mapping[tuple[int, int], Sequence[EventHappened]]
SAID = ("show", "post", "vote", "mute")
"""What can be said into a run: it cannot be refused when it is taken, as it fits every game or is checked before."""


def again(recorded: Recorded, episode: int, step: int) -> list[Asked]:
    """Return what came from outside before a step, from what was recorded of it."""
    return [Asked(_intervention(event), event.source) for event in recorded.get((episode, step), ())]


def _intervention(event: EventHappened) -> Intervention:
    return Intervention.model_validate({"at": EVERY, "to": event.to, event.kind: orjson.loads(event.detail)})


class LiveEvents:
    """Gives the events from outside: those recorded up to the last step known, and then those in the inbox.

    Args:
        run: The run's directory.
        recorded: What came before the session.
        reached: The last step that anything is known of.
    """

    def __init__(self, run: Path, recorded: Recorded, reached: tuple[int, int]) -> None:
        self._recorded, self._reached = recorded, reached
        self._inbox = Inbox(run, {event.source for events in recorded.values() for event in events})

    def __call__(self, episode: int, step: int) -> Sequence[Asked]:
        """Return what comes before a step."""
        if (episode, step) <= self._reached:
            return again(self._recorded, episode, step)
        found = []
        for name, event in self._inbox.take():
            try:
                found.append(Asked(Intervention.model_validate({**event, "at": EVERY}), name))
            except ValidationError as error:
                notices.warning("a line of the inbox is left out: %s: %s", event, error.errors()[0]["msg"])
        return found


def say(run: str | Path, event: Mapping[str, Any]) -> str:
    """Say something into a run that another process plays: it happens before the next step that begins.

        say("runs/...", {"show": "The lake is closed tomorrow.", "to": ["ada"]})

    Args:
        run: The run's directory.
        event: As an entry of a scenario's `events` without `at`: show, post, vote or mute, and to whom.

    Returns:
        The id under which the run's table `events` has it, in `source`.

    Raises:
        UsageError: The run has ended, or the event does not fit it.
    """
    path = Path(run)
    manifest = read_manifest(path)
    if manifest["status"] != RunStatus.RUNNING.value:
        raise UsageError(f"{path} is {manifest['status']}: only a run that is being played can be spoken to")
    if manifest.get("replay_of"):
        raise UsageError(f"{path} is a replay: it repeats what happened")
    try:
        asked = Intervention.model_validate({**event, "at": EVERY})
    except ValidationError as error:
        raise UsageError(f"{dict(event)}: {error.errors()[0]['msg']}") from None
    if asked.kind not in SAID:
        raise UsageError(f"{asked.kind} cannot be said into a run; write one of {', '.join(SAID)}")
    models = [row.model_id for row in load_from_manifest(Roster, manifest, "roster").expand()]
    named = [*(asked.to if isinstance(asked.to, tuple) else ()), *([asked.post.author] if asked.post else ())]
    strangers = [name for name in named if name not in models]
    if strangers:
        raise UsageError(f"no model of the run is called {', '.join(strangers)}; there are {', '.join(models[:20])}")
    return put(path, {key: value for key, value in event.items() if key != "at"})
