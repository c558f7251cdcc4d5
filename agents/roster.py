"""Rosters: who takes part, one row per LoRA model.

A roster file is YAML: a name, the base model, and the rows. A row names the served adapter that it asks (`model_name`),
a scripted player (`policy`) or a person (`human`); `count: 3` makes three players of it, `<model_id>_1` to `_3`.
`extends: other.yaml` builds on another roster (`agents.roster_layers`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, model_validator

from agents.deliberation import DecideMode, ThinkingSetting
from agents.file_model import FileModel, FilledName, Flag, Name, Real, Text, Whole, word_or_structure
from agents.findings import Finding, RawMapping, dotted, examine, refuse, shown
from agents.language import Language, text_in
from agents.people import PEOPLE, Attribute, PeopleConfig, TemplateError, people_rows, sampled, with_people
from agents.problems import InvalidFileError, Problem, UsageError, nearest
from agents.role import ModelRole, PopulationPart
from agents.roster_layers import EXTENDS, REMOVE, ComposedRoster, compose_roster
from agents.roster_rules import MAX_PLAYERS, clone_ids, free_id, model_findings, roster_findings
from agents.yaml_file import find_file, shipped_files

if TYPE_CHECKING:
    from agents.adapter_sources import Candidate, FoundAdapters
    from agents.roster_table import Table

logger = logging.getLogger("society.roster")

FOLDER = Path(__file__).parent / "rosters"


class SamplingConfig(FileModel):
    """A row's own sampling; an empty field takes the scenario's `inference` value."""

    temperature: Real | None = Field(default=None, ge=0, le=2)
    """0 is greedy."""
    top_p: Real | None = Field(default=None, gt=0, le=1)
    """The probability mass that is sampled from."""
    max_tokens: Whole | None = Field(default=None, ge=1, le=4096)
    """The longest reply, in tokens."""


PerLanguage = Annotated[
    Annotated[str, Tag("<word>")] | Annotated[dict[Language, str], Tag("<structure>")], Discriminator(word_or_structure)
]
"""A text, or one for each language: `{en: planning, zh: 规划}`."""


class ModelConfig(FileModel):
    """One roster row: a served adapter (`model_name`), a scripted player (`policy`) or a person (`human`)."""

    model_id: Name
    """The player's name: letters, digits, _ - . only, at most 64."""
    model_name: Text | None = None
    """The served name of the adapter, or of the base model itself."""
    role: ModelRole = ModelRole.NEUTRAL
    """What the model is to the others. A competitor competes in every mode."""
    team_id: FilledName | None = None
    """The model's team; a team battle needs two teams."""
    specialization: PerLanguage = "general"
    """What the model is good at, in a word or two; the prompt says so. `{en: ..., zh: ...}` for both languages."""
    lora_rank: Whole | None = Field(default=None, ge=1)
    """The adapter's rank, for the record."""
    lora_alpha: Real | None = Field(default=None, gt=0)
    """The adapter's scaling, for the record."""
    endpoint: Text | None = None
    """The only server this row's model is asked at, as an http(s) URL that ends in /v1."""
    base_model: Text | None = None
    """The model this row's adapter was trained on, where it is not the roster's."""
    adapter: Text | None = None
    """A local PEFT folder, for the embedded tier; relative to the roster file. If it names the base model otherwise,
    say which one it is with `base_model`."""
    persona: PerLanguage = ""
    """A sentence about the model, for its prompt; `{en: ..., zh: ...}` for both languages."""
    sampling: SamplingConfig = SamplingConfig()
    """The row's own sampling."""
    thinking: ThinkingSetting | None = None
    """Whether this row's model thinks before it answers, as `inference.thinking` of a scenario: on, off, or
    `{budget: 512}`."""
    decide: DecideMode | None = None
    """Whether this row's model decides at once (direct) or after a private note (reasoned), as `inference.decide`."""
    count: Whole = Field(default=1, ge=1, le=MAX_PLAYERS)
    """The number of players that this row makes."""
    policy: Text | None = None
    """A scripted player in place of a model."""
    human: Flag = False
    """A person at the terminal in place of a model, who types what it says and chooses."""
    attributes: dict[str, Attribute] = Field(default_factory=dict)
    """What else is known of the person, by name: columns of the table `agents`. No prompt has it but by the persona."""
    part: PopulationPart | None = None
    """In a population run: focal (measured) or background. No prompt mentions it."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> ModelConfig:
        refuse(model_findings(self.model_dump()))
        return self

    def in_language(self, language: Language) -> ModelConfig:
        """Return the row with its texts in one language."""
        texts = {"specialization": self.specialization, "persona": self.persona}
        if all(isinstance(text, str) for text in texts.values()):
            return self
        return self.model_copy(update={name: text_in(text, language) for name, text in texts.items()})

    @property
    def played_by(self) -> str:
        """Return who answers for the row, as tables name it: the adapter, `policy:<name>` or `human`."""
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
        """Return the roster in a file, or the shipped roster of that name, with absolute adapter paths.

        Args:
            path_or_name: The file, or a name that `society ls shipped` shows.

        Raises:
            InvalidFileError: Holds every mistake in the file and in those it extends.
        """
        shipped = shipped_files(FOLDER)
        path = find_file(path_or_name, "roster", shipped)
        roster, problems = examine_roster(compose_roster(path, shipped))
        if roster is None:
            raise InvalidFileError(problems)
        return roster

    @classmethod
    def from_server(
        cls, url: str, *, base_model: str | None = None, api_key_env: str | None = None, name: str | None = None
    ) -> Roster:
        """Make a roster of the adapters that a server has loaded, one neutral row each. Works in a notebook.

        The rows do not name the server: a scenario's `inference.endpoints` does, or a row's `endpoint`.

        Args:
            url: The server's URL; it ends in `/v1`.
            base_model: The base model's name; by default what the server calls the adapters' parent.
            api_key_env: The variable, or keyring entry, that holds the server's API key.
            name: The roster's name; by default the server's host and port.

        Raises:
            SocietyError: No server answers, it wants another key, or it has no adapter.
        """
        from agents.adapter_sources import found_at_server

        return _roster_of(found_at_server(url, api_key_env), base_model, name or urlsplit(url).netloc or url)

    @classmethod
    def from_folder(cls, path: str | Path, *, base_model: str | None = None, name: str | None = None) -> Roster:
        """Make a roster of the PEFT adapters in a folder, or of the one that the folder is: one neutral row each.

        A subfolder whose adapter cannot be used is left out with a warning in the log.

        Args:
            path: The folder; each row's `adapter` names its own, so the embedded tier can load it.
            base_model: The base model's name; by default what the adapters' configs say.
            name: The roster's name; by default the folder's.

        Raises:
            UsageError: There is no adapter that can be used, or none says which base model it belongs to.
        """
        from agents.adapter_sources import found_in_folder

        folder = Path(path).expanduser()
        found = found_in_folder(folder)
        for note in found.notes:
            logger.warning("left out: %s", note)
        return _roster_of(found, base_model, name or folder.absolute().name)

    @classmethod
    def from_table(
        cls,
        people: object,
        *,
        base_model: str | None = None,
        adapters: Sequence[str] = (),
        name: str | None = None,
        persona: str | None = None,
        count: int | None = None,
        seed: int = 0,
    ) -> Roster:
        """Make a roster of a table of people: a CSV or JSON file, a DataFrame, or OASIS's own profile files.

        `agents.roster_table` lists the columns. Those that have no place in a roster are each row's `attributes`.

        Args:
            people: A file (.csv, .tsv, .json, .jsonl), a pandas DataFrame, or mappings.
            base_model: The base model's name.
            adapters: Adapters for people whose row names none, in turn; by default the base model plays them.
            name: The roster's name; by default the file's.
            persona: A Jinja template of each one's persona, with the columns as variables.
            count: How many people are drawn; by default all.
            seed: The seed of what is drawn.

        Raises:
            InvalidFileError: Holds every mistake, with the line where the file has lines.
            UsageError: There are no people, or the base model is not named.
        """
        from agents.roster_table import read_table

        table = read_table(people)
        base = base_model or table.top.get("base_model")
        players = [adapters] if isinstance(adapters, str) else adapters or ([base] if base else [])
        table = sampled(table, count, seed)
        try:
            rows = people_rows(table, tuple(ModelConfig.model_fields), persona=persona, players=players)
        except TemplateError as error:
            raise UsageError(f"persona: {error} {error.hint}".strip()) from None
        if not players and not all({"policy", "human"} & row.keys() for row in rows):
            raise UsageError(f"{table.name} does not say which base model plays the people; give base_model=")
        stem = Path(people).stem if isinstance(people, (str, Path)) else "people"
        data = {"name": name or table.top.get("name") or stem, "base_model": base, "models": rows}
        roster, findings = examine(cls, data, _findings)
        problems = [_in_table(finding, table) for finding in findings]
        if problems or roster is None:
            raise InvalidFileError(problems)
        return roster

    def with_rows(self, *rows: ModelConfig) -> Roster:
        """Return the roster with these rows: one whose model_id is known replaces that row, any other is added.

        Raises:
            ValidationError: The rows make no valid roster.
        """
        by_id = {row.model_id: row for row in (*self.models, *rows)}
        return self._of_rows(by_id.values())

    def without(self, *model_ids: str) -> Roster:
        """Return the roster without the rows of these model_ids.

        Raises:
            UsageError: A model_id is not in the roster.
            ValidationError: No row is left.
        """
        known = [row.model_id for row in self.models]
        for model_id in model_ids:
            if model_id not in known:
                raise UsageError(f"roster {self.name} has no {shown(model_id)} ({nearest(model_id, known)})")
        return self._of_rows(row for row in self.models if row.model_id not in model_ids)

    def _of_rows(self, rows: Iterable[ModelConfig]) -> Roster:
        return Roster(name=self.name, base_model=self.base_model, description=self.description, models=tuple(rows))

    def in_language(self, language: Language) -> Roster:
        """Return the roster with its rows' texts in one language."""
        return self.model_copy(update={"models": tuple(row.in_language(language) for row in self.models)})

    def expand(self) -> tuple[ModelConfig, ...]:
        """Return one row per player, each with `count` 1."""
        return tuple(
            row if row.count == 1 else row.model_copy(update={"model_id": model_id, "count": 1})
            for row in self.models
            for model_id in clone_ids(row.model_id, row.count)
        )

    def save(self, path: str | Path) -> None:
        """Write the roster to `path`; if a roster is there already, its comments stay.

        Raises:
            InvalidFileError: The file there is not YAML (it is left as it is), or `path` cannot be written.
        """
        from agents.roster_yaml import save_roster

        save_roster(self, Path(path))


