"""Migrates what an older version wrote in a run directory, step by step. No other module knows old shapes.

A step takes a manifest, and the stream of raw events, from one version to the next. Loading migrates in memory and
writes nothing; resuming a run first rewrites it (`bring_up_to_date`). A step leaves alone what is up to date.

| version | what it wrote in another way than the next                                                       |
|---------|--------------------------------------------------------------------------------------------------|
| 1       | before versions were counted. At first replies were events of their own, decisions counted       |
|         | `attempts`, messages had no addressees, and neither these nor episodes named the failed tiers     |
| 2       | `fallback_from` was called `fell_from`; scenarios could hedge calls, weight servers and balance  |
|         | by `power_of_two`                                                                                |
| 3       | every answer was read by the first reader, which knows options only; thoughts were no column     |
| 4       | outcomes did not say who played, nor how many texts were simulated                               |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agents.answers import ReaderVersion
from agents.inference.provenance import Purpose, Tier
from agents.problems import SocietyError
from simulation.store.files import replace_file

MANIFEST = "manifest.json"
SCHEMA_VERSION = 5

Body = dict[str, Any]
"""A manifest, or an event with its `type`, as its JSON holds it."""
Bodies = Iterator[Body]


@dataclass(frozen=True)
class Migration:
    """The step from one version to the next. `events` may hold an event back until another one arrives."""

    manifest: Callable[[Body], Body]
    events: Callable[[Bodies], Bodies]


def _manifest_of_version_1(manifest: Body) -> Body:
    return {"replay_of": None, **manifest}


def _events_of_version_1(events: Bodies) -> Bodies:
    from agents.inference.provenance import lowest_tier, real_share

    unanswered: dict[bytes, Body] = {}
    fell_from: dict[bytes, str] = {}
    tiers: defaultdict[int, Counter[Tier]] = defaultdict(Counter)
    for event in events:
        kind = event["type"]
        if kind == "CallMade":
            record = event["record"]
            record.setdefault("error_class", record["error"].partition(":")[0])
            if "reply" not in record and record["status"] == "ok":
                unanswered[_key(record["key"])] = event
                continue
        elif kind == "ReplyReceived":
            key = _key(event["key"])
            fell_from[key] = ">".join(event["reply"]["provenance"]["fell_from"])
            call = unanswered.pop(key)
            call["record"]["reply"] = event["reply"]
            event = call  # noqa: PLW2901  the two become one
        elif kind in ("MessageSent", "DecisionMade"):
            _complete(event, fell_from)
            tiers[event["episode"]][Tier(event["tier"])] += event.get("asks", 1)
        elif kind == "RunResumed":
            tiers.pop(event["episode"], None)
        elif kind == "EpisodeEnded" and "tier" not in event:
            played = tiers[event["episode"]]
            event |= {"tier": lowest_tier(played), "real_share": real_share(played)}
        yield event
    for (
        call
    ) in unanswered.values():  # killed between a call and its reply: the call is made again when the run is resumed
        yield {**call, "record": {**call["record"], "reply": None}}


def _complete(event: Body, fell_from: Mapping[bytes, str]) -> None:
    """Fill in what a message or decision of the first shape leaves out, from its reply and from who heard it."""
    said = event["type"] == "MessageSent"
    if said:
        event.setdefault("addressees", event["audience"])
    elif "asks" not in event:
        event["asks"] = event.pop("attempts")
    if "fell_from" not in event:
        key = {
            "episode": event["episode"],
            "step": event["step"],
            "model_id": event["sender" if said else "model_id"],
            "purpose": (Purpose.TALK if said else Purpose.DECIDE).value,
            "talk_round": event["talk_round"] if said else 0,
            "attempt": 0 if said else event["asks"] - 1,
        }
        event["fell_from"] = fell_from.get(_key(key), "")


def _events_of_version_2(events: Bodies) -> Bodies:
    """Rename the field of events; `read_reply` knows the old name within a reply, as caches hold replies too."""
    for event in events:
        if "fell_from" in event:
            event["fallback_from"] = event.pop("fell_from")
        yield event


def _key(body: Body) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _manifest_of_version_2(manifest: Body) -> Body:
    return (
        {**manifest, "scenario": without_removed_settings(manifest["scenario"])} if "scenario" in manifest else manifest
    )


def _manifest_of_version_3(manifest: Body) -> Body:
    return {"reader": int(ReaderVersion.EXACT_ONLY), **manifest}


def _unchanged_events(events: Bodies) -> Bodies:
    """Leave events as they are: what they lack is empty, or is derived from others."""
    return events


def _manifest_of_version_4(manifest: Body) -> Body:
    return manifest


def without_removed_settings(scenario: Body) -> Body:
    """A stored scenario without the settings that this version no longer has; they changed no reply."""
    inference = scenario.get("inference")
    if not isinstance(inference, dict):
        return scenario
    present = {key: value for key, value in inference.items() if key != "hedge"}
    if present.get("balancing") == "power_of_two":
        present["balancing"] = "least_pending"
    if "endpoints" in present:
        present["endpoints"] = [
            {key: value for key, value in each.items() if key != "weight"} if isinstance(each, dict) else each
            for each in present["endpoints"]
        ]
    return {**scenario, "inference": present}


MIGRATIONS: Mapping[int, Migration] = {
    1: Migration(_manifest_of_version_1, _events_of_version_1),
    2: Migration(_manifest_of_version_2, _events_of_version_2),
    3: Migration(_manifest_of_version_3, _unchanged_events),
    4: Migration(_manifest_of_version_4, _unchanged_events),
}
"""The step from each older version to the next."""


def migrated_manifest(manifest: Body, source: Path) -> Body:
    """Return a manifest as this version writes it. Raises SocietyError for an unknown version."""
    if not isinstance(manifest, dict):
        raise SocietyError(f"{source}: not a run's manifest")
    version = manifest.get("schema_version")
    if not isinstance(version, int) or (version != SCHEMA_VERSION and version not in MIGRATIONS):
        known = f"this version of lora-society reads {min(MIGRATIONS)} to {SCHEMA_VERSION}"
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise SocietyError(f"{source}: schema_version {version}; {known}{': update it' if newer else ''}")
    for step in _steps(version):
        manifest = step.manifest(manifest)
    return {**manifest, "schema_version": SCHEMA_VERSION}


def migrated_events(events: Bodies, folder: Path) -> Bodies:
    """Return the raw events of the run in `folder` as this version writes them."""
    for step in _steps(version_of(folder)):
        events = step.events(events)
    return events


def _steps(version: int) -> list[Migration]:
    return [MIGRATIONS[each] for each in range(version, SCHEMA_VERSION) if each in MIGRATIONS]


def version_of(folder: Path) -> int:
    """Return the schema version of the run in `folder`; this version where no manifest says."""
    try:
        version = orjson.loads((folder / MANIFEST).read_bytes()).get("schema_version")
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError, AttributeError):
        return SCHEMA_VERSION
    return version if isinstance(version, int) else SCHEMA_VERSION


def bring_up_to_date(folder: Path, log: str) -> None:
    """Rewrite an older run's event log and manifest, so that events of this version can follow.

    The log comes first: if the process is killed before the manifest is written, the same steps change nothing again.
    """
    if version_of(folder) >= SCHEMA_VERSION:
        return
    lines = (folder / log).read_bytes().splitlines(keepends=True) if (folder / log).exists() else []
    whole = (orjson.loads(line) for line in lines if line.endswith(b"\n"))
    replace_file(folder / log, b"".join(orjson.dumps(event) + b"\n" for event in migrated_events(whole, folder)))
    manifest = migrated_manifest(orjson.loads((folder / MANIFEST).read_bytes()), folder / MANIFEST)
    replace_file(folder / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
