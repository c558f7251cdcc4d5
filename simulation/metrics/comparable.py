"""Which rows a statistic may use: none of a person; synthetic ones and several tiers only where asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.inference.provenance import Tier
from agents.problems import SocietyError

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


_NO_FALLBACKS = (Tier.SCRIPTED.value, "none")


class MixedTiersError(SocietyError):
    """Rows of more than one tier would be averaged; the message names the tiers."""


def comparable_rows(rows: pd.DataFrame, *, synthetic: bool = False, mix_tiers: bool = False) -> pd.DataFrame:
    """The rows that may be averaged: those of models.

    A scripted player is chosen by the roster, it is no fallback, so its rows go with any tier; so do those of a
    player that was not asked.

    Args:
        rows: Have the columns `tier` and `synthetic`.
        synthetic: Whether synthetic rows stay.
        mix_tiers: Whether rows of several tiers may be averaged.

    Raises:
        MixedTiersError: There are rows of several tiers, and `mix_tiers` is False.
    """
    comparable = without_people(rows if synthetic else rows[~rows["synthetic"]])
    found = tiers(comparable)
    if len(set(found).difference(_NO_FALLBACKS)) > 1 and not mix_tiers:
        raise MixedTiersError(
            f"rows of the tiers {', '.join(found)} would be averaged; pick one (society run --require {found[0]}), "
            "or ask for the mix with mix_tiers"
        )
    return comparable


def without_people(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that are not a person's; they have a column `tier`."""
    return rows[rows["tier"] != Tier.HUMAN.value]


def tiers(rows: pd.DataFrame) -> tuple[str, ...]:
    """The tiers that replies came from, sorted.

    Scripted players and players that were not asked count only where there is nothing else.
    """
    found = sorted({str(tier) for tier in rows["tier"].unique()})
    return tuple(tier for tier in found if tier not in _NO_FALLBACKS) or tuple(found)


def with_episode_facts(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of finished episodes, with their episode's columns task_id, task_type and mode."""
    facts = run.episodes[["episode", "task_id", "task_type", "mode"]]
    return rows.merge(facts, on="episode", how="inner", validate="many_to_one")
