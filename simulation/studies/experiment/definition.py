"""What an experiment plays and measures: a scenario, its arms, and the metrics that tell them apart.

name: polarisation
scenario: two_camps
control: alone
arms:
  alone: {communication.talk_rounds: 0}
  mixed: {communication.rewire: 1.0}
measures: [opinion_course.polarisation]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from agents.file_model import FileModel, FilledName, Text, Whole
from agents.findings import Finding, RawMapping, examine, refuse, shown
from agents.problems import InvalidFileError, nearest
from agents.yaml_file import find_file, is_file, read_yaml, shipped_files
from simulation.metrics import metrics
from simulation.runs.run_set import path_name
from simulation.scenario import FOLDER

PART = "."
"""Stands between a metric's name and the part of it that is measured."""


class Experiment(FileModel):
    """One experiment's file."""

    name: FilledName
    """The experiment's name."""
    description: str = ""
    """What it asks, in a line."""
    scenario: Text
    """What all arms play: a shipped scenario's name, or a file relative to this one."""
    arms: Mapping[FilledName, Mapping[str, Any]] = Field(min_length=2)
    """The conditions by name: each has values by dotted key that replace the scenario's."""
    control: Text
    """The arm that the others are compared with."""
    seeds: Whole = Field(default=8, ge=1)
    """How many runs each arm has, with consecutive seeds from the scenario's."""
    measures: tuple[Text, ...] = Field(min_length=1)
    """Registered metrics that have one value for a run, as `metric`, or `metric.part` where a metric has several."""

    @field_validator("measures", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Experiment:
        refuse(experiment_findings(self.model_dump(mode="json")))
        return self


def experiment_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw experiment beyond the types of its fields."""
    arms, measures = data.get("arms"), data.get("measures")
    names = list(arms) if isinstance(arms, Mapping) else []
    control = data.get("control")
    if names and isinstance(control, str) and control not in names:
        yield Finding(("control",), f"{shown(control)} is no arm", nearest(control, [str(name) for name in names]))
    for name in names:
        if path_name(str(name)) != str(name):
            yield Finding(("arms", name), f"{shown(name)} cannot name a folder", "write letters, digits, - and _")
        if isinstance(arms, Mapping) and isinstance(arms[name], Mapping) and "seed" in arms[name]:
            yield Finding(("arms", name, "seed"), "every arm has the same seeds", "set seed in the scenario")
    for place, measure in enumerate(measures if isinstance(measures, (list, tuple)) else ()):
        name = str(measure).partition(PART)[0]
        if name not in metrics():
            hint = nearest(name, list(metrics()))
            yield Finding(("measures", place), f"no metric is called {shown(name)}", hint)


def shipped_experiments() -> Mapping[str, Path]:
    """Return the files of the shipped experiments by name."""
    files = shipped_files(FOLDER / "experiments")
    return {name: path for name, path in files.items() if "arms" in read_yaml(path).data}


def experiment_file(source: str | Path) -> Path:
    """Return the file of a path or a shipped name. Raises InvalidFileError where there is none."""
    return find_file(source, "experiment", shipped_experiments())


def read_experiment(source: str | Path) -> tuple[Experiment, Path]:
    """Return the experiment in a file, or the shipped one of that name, and its scenario's file.

    Raises:
        InvalidFileError: Holds every mistake in the file.
    """
    path = experiment_file(source)
    file = read_yaml(path)
    found, findings = examine(Experiment, file.data, experiment_findings)
    problems = file.all_problems(findings)
    if problems or found is None:
        raise InvalidFileError(problems)
    beside = path.parent / found.scenario
    try:
        return found, beside if is_file(beside) else find_file(found.scenario, "scenario", shipped_files(FOLDER))
    except InvalidFileError as error:
        missing = (Finding(("scenario",), each.message, each.suggestion) for each in error.problems)
        raise InvalidFileError(file.problem(each) for each in missing) from None
