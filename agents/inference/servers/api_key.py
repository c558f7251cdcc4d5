"""The key that opens a server: where it is kept, and that it stands in nothing the server says.

A file names a variable. The environment is asked for it, and where that has none the system's keyring (the extra
`keyring`): service `lora-society`, user name the variable's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache

from agents.problems import SocietyError

SERVICE = "lora-society"
HIDDEN = b"(API key)"
_BEARER = "Bearer "
_ESCAPED = '"\\/'
"""What JSON may write behind a backslash and a key may hold."""

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


def _ask_keyring(name: str) -> tuple[str | None, str]:
    """The key, or why there is none."""
    try:
        import keyring
    except ImportError:
        return None, "no keyring is installed (pip install 'lora-society[keyring]')"
    try:
        return keyring.get_password(SERVICE, name), "the keyring does not hold it"
    except Exception as error:  # noqa: BLE001 - locked, refused, none on this machine, or one that is set up wrong
        return None, f"the keyring cannot be asked ({' '.join(str(error).split())[:200]})"


def without_key(body: bytes, headers: Mapping[str, str]) -> bytes:
    """What came back to a request with these `headers`, without the key they held, be it spelt with JSON's escapes."""
    key = headers.get("Authorization", "").removeprefix(_BEARER)
    if not key:
        return body
    may_be_escaped = b"\\u" in body or (b"\\" in body and any(character in key for character in _ESCAPED))
    return _spellings(key).sub(HIDDEN, body) if may_be_escaped else body.replace(key.encode(), HIDDEN)


@lru_cache(maxsize=64)
def _spellings(key: str) -> re.Pattern[bytes]:
    """A key as JSON may spell it: every character plain, by its number, or behind a backslash. The body need not be
    JSON, and is not read: reading is what it could be made to be costly for."""
    return re.compile(b"".join(_ways(character) for character in key))


def _ways(character: str) -> bytes:
    units = character.encode("utf-16-be").hex()
    by_number = "".join(rf"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    behind = [b"\\" + character.encode()] if character in _ESCAPED else []
    plain = [re.escape(each) for each in (*behind, character.encode())]
    return b"(?:" + b"|".join([b"(?i:" + by_number.encode() + b")", *plain]) + b")"
