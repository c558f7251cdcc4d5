"""The scenario schema: what a scenario file may say.

`Scenario.load` and `Plan.load` read a file and check it as a whole, together with its roster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from agents.deliberation import on_or_off
from agents.file_model import FileModel, Name, Real, Text, Whole, plain_value, word_or_structure
from agents.findings import Finding, KeyPath, RawMapping, examine, refuse, shown
from agents.language import Language
from agents.problems import InvalidFileError, Problem, UsageError
from agents.prompt_templates import Templates, templates_of
from agents.roster import FOLDER as ROSTERS
from agents.roster import Roster, examine_roster
from agents.roster_layers import compose_roster
from agents.roster_rules import raw_players
from agents.strategy import TrainingMode
from agents.yaml_file import YamlFile, find_file, is_file, read_yaml, shipped_files
from simulation.interventions.intervention import Intervention
from simulation.interviews.survey import Survey
from simulation.modes import Experience, MixingPolicy
from simulation.own_templates import OwnTemplates, with_templates
from simulation.scenario_rules import plan_findings, scenario_findings
from simulation.sections.inference import InferenceConfig
from simulation.sections.memory import NO_MEMORY, MemoryConfig
from simulation.sections.posts import with_posts
from simulation.sections.training import TrainingConfig
from simulation.sweep_values import SweptValues
from simulation.task import NETWORK, TrainingTask, with_talk_of_networks
from simulation.topology.communication import Communication
from simulation.topology.file import read_network
from simulation.topology.graph import Links, plain_topology

_PACKAGED = Path(__file__).parent / "shipped_scenarios"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "scenarios"
"""Where the shipped scenarios are: in the package where it was installed from a wheel, else in the clone."""


class ModeExperience(FileModel):
    """What earlier episodes of one task in one mode taught."""

    plays: Whole = Field(ge=0)
    """How many there were."""
    welfare: Real
    """The sum of their welfare / optimum."""
    log_weight: Real = 0.0
    """exp3 only: the logarithm of the mode's weight."""


class Mixing(FileModel):
    """How a mixed run picks the mode of an episode; `simulation.modes` explains the policies."""

    policy: MixingPolicy = MixingPolicy.UCB1
    """fixed_cycle, cooperation_level, or a bandit that learns from past welfare: ucb1, exp3."""
    gamma: Real = Field(default=0.2, gt=0, le=1)
    """exp3 only: the share of picks that explore."""
    experience: Mapping[str, Mapping[TrainingMode, ModeExperience]] = Field(default_factory=dict)
    """By task and mode, what earlier episodes taught: a training goes on with what its updates have seen."""

    def begun(self) -> dict[str, Experience]:
        """Return by task what is known before the first episode."""
        return {
            task: Experience(
                plays={mode: each.plays for mode, each in modes.items()},
                welfare={mode: each.welfare for mode, each in modes.items()},
                log_weights={mode: each.log_weight for mode, each in modes.items()},
            )
            for task, modes in self.experience.items()
        }


class MixedMode(FileModel):
    """`mode: {mixed: {policy: exp3}}`: the mixed mode with its policy."""

    mixed: Mixing
    """How the mode of an episode is picked."""


ModeSetting = Annotated[
    Annotated[TrainingMode, Tag("<word>")] | Annotated[MixedMode, Tag("<structure>")], Discriminator(word_or_structure)
]


class OnOrOff(str, Enum):
    """Whether a run keeps something."""

    ON = "on"
    OFF = "off"