def rows_for(candidates: Sequence[Candidate]) -> tuple[ModelConfig, ...]:
    """Return one neutral row for each adapter; its model_id is made from the adapter's name."""
    rows: dict[str, ModelConfig] = {}
    for each in candidates:
        model_id = free_id(each.name, rows)
        rows[model_id] = ModelConfig(
            model_id=model_id,
            model_name=each.name,
            lora_rank=each.rank,
            lora_alpha=each.alpha,
            adapter=str(each.folder) if each.folder else None,
            base_model=each.base if each.base_stated else None,
        )
    return tuple(rows.values())


def _roster_of(found: FoundAdapters, base_model: str | None, name: str) -> Roster:
    """Make a roster of all adapters found.

    Without a `base_model`, the first adapter's base is the roster's, and a row that is made for another base names it.
    """
    bases = [base_model] if base_model else [*found.adapter_bases, *found.bases]
    if not bases:
        raise UsageError("the adapters do not say which base model they belong to; give base_model=")
    rows = [
        row if base_model or each.fits(bases[0]) else row.model_copy(update={"base_model": each.base})
        for row, each in zip(rows_for(found.candidates), found.candidates, strict=True)
    ]
    return Roster(name=name, base_model=bases[0], models=tuple(rows))


def _in_table(finding: Finding, table: Table) -> Problem:
    """Return a finding about a roster made of a table as a problem of the table's line."""
    path = finding.path
    line = table.rows[path[1]][0] if len(path) > 1 and isinstance(path[1], int) else 0
    return Problem(table.name, line, dotted(path), finding.message, finding.suggestion)


