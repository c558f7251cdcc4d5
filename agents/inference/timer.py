"""`within`: a block that may take so many seconds; TimeoutError where it takes longer.

`asyncio.wait_for` makes a task of what it waits for, and may swallow a cancellation that comes at the same time.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout as within
else:
    from async_timeout import timeout as within

__all__ = ["within"]
