"""Who takes part: one row per LoRA model.

A roster file is YAML: a name, the base model, and the rows. A row names the served adapter it asks for
(`model_name`), a scripted player (`policy`) or a person (`human`); `count: 3` makes three players of it,
`<model_id>_1` to `_3`. `extends: other.yaml` builds on another roster (`agents.roster_layers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from agents.file_model import FileModel, Flag, Real, Text, Whole
from agents.findings import Finding, RawMapping, examine, refuse
from agents.problems import InvalidFileError, Problem
from agents.role import ModelRole, PopulationPart
from agents.roster_layers import EXTENDS, REMOVE, ComposedRoster, compose_roster
from agents.roster_rules import MAX_PLAYERS, clone_ids, model_findings, roster_findings
from agents.yaml_file import find_file, shipped_files

FOLDER = Path(__file__).parent / "rosters"


class SamplingConfig(FileModel):
    """A row's own sampling; an empty field takes the scenario's `inference` value."""

    temperature: Real | None = Field(default=None, ge=0, le=2)
    """0 is greedy."""
    top_p: Real | None = Field(default=None, gt=0, le=1)
    """The probability mass that is sampled from."""
    max_tokens: Whole | None = Field(default=None, ge=1, le=4096)
    """The longest reply, in tokens."""


class ModelConfig(FileModel):
    """One roster row: a served adapter (`model_name`), a scripted player (`policy`) or a person (`human`)."""

    model_id: str
    """The player's name: letters, digits, _ - . only, at most 64."""
    model_name: Text | None = None
    """The served name of the adapter, or of the base model itself."""
    role: ModelRole = ModelRole.NEUTRAL
    """What the model is to the others; a competitor competes in every mode."""
    team_id: Text | None = None
    """The model's team; a team battle needs two teams."""
    specialization: str = "general"
    """What the model is good at, in a word or two; it is told so."""
    lora_rank: Whole | None = Field(default=None, ge=1)
    """The adapter's rank, for the record."""
    lora_alpha: Real | None = Field(default=None, gt=0)
    """The adapter's scaling, for the record."""
    endpoint: Text | None = None
    """The only server this row's model is asked at, as an http(s) URL that ends in /v1."""
    base_model: Text | None = None
    """The model this row's adapter was trained on, where it is not the roster's."""
    adapter: Text | None = None
    """A local PEFT folder, for the embedded tier; relative to the roster file."""
    persona: str = ""
    """A sentence the model is told of itself."""
    sampling: SamplingConfig = SamplingConfig()
    """The row's own sampling."""
    count: Whole = Field(default=1, ge=1, le=MAX_PLAYERS)
    """How many players this row makes."""
    policy: Text | None = None
    """A scripted player in place of a model."""
    human: Flag = False
    """A person at the terminal in place of a model: `society play`."""
    part: PopulationPart | None = None
    """In a population run: focal (measured) or background; no prompt tells it."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> ModelConfig:
        refuse(model_findings(self.model_dump()))
        return self

    @property
    def played_by(self) -> str:
        """Who answers for the row, as tables name it: the adapter, `policy:<name>` or `human`."""
        return self.model_name or ("human" if self.human else f"policy:{self.policy}")


class Roster(FileModel):
    """A base model and the models that take part. `expand()` gives one row per player."""

    name: Text
    """What the roster is called."""
    base_model: Text | None = None
    """The model every adapter of the roster was trained on."""
    description: str = ""
    """What the roster is for."""
    models: tuple[ModelConfig, ...] = Field(min_length=1)
    """The rows."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Roster:
        refuse(roster_findings(self.model_dump()))
        return self

    @classmethod
    def load(cls, path_or_name: str | Path) -> Roster:
        """The roster in a file, or the shipped one of that name; adapter paths come out absolute.

        Raises InvalidFileError with every mistake in the file.
        """
        shipped = shipped_files(FOLDER)
        path = find_file(path_or_name, "roster", shipped)
        roster, problems = examine_roster(compose_roster(path, shipped))
        if roster is None:
            raise InvalidFileError(problems)
        return roster

    def expand(self) -> tuple[ModelConfig, ...]:
        """One row per player, each with `count` 1."""
        return tuple(
            row if row.count == 1 else row.model_copy(update={"model_id": model_id, "count": 1})
            for row in self.models
            for model_id in clone_ids(row.model_id, row.count)
        )

    def save(self, path: str | Path) -> None:
        """Write the roster to `path`, keeping the comments of a roster that is there already.

        Raises InvalidFileError where what is there is not YAML, and leaves it alone.
        """
        from agents.roster_yaml import save_roster

        save_roster(self, Path(path))


def examine_roster(composed: ComposedRoster) -> tuple[Roster | None, tuple[Problem, ...]]:
    """The roster in the files of a chain and everything wrong with it; None where anything is."""
    roster, findings = examine(Roster, composed.data, _findings)
    problems = composed.all_problems(findings)
    return (None if problems else roster), problems


def _findings(data: RawMapping) -> Iterator[Finding]:
    return roster_findings(data, keys=tuple(Roster.model_fields), row_keys=tuple(ModelConfig.model_fields))


def shipped_rosters() -> tuple[str, ...]:
    """The names of the rosters that ship, sorted."""
    return tuple(shipped_files(FOLDER))


def roster_schema() -> dict[str, Any]:
    """The JSON Schema of a roster file, for editors."""
    from agents.players.policies import POLICIES

    schema = Roster.model_json_schema()
    policy = schema["$defs"]["ModelConfig"]["properties"]["policy"]
    policy["anyOf"][0]["enum"] = list(POLICIES)
    schema["properties"][EXTENDS] = {
        "description": "The roster this one builds on: a file, relative to this one, or a shipped roster's name.",
        "type": "string",
        "minLength": 1,
    }
    schema["$defs"]["ModelConfig"]["properties"][REMOVE] = {
        "description": "Takes the row of this model_id out of the roster that is extended.",
        "const": True,
    }
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": [EXTENDS]}]
    return schema
