"""The key that opens a server, in what the server says: some gateways repeat it, in errors and in replies."""

from __future__ import annotations

from collections.abc import Mapping

HIDDEN = b"(API key)"
_BEARER = "Bearer "


def without_key(body: bytes, headers: Mapping[str, str]) -> bytes:
    """What came back to a request with these `headers`, without the key they held."""
    key = headers.get("Authorization", "").removeprefix(_BEARER)
    return body.replace(key.encode(), HIDDEN) if key else body
