"""Which rows may enter a statistic: synthetic ones never silently, a person's never, tiers never mixed unless asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.inference.provenance import Tier
from agents.problems import SocietyError

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


_NOT_FALLEN_TO = (Tier.SCRIPTED.value, "none")


class MixedTiersError(SocietyError):
    """Rows of more than one tier where one was promised; the text names them."""


def comparable_rows(rows: pd.DataFrame, *, synthetic: bool = False, mix_tiers: bool = False) -> pd.DataFrame:
    """Rows (with columns `tier` and `synthetic`) that may be averaged: not the synthetic ones, unless asked for, and
    not a person's, which are no model's.

    Raises MixedTiersError where replies of several tiers are among them and `mix_tiers` is False. A scripted
    player is chosen by the roster, not fallen to, and goes with any tier; so does one that had nothing to say.
    """
    kept = without_people(rows if synthetic else rows[~rows["synthetic"]])
    found = tiers(kept)
    if len(set(found).difference(_NOT_FALLEN_TO)) > 1 and not mix_tiers:
        raise MixedTiersError(
            f"rows of the tiers {', '.join(found)} would be averaged; pick one (society run --require {found[0]}), "
            "or ask for the mix with mix_tiers"
        )
    return kept


def without_people(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows (with a column `tier`) but for those of a person who sat at the table."""
    return rows[rows["tier"] != Tier.HUMAN.value]


def tiers(rows: pd.DataFrame) -> tuple[str, ...]:
    """The tiers replies came from, sorted; scripted players and those never asked aside unless there is
    nothing else."""
    found = sorted({str(tier) for tier in rows["tier"].unique()})
    return tuple(tier for tier in found if tier not in _NOT_FALLEN_TO) or tuple(found)


def with_episode_facts(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of finished episodes, with the columns task_id, task_type and mode of their episode."""
    facts = run.episodes[["episode", "task_id", "task_type", "mode"]]
    return rows.merge(facts, on="episode", how="inner", validate="many_to_one")
