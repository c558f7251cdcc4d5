"""The pages of scenario and roster files, made from their JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agents.players.policies import POLICIES
from agents.roster import roster_schema
from simulation.authoring.schema import scenario_schema

Schema = Mapping[str, Any]
LIMITS = {"minimum": ">= {}", "exclusiveMinimum": "> {}", "maximum": "<= {}", "exclusiveMaximum": "< {}"}
SCENARIO = """# Scenario files

A scenario says what is played, in which mode, by which roster. `society validate FILE` checks a file, `society
scenario new` writes one, `society new schema scenario` prints the JSON Schema from which this page is made. In `--set`,
dots separate nested keys: `--set tasks.0.max_steps=3`.
"""
ROSTER = """# Roster files

A roster says who takes part: a base model, and one row per model. `society validate FILE` checks a file, `society
roster new` writes one, `society new schema roster` prints the JSON Schema from which this page is made.
"""


def scenario_page() -> str:
    """Return the page: every key of a scenario file."""
    text = "[Games](games.md) has the `parameters` of each game."
    return "\n".join([SCENARIO, *sections(scenario_schema(), "The file"), "", text, ""])


def roster_page() -> str:
    """Return the page: every key of a roster file, and the policies that a row may name."""
    names = ", ".join(f"`{name}`" for name in POLICIES)
    policies = ["## Policies", "", f"The values of `policy`: {names}.", ""]
    return "\n".join([ROSTER, *sections(roster_schema(), "The file"), *policies])


def sections(schema: Schema, title: str) -> Iterator[str]:
    """Yield a table of keys for the file and one for every mapping in it."""
    definitions = schema.get("$defs", {})
    for name, body in {title: schema, **definitions}.items():
        if "properties" not in body:
            continue
        heading = title if name == title else f"`{name}`"
        yield from (f"## {heading}", "", str(body.get("description", "")), "")
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
        required = set(body.get("required", ()))
        for key, value in body["properties"].items():
            meaning = value.get("description") or _referred(value, definitions).get("description", "")
            default = "required" if key in required else _default(value)
            yield f"| `{key}` | {_cell(kind(value, definitions))} | {_cell(default)} | {_cell(meaning)} |"
        yield ""


def kind(value: Schema, definitions: Schema) -> str:
    """Return in words which values a key may have; a mapping is a link to its section."""
    for several in ("anyOf", "oneOf"):
        if several in value:
            return " or ".join(dict.fromkeys(kind(each, definitions) for each in value[several]))
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[`{name}`](#{name.lower()})" if "properties" in definitions[name] else kind(definitions[name], {})
    if "enum" in value or "const" in value:
        return ", ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        inner = value.get("prefixItems") or [value.get("items", {})]
        return "list of " + " and ".join(kind(each, definitions) for each in inner)
    return " ".join([str(value.get("type", "value")), *_limits(value)])


def _limits(value: Schema) -> Iterator[str]:
    limits = [text.format(f"{value[key]:g}") for key, text in LIMITS.items() if key in value]
    if limits:
        yield ", ".join(limits)


def _referred(value: Schema, definitions: Schema) -> Schema:
    referred: Schema = definitions.get(str(value.get("$ref", "")).rsplit("/", 1)[-1], {})
    return referred


def _default(value: Schema) -> str:
    if "$ref" in value and not isinstance(value.get("default"), str):
        return "as below"
    return f"`{json.dumps(value['default'], ensure_ascii=False)}`" if "default" in value else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
