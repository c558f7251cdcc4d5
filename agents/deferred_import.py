"""Lets a package's `from big import name` wait until the name is used.

`deferred_names` puts a small module in place of a big one while another package is imported. What that package takes
from it is a `Deferred`: the first call, or the first attribute, imports the big module and does what was asked. Nothing
is replaced or left out, it only happens later. A name that was not announced loads the big module at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class Deferred:
    """A name of a module that is not imported yet, or what a call of it will return.

    Args:
        name: What it is, in words.
        find: Imports the module and returns what this stands for.
        during: Whether the deferring import goes on: a call made meanwhile is made when its result is used.
    """

    def __init__(self, name: str, find: Callable[[], Any], during: list[bool]) -> None:
        self._name, self._find, self._during = name, find, during
        self._found: list[Any] = []

    def _real(self) -> Any:
        if not self._found:
            self._found.append(self._find())
        return self._found[0]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._during[0]:
            return Deferred(f"{self._name}(...)", lambda: self._real()(*arguments, **named), self._during)
        return self._real()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __repr__(self) -> str:
        return f"<{self._name}, imported when it is used>"


class _StandIn(ModuleType):
    """A module with some names of a big one; any other name loads the big one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # what looks through all modules (inspect) wants no name
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _name_of(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


@contextmanager
def deferred_names(
    names: Mapping[str, Sequence[str]], known: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[None]:
    """Defer the import of modules while this lasts, for the names that are taken from them.

    A module that is imported already, or is not installed, is left as it is.

    Args:
        names: The names that are taken, by module.
        known: Values that are known without the module, by module and name.
    """
    during, placed = [True], list[_StandIn]()
    for module, taken in names.items():
        if module in sys.modules or find_spec(module.partition(".")[0]) is None:
            continue
        stand_in = _StandIn(module)
        for name in taken:
            setattr(stand_in, name, Deferred(f"{module}.{name}", partial(_name_of, module, name), during))
        for name, value in (known or {}).get(module, {}).items():
            setattr(stand_in, name, value)
        sys.modules[module] = stand_in
        placed.append(stand_in)
    try:
        yield
    finally:
        during[0] = False
        for stand_in in placed:
            if sys.modules.get(stand_in.__name__) is stand_in:
                del sys.modules[stand_in.__name__]
