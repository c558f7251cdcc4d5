"""What a raw `training` section must keep to beyond the types of its fields, alone and with the roster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.findings import Finding, RawMapping, shown
from agents.players.policies import POLICIES
from agents.problems import nearest
from agents.roster_rules import mappings, row_ids

TABULAR = "tabular"
"""The policy of a row that learns a table of its own and has no model."""


def training_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw `training` section beyond the types of its fields."""
    method, learners = data.get("method"), data.get("learners")
    for name, learner in learners.items() if isinstance(learners, Mapping) else ():
        teacher = learner.get("teacher") if isinstance(learner, Mapping) else None
        if isinstance(teacher, str) and teacher not in POLICIES:
            hint = nearest(teacher, list(POLICIES))
            yield Finding(("learners", name, "teacher"), f"no policy is called {shown(teacher)}", hint)
        if method == "imitation" and not teacher:
            yield Finding(("learners", name, "teacher"), "is missing", "imitation needs a policy to play like")
    if method == "filtered_imitation" and not data.get("runs"):
        yield Finding(("runs",), "is missing", "filtered_imitation learns from finished runs: name their folders")


def learner_findings(data: RawMapping, roster: RawMapping) -> Iterator[Finding]:
    """Yield where a raw `training` section does not fit a raw roster."""
    learners = data.get("learners")
    rows = {model_id: row for _, row in mappings(roster.get("models")) for model_id in row_ids(row) or ()}
    for name in learners if isinstance(learners, Mapping) else ():
        row = rows.get(name)
        if row is None:
            yield Finding(("learners", name), f"no model is called {shown(name)}", nearest(name, list(rows)))
        elif row.get("policy") not in (None, TABULAR):
            message = f"is played by the policy {row['policy']}, which does not learn"
            yield Finding(("learners", name), message, f"give the row an adapter, or policy: {TABULAR}")
        elif row.get("human"):
            yield Finding(("learners", name), "is played by a person", "only adapters and tables learn")
