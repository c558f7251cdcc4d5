"""Plans whose adapters are the tiny model's: the embedded tier as it is, in a second instead of half a minute."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from agents.inference.provenance import Tier
from agents.roster import Roster
from simulation.plan import Plan, Settings, make_plan
from tests.integration.vllm.tiny_model import tiny_model


def tiny_plan(name: str = "first_contact", **keys: Any) -> Plan:
    """Return a shipped scenario of one episode and two steps for adapters of the tiny model.

    Args:
        name: The scenario.
        keys: Its keys to set, with __ in place of the point.
    """
    tiny, plan = tiny_model(), make_plan(name)
    rows = zip(plan.roster.models, cycle(tiny.names))
    models = [row.model_copy(update={"model_name": own, "adapter": str(tiny.adapters / own)}) for row, own in rows]
    roster = Roster(name="tiny", base_model=str(tiny.base), models=tuple(models))
    short = {"tasks.0.max_steps": 2, "inference.max_tokens": 12, "inference.embedded_model": str(tiny.base)}
    changes = {key.replace("__", "."): value for key, value in keys.items()}
    return make_plan(name, Settings(tier=Tier.EMBEDDED, episodes=1, set={**short, **changes}), roster)
