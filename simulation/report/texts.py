"""Messages and decisions for the browser: column by column, repeated values once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import Tier
from simulation.tables.players import stand_in

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


@dataclass(frozen=True)
class Coded:
    """A column of few different values: a row's value is `values[codes[row]]`."""

    values: list[str]
    codes: list[int]


@dataclass(frozen=True)
class Texts:
    """Messages, then decisions, one row each.

    Attributes:
        kind: message or decision.
        episode: The episode, from 1.
        step: The step, from 1.
        talk_round: The talk round, from 1; 0 for decisions.
        sender: The model.
        team: Its team; empty without one.
        tier: The tier of the text.
        adapter: The adapter that wrote it, or the stand-in that was simulated.
        heard: How many models heard the message; 0 for decisions.
        said: The message, or the decision in the game's words; empty where it was not legal.
    """

    kind: Coded
    episode: list[int]
    step: list[int]
    talk_round: list[int]
    sender: Coded
    team: Coded
    tier: Coded
    adapter: Coded
    heard: list[int]
    said: list[str]


def texts_of(run: Run) -> Texts:
    """Every message and decision of a run."""
    import pandas as pd

    messages, decisions = run.messages, run.decisions
    teams = {config.model_id: config.team_id or "" for config in run.roster.expand()}
    stand_ins = {config.model_id: stand_in(config.role.value) for config in run.roster.expand()}
    sent = _common(messages, "sender").assign(
        kind="message",
        talk_round=messages["talk_round"] + 1,
        heard=messages["audience"].map(len),
        said=messages["text"].astype(object),
    )
    decided = _common(decisions, "model_id").assign(
        kind="decision", talk_round=0, heard=0, said=decisions["action"].astype(object).fillna("")
    )
    rows = pd.concat([sent, decided], ignore_index=True)
    rows["team"] = rows["sender"].map(teams)
    rows["adapter"] = rows["adapter"].where(rows["tier"] != Tier.SIMULATED.value, rows["sender"].map(stand_ins))
    return Texts(
        kind=_coded(rows["kind"]),
        episode=_counts(rows["episode"] + 1),
        step=_counts(rows["step"] + 1),
        talk_round=_counts(rows["talk_round"]),
        sender=_coded(rows["sender"]),
        team=_coded(rows["team"]),
        tier=_coded(rows["tier"]),
        adapter=_coded(rows["adapter"]),
        heard=_counts(rows["heard"]),
        said=[str(text) for text in rows["said"]],
    )


def _common(frame: pd.DataFrame, who: str) -> pd.DataFrame:
    named = frame[["episode", "step", "tier", "adapter"]].astype({"tier": str, "adapter": str})
    return named.assign(sender=frame[who].astype(str))


def _counts(column: Any) -> list[int]:
    return [int(value) for value in column]


def _coded(column: Any) -> Coded:
    import pandas as pd

    codes, values = pd.factorize(column.astype(str), sort=True)
    return Coded([str(value) for value in values], [int(code) for code in codes])
