"""Waiting for many calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


async def gather_or_raise(calls: Iterable[Awaitable[Result]]) -> list[Result]:
    """Return all results in order, or raise the first error after every call has ended."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    results = []
    for each in found:
        if isinstance(each, BaseException):
            raise each
        results.append(each)
    return results
