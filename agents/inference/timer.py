"""`within(seconds)`: an async block that raises TimeoutError if it takes longer.

`asyncio.wait_for` would make a task of the call, and may swallow a cancellation that comes at the same time.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout as within
else:
    from async_timeout import timeout as within

__all__ = ["within"]
