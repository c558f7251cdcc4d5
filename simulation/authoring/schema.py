"""The JSON Schemas of roster and scenario files, which editors use to check and complete them.

`python -m simulation.authoring.schema` writes the two shipped files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.roster import FOLDER as ROSTERS
from agents.roster import roster_schema
from simulation.games import find_game, task_types
from simulation.scenario import FOLDER as SCENARIOS
from simulation.scenario import Scenario


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, with every game and its parameters."""
    schema = Scenario.model_json_schema(by_alias=True)
    task = schema["$defs"]["TrainingTask"]
    task["properties"]["task_type"]["enum"] = list(task_types())
    task["allOf"] = [_parameters_of(task_type, schema["$defs"]) for task_type in task_types()]
    return schema


def _parameters_of(task_type: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Return a game's part of the schema; what its parameters refer to goes into the definitions that all share."""
    parameters = find_game(task_type).Parameters.model_json_schema()
    shared.update(parameters.pop("$defs", {}))
    return {
        "if": {"properties": {"task_type": {"const": task_type}}},
        "then": {"properties": {"parameters": parameters}},
    }


def shipped_schemas() -> Mapping[Path, dict[str, Any]]:
    """Return the shipped schemas by path; each is in the folder of the files that it is for."""
    return {
        ROSTERS / "roster.schema.json": roster_schema(),
        SCENARIOS / "scenario.schema.json": scenario_schema(),
    }


if __name__ == "__main__":
    for path, schema in shipped_schemas().items():
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
