"""What became of the replies of a run: shares of invalid, empty, cut and fallen-back ones, with cause and fix.

| share             | of                                            | bound |
|-------------------|-----------------------------------------------|-------|
| invalid decisions | decisions of models                           | 5 %   |
| invalid acts      | acts of models in the social network          | 5 %   |
| empty             | replies                                       | 5 %   |
| cut               | replies: `finish_reason` is `length`          | 50 %  |
| fell back         | replies                                       | 0 %   |

Rows of scripted players and of people do not count. Above its bound a share has a likely cause and a fix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import CallStatus, Purpose, Tier
from agents.inference.tiers import SERVER_TIERS
from simulation.metrics.calls import ALL_CALLS
from simulation.metrics.registry import metric
from simulation.sections.inference import InferenceConfig

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

BOUNDS: Mapping[str, float] = {
    "invalid decisions": 0.05,
    "invalid acts": 0.05,
    "empty": 0.05,
    "cut": 0.5,
    "fell back": 0.0,
}
"""The share from which each is more than an accident."""
CUT = "length"
_HERE = "defined in simulation.metrics.replies"
_LONGEST_CAUSE = 160
_NO_MODEL = (Tier.SCRIPTED.value, Tier.HUMAN.value)
_SERVED = tuple(tier.value for tier in SERVER_TIERS)
_REAL = tuple(tier.value for tier in Tier if tier.real)


@dataclass(frozen=True)
class ReplyShare:
    """How many of some replies went wrong in one way.

    Attributes:
        name: What went wrong: a key of `BOUNDS`.
        count: How many.
        of: Of how many.
        cause: The likely cause; empty where the share is within its bound.
        fix: What to do about it; empty where the share is within its bound.
    """

    name: str
    count: int
    of: int
    cause: str = ""
    fix: str = ""

    @property
    def share(self) -> float:
        """The share, 0 to 1; 0 of nothing."""
        return self.count / self.of if self.of else 0.0

    @property
    def exceeds(self) -> bool:
        """Whether the share is above its bound."""
        return self.share > BOUNDS[self.name]


def reply_shares(run: Run) -> tuple[ReplyShare, ...]:
    """Return the shares of a run that count anything, in the order of `BOUNDS`."""
    decisions, acts, replies = _of_models(run.decisions), _of_models(run.acts), _replies(run.calls)
    bad = {
        "invalid decisions": (decisions[~decisions["valid"]], decisions),
        "invalid acts": (acts[acts["action"].isna()], acts),
        "empty": (replies[replies["empty"]], replies),
        "cut": (replies[replies["finish_reason"] == CUT], replies),
        "fell back": (replies[replies["fallback_from"] != ""], replies),
    }
    found = [ReplyShare(name, len(rows), len(every)) for name, (rows, every) in bad.items() if len(every)]
    return tuple(_explained(each, bad[each.name][0], run) if each.exceeds else each for each in found)


def without_model_decision(run: Run) -> str:
    """Return why a finished run says nothing about its models' play, as text for the user; empty where it does.

    That is so where models were asked to decide, and no language model gave a legal action though one was allowed to.
    """
    names = [row.model_id for row in run.roster.expand() if row.model_name]
    allowed = run.manifest["scenario"].get("inference", {}).get("tiers", _REAL)
    asked = run.decisions[run.decisions["model_id"].isin(names)]
    played = asked[asked["valid"] & asked["tier"].isin(_REAL)]
    if asked.empty or len(played) or not set(allowed) & set(_REAL):
        return ""
    invalid = int((~asked["valid"]).sum())
    rest = f"{invalid} of the {len(asked)} decisions are invalid" + (
        f", and scripted policies took {len(asked) - invalid} (tier simulated)" if invalid < len(asked) else ""
    )
    return f"no language model gave a legal action: {rest}"


def unanswered_servers(run: Run, given: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the servers that a user named where none of them answered; empty where one did, or none was to answer.

    Args:
        run: A run that ended.
        given: Servers that the command's options named. Those of the scenario and of the roster count as named unless
            they are the default server.
    """
    inference = InferenceConfig.model_validate(run.manifest["scenario"].get("inference", {}))
    default = InferenceConfig.model_fields["endpoints"].default
    asked = [row for row in run.roster.expand() if row.model_name]
    named = [server.url for server in inference.servers() if given or server.url not in default]
    named += [row.endpoint for row in asked if row.endpoint]
    replies = _replies(run.calls)
    answered = bool(replies["tier"].isin(_SERVED).any())
    if not asked or answered or replies.empty or not {tier.value for tier in inference.tiers} & set(_SERVED):
        return ()
    return tuple(dict.fromkeys(named))


@metric(_HERE, ALL_CALLS)
def empty_replies(calls: pd.DataFrame) -> float | None:
    """Share of replies (0-1) with neither text nor tool call."""
    replies = _replies(calls)
    return float(replies["empty"].mean()) if len(replies) else None


@metric(_HERE, ALL_CALLS)
def cut_replies(calls: pd.DataFrame) -> float | None:
    """Share of replies (0-1) that ended because the most tokens were reached: `finish_reason` is `length`."""
    replies = _replies(calls)
    return float((replies["finish_reason"] == CUT).mean()) if len(replies) else None


