"""The key that opens a server, in what the server says: some gateways repeat it, in errors and in replies."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

HIDDEN = b"(API key)"
_BEARER = "Bearer "


def without_key(body: bytes, headers: Mapping[str, str]) -> bytes:
    """What came back to a request with these `headers`, without the key they held."""
    key = headers.get("Authorization", "").removeprefix(_BEARER)
    if not key:
        return body
    plain = _unescaped(body) if b"\\" in body else body
    return plain.replace(key.encode(), HIDDEN).replace(orjson.dumps(key)[1:-1], HIDDEN)


def _unescaped(body: bytes) -> bytes:
    """JSON with no escape that it can do without: a key may be repeated as `sk\\/1` or `sk\\u002f1`."""
    try:
        return orjson.dumps(orjson.loads(body))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body
