"""The `events` section of a scenario file: what happens to a run before set steps.

events:
  - {at: "1.3", to: [ada, ben], show: "The lake is closed tomorrow."}
  - {at: "*.2", to: 0.5, mute: true}
  - {at: "2.1", set: {multiplier: 3}}
  - {at: "1.4", post: {author: ada, text: "It is open again."}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from agents.file_model import FileModel, Flag, Real, Text, Whole
from agents.findings import Finding, RawMapping, refuse, shown
from agents.problems import nearest
from agents.roster_rules import mappings
from simulation.games import find_game
from simulation.interviews.moments import LAST, moment_of
from simulation.interviews.survey import MomentTexts, listed_moments, moment_findings, never_findings
from simulation.seats import Seat
from simulation.task import NETWORK, raw_parameters, raw_setting

ALL = "all"
KINDS = ("show", "post", "vote", "set", "mute", "adapter")
"""What can happen; an event is one of these."""


class Team(FileModel):
    """Everyone in a team."""

    team: Text
    """The team_id."""


class SeededPost(FileModel):
    """A post that nobody's act publishes."""

    author: Text
    """The model_id under whose name it appears."""
    text: Text
    """What it says."""


class SeededVotes(FileModel):
    """Votes of nobody in the network."""

    item: Whole = Field(ge=1)
    """The number of the post or comment in the episode, as prompts and tables show it."""
    likes: Whole = Field(default=0, ge=0)
    """Likes that it gets."""
    dislikes: Whole = Field(default=0, ge=0)
    """Dislikes that it gets."""


def _form(value: object) -> str:
    if isinstance(value, (Mapping, Team)):
        return "team"
    return "share" if isinstance(value, (int, float)) else "all" if value == ALL else "models"


def _one_model(value: object) -> object:
    return [value] if isinstance(value, str) else value


Addressees = Annotated[
    Annotated[Literal["all"], Tag("all")]
    | Annotated[Team, Tag("team")]
    | Annotated[Annotated[Real, Field(gt=0, le=1)], Tag("share")]
    | Annotated[Annotated[tuple[Text, ...], Field(min_length=1)], BeforeValidator(_one_model), Tag("models")],
    Discriminator(_form),
]


class Intervention(FileModel):
    """Something that happens to a run before set steps."""

    at: MomentTexts
    """Before which steps: EPISODE.STEP in quotes, both counted from 1, or a list. `*` is every one: `"*.2"`."""
    to: Addressees = "all"
    """To whom: all, model_ids, {team: NAME}, or a share (0-1) that the seed draws."""
    show: Text | None = None
    """A text in their prompts of the step."""
    post: SeededPost | None = None
    """A post in a social network: {author, text}."""
    vote: SeededVotes | None = None
    """Votes on a post or comment of a social network: {item, likes, dislikes}."""
    set: Mapping[str, Any] | None = Field(default=None, min_length=1)
    """Parameters of the game from this step on, by name."""
    mute: Flag | None = None
    """true: they send no messages and do not act in a network, from this step on; false: they do again."""
    adapter: Text | None = None
    """The adapter that they are asked for from this step on: one of the roster's."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Intervention:
        refuse(intervention_findings(self.model_dump(mode="json", exclude_none=True)))
        return self

    @property
    def kind(self) -> str:
        """Return what happens: one of `KINDS`."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def detail(self) -> Any:
        """Return what happens in plain data: a text, a mapping or a flag."""
        return self.model_dump(mode="json")[self.kind]

    def is_due(self, episode: int, step: int) -> bool:
        """Return whether it happens before a step; both from 0."""
        return any(moment_of(text).is_at(episode, step, False) for text in self.at)


def intervention_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw event beyond the types of its fields."""
    yield from moment_findings(data)
    for place, text in enumerate(listed_moments(data)):
        if isinstance(text, str) and text.strip().endswith(f".{LAST}"):
            yield Finding(("at", place), f"{shown(text)}: no one knows which step is the last", "name the step")
    given = [name for name in KINDS if data.get(name) is not None]
    if len(given) != 1:
        said = f"says {' and '.join(given)}" if given else "says nothing that happens"
        yield Finding((), said, f"write one of {', '.join(KINDS)}")


def events_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in the `events` of a raw scenario, each alone and with what is played."""
    for index, event in mappings(data.get("events")):
        found = (*intervention_findings(event), *never_findings(event, data), *_unfit_findings(event, data))
        yield from (finding.under("events", index) for finding in found)