class Scenario(FileModel):
    """One scenario file. `mode` and `mixing` come from the file's `mode`, a word or a mapping."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Name
    """The scenario's name: letters, digits, _ - . only, at most 64."""
    description: str = ""
    """What the scenario shows, in a line."""
    mode_setting: ModeSetting = Field(alias="mode")
    """cooperative, competitive, team_battle or mixed; `{mixed: {policy: exp3}}` names the policy too."""
    roster: Text | None = None
    """A shipped roster's name, or a file relative to this one; optional if a roster is given in Python."""
    seed: Whole = Field(default=0, ge=0)
    """The seed every random stream of the run derives from."""
    episodes: Whole = Field(default=1, ge=1)
    """How often each task is played."""
    language: Language = Language.EN
    """The language of prompts and messages."""
    tasks: tuple[TrainingTask, ...] = Field(min_length=1)
    """The tasks, played one after the other."""
    communication: Communication = Communication()
    """Who can reach whom, and how much is said."""
    memory: MemoryConfig = NO_MEMORY
    """What a model's prompt holds of earlier steps of the episode; nothing by default."""
    inference: InferenceConfig = Field(default_factory=InferenceConfig)
    """Where replies come from and how they are drawn."""
    surveys: tuple[Survey, ...] = ()
    """Questions that models are asked after set steps, each alone: the answers are in the table `interviews`, and in no
    prompt. A training asks none."""
    events: tuple[Intervention, ...] = ()
    """What happens to the run before set steps: a text shown, a post or votes seeded, parameters changed, models muted
    or asked for another adapter. A training has none."""
    training: TrainingConfig | None = None
    """Which rows learn and how; only `society train` uses it."""
    prompts: Annotated[OnOrOff, BeforeValidator(on_or_off)] = OnOrOff.ON
    """on, or off for those who must not store what models are asked. Where no language model may answer, off also plays
    in columns, many times as fast."""
    oasis_db: Annotated[OnOrOff, BeforeValidator(on_or_off)] = OnOrOff.ON
    """on, or off for a run that is played in columns and needs no OASIS database."""
    prompt_templates: OwnTemplates = Field(default_factory=dict)
    """A folder, relative to this file, with any of the prompt templates (`decide.j2`, ...) in place of the shipped
    ones; or their texts by name, as the manifest keeps them."""
    sweep: dict[str, SweptValues] = Field(default_factory=dict)
    """What `society run` varies: by dotted key a list of values, or of ranges (`seed: [1..10]`). Each combination is
    a run."""

    @model_validator(mode="before")
    @classmethod
    def _networks_are_silent(cls, data: Any) -> Any:
        return with_talk_of_networks(data)

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Scenario:
        refuse(scenario_findings(self.model_dump(mode="json")))
        return self

    @property
    def mode(self) -> TrainingMode:
        """Return the mode in one word."""
        return TrainingMode.MIXED if isinstance(self.mode_setting, MixedMode) else self.mode_setting

    @property
    def needs_tools(self) -> bool:
        """Return whether models act in a social network, which they do by tool calls."""
        return bool(self.communication.social_actions) or any(task.task_type == NETWORK for task in self.tasks)

    @property
    def in_columns(self) -> bool:
        """Return whether it may be played in columns: nobody keeps prompts, and no task needs OASIS's agents."""
        return self.prompts is OnOrOff.OFF and not self.needs_tools

    @property
    def templates(self) -> Templates:
        """Return the prompt templates in place of the shipped ones."""
        return templates_of(self.prompt_templates)

    @property
    def mixing(self) -> Mixing:
        """Return how a mixed run picks modes; the default if the file does not say."""
        return self.mode_setting.mixed if isinstance(self.mode_setting, MixedMode) else Mixing()

    @classmethod
    def load(cls, path_or_name: str | Path, overrides: Mapping[str, str] | None = None) -> Scenario:
        """Return the scenario in a file, or the shipped one of that name, checked together with its roster.

        Args:
            path_or_name: The file or the shipped scenario's name.
            overrides: YAML text by dotted key (`{"tasks.0.max_steps": "3"}`) that replaces the file's values.

        Raises:
            InvalidFileError: Holds every mistake in both files.
        """
        return read_scenario(path_or_name, set_changes(overrides or {}))[0]


ScenarioSource = str | Path | Scenario | Mapping[str, Any]
"""What a scenario is read from: a file, a shipped name, an object, or a mapping with the file's keys."""


class Change(NamedTuple):
    """A value that replaces one of a scenario.

    Attributes:
        label: What a problem with the value is reported under.
        value: The value.
        text_is_yaml: Whether a text is read as YAML.
    """

    label: str
    value: object
    text_is_yaml: bool = False


def set_changes(values: Mapping[str, object]) -> dict[str, Change]:
    """Return the changes of `--set` and `set=`, by dotted key; a text is read as YAML."""
    return {key: Change(f"--set {key}={plain_value(value)}", value, True) for key, value in values.items()}


def read_scenario(
    source: ScenarioSource,
    changes: Mapping[str, Change] | None = None,
    roster: Roster | str | Path | None = None,
) -> tuple[Scenario, Roster, Path | None]:
    """Read a scenario and its roster and check both in one pass.

    Args:
        source: The scenario.
        changes: Values that replace the scenario's, by dotted key.
        roster: Who plays in place of the roster that the scenario names.

    Returns:
        The scenario, its roster, and the scenario's file where it has one.

    Raises:
        InvalidFileError: Holds every mistake in the scenario, in its roster and between them.
        UsageError: An argument has a wrong type.
    """
    file, path = _file_of(source)
    file, problems = _changed(file, {**(changes or {}), **_roster_change(roster)})
    folder = path.parent if path else Path()
    found, raw_roster, roster_problems = _roster_of(file, folder, roster)
    file, network_problems = _with_network(file, folder, raw_roster)
    file, template_problems = with_templates(file, folder)
    file, post_problems = with_posts(file, folder)
    scenario, findings = examine(Scenario, file.data, scenario_findings)
    between = plan_findings(file.data, raw_roster)
    problems += [*file.all_problems([*findings, *between]), *roster_problems, *network_problems]
    problems += [*template_problems, *post_problems]
    if problems or scenario is None or found is None:
        raise InvalidFileError(problems)
    return scenario, found, path


