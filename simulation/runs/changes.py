"""What a run plays where its scenario changes on the way, as a fork's does: its manifest keeps the earlier scenarios.

`"earlier": [{"until": [1, 2], "scenario": {...}}]` says: up to episode 1, step 2 (indices) that scenario is played, and
from there on the manifest's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulation.engine.episode_plan import ScenarioFrom
from simulation.plan import load_from_manifest
from simulation.scenario import Scenario

FORK_OF, FORK_AT, CHANGED, EARLIER = "fork_of", "fork_at", "changed", "earlier"
FORK_KEYS = (FORK_OF, FORK_AT, CHANGED, EARLIER)


def changes_of(manifest: Mapping[str, Any], scenario: Scenario) -> tuple[ScenarioFrom, ...]:
    """Return the scenarios of a run in the order of play, the first from (0, 0) on; `scenario` is the last.

    Raises:
        SocietyError: An earlier scenario in the manifest is not valid.
    """
    rows = manifest.get(EARLIER) or ()
    starts: list[tuple[int, int]] = [(0, 0), *(tuple(row["until"]) for row in rows)]
    scenarios = [*(load_from_manifest(Scenario, row, "scenario") for row in rows), scenario]
    return tuple(ScenarioFrom(*start, each) for start, each in zip(starts, scenarios, strict=True))


def fork_entries(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of a fork; empty for a run that is none."""
    return {key: manifest[key] for key in FORK_KEYS if key in manifest}
