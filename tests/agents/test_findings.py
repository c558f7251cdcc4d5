"""Mistakes in files are told in plain words, with what was meant."""

from __future__ import annotations

import pytest

from agents.file_model import FileModel
from agents.findings import examine


class Talk(FileModel):
    topology: str = "ring"
    model: str = ""


class Player(FileModel):
    heat: float = 1.0


class Play(FileModel):
    mode: str = "mixed"
    events: str = ""
    talk: Talk = Talk()
    players: tuple[Player, ...] = ()
    extras: tuple[Player, ...] = ()


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("topology", "it belongs under talk"),
        ("heat", "it belongs under players or extras"),
        ("model", "did you mean mode?"),  # talk has this key too, but a slip is likelier
        ("event", "did you mean events?"),
        ("colour", "known: mode, events, talk, players, extras"),
    ],
)
def test_an_unknown_key_is_told_where_it_belongs(key: str, hint: str) -> None:
    valid, findings = examine(Play, {key: 1})
    assert valid is None
    assert [str(each) for each in findings] == [f"{key}: unknown key {key!r} ({hint})"]