def _unfit_findings(event: RawMapping, data: RawMapping) -> Iterator[Finding]:
    """Yield where an event does not fit the tasks that are played when it happens."""
    for task in _tasks_at(event, data):
        name = task.get("task_id")
        for kind in ("post", "vote"):
            if event.get(kind) is not None and task.get("task_type") != NETWORK:
                yield Finding((kind,), f"the task {shown(name)} is no social network", "name another step")
        values = event.get("set")
        if isinstance(values, Mapping):
            yield from _value_findings(values, task)


def _value_findings(values: RawMapping, task: RawMapping) -> Iterator[Finding]:
    if raw_parameters(task) is None:
        return
    fields = list(find_game(task["task_type"]).Parameters.model_fields)
    unknown = [key for key in values if key not in fields]
    for key in unknown:
        yield Finding(("set", key), f"{task['task_type']} has no such parameter", nearest(str(key), fields))
    if not unknown and raw_parameters({**task, "parameters": {**task.get("parameters", {}), **values}}) is None:
        yield Finding(("set",), f"{shown(dict(values))} are no parameters of {task['task_type']}", "")


def _tasks_at(event: RawMapping, data: RawMapping) -> list[RawMapping]:
    """Return the tasks that are played when an event happens; all where it happens in every episode."""
    tasks = [task for _, task in mappings(data.get("tasks"))]
    found: list[RawMapping] = []
    for text in listed_moments(event):
        try:
            episode = moment_of(text).episode
        except ValueError:
            continue
        found += tasks if episode is None else tasks[episode % len(tasks) :][:1] if tasks else []
    return [task for place, task in enumerate(found) if task not in found[:place]]


def addressed_findings(data: RawMapping, roster: RawMapping, seats: Sequence[Seat]) -> Iterator[Finding]:
    """Yield where the `events` of a raw scenario name models, teams or adapters that the roster has not."""
    players = [seat.model_id for seat in seats]
    teams = sorted({seat.team_id for seat in seats if seat.team_id})
    adapters = [str(row["model_name"]) for _, row in mappings(roster.get("models")) if row.get("model_name")]
    for index, event in mappings(data.get("events")):
        found = _stranger_findings(event, players, teams, list(dict.fromkeys(adapters)))
        yield from (finding.under("events", index) for finding in found)
        for task in _tasks_at(event, data):
            values = event.get("set")
            changed = {**task, "parameters": {**task.get("parameters", {}), **values}} if values else task
            parameters = raw_parameters(changed)
            refusal = parameters and find_game(task["task_type"]).refuse(raw_setting(task, tuple(seats)), parameters)
            if values and refusal:
                yield Finding(("events", index, "set"), str(refusal))


def _stranger_findings(
    event: RawMapping, players: Sequence[str], teams: Sequence[str], adapters: Sequence[str]
) -> Iterator[Finding]:
    to, post, adapter = event.get("to"), event.get("post"), event.get("adapter")
    names = [to] if isinstance(to, str) and to != ALL else to if isinstance(to, (list, tuple)) else []
    for name in names:
        if isinstance(name, str) and name not in players:
            yield Finding(("to",), f"no model is called {shown(name)}", nearest(name, list(players)))
    team = to.get("team") if isinstance(to, Mapping) else None
    if isinstance(team, str) and team not in teams:
        hint = nearest(team, list(teams)) if teams else "no row has a team"
        yield Finding(("to", "team"), f"no model is in the team {shown(team)}", hint)
    author = post.get("author") if isinstance(post, Mapping) else None
    if isinstance(author, str) and author not in players:
        yield Finding(("post", "author"), f"no model is called {shown(author)}", nearest(author, list(players)))
    if isinstance(adapter, str) and adapter not in adapters:
        yield Finding(
            ("adapter",), f"no row has the adapter {shown(adapter)}", nearest(adapter, list(adapters) or [""])
        )