@metric(_HERE)
def invalid_decisions(run: Run) -> float | None:
    """Share of the decisions of models (0-1) that were no legal action; people and scripted players do not count."""
    decisions = _of_models(run.decisions)
    return float((~decisions["valid"]).mean()) if len(decisions) else None


@metric(_HERE)
def invalid_acts(run: Run) -> float | None:
    """Share of the acts of models in the social network (0-1) that were no legal action."""
    acts = _of_models(run.acts)
    return float(acts["action"].isna().mean()) if len(acts) else None


@metric(_HERE)
def readings(run: Run) -> Mapping[str, float]:
    """Share of the decisions of models (0-1) by how they were read: constrained, exact, extracted, invalid."""
    found = _of_models(run.decisions)["reading"].astype(str)
    return {str(name): float(share) for name, share in found[found != ""].value_counts(normalize=True).items()}


def _of_models(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["tier"].isin(_NO_MODEL)]


def _replies(calls: pd.DataFrame) -> pd.DataFrame:
    return calls[calls["status"].isin((CallStatus.OK.value, CallStatus.CACHED.value))]


def _explained(share: ReplyShare, rows: pd.DataFrame, run: Run) -> ReplyShare:
    cause, fix = _CAUSES[share.name](rows, run)
    return ReplyShare(share.name, share.count, share.of, cause[:_LONGEST_CAUSE], fix)


_CUT_THOUGHT = (
    "the replies ended within the thought",
    "set inference.thinking to off, or to {budget: N} with a larger N",
)
_ONLY_THOUGHT = (
    "the server took the whole reply for a thought",
    "set inference.thinking to off, or start the server without a reasoning parser",
)


def _why_invalid_decisions(rows: pd.DataFrame, run: Run) -> tuple[str, str]:
    calls = _replies(run.calls)
    decides = calls[calls["purpose"] == Purpose.DECIDE.value]
    if _mostly((rows["text"] == "") & (rows["reasoning"] != "")) or _mostly(decides["reasoning_tokens"] > 0):
        return _thought(decides)
    if _mostly(decides["finish_reason"] == CUT):
        return "the replies were cut before they named an option", _more_tokens(run)
    if _mostly(rows["tier"].isin((Tier.HTTP.value, Tier.CAMEL.value))) and _mostly(rows["text"] != ""):
        return (
            "the server did not constrain the replies to the options, and they name none clearly",
            "read them with society show --prompts; society doctor says what the server can constrain",
        )
    return "the replies name no option clearly", "read them with society show --prompts"


def _thought(calls: pd.DataFrame) -> tuple[str, str]:
    """Return why replies are thought and nothing else."""
    return _CUT_THOUGHT if _mostly(calls["finish_reason"] == CUT) else _ONLY_THOUGHT


def _why_invalid_acts(rows: pd.DataFrame, run: Run) -> tuple[str, str]:
    del run
    fix = "start the server with tool calls (vLLM: --enable-auto-tool-choice --tool-call-parser), or leave out"
    return _most_frequent(rows["error"]), f"{fix} communication.social_actions"


def _why_empty(rows: pd.DataFrame, run: Run) -> tuple[str, str]:
    thought = sum(_thoughts(run))
    if thought * 2 >= len(rows) or _mostly(rows["reasoning_tokens"] > 0):
        return _thought(rows)
    if _mostly(rows["finish_reason"] == CUT):
        return "the replies were cut before their first word", _more_tokens(run)
    return "the models said nothing", "read what they were asked with society show --prompts"


def _thoughts(run: Run) -> list[int]:
    """Return how many messages, decisions and acts have a thought and no text."""
    tables: Sequence[pd.DataFrame] = (run.messages, run.decisions, run.acts)
    return [int(((rows["text"] == "") & (rows["reasoning"] != "")).sum()) for rows in tables]


def _why_cut(rows: pd.DataFrame, run: Run) -> tuple[str, str]:
    if _mostly(rows["empty"]):
        return _why_empty(rows, run)
    return "the most tokens of a reply were reached", _more_tokens(run)


def _why_fell_back(rows: pd.DataFrame, run: Run) -> tuple[str, str]:
    failed = run.calls[run.calls["status"] == CallStatus.FAILED.value]
    cause = _most_frequent(failed["error"]) if len(failed) else f"{_most_frequent(rows['fallback_from'])} was not there"
    return cause, "society doctor checks the tiers; --require TIER stops a run rather than fall back"


def _more_tokens(run: Run) -> str:
    now = run.manifest["scenario"].get("inference", {}).get("max_tokens", "")
    return f"raise inference.max_tokens (now {now})"


def _mostly(found: Any) -> bool:
    """Return whether at least half of some rows are so; no rows are not."""
    return len(found) > 0 and float(found.mean()) >= 0.5


def _most_frequent(texts: pd.Series[str]) -> str:
    found = texts.astype(str).value_counts()
    return " ".join(str(found.index[0]).split()) if len(found) else ""


_CAUSES = {
    "invalid decisions": _why_invalid_decisions,
    "invalid acts": _why_invalid_acts,
    "empty": _why_empty,
    "cut": _why_cut,
    "fell back": _why_fell_back,
}
