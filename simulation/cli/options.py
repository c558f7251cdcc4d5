"""The options that commands share, and what they mean."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from agents.inference.provenance import FALLBACK_ORDER, Tier
from agents.problems import UsageError, nearest

if TYPE_CHECKING:
    from simulation.plan import Plan
    from simulation.runs.runner import RunOptions


def planned(
    scenario: str,
    pairs: list[str] | None,
    *,
    tier: str | None,
    require: str | None,
    seed: int | None,
    episodes: int | None,
    endpoints: tuple[str, ...],
) -> Plan:
    """The plan a command carries out: the scenario with the options given, in which `tier` may be "auto"."""
    from simulation.plan import Plan
    from simulation.runs.runner import refuse_sweep

    overrides = overrides_of(pairs or [])
    if tier == "auto":
        overrides["inference.tiers"] = f"[{', '.join(each.value for each in FALLBACK_ORDER)}]"
    options = run_options(tier=tier, require=require, seed=seed, episodes=episodes, endpoints=endpoints)
    loaded = Plan.load(scenario, overrides)
    refuse_sweep(loaded)
    return Plan(options.applied(loaded.scenario), loaded.roster)


def run_options(
    *,
    tier: str | None,
    require: str | None = None,
    seed: int | None = None,
    episodes: int | None = None,
    endpoints: tuple[str, ...] = (),
) -> RunOptions:
    """The options of a command, checked; the tier "auto" leaves the scenario's tiers as they are."""
    from simulation.runs.runner import RunOptions

    only = None if tier == "auto" else tier_named(tier, "--tier")
    return RunOptions(only, tier_named(require, "--require"), seed, episodes, endpoints)


def named_choice(kind: type[Choice], value: str, option: str) -> Choice:
    """The member of an enum that an option names.

    Raises:
        UsageError: `value` is none of them; the message names the nearest.
    """
    values = [each.value for each in kind]
    if value not in values:
        fail_usage(f"{option} {value}: {nearest(value, values)}")
    return kind(value)


def tier_named(value: str | None, option: str) -> Tier | None:
    if value is None:
        return None
    names = [tier.value for tier in FALLBACK_ORDER]
    if value not in names:
        fail_usage(f"{option} {value}: not one of {', '.join(names)}")
    return Tier(value)


def overrides_of(pairs: list[str]) -> dict[str, str]:
    """What `--set` asks for, by key. Raises UsageError."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        fail_usage(f"--set {wrong[0]}: write key=value, for example --set inference.temperature=0")
    return dict(pair.split("=", 1) for pair in pairs)


def fail_usage(message: str) -> NoReturn:
    raise UsageError(message)


Answer = TypeVar("Answer")
Choice = TypeVar("Choice", bound=Enum)


Endpoint = Annotated[str, typer.Argument(help="The server's URL, for example http://localhost:8001/v1")]


KeyVariable = Annotated[
    str | None, typer.Option("--api-key-env", help="The environment variable that holds the server's key.")
]
