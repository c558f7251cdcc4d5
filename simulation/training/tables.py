"""A training as tables: `load_training(path)`.

| table | one row per |
|---|---|
| updates | learner and update |
| versions | version |
| cells | learner, situation, choice and update, where the prompts are few |
| modes | learner, mode and update, in the mode mixed |
| opponents | learner, update and lineup, where `training.opponents` divides the episodes |
| mixtures | learner, update and adapter, where mixtures of adapters are searched |
| gates | learner, gate and partner: what the gate measured and decided |
| league | its own tables, where the training is a league: `simulation.training.league.tables` |
| known_answers | learner of which theory knows what its objective earns in the end |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.learning.versions import mixture_of
from agents.problems import SocietyError
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.result_table import COLOURS
from simulation.plan import Plan
from simulation.sections.training import TrainingMethod
from simulation.training.gate.decision import GateDecision, GateEvidence, GateVerdict
from simulation.training.known_answers import KnownAnswer, common_lines, known_answers
from simulation.training.league.tables import League
from simulation.training.ledger import LearnerUpdate, Ledger
from simulation.training.rollout import ROLLOUTS, is_tabular
from simulation.training.run import SITUATIONS, VERSIONS, read_plan

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Training(StudyResult):
    """A training's folder, read."""

    path: Path
    plan: Plan
    ledger: Ledger

    @cached_property
    def banner(self) -> StudyBanner:
        """What stands above the tables and the pictures: where the texts of the rollouts that are there came from."""
        config, learners = self.plan.scenario.training, ", ".join(self.plan_learners)
        title = f"{self.plan.scenario.name}: training of {learners} by {config.method.value if config else 'nothing'}"
        kind = "the learners are tables of probabilities" if is_tabular(self.plan) else "the learners are LoRA adapters"
        return StudyBanner(title, SourceCounts.below(self.path / ROLLOUTS), (kind,))

    def table(self) -> pd.DataFrame:
        """One row per learner and update: `updates`."""
        return self.updates

    @cached_property
    def updates(self) -> pd.DataFrame:
        """One row per learner and update: the fields of `LearnerUpdate`, with `update`, `learner` and `seconds`."""
        import pandas as pd

        columns = ["update", "learner", *(field.name for field in fields(LearnerUpdate)), "seconds"]
        rows = [
            {"update": line.update, "learner": name, **asdict(made), "seconds": line.seconds}
            for line in self.ledger.lines
            for name, made in line.learners.items()
        ]
        return pd.DataFrame(rows, columns=columns)

    @cached_property
    def versions(self) -> pd.DataFrame:
        """One row per version: learner, update, version, digest, parent and folder."""
        found = self.updates[["learner", "update", "version", "digest", "parent"]].copy()
        found["folder"] = [str(self.path / VERSIONS / name) for name in found["version"]]
        return found

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per learner, situation, choice and update: `probability` before the update."""
        import pandas as pd

        columns = ["update", "learner", "situation", "choice", "probability"]
        return pd.DataFrame(list(self._cells()), columns=columns)

    def _cells(self) -> Iterator[dict[str, Any]]:
        situations = orjson.loads((self.path / SITUATIONS).read_bytes())
        of = {name: [each for each in situations if each["learner"] == name] for name in self.plan_learners}
        for line in self.ledger.lines:
            for name, rows in line.cells.items():
                for situation, row in zip(of[name], rows, strict=True):
                    facts = {"update": line.update, "learner": name, "situation": situation["text"]}
                    for choice, probability in zip(situation["choices"], row, strict=True):
                        yield {**facts, "choice": choice, "probability": probability}

    @cached_property
    def modes(self) -> pd.DataFrame:
        """One row per learner, mode and update of a mixed training.

        `share` is the mode's part of the update's episodes (0-1), `value` what the objective earned in them per step,
        `weight` the part of the update that their replies made: their absolute advantages over those of all (0-1).
        """
        import pandas as pd

        columns = ["update", "learner", "mode", "episodes", "share", "value", "weight"]
        return pd.DataFrame(list(self._modes()), columns=columns)

    def _modes(self) -> Iterator[dict[str, Any]]:
        for line in self.ledger.lines:
            for name, by_mode in line.modes.items():
                total = sum(each.episodes for each in by_mode.values())
                for mode, each in by_mode.items():
                    facts = {"update": line.update, "learner": name, "mode": mode}
                    yield {**facts, **asdict(each), "share": each.episodes / total}

    @cached_property
    def opponents(self) -> pd.DataFrame:
        """One row per learner, update and lineup that it met.

        `kind` is latest, past or scripted; `opponent` a policy, or the versions of the other learners; `value` what the
        learner's objective earned per step.
        """
        import pandas as pd

        columns = ["update", "learner", "kind", "opponent", "episodes", "value"]
        rows = [
            (line.update, name, met.kind, ", ".join(met.opponents.values()), met.episodes, met.value)
            for line in self.ledger.lines
            for name, meetings in line.meetings.items()
            for met in meetings
        ]
        return pd.DataFrame(rows, columns=columns)

    @cached_property
    def mixtures(self) -> pd.DataFrame:
        """One row per learner, update and adapter of an evolution: the adapter's `weight` in the new version."""
        import pandas as pd

        config = self.plan.scenario.training
        searched = config is not None and config.method is TrainingMethod.EVOLUTION
        rows = [
            (row.update, row.learner, adapter, weight)
            for row in (self.versions.itertuples() if searched else ())
            for adapter, weight in mixture_of(Path(str(row.folder))).items()
        ]
        return pd.DataFrame(rows, columns=["update", "learner", "adapter", "weight"])

    @cached_property
    def gates(self) -> pd.DataFrame:
        """One row per decision of the gate and partner: `verdict` and `reason` are the decision's, `passed` its own."""
        import pandas as pd

        whole = [field.name for field in fields(GateDecision) if field.name != "evidence"]
        columns = ["update", "learner", *whole, *(field.name for field in fields(GateEvidence))]
        rows = [
            {"update": line.update, "learner": name, **{key: getattr(found, key) for key in whole}, **asdict(each)}
            for line in self.ledger.lines
            for name, found in line.gates.items()
            for each in found.evidence
        ]
        table = pd.DataFrame(rows, columns=columns)
        table["verdict"] = [GateVerdict(each).value for each in table["verdict"]]
        return table

    @cached_property
    def league(self) -> League | None:
        """The rounds of a league: policies, payoffs, mixtures and NashConv; None for a training without one."""
        if self.plan.scenario.training is None or self.plan.scenario.training.league is None:
            return None
        return League(self.plan, self.ledger)

    @cached_property
    def known_answers(self) -> pd.DataFrame:
        """One row per learner whose value theory knows: `value` (points per step), `answer` (what it is), `source`."""
        import pandas as pd

        return pd.DataFrame(known_answers(self.plan), columns=list(KnownAnswer._fields))

    @property
    def plan_learners(self) -> tuple[str, ...]:
        """The learners, in the order of the scenario."""
        return tuple(self.plan.scenario.training.learners) if self.plan.scenario.training else ()

    def plot(self) -> Figure:
        """The learning curves: what each learner's objective earned before each update.

        A dashed line is what theory knows: `known_answers`.
        """
        import plotly.express as px

        curves = self.updates.dropna(subset=["value"])
        labels = {"value": "what the objective earned a step"}
        look = {"template": "plotly_white", "color_discrete_sequence": list(COLOURS)}
        figure = px.line(curves, x="update", y="value", color="learner", labels=labels, markers=True, **look)
        ends = [curves["update"].min(), curves["update"].max()]
        for known in common_lines(known_answers(self.plan)):
            name, at = f"{known.answer} {known.learner}".strip(), [known.value, known.value]
            figure.add_scatter(x=ends, y=at, name=name, mode="lines", line={"dash": "dash", "color": "gray"})
        return self.banner.above(figure)

    def plot_cells(self, learner: str | None = None) -> Figure:
        """The probability of the first choice in each situation over updates: a table that learns, as a heat map.

        Args:
            learner: Whose; by default the first learner's.
        """
        import plotly.express as px

        who = learner or self.plan_learners[0]
        mine = self.cells[self.cells["learner"] == who]
        if mine.empty:
            why = f"no learner is called {who!r}" if who not in self.plan_learners else "its situations are not known"
            raise SocietyError(f"{why}: cells are there for learners of exact, lola and advantage_alignment")
        first = mine.groupby("situation", sort=False)["choice"].transform("first")
        wide = mine[mine["choice"] == first].pivot(index="situation", columns="update", values="probability")
        wide = wide.loc[list(dict.fromkeys(mine["situation"]))]
        title = f"{who}: P({mine['choice'].iloc[0]}) in each situation"
        banner = replace(self.banner, title=f"{self.banner.title}; {title}")
        return banner.above(px.imshow(wide, aspect="auto", zmin=0, zmax=1, labels={"color": "P"}))


def load_training(path: str | Path) -> Training:
    """Read a training's folder.

    Raises:
        SocietyError: It holds no training.
    """
    folder = Path(path).resolve()
    return Training(folder, read_plan(folder), Ledger(folder))
