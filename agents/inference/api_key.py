"""The key that opens a server: where it is kept, and that it stands in nothing the server says.

A file names a variable. The environment is asked for it, and where that has none the system's keyring (the extra
`keyring`): service `lora-society`, user name the variable's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import orjson

from agents.problems import SocietyError

SERVICE = "lora-society"

HIDDEN = b"(API key)"
_BEARER = "Bearer "


_from_keyring: dict[str, str] = {}
"""Keys the keyring gave: a call wants its key each time, and a keyring may take a while, or ask the person."""


class MissingKeyError(SocietyError):
    """Neither the environment nor the keyring holds a key; the message names both ways to give it."""


def find_key(name: str, environment: Mapping[str, str] | None = None) -> str:
    """The key that the variable `name` stands for. Raises MissingKeyError."""
    key = (os.environ if environment is None else environment).get(name) or _from_keyring.get(name)
    if key:
        return key
    key, why = _ask_keyring(name)
    if not key:
        raise MissingKeyError(f"{why}; {how_to_give(name)}")
    return _from_keyring.setdefault(name, key)


def how_to_give(name: str) -> str:
    """The commands that make the key known, either of which will do."""
    return f"export {name}=... or: python -m keyring set {SERVICE} {name}"


def forget_keys() -> None:
    """Ask the keyring again for every key."""
    _from_keyring.clear()


def _ask_keyring(name: str) -> tuple[str | None, str]:
    """The key, or why there is none."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None, "no keyring is installed (pip install 'lora-society[keyring]')"
    try:
        return keyring.get_password(SERVICE, name), "the keyring does not hold it"
    except (KeyringError, OSError) as error:  # locked, refused, or no keyring at all on this machine
        return None, f"the keyring cannot be asked ({' '.join(str(error).split())[:200]})"


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
