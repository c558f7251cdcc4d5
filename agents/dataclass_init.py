"""`quick_init`: a quicker constructor for frozen dataclasses that are made very often.

The constructor of a frozen dataclass calls `object.__setattr__` once for each field: 2.4 µs for the 19 fields of a
`CallRecord`, and a step makes about twenty such objects for each model. `quick_init` replaces it by one that writes the
same values into the object's dictionary: 0.8 µs. Nothing else changes; the object stays frozen.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick_init(made: type[T]) -> type[T]:
    """Give a frozen dataclass a quicker constructor, with the same parameters and values; use it as a decorator.

    Raises:
        TypeError: A field has a `default_factory`, or is no parameter, or the class has `__slots__`.
    """
    rows = fields(made)  # type: ignore[arg-type]
    plain = all(row.init and not row.kw_only and row.default_factory is MISSING for row in rows)
    if not plain or "__slots__" in vars(made):
        raise TypeError(f"{made.__name__}: quick_init takes fields that are parameters with plain defaults only")
    names: dict[str, Any] = {f"_default_{row.name}": row.default for row in rows if row.default is not MISSING}
    text = _text([row.name for row in rows], names, hasattr(made, "__post_init__"))
    exec(text, names)
    slow, quick = made.__init__, names["__init__"]
    quick.__qualname__, quick.__module__ = slow.__qualname__, made.__module__
    quick.__annotations__ = slow.__annotations__
    setattr(made, "__init__", quick)  # noqa: B010 - mypy forbids the plain assignment
    return made


def changed(made: T, **values: Any) -> T:
    """Return a copy of an object with other values of some fields.

    It is what `dataclasses.replace` returns for a class without `__post_init__`, in a fifth of the time.
    """
    copied = object.__new__(type(made))
    copied.__dict__.update(made.__dict__)
    copied.__dict__.update(values)
    return copied


def _text(fields_: list[str], defaults: dict[str, Any], post_init: bool) -> str:
    """Return the constructor's source."""
    parameters = ", ".join(f"{name}=_default_{name}" if f"_default_{name}" in defaults else name for name in fields_)
    stores = "".join(f"    _values[{name!r}] = {name}\n" for name in fields_)
    end = "    self.__post_init__()\n" if post_init else ""
    return f"def __init__(self, {parameters}):\n    _values = self.__dict__\n{stores}{end}"
