"""Known answers: cases with a known outcome, played like any scenario and compared.

    findings = verify(all_cases())

Every case is a plan of scripted players. `run_scenario` plays it in a temporary folder, with OASIS, event log and
tables; its figures are read from the run's tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from agents.roster import ModelConfig, Roster
from agents.strategy import TrainingMode
from simulation.metrics.opinion import clusters
from simulation.metrics.spread import first_cascades
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

EXACT = 1e-9
"""Tolerance of a figure that is an exact sum or a closed form."""


class KnownFigure(str, Enum):
    """What is compared: one value per player in the roster's order, or one value of the episode."""

    PAYOFF = "payoff"
    PER_STEP = "payoff per step"
    ACCURACY = "accuracy"
    EFFICIENCY = "efficiency"
    COOPERATION = "cooperation_score"
    REWARD = "reward_earned"
    MEAN_PER_STEP = "mean payoff per step"
    STEPS = "steps"
    WELFARE = "welfare"
    GINI = "gini"
    OPTIMUM = "optimum"
    NASH = "nash"
    LAST_LEVEL = "level of the last action"
    MEAN_LEVEL = "mean level of the last action"
    CLUSTERS = "clusters of opinion"
    CASCADE = "scale of the first posts' cascades"
    LIKES = "mean share of likes"
    LIKES_VARIANCE = "variance of the share of likes"


OF_EPISODES = frozenset(
    {KnownFigure.STEPS, KnownFigure.WELFARE, KnownFigure.GINI, KnownFigure.OPTIMUM, KnownFigure.NASH}
)
OF_POSTS = frozenset({KnownFigure.CASCADE, KnownFigure.LIKES, KnownFigure.LIKES_VARIANCE})
OF_LAST_STEP = frozenset({KnownFigure.LAST_LEVEL, KnownFigure.MEAN_LEVEL, KnownFigure.CLUSTERS})


@dataclass(frozen=True)
class Play:
    """One task for scripted players: a policy per player, and a team per player where there are teams."""

    game: str
    policies: tuple[str, ...]
    steps: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: TrainingMode = TrainingMode.COMPETITIVE
    teams: tuple[str, ...] = ()
    episodes: int = 1
    seed: int = 1
    talk: bool = False
    task: Mapping[str, Any] = field(default_factory=dict)
    """Other keys of the task: reward_pool, difficulty, cooperation_level."""
    links: tuple[tuple[int, int], ...] = ()
    """Who reaches whom, both ways, by player number; without links everyone reaches everyone."""

    def plan(self) -> Plan:
        """The play as a plan, checked like a file."""
        teams = self.teams or (None,) * len(self.policies)
        rows = tuple(
            ModelConfig(model_id=f"p{number}", policy=policy, team_id=team)
            for number, (policy, team) in enumerate(zip(self.policies, teams, strict=True))
        )
        return Plan(Scenario.model_validate(self._scenario()), Roster(name="verify", models=rows))

    def _scenario(self) -> dict[str, Any]:
        task = {"task_id": "case", "task_type": self.game, "max_steps": self.steps, "required_models": 1}
        return {
            "name": "verify",
            "mode": self.mode.value,
            "roster": "verify",
            "seed": self.seed,
            "episodes": self.episodes,
            "tasks": [{**task, "parameters": self.parameters, **self.task}],
            "communication": {"talk_rounds": int(self.talk), "inbox_limit": None, **self._topology()},
            "inference": {"tiers": ["simulated"]},
        }

    def _topology(self) -> dict[str, Any]:
        return {"topology": [[f"p{one}", f"p{other}"] for one, other in self.links]} if self.links else {}


@dataclass(frozen=True)
class Expected:
    """A figure's known values; one absolute tolerance for all of them."""

    figure: KnownFigure
    values: tuple[float, ...]
    tolerance: float = EXACT


@dataclass(frozen=True)
class KnownCase:
    """A play with known answers, and their source."""

    name: str
    play: Play
    expected: tuple[Expected, ...]
    source: str


@dataclass(frozen=True)
class CaseResult:
    """A figure of a case: the expected values and those of the run."""

    case: str
    figure: KnownFigure
    expected: tuple[float, ...]
    got: tuple[float, ...]
    tolerance: float
    source: str

    @property
    def passed(self) -> bool:
        """Whether the number of values is as expected, and each is within the tolerance."""
        same_number = len(self.got) == len(self.expected)
        return same_number and all(abs(a - b) <= self.tolerance for a, b in zip(self.got, self.expected, strict=True))


def verify(cases: Iterable[KnownCase], on_case: Callable[[KnownCase], None] | None = None) -> list[CaseResult]:
    """Play every case and compare it.

    Args:
        cases: The cases.
        on_case: Called with each case before it is played.

    Raises:
        InvalidFileError: A case cannot be played.
    """
    findings: list[CaseResult] = []
    with TemporaryDirectory() as scratch:
        for case in cases:
            if on_case is not None:
                on_case(case)
            findings += compare(case, run_scenario(case.play.plan(), out=Path(scratch)))
    return findings


def compare(case: KnownCase, run: Run) -> list[CaseResult]:
    """The figures of a run of the case's plan, with the expected ones."""
    return [
        CaseResult(case.name, each.figure, each.values, read(run, each.figure), each.tolerance, case.source)
        for each in case.expected
    ]


def read(run: Run, figure: KnownFigure) -> tuple[float, ...]:
    """A figure of a run: its mean over episodes."""
    if figure in OF_EPISODES:
        return (float(run.episodes[figure.value].mean()),)
    if figure in (KnownFigure.PER_STEP, KnownFigure.MEAN_PER_STEP):
        per_step = [value / _steps(run) for value in _per_player(run, KnownFigure.PAYOFF)]
        return tuple(per_step) if figure is KnownFigure.PER_STEP else (sum(per_step) / len(per_step),)
    if figure in OF_LAST_STEP:
        return _of_last_step(run, figure)
    if figure in OF_POSTS:
        return (_of_posts(run, figure),)
    return _per_player(run, figure)


def _of_last_step(run: Run, figure: KnownFigure) -> tuple[float, ...]:
    last = run.steps[run.steps["step"] == run.steps["step"].max()]
    if figure is KnownFigure.LAST_LEVEL:
        return _of_players(run, last.groupby("model_id")["cooperation"].mean())
    if figure is KnownFigure.MEAN_LEVEL:
        return (float(last["cooperation"].mean()),)
    return (float(last.groupby("episode")["cooperation"].apply(clusters).mean()),)


def _of_posts(run: Run, figure: KnownFigure) -> float:
    if figure is KnownFigure.CASCADE:
        trees = first_cascades(run)
        return sum(len(tree) for tree in trees.values()) / len(trees)
    posts = run.posts[run.posts["parent"] == 0]
    shares = (posts["likes"] / (posts["likes"] + posts["dislikes"])).to_numpy(float)
    return float(shares.mean() if figure is KnownFigure.LIKES else shares.var(ddof=1))


def _per_player(run: Run, figure: KnownFigure) -> tuple[float, ...]:
    return _of_players(run, run.outcomes.groupby("model_id", observed=True)[figure.value].mean())


def _of_players(run: Run, by_model: pd.Series[float]) -> tuple[float, ...]:
    return tuple(float(by_model[config.model_id]) for config in run.roster.expand())


def _steps(run: Run) -> float:
    return float(run.episodes["steps"].mean())
