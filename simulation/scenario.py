"""The scenario schema: what a scenario file may say.

`Scenario.load` reads a file and checks it whole, its roster included; `Plan.load` keeps both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from agents.file_model import FileModel, Real, Text, Whole
from agents.findings import Finding, RawMapping, dotted, examine, refuse, shown
from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.provenance import FALLBACK_ORDER, Sampling, Tier
from agents.inference.servers.balancing import Balancing
from agents.language import Language
from agents.problems import InvalidFileError, Problem
from agents.roster_rules import mappings, name_findings
from agents.social import SocialActionName
from agents.strategy import TrainingMode
from agents.web_address import address_findings
from agents.yaml_file import shipped_files
from simulation.modes import MixingPolicy
from simulation.sweep_values import SweptValues, sweep_findings
from simulation.task import TrainingTask, task_findings
from simulation.topology import TopologyKind
from simulation.treatment import Treatment

FOLDER = Path(__file__).parent.parent / "scenarios"

if TYPE_CHECKING:
    FallbackTier = Tier
else:
    FallbackTier = Literal[FALLBACK_ORDER]  # one of these: nothing falls to a scripted player or a person


class Mixing(FileModel):
    """How a mixed run picks the mode of an episode; `simulation.modes` tells what each policy does."""

    policy: MixingPolicy = MixingPolicy.UCB1
    """fixed_cycle, cooperation_level, or a bandit that learns from past welfare: ucb1, exp3."""
    gamma: Real = Field(default=0.2, gt=0, le=1)
    """exp3 only: the share of picks that explore."""


class MixedMode(FileModel):
    """`mode: {mixed: {policy: exp3}}`: the mixed mode with its mixing spelt out."""

    mixed: Mixing
    """How the mode of an episode is picked."""


def _shape(value: object) -> str:
    """Which member of a union a raw value is meant for: pydantic then reports on that one only."""
    return "<structure>" if isinstance(value, (Mapping, list, tuple, FileModel)) else "<word>"


ModeSetting = Annotated[
    Annotated[TrainingMode, Tag("<word>")] | Annotated[MixedMode, Tag("<structure>")], Discriminator(_shape)
]
TopologySetting = Annotated[
    Annotated[TopologyKind, Tag("<word>")] | Annotated[tuple[tuple[str, str], ...], Tag("<structure>")],
    Discriminator(_shape),
]


class Communication(FileModel):
    """Who can reach whom, and how much is said. The mode narrows it further."""

    topology: TopologySetting = TopologyKind.COMPLETE
    """complete, ring, star (the first player is the hub), small_world, scale_free, or pairs of model ids."""
    degree: Whole = Field(default=4, ge=2)
    """small_world and scale_free: the mean number of neighbours."""
    rewire: Real = Field(default=0.1, ge=0, le=1)
    """small_world: the probability that a link is moved."""
    talk_rounds: Whole = Field(default=1, ge=0)
    """Rounds of messages before each decision; 0 is silence."""
    message_budget: Whole | None = Field(default=None, ge=0)
    """Messages a model may send in an episode; null is no limit."""
    inbox_limit: Whole | None = Field(default=16, ge=1)
    """Messages a model hears in a talk round, drawn by the seed where more arrive; null is no limit."""
    social_actions: tuple[SocialActionName, ...] = ()
    """What models may do in the social network, once a step, by calling a tool: create_post, create_comment, like_post,
    follow, do_nothing."""
    treatment: Treatment = Treatment.DELIVERED
    """What becomes of messages before they are heard: delivered, silenced, shuffled or replaced."""


class EndpointConfig(FileModel):
    """One server, spelt out."""

    url: Text
    """An http(s) URL that ends in /v1."""
    api_key_env: Text | None = None
    """The environment variable that holds the server's API key, or its name in the system's keyring; no file holds the
    key itself."""
    weight: Real = Field(default=1.0, gt=0)
    """Its share of the calls, against the others'."""
    adapters: tuple[Text, ...] | None = None
    """The adapters it is asked for; null is all it serves."""


EndpointSetting = Annotated[
    Annotated[str, Tag("<word>")] | Annotated[EndpointConfig, Tag("<structure>")], Discriminator(_shape)
]


