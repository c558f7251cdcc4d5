"""Base class and field types of everything a user writes in a file or gives from Python."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, model_validator

from agents.findings import Finding, refuse


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


def _without_numpy(value: Any) -> Any:
    """Return a mapping or list with numpy's scalars and arrays made Python's; mappings in lists see to themselves."""
    kind = type(value)
    if kind is dict:
        return {key: _without_numpy(each) for key, each in value.items()}
    if kind is list or kind is tuple:
        return kind([each if type(each) is dict else _without_numpy(each) for each in value])
    return value.tolist() if _is_numpy(value) else value


MAX_WHOLE = 2**63 - 1
"""The largest integer that the files and tables of a run can hold."""

Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
Text = Annotated[str, Field(min_length=1)]
_COMPOSED = AfterValidator(lambda name: unicodedata.normalize("NFC", name))
Name = Annotated[str, _COMPOSED]
"""A name in Unicode's composed form, so that names that look equal are equal."""
FilledName = Annotated[Text, _COMPOSED]
"""A name that is not empty."""
Flag = Annotated[bool, Strict()]


class FileModel(BaseModel):
    """A mapping in a file: frozen, no unknown keys, finite numbers."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _take_numpy(cls, data: Any) -> Any:
        # not a validator of each field's type: with one, pydantic leaves `minimum` and `maximum` out of the JSON Schema
        return _without_numpy(data)

    @model_validator(mode="after")
    def _fits_into_tables(self) -> FileModel:
        """Refuse integers that no table can hold. (A limit on `Whole` itself would replace a field's own limit.)"""
        refuse(
            Finding((name,), f"{value} is above {MAX_WHOLE}", f"nearest valid: {MAX_WHOLE}")
            for name, value in self.__dict__.items()
            if type(value) is int and value > MAX_WHOLE
        )
        return self


def distinct_words(words: Sequence[str]) -> bool:
    """Return whether words differ, whatever their case, and none is empty or has spaces around it."""
    distinct = len({word.casefold() for word in words}) == len(words)
    return distinct and all(word and word == word.strip() for word in words)


def word_or_structure(value: object) -> str:
    """Return the tag of the union member that a raw value is meant for, so that pydantic reports on that one only."""
    return "<structure>" if isinstance(value, (Mapping, list, tuple, FileModel)) else "<word>"
