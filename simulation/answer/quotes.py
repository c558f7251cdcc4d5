"""Three messages that tell most of a run, each chosen by a rule.

| quote  | the rule                                                                                            |
|--------|-----------------------------------------------------------------------------------------------------|
| best   | what the best model said where it earned most of the steps in which it spoke                        |
| worst  | what the worst model said where it earned least of the steps in which it spoke                      |
| change | what a model heard last before the largest change of its cooperation from one step to the next; its |
|        | own message where it heard none                                                                     |

Best and worst are by mean payoff per episode, in the game and mode that is played first. Ties: the earliest step, then
the first row of the roster. A message without text is never chosen, and none is chosen twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from simulation.tables.players import stand_in

if TYPE_CHECKING:
    from simulation.answer.best import Part
    from simulation.tables.run import Run

_STEP = ["episode", "step", "model_id"]
_TRIED = 50  # the largest changes whose messages are looked at


class QuoteReason(str, Enum):
    """Why a message is quoted."""

    BEST = "best"
    WORST = "worst"
    CHANGE = "change"


@dataclass(frozen=True)
class Quote:
    """A message, and what its sender then did.

    Attributes:
        reason: Why it is quoted.
        who: Who said it.
        player: The adapter that wrote it, or the stand-in.
        tier: Where its text came from.
        episode: Its episode, from 1.
        step: Its step, from 1.
        text: The whole message.
        action: What the model that it is about did in this step; empty for an invalid decision or none.
        payoff: What that model earned in this step.
        changed: The model whose decision changed; empty but for `change`.
        before: What that model did in the step before; empty but for `change`.
    """

    reason: QuoteReason
    who: str
    player: str
    tier: str
    episode: int
    step: int
    text: str
    action: str
    payoff: float
    changed: str = ""
    before: str = ""


def quotes_of(run: Run, part: Part) -> tuple[Quote, ...]:
    """Return the quotes of a run; fewer than three where little was said or done.

    Args:
        run: The run.
        part: The game and mode that they are from, with its ranking.
    """
    return tuple(_Quotes(run, part).all())


class _Quotes:
    def __init__(self, run: Run, part: Part) -> None:
        episodes = run.episodes
        own = episodes[(episodes["task_type"] == part.game) & (episodes["mode"] == part.mode)]["episode"]
        actions = run.decisions[[*_STEP, "action"]]
        steps = run.steps[run.steps["episode"].isin(own)].merge(actions, on=_STEP, how="left")
        self._steps = steps.astype({"model_id": str, "action": object})
        said = run.messages[run.messages["episode"].isin(own)].astype({"sender": str, "tier": str, "adapter": str})
        self._said = said[said["text"].str.strip() != ""]
        self._part, self._used = part, set[Any]()

    def all(self) -> Iterator[Quote]:
        places = self._part.models.places
        yield from self._of(places[0].name, QuoteReason.BEST, ascending=False)
        if len(places) > 1:
            yield from self._of(places[-1].name, QuoteReason.WORST, ascending=True)
        yield from self._before_change()

    def _of(self, model: str, reason: QuoteReason, *, ascending: bool) -> Iterator[Quote]:
        """Yield the model's last message of the step in which it earned most, or least, of those in which it spoke."""
        steps = self._steps[self._steps["model_id"] == model]
        own = self._said[(self._said["sender"] == model) & ~self._said.index.isin(self._used)]
        own = own.drop_duplicates(["episode", "step"], keep="last")
        both = own.reset_index().merge(steps[["episode", "step", "payoff", "action"]], on=["episode", "step"])
        for row in both.sort_values("payoff", ascending=ascending, kind="stable").head(1).to_dict("records"):
            self._used.add(row["index"])
            yield self._quote(reason, row, row)

    def _before_change(self) -> Iterator[Quote]:
        """Yield what was said before the largest change of a decision."""
        steps = self._steps.sort_values(["episode", "step"], kind="stable")
        by_model = steps.groupby(["episode", "model_id"], sort=False)
        changes = steps.assign(
            size=(steps["cooperation"] - by_model["cooperation"].shift(1)).abs(), before=by_model["action"].shift(1)
        )
        changes = changes[changes["size"] > 0].sort_values("size", ascending=False, kind="stable")
        for change in changes.head(_TRIED).to_dict("records"):
            for row in self._heard(change):
                yield self._quote(QuoteReason.CHANGE, row, change)
                return

    def _heard(self, change: dict[Any, Any]) -> list[dict[Any, Any]]:
        """Return the last message that a model heard before its decision, or else its own; empty without any."""
        model, said = str(change["model_id"]), self._said
        near = said[(said["episode"] == change["episode"]) & (said["step"] == change["step"])]
        near = near[~near.index.isin(self._used)]
        heard = near[[model in audience for audience in near["audience"]]]
        found = heard if len(heard) else near[near["sender"] == model]
        return list(found.tail(1).to_dict("records"))

    def _quote(self, reason: QuoteReason, said: dict[Any, Any], did: dict[Any, Any]) -> Quote:
        who, changed = str(said["sender"]), reason is QuoteReason.CHANGE
        simulated = said["tier"] == "simulated"
        return Quote(
            reason=reason,
            who=who,
            player=stand_in(self._part.about[who][0]) if simulated else str(said["adapter"]),
            tier=str(said["tier"]),
            episode=int(said["episode"]) + 1,
            step=int(said["step"]) + 1,
            text=str(said["text"]),
            action=_action(did["action"]),
            payoff=float(did["payoff"]),
            changed=str(did["model_id"]) if changed else "",
            before=_action(did["before"]) if changed else "",
        )


def _action(value: object) -> str:
    return value if isinstance(value, str) else ""