def _file_of(source: ScenarioSource) -> tuple[YamlFile, Path | None]:
    if isinstance(source, (str, Path)):
        path = find_file(source, "scenario", shipped_files(FOLDER))
        return read_yaml(path), path
    if isinstance(source, Scenario):
        return YamlFile(source.name, source.model_dump(mode="json", exclude_unset=True), {(): 0}), None
    if isinstance(source, Mapping):
        return YamlFile(str(source.get("name", "the scenario")), plain_value(dict(source)), {(): 0}), None
    kinds = "a file, a shipped scenario's name, a Scenario, a Plan or a mapping with a scenario's keys"
    raise UsageError(f"a scenario cannot be read from {shown(source)} ({type(source).__name__}); give {kinds}")


def _changed(file: YamlFile, changes: Mapping[str, Change]) -> tuple[YamlFile, list[Problem]]:
    """Return the file with all changes that can be made, and the problems of the others."""
    problems: list[Problem] = []
    for key, change in changes.items():
        try:
            plain = plain_value(change.value)
            is_yaml = change.text_is_yaml and isinstance(plain, str)
            file = file.override(key, plain) if is_yaml else file.put(key, plain, change.label)
        except InvalidFileError as error:
            problems += error.problems
    return file, problems


def _roster_change(roster: Roster | str | Path | None) -> dict[str, Change]:
    if roster is None:
        return {}
    if not isinstance(roster, (Roster, str, Path)):
        kinds = "a Roster, a file or a shipped roster's name"
        raise UsageError(f"a roster cannot be read from {shown(roster)} ({type(roster).__name__}); give {kinds}")
    name = roster.name if isinstance(roster, Roster) else str(roster)
    return {"roster": Change(f"roster={name}", name)}


def _roster_of(
    file: YamlFile, folder: Path, given: Roster | str | Path | None
) -> tuple[Roster | None, RawMapping, tuple[Problem, ...]]:
    """Return the roster, its raw data, and everything wrong with it."""
    if isinstance(given, Roster):
        return given, given.model_dump(mode="json"), ()
    asked = file.data.get("roster")
    if asked is None:
        missing = Finding(("roster",), "is missing", "name a roster, or give one: roster=")
        return None, {}, (file.problem(missing),)
    if not isinstance(asked, str) or not asked:
        return None, {}, ()
    start = Path() if ("roster",) in file.overrides else folder
    try:
        path = find_file(asked, "roster", shipped_files(ROSTERS), start)
    except InvalidFileError as error:
        found = (Finding(("roster",), f"{shown(asked)}: {each.message}", each.suggestion) for each in error.problems)
        return None, {}, tuple(map(file.problem, found))
    try:
        composed = compose_roster(path, shipped_files(ROSTERS))
    except InvalidFileError as error:
        return None, {}, error.problems
    roster, problems = examine_roster(composed)
    return roster, composed.data, problems


def _with_network(file: YamlFile, folder: Path, roster: RawMapping) -> tuple[YamlFile, tuple[Problem, ...]]:
    """Return the scenario with the links of its network's file, where it names one, and everything wrong with it."""
    communication = file.data.get("communication")
    topology = plain_topology(communication.get("topology")) if isinstance(communication, dict) else None
    if not isinstance(topology, dict) or not isinstance(topology.get("file"), str) or topology.get("edges") is not None:
        return file, ()
    path: KeyPath = ("communication", "topology")
    given = any(path[:end] in file.overrides for end in (1, 2)) or (*path, "file") in file.overrides
    place = (Path() if given else folder) / topology["file"]
    if not is_file(place):
        missing = Finding(path, f"{shown(topology['file'])}: there is no such network file")
        return _with_topology(file, {"edges": []}), (file.problem(missing),)
    players = [model_id for model_id, _ in raw_players(roster) or ()]
    asked = topology.get("directed")
    try:
        wanted = Links(file=topology["file"], directed=asked if isinstance(asked, bool) else None)
        read = read_network(place, wanted, players or None)
    except InvalidFileError as error:
        return _with_topology(file, {"edges": []}), error.problems
    links = {"edges": list(map(list, read.edges or ())), "directed": asked if asked is not None else read.directed}
    return _with_topology(file, {**topology, **links}), ()


def _with_topology(file: YamlFile, topology: dict[str, Any]) -> YamlFile:
    communication = {**file.data["communication"], "topology": topology}
    return replace(file, data={**file.data, "communication": communication})


def checked_scenario(data: RawMapping, source: str, changes: Mapping[str, Change] | None = None) -> Scenario:
    """Return the scenario in raw data that has no file and no roster yet.

    Args:
        data: The keys of a scenario file.
        source: What mistakes are reported under.
        changes: As in `read_scenario`.

    Raises:
        InvalidFileError: Holds every mistake.
    """
    file, problems = _changed(YamlFile(source, dict(data), {(): 0}), changes or {})
    valid, findings = examine(Scenario, file.data, scenario_findings)
    problems += file.all_problems(findings)
    if problems or valid is None:
        raise InvalidFileError(problems)
    return valid


def shipped_scenarios() -> tuple[str, ...]:
    """Return the names of the shipped scenarios, sorted."""
    return tuple(shipped_files(FOLDER))
