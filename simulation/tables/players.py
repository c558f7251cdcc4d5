"""Who played: an adapter is named only where a language model answered for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


NOT_ASKED = "not asked"


def stand_in(role: str) -> str:
    """Return the name of what plays where no language model answers: the scripted policy of a role."""
    return f"simulated {role}"


def player_name(model_name: str, role: str, simulated: int, texts: int) -> str:
    """Return who played a row.

    Args:
        model_name: The row's adapter, or `policy:NAME`.
        role: Its role.
        simulated: How many of its texts were simulated.
        texts: All its texts: messages, decisions and social actions.

    Returns:
        The adapter; `simulated ROLE` where all texts were simulated; where some were, the adapter and how many;
        `not asked` where there are no texts.
    """
    if not texts:
        return NOT_ASKED
    if not simulated:
        return model_name
    return stand_in(role) if simulated >= texts else f"{model_name}, {simulated} of {texts} simulated"


def player_names(rows: pd.DataFrame, counts: pd.DataFrame) -> list[str]:
    """Return who played each row.

    Args:
        rows: Have the columns `model_name` and `role`.
        counts: Have the columns `simulated` and `texts`, for the same rows.
    """
    columns = (rows["model_name"], rows["role"], counts["simulated"], counts["texts"])
    return [player_name(str(name), str(role), int(n), int(of)) for name, role, n, of in zip(*columns, strict=True)]
