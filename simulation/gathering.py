"""Waiting for many calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


async def gather_all(calls: Iterable[Awaitable[Result]]) -> list[Result]:
    """All results in order, or the first error: raised when every call is over, so that none runs on unseen."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    results = []
    for each in found:
        if isinstance(each, BaseException):
            raise each
        results.append(each)
    return results
