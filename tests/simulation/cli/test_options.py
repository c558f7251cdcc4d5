"""The options that commands share: one text each, and what they mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from agents.problems import UsageError
from simulation.cli.app import app
from simulation.cli.options import settings_of

OWN_TEXT = {
    ("serve adapters load", "--base"),
    ("study calls", "--by"),
    ("doctor", "--out"),
    ("study exploit", "--folder"),
    ("study exploit", "--update"),
    ("study fingerprint", "--episodes"),
    ("study quality", "--endpoint"),
    ("study quality", "--tier"),
    ("report", "--out"),
    ("new roster", "--endpoint"),
    ("new roster", "--language"),
    ("new roster", "--role"),
    ("new scenario", "--language"),
    ("new scenario", "--mode"),
    ("new scenario", "--roster"),
    ("run", "--replace"),
    ("serve start", "--base"),
    ("serve start", "--port"),
    ("show", "--prompts"),
    ("show", "--scenario"),
    ("study tournament", "--episodes"),
    ("study tournament", "--game"),
}
"""Options whose name means something else in this command."""


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for inner_name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {inner_name}".strip())
    if not hasattr(command, "commands"):
        yield name, command


def test_option_has_one_help_text_in_all_commands() -> None:
    texts: dict[str, set[str | None]] = defaultdict(set)
    for name, command in commands(typer.main.get_command(app)):
        for option in command.params:
            if option.param_type_name == "option" and (name, option.opts[0]) not in OWN_TEXT:
                texts[option.opts[0]].add(option.help)
    several = {option: found for option, found in texts.items() if len(found) > 1}
    # a scenario has a seed of its own, a roster has none; a person plays as a model, an adapter is exported as a name;
    # a question comes after a step, a twin begins with one
    assert set(several) == {"--as", "--at", "--seed"}
    assert len(texts) > 20


@pytest.mark.parametrize(("tier", "tiers"), [("auto", ["camel", "http", "embedded", "simulated"]), ("http", ["http"])])
def test_tier_option_replaces_tiers_of_scenario(tier: str, tiers: list[str]) -> None:
    changes = settings_of(tier=tier, pairs=["episodes=3"]).changes()
    assert changes["inference.tiers"][1] == tiers
    assert changes["episodes"][1] == "3"


def test_tier_options_refuse_unknown_tier() -> None:
    with pytest.raises(UsageError, match="--require auto: not one of camel, http"):
        settings_of(tier="auto", require="auto")