class InferenceConfig(FileModel):
    """Where replies come from and how they are drawn."""

    endpoints: tuple[EndpointSetting, ...] = Field(default=("http://localhost:8001/v1",), min_length=1)
    """The servers: http(s) URLs that end in /v1, or `{url: ..., weight: 2}`."""
    tiers: tuple[FallbackTier, ...] = Field(default=FALLBACK_ORDER, min_length=1)
    """The tiers that may answer, tried in this order."""
    require: FallbackTier | None = None
    """The tier below which the run stops rather than falls."""
    max_tokens: Whole = Field(default=64, ge=1, le=4096)
    """The longest reply, in tokens."""
    temperature: Real = Field(default=0.7, ge=0, le=2)
    """0 is greedy."""
    top_p: Real = Field(default=1.0, gt=0, le=1)
    """The probability mass that is sampled from."""
    timeout: Real = Field(default=60.0, gt=0)
    """Seconds for one attempt, once it is sent."""
    deadline: Real = Field(default=300.0, gt=0)
    """Seconds for all attempts of a call at servers, waits included; then it falls a tier."""
    retries: Whole = Field(default=2, ge=0)
    """Attempts after every server was tried once."""
    concurrency: Whole = Field(default=64, ge=1)
    """Calls in flight at a time at each server, at most: it adapts to what the server takes."""
    balancing: Balancing = Balancing.ADAPTER_AFFINITY
    """The policy by which one of several servers takes a call."""
    replicas: Whole = Field(default=2, ge=1)
    """adapter_affinity: the number of servers an adapter is kept to."""
    hedge: Real | None = Field(default=None, gt=0)
    """Seconds after which an unanswered call is also sent to another server; null is never."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> InferenceConfig:
        refuse(inference_findings(self.model_dump(mode="json")))
        return self

    def settings(self) -> InferenceSettings:
        """How the client may behave."""
        return InferenceSettings(
            tiers=self.tiers,
            require=self.require,
            timeout=self.timeout,
            deadline=self.deadline,
            retries=self.retries,
            concurrency=self.concurrency,
            balancing=self.balancing,
            replicas=self.replicas,
            hedge=self.hedge,
        )

    def servers(self) -> tuple[EndpointSettings, ...]:
        """The endpoints as the client takes them."""
        return tuple(
            EndpointSettings(each) if isinstance(each, str) else EndpointSettings(**each.model_dump())
            for each in self.endpoints
        )

    def sampling(self) -> Sampling:
        """How a reply is drawn where a roster row says nothing else."""
        return Sampling(self.temperature, self.top_p, self.max_tokens)


class Scenario(FileModel):
    """One scenario file. `mode` and `mixing` come from the file's `mode`, a word or a mapping."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: str
    """The scenario's name: letters, digits, _ - . only, at most 64."""
    description: str = ""
    """What the scenario shows, in a line."""
    mode_setting: ModeSetting = Field(alias="mode")
    """cooperative, competitive, team_battle or mixed; `{mixed: {policy: exp3}}` spells the mixing out."""
    roster: Text
    """A shipped roster's name, or a file, relative to this one."""
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
    inference: InferenceConfig = Field(default_factory=InferenceConfig)
    """Where replies come from and how they are drawn."""
    sweep: dict[str, SweptValues] = Field(default_factory=dict)
    """What `society sweep` varies: by dotted key a list of values, or of ranges (`seed: [1..10]`). Each combination is
    a run."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Scenario:
        refuse(scenario_findings(self.model_dump(mode="json")))
        return self

    @property
    def mode(self) -> TrainingMode:
        """The mode in one word."""
        return TrainingMode.MIXED if isinstance(self.mode_setting, MixedMode) else self.mode_setting

    @property
    def mixing(self) -> Mixing:
        """How a mixed run picks modes; the default where the file does not spell it out."""
        return self.mode_setting.mixed if isinstance(self.mode_setting, MixedMode) else Mixing()

    @classmethod
    def load(cls, path_or_name: str | Path, overrides: Mapping[str, str] | None = None) -> Scenario:
        """The scenario in a file, or the shipped one of that name, checked together with its roster.

        `overrides` maps dotted keys to YAML text (`{"tasks.0.max_steps": "3"}`). Raises InvalidFileError with
        every mistake in both files. `Plan.load` is the same and keeps the roster.
        """
        from simulation.plan import Plan

        return Plan.load(path_or_name, overrides).scenario


def checked_scenario(data: RawMapping, source: str) -> Scenario:
    """The scenario in raw data that has no file. Raises InvalidFileError with every mistake, as of `source`."""
    valid, findings = examine(Scenario, data, scenario_findings)
    if valid is None:
        raise InvalidFileError(
            Problem(source, 0, dotted(each.path), each.message, each.suggestion) for each in findings
        )
    return valid


def scenario_findings(data: RawMapping) -> Iterator[Finding]:
    """What is wrong in a raw scenario beyond the types of its fields."""
    yield from name_findings("name", data.get("name"))
    tasks = mappings(data.get("tasks"))
    for index, task in tasks:
        yield from (finding.under("tasks", index) for finding in task_findings(task))
    yield from _duplicate_tasks(tasks)
    yield from sweep_findings(data.get("sweep"))
    inference = data.get("inference")
    if isinstance(inference, Mapping):
        yield from (finding.under("inference") for finding in inference_findings(inference))


def _duplicate_tasks(tasks: list[tuple[int, RawMapping]]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, task in tasks:
        task_id = task.get("task_id")
        if not isinstance(task_id, str):
            continue
        if task_id in first:
            message = f"the task_id {shown(task_id)} is taken by tasks.{first[task_id]}"
            yield Finding(("tasks", index, "task_id"), message)
        first.setdefault(task_id, index)


def inference_findings(data: RawMapping) -> Iterator[Finding]:
    """What is wrong in a raw `inference` beyond the types of its fields."""
    endpoints = data.get("endpoints")
    for index, endpoint in enumerate(endpoints if isinstance(endpoints, (list, tuple)) else ()):
        spelt_out = isinstance(endpoint, Mapping)
        path = ("endpoints", index, "url") if spelt_out else ("endpoints", index)
        yield from address_findings(path, endpoint.get("url") if spelt_out else endpoint)
    yield from _floor_findings(data)


def _floor_findings(data: RawMapping) -> Iterator[Finding]:
    order = [tier.value for tier in FALLBACK_ORDER]
    require, tiers = data.get("require"), data.get("tiers", order)
    if require not in order or not isinstance(tiers, (list, tuple)) or not all(t in order for t in tiers):
        return
    if tiers and not any(order.index(tier) <= order.index(require) for tier in tiers):
        hint = f"nearest valid: {min(tiers, key=order.index)}"
        yield Finding(("require",), f"{shown(require)} leaves none of the tiers allowed", hint)


def shipped_scenarios() -> tuple[str, ...]:
    """The names of the scenarios that ship, sorted."""
    return tuple(shipped_files(FOLDER))


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors: with every game and its parameters."""
    from simulation.authoring.schema import scenario_schema as schema

    return schema()