def examine_roster(composed: ComposedRoster) -> tuple[Roster | None, tuple[Problem, ...]]:
    """Return the roster of a chain of files, or None, and every problem of it."""
    data, wrong = composed.data, list[Finding]()
    if PEOPLE in data:
        data, wrong = with_people(data, composed.folder_of((PEOPLE,)), tuple(ModelConfig.model_fields))
    roster, findings = examine(Roster, data, _findings)
    problems = composed.all_problems(wrong or findings)
    return (None if problems else roster), problems


def _findings(data: RawMapping) -> Iterator[Finding]:
    return roster_findings(data, keys=tuple(Roster.model_fields), row_keys=tuple(ModelConfig.model_fields))


def shipped_rosters() -> tuple[str, ...]:
    """Return the names of the shipped rosters, sorted."""
    return tuple(shipped_files(FOLDER))


def roster_schema() -> dict[str, Any]:
    """Return the JSON Schema of a roster file, for editors."""
    from agents.players.policies import POLICIES

    schema = Roster.model_json_schema()
    policy = schema["$defs"]["ModelConfig"]["properties"]["policy"]
    policy["anyOf"][0]["enum"] = list(POLICIES)
    people = PeopleConfig.model_json_schema()
    schema["$defs"] |= people.pop("$defs", {})
    schema["properties"][PEOPLE] = people
    schema["properties"][EXTENDS] = {
        "description": "The roster this one builds on: a file, relative to this one, or a shipped roster's name.",
        "type": "string",
        "minLength": 1,
    }
    schema["$defs"]["ModelConfig"]["properties"][REMOVE] = {
        "description": "Removes the row of this model_id from the roster that is extended.",
        "const": True,
    }
    named = [key for key in schema["required"] if key != "models"]
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": [*named, PEOPLE]}, {"required": [EXTENDS]}]
    return schema
