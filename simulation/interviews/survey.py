"""The `surveys` section of a scenario file: questions that models are asked after set steps of the play."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag, WithJsonSchema, model_validator

from agents.file_model import FileModel, Text, word_or_structure
from agents.findings import Finding, RawMapping, refuse, shown
from agents.problems import nearest
from agents.prompts import Question
from agents.roster_rules import mappings
from simulation.interviews.moments import moment_of
from simulation.interviews.scale import scale_of

ALL = "all"


def _listed(value: object) -> object:
    return [value] if isinstance(value, (str, float)) else value


def _written(value: object) -> object:
    """Return a scale that Python gives as a pair as a file has it."""
    return f"{value[0]}..{value[1]}" if isinstance(value, (list, tuple)) and len(value) == 2 else value


MomentTexts = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}),
]
Who = Annotated[
    Annotated[Literal["all"], Tag("<word>")] | Annotated[tuple[Text, ...], Tag("<structure>")],
    Discriminator(word_or_structure),
]


class Survey(FileModel):
    """A question that models are asked after set steps, each alone; no prompt of the run has the answers."""

    at: MomentTexts
    """After which steps: EPISODE.STEP in quotes, both counted from 1, or a list. `*` is every one, `last` the last
    step of an episode: `["*.1", "*.last"]`."""
    ask: Text
    """The question."""
    scale: Annotated[str, BeforeValidator(_written)] | None = None
    """The least and the greatest answer, whole numbers: `1..7`. Each point's probability is measured. Without a scale
    models answer in a sentence or two."""
    who: Who = "all"
    """The model_ids that are asked, or all. People at the terminal are not asked."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Survey:
        refuse(survey_findings(self.model_dump(mode="json")))
        return self

    @property
    def question(self) -> Question:
        """Return the question as models are asked it."""
        return Question(self.ask, None if self.scale is None else scale_of(self.scale))

    def is_due(self, episode: int, step: int, last: bool) -> bool:
        """Return whether it is asked after a step; `last` tells whether the step is the last of its episode."""
        return any(moment_of(text).is_at(episode, step, last) for text in self.at)

    def asks(self, model_id: str) -> bool:
        """Return whether it is asked of a model."""
        return self.who == ALL or model_id in self.who


def survey_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw survey beyond the types of its fields."""
    yield from moment_findings(data)
    if data.get("scale") is not None:
        yield from _refused(("scale",), scale_of, data["scale"])


def moment_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in the steps that a raw `at` names."""
    for place, text in enumerate(listed_moments(data)):
        if isinstance(text, str):
            yield from _refused(("at", place), moment_of, text)
    if isinstance(data.get("at"), (list, tuple)) and not data["at"]:
        yield Finding(("at",), "names no step", 'write one, for example "*.1"')


def listed_moments(data: RawMapping) -> Sequence[Any]:
    """Return the steps that a raw `at` names; empty where it is no text or list."""
    at = _listed(data.get("at"))
    return at if isinstance(at, (list, tuple)) else ()


def _refused(path: tuple[str | int, ...], read: Any, value: object) -> Iterator[Finding]:
    try:
        read(value)
    except ValueError as error:
        yield Finding(path, f"{shown(value)} is not understood", str(error))


def surveys_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in the `surveys` of a raw scenario, each alone and with what is played."""
    for index, survey in mappings(data.get("surveys")):
        found = (*survey_findings(survey), *never_findings(survey, data))
        yield from (finding.under("surveys", index) for finding in found)


def never_findings(entry: RawMapping, data: RawMapping) -> Iterator[Finding]:
    """Yield the steps that a raw survey or event names and that the scenario does not reach."""
    tasks, repeats = [task for _, task in mappings(data.get("tasks"))], data.get("episodes", 1)
    steps = [task.get("max_steps", 5) for task in tasks]
    if not tasks or not isinstance(repeats, int) or not all(isinstance(each, int) for each in steps):
        return
    for place, text in enumerate(listed_moments(entry)):
        try:
            moment = moment_of(text)
        except ValueError:
            continue
        for what, index, most in (("episode", moment.episode, repeats * len(tasks)), ("step", moment.step, max(steps))):
            if index is not None and index >= most:
                yield Finding(("at", place), f"{shown(text)}: there is no {what} {index + 1}", f"the last is {most}")


def surveyed_findings(data: RawMapping, players: Sequence[str]) -> Iterator[Finding]:
    """Yield where the `surveys` of a raw scenario name models that do not play."""
    for index, survey in mappings(data.get("surveys")):
        yield from (finding.under("surveys", index) for finding in _who_findings(survey, players))


def _who_findings(survey: RawMapping, players: Sequence[str]) -> Iterator[Finding]:
    who = survey.get("who")
    for place, name in enumerate(who if isinstance(who, (list, tuple)) else ()):
        if isinstance(name, str) and name not in players:
            yield Finding(("who", place), f"no model is called {shown(name)}", nearest(name, list(players)))
    if isinstance(who, (list, tuple)) and not who:
        yield Finding(("who",), "names no model", "write all, or model_ids")
