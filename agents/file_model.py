"""Base class and field types of everything a user writes in a file or gives from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict


def plain_value(value: Any) -> Any:
    """Return a value as YAML or JSON would give it.

    numpy's scalars become Python's, arrays lists, enums their value, paths text and models mappings; anything else is
    returned as it is.
    """
    if isinstance(value, dict):
        return {key: plain_value(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(each) for each in value]
    for kind, plain in _PLAIN:
        if isinstance(value, kind):
            return plain(value)
    return value.tolist() if _is_numpy(value) else value


_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    (BaseModel, lambda value: value.model_dump(mode="json")),
    (PurePath, str),
)


def _is_numpy(value: Any) -> bool:
    """Tell whether a value is a numpy scalar or array, without importing numpy."""
    return type(value).__module__ == "numpy" and hasattr(value, "tolist")


_FROM_NUMPY = BeforeValidator(lambda value: value.tolist() if _is_numpy(value) else value)

Whole = Annotated[int, Strict(), _FROM_NUMPY]
Real = Annotated[float, Strict(), _FROM_NUMPY]
Text = Annotated[str, Field(min_length=1)]
Flag = Annotated[bool, Strict(), _FROM_NUMPY]


class FileModel(BaseModel):
    """A mapping in a file: frozen, no unknown keys, finite numbers."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )


def word_or_structure(value: object) -> str:
    """Return the tag of the union member that a raw value is meant for, so that pydantic reports on that one only."""
    return "<structure>" if isinstance(value, (Mapping, list, tuple, FileModel)) else "<word>"
