"""Lets a package's `from big import name` wait until the name is used.

`deferred_names` puts a small module in place of a big one while another package is imported. What that package takes
from it is a `Deferred`: the first call, or the first attribute, imports the big module and does what was asked. Nothing
is replaced or left out, it only happens later. A name that was not announced loads the big module at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class Deferred:
    """A name of a module that is not imported yet, or what a call of it will return.

    Args:
        place: The module, and the name in it.
        during: Whether the deferring import goes on: a call made meanwhile is made when its result is used.
        made: The arguments of such a call.
    """

    def __init__(
        self, place: tuple[str, str], during: list[bool], made: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    ) -> None:
        self._place, self._during, self._made = place, during, made
        self._found: list[Any] = []

    def _real(self) -> Any:
        if not self._found:
            module, name = self._place
            found = getattr(importlib.import_module(module), name)
            self._found.append(found if self._made is None else found(*self._made[0], **self._made[1]))
        return self._found[0]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._during[0] and self._made is None:
            return Deferred(self._place, self._during, (arguments, named))
        return self._real()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __repr__(self) -> str:
        return f"<{'.'.join(self._place)}, imported when it is used>"


class _StandIn(ModuleType):
    """A module with some names of a big one; any other name loads the big one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # what looks through all modules (inspect) wants no name
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def deferred_names(names: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Defer the import of modules while this lasts, for the names that are taken from them.

    A module that is imported already, or is not installed, is left as it is.

    Args:
        names: The names that are taken, by module.
    """
    during, placed = [True], list[_StandIn]()
    for module, taken in names.items():
        if module in sys.modules or find_spec(module.partition(".")[0]) is None:
            continue
        stand_in = _StandIn(module)
        for name in taken:
            setattr(stand_in, name, Deferred((module, name), during))
        sys.modules[module] = stand_in
        placed.append(stand_in)
    try:
        yield
    finally:
        during[0] = False
        for stand_in in placed:
            if sys.modules.get(stand_in.__name__) is stand_in:
                del sys.modules[stand_in.__name__]
