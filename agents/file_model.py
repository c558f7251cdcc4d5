"""TODO docstring."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

Whole = Annotated[int, Strict()]


Real = Annotated[float, Strict()]


Text = Annotated[str, Field(min_length=1)]


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
