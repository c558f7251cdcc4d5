"""What a command plays: a scenario, or what an earlier run played, with some rows of the roster replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.problems import nearest
from simulation.cli.options import fail_usage

if TYPE_CHECKING:
    from agents.roster import ModelConfig, Roster
    from simulation.plan import Plan

POLICY = "policy:"


def source_of(name: str, replace: Sequence[str] = ()) -> str | Plan:
    """Return what is played: the scenario's name, or a plan where it is a run's or rows of its roster are replaced.

    Args:
        name: A scenario file, a shipped scenario's name, a run's directory, or a folder of runs: the newest.
        replace: The values of `--replace`, as `MODEL=ADAPTER`.

    Raises:
        UsageError: A value of `replace` is wrong.
        SocietyError: The directory holds no run.
    """
    from simulation.plan import Plan, make_plan
    from simulation.tables.listing import newest_run
    from simulation.tables.run import read_manifest

    source: str | Plan = Plan.of(read_manifest(newest_run(Path(name)))) if Path(name).is_dir() else name
    if not replace:
        return source
    plan = make_plan(source)
    return make_plan(plan, roster=replaced(plan.roster, _pairs(replace)))


def _pairs(values: Sequence[str]) -> dict[str, str]:
    wrong = [value for value in values if not all(value.partition("="))]
    if wrong:
        fail_usage(f"--replace {wrong[0]}: write MODEL=ADAPTER, for example --replace ada=defector")
    named = [value.split("=", 1)[0] for value in values]
    if twice := next((model_id for model_id in named if named.count(model_id) > 1), None):
        fail_usage(f"--replace {twice}= is there twice: name one adapter")
    return dict(value.split("=", 1) for value in values)


def replaced(roster: Roster, players: Mapping[str, str]) -> Roster:
    """Return the roster with other players in some rows, by model_id: a served name, a PEFT folder or `policy:NAME`."""
    from pydantic import ValidationError

    rows = {row.model_id: row for row in roster.models}
    for model_id in players:
        if model_id not in rows:
            fail_usage(f"--replace {model_id}: roster {roster.name} has no such row ({nearest(model_id, list(rows))})")
    try:
        return roster.with_rows(*(_played_by(rows[model_id], player) for model_id, player in players.items()))
    except ValidationError as error:
        fail_usage(f"--replace: {error.errors()[0]['msg']}")


def _played_by(row: ModelConfig, player: str) -> ModelConfig:
    own = dict.fromkeys(("model_name", "adapter", "policy", "base_model", "lora_rank", "lora_alpha"))
    if player.startswith(POLICY):
        played: Mapping[str, object] = {"policy": player.removeprefix(POLICY), "endpoint": None}
    elif (folder := Path(player).expanduser()).is_dir():
        played = {"model_name": folder.absolute().name, "adapter": str(folder.absolute())}
    else:
        played = {"model_name": player}
    kept = row.model_dump(mode="json", exclude_unset=True)
    return type(row).model_validate({**kept, **own, "human": False, **played})
