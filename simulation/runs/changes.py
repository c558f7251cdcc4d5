"""What a run plays where its scenario changes on the way, as a fork's does: its manifest keeps the earlier scenarios.

`"earlier": [{"until": [1, 2], "scenario": {...}, "given": {"goods": ["multiplier"]}}]` says: up to episode 1, step 2
(indices) that scenario is played, and from there on the manifest's own. The change gives the task `goods` a multiplier,
which counts from there on in place of what events set before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from simulation.engine.episode_plan import ScenarioFrom
from simulation.plan import load_from_manifest
from simulation.scenario import Scenario

FORK_OF, FORK_AT, CHANGED, EARLIER = "fork_of", "fork_at", "changed", "earlier"
GIVEN = "given"
FORK_KEYS = (FORK_OF, FORK_AT, CHANGED, EARLIER)


def changes_of(manifest: Mapping[str, Any], scenario: Scenario) -> tuple[ScenarioFrom, ...]:
    """Return the scenarios of a run in the order of play, the first from (0, 0) on; `scenario` is the last.

    Raises:
        SocietyError: An earlier scenario in the manifest is not valid.
    """
    rows = manifest.get(EARLIER) or ()
    starts: list[tuple[int, int]] = [(0, 0), *(tuple(row["until"]) for row in rows)]
    given = [{}, *(row.get(GIVEN, {}) for row in rows)]
    scenarios = [*(load_from_manifest(Scenario, row, "scenario") for row in rows), scenario]
    return tuple(ScenarioFrom(*start, *each) for start, *each in zip(starts, scenarios, given, strict=True))


def given_parameters(keys: Collection[str], scenario: Scenario) -> dict[str, list[str]]:
    """Return which parameters changes of a scenario give, by task_id.

    Args:
        keys: The dotted keys of the changes.
        scenario: The scenario with the changes.
    """
    found = {}
    for number, task in enumerate(scenario.tasks):
        path, names = ["tasks", str(number), "parameters"], set[str]()
        for parts in (key.split(".") for key in keys):
            if parts[:3] == path[: len(parts)]:
                names.update(parts[3:4] or task.parameters)
        found[task.task_id] = sorted(names)
    return {task_id: names for task_id, names in found.items() if names}


def fork_entries(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of a fork; empty for a run that is none."""
    return {key: manifest[key] for key in FORK_KEYS if key in manifest}
