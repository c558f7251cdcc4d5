"""The quicker constructor of frozen dataclasses: the same parameters, values, errors and objects as the usual one."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from agents.dataclass_init import changed, quick_init
from agents.inference.backend import Completion
from agents.inference.provenance import CallKey, CallRecord, Provenance, Purpose, Reply, Request, ScoredReply, Tier


def made_class() -> type[Any]:
    """Return a new frozen dataclass."""

    @dataclass(frozen=True)
    class Plain:
        name: str
        size: int = 3
        checked: bool = False

        def __post_init__(self) -> None:
            if self.size < 0:
                raise ValueError(f"size is {self.size}")

    return Plain


Plain, Quick = made_class(), quick_init(made_class())


def outcome(make: Callable[[], object]) -> str:
    try:
        return repr(make())
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("values", [{}, {"name": "a"}, {"name": "a", "size": -1}, {"name": "a", "colour": 1}])
def test_quick_init_makes_and_refuses_the_same(values: dict[str, Any]) -> None:
    assert outcome(lambda: Quick(**values)) == outcome(lambda: Plain(**values))


def test_quick_init_keeps_the_signature() -> None:
    assert inspect.signature(Quick) == inspect.signature(Plain)


def test_quick_init_leaves_objects_frozen() -> None:
    made = Quick("a")
    with pytest.raises(FrozenInstanceError):
        made.size = 4
    assert (made, hash(made)) == (Quick("a", 3), hash(Quick("a", 3)))
    assert replace(made, size=5) == Quick("a", 5)


def test_quick_init_keeps_what_a_subclass_adds() -> None:
    scored = ScoredReply("yes", Provenance(Tier.HTTP, "a"), shares=(0.25, 0.75))
    assert scored.shares == (0.25, 0.75)
    assert Reply(**{row.name: getattr(scored, row.name) for row in fields(Reply)}).text == "yes"


@pytest.mark.parametrize("made", [CallKey(0, 1, "m", Purpose.TALK), Completion("hello"), Provenance(Tier.HTTP, "a")])
def test_quick_objects_can_be_copied(made: object) -> None:
    assert copy.deepcopy(made) == copy.copy(made) == made


def test_quick_init_writes_every_field_in_order() -> None:
    made = Request(CallKey(0, 0, "m", Purpose.TALK), "a", ())
    assert list(vars(made)) == [row.name for row in fields(Request)]
    assert len(fields(CallRecord)) == len(inspect.signature(CallRecord).parameters)


def test_quick_init_refuses_defaults_that_are_made() -> None:
    @dataclass(frozen=True)
    class Made:
        rows: list[int] = field(default_factory=list)

    with pytest.raises(TypeError, match="plain defaults only"):
        quick_init(Made)


def test_changed_copies_as_replace_does() -> None:
    made = Completion("hello", prompt_tokens=3)
    assert changed(made, text="bye") == replace(made, text="bye")
    assert made == Completion("hello", prompt_tokens=3)
