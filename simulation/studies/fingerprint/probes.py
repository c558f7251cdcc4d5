"""The probes of a fingerprint: small visitor runs of one subject among scripted players. Pure.

| probe       | game                    | background            | what it shows                             |
|-------------|-------------------------|-----------------------|-------------------------------------------|
| dilemma     | prisoners_dilemma       | random                | opening, reaction to every last step      |
| conditional | prisoners_dilemma       | tit_for_tat           | the same with a conditional partner       |
| exploited   | prisoners_dilemma       | always_defect         | what a best responder earns from it       |
| goods       | public_goods            | random, random        | gifts as a function of the others' last   |
| punishment  | public_goods_punishment | random, random        | gifts after punishment, dealt at random   |
| talk        | prisoners_dilemma       | random, which hears   | whether it does what its message says     |

Only in `talk` players send messages. Every subject has the same place, name, role and prompt, so that two subjects
differ only in the weights (or the policy) and the sampling that answer. The mode is cooperative. Always defecting is a
best response in a step of the dilemma, and the equilibrium of the finitely repeated dilemma.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from agents.inference.backend import base_name
from agents.language import Language
from agents.problems import UsageError
from agents.role import ModelRole, PopulationPart
from agents.roster import ModelConfig, Roster
from agents.strategy import TrainingMode
from simulation.plan import Plan, Settings
from simulation.runs.run_set import path_name
from simulation.scenario import Scenario, checked_scenario
from simulation.seeds import derive_seed

PLAYER_ID = "player_{}"
"""A player's model id; the subject is the first."""
EPISODES, MAX_TOKENS = 20, 40


class Probe(str, Enum):
    """The probes, see the table above."""

    DILEMMA = "dilemma"
    CONDITIONAL = "conditional"
    EXPLOITED = "exploited"
    GOODS = "goods"
    PUNISHMENT = "punishment"
    TALK = "talk"


@dataclass(frozen=True)
class Setup:
    """One probe: a game and its steps, the policies of the other players, whether players talk."""

    task_type: str
    steps: int
    background: tuple[str, ...]
    talk: bool = False


SETUPS: Mapping[Probe, Setup] = {
    Probe.DILEMMA: Setup("prisoners_dilemma", 6, ("random",)),
    Probe.CONDITIONAL: Setup("prisoners_dilemma", 4, ("tit_for_tat",)),
    Probe.EXPLOITED: Setup("prisoners_dilemma", 4, ("always_defect",)),
    Probe.GOODS: Setup("public_goods", 6, ("random", "random")),
    Probe.PUNISHMENT: Setup("public_goods_punishment", 7, ("random", "random")),
    Probe.TALK: Setup("prisoners_dilemma", 3, ("random",), talk=True),
}


@dataclass(frozen=True)
class Conditions:
    """What all subjects have in common. A `temperature` of 1 draws from a model's own probabilities."""

    role: ModelRole = ModelRole.NEUTRAL
    language: Language = Language.EN
    temperature: float = 1.0
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Subject:
    """Whose fingerprint is taken: `name` is the adapter's name, or policy:NAME; `base` marks the base model."""

    name: str
    row: ModelConfig
    base: bool = False


def subjects(roster: Roster) -> tuple[Subject, ...]:
    """The different players of a roster, its base model last; it takes part unless all rows are scripted.

    Rows differ as subjects in adapter, sampling or policy. Names, roles, teams, specializations and personas make no
    difference, as all subjects get the same.
    """
    found: dict[object, Subject] = {}
    rows = list(roster.models)
    if roster.base_model and not any(_is_base(row, roster) for row in rows):
        rows.append(ModelConfig(model_id=PLAYER_ID.format(1), model_name=roster.base_model))
    for row in rows:
        key = (row.model_name, row.adapter, row.policy, row.sampling)
        found.setdefault(key, Subject(row.model_name or f"policy:{row.policy}", row, _is_base(row, roster)))
    ordered = sorted(found.values(), key=lambda subject: subject.base)
    names = [subject.name for subject in ordered]
    return tuple(_named(subject, names.count(subject.name) > 1) for subject in ordered)


def _is_base(row: ModelConfig, roster: Roster) -> bool:
    if row.model_name is None or roster.base_model is None or row.adapter is not None:
        return False
    return base_name(row.model_name) == base_name(roster.base_model)


def _named(subject: Subject, shared: bool) -> Subject:
    name = f"{subject.name} ({subject.row.model_id})" if shared else subject.name
    return Subject(name, subject.row, subject.base)


def probe_plans(roster: Roster, conditions: Conditions) -> Mapping[str, Plan]:
    """The plan of every subject in every probe, named `<number>-<subject>/<probe>`.

    Raises:
        InvalidFileError: A plan is wrong.
        UsageError: There are fewer than 2 episodes.
    """
    return {
        f"{number:02}-{path_name(subject.name)}/{probe.value}": plan
        for number, subject in enumerate(subjects(roster))
        for probe, plan in _plans(subject, roster, conditions)
    }


def _plans(subject: Subject, roster: Roster, conditions: Conditions) -> Iterator[tuple[Probe, Plan]]:
    fields = {"model_name", "adapter", "policy", "sampling", "lora_rank", "lora_alpha"}
    own = subject.row.model_dump(include=fields)
    focal = ModelConfig(model_id=PLAYER_ID.format(1), role=conditions.role, part=PopulationPart.FOCAL, **own)
    for probe, setup in SETUPS.items():
        others = (
            ModelConfig(model_id=PLAYER_ID.format(number), policy=policy, part=PopulationPart.BACKGROUND)
            for number, policy in enumerate(setup.background, start=2)
        )
        table = Roster(name=roster.name, base_model=roster.base_model, models=(focal, *others))
        yield probe, Plan(_scenario(probe, setup, conditions), table)


def _scenario(probe: Probe, setup: Setup, conditions: Conditions) -> Scenario:
    task = {"task_id": probe.value, "task_type": setup.task_type, "max_steps": setup.steps}
    played = checked_scenario(
        {
            "name": probe.value,
            "mode": TrainingMode.COOPERATIVE.value,
            "roster": "fingerprint",
            "episodes": EPISODES,
            "language": conditions.language.value,
            "tasks": [task],
            "communication": {"talk_rounds": int(setup.talk)},
            "inference": {"temperature": conditions.temperature, "max_tokens": MAX_TOKENS},
        },
        "the probe",
        conditions.settings.changes(),
    )
    if played.episodes < 2:
        raise UsageError("an interval needs at least 2 episodes; add: --episodes 20 (or more)")
    # with one seed a subject would draw the same opening in every probe, and it would count several times
    return played.model_copy(update={"seed": derive_seed(played.seed, "probe", probe.value)})
