"""API keys of servers: find them, and remove them from everything that a server sends.

A file names a variable. The key is its value in the environment, else the entry in the system's keyring (the extra
`keyring`) under the service `lora-society` and the variable's name.
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
"""Characters that JSON may write after a backslash and that a key may contain."""

_from_keyring: dict[str, str] = {}
"""Keys from the keyring: every call needs its key, and a keyring may be slow or ask the person."""


class MissingKeyError(SocietyError):
    """Neither the environment nor the keyring has a key; the message names both ways to give it."""


def find_key(name: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the key in the variable `name`.

    Args:
        name: The variable.
        environment: The environment; that of the process if None.

    Raises:
        MissingKeyError: Neither the environment nor the keyring has it.
    """
    key = (os.environ if environment is None else environment).get(name) or _from_keyring.get(name)
    if key:
        return key
    key, why = _ask_keyring(name)
    if not key:
        raise MissingKeyError(f"{why}; {how_to_give(name)}")
    return _from_keyring.setdefault(name, key)


def how_to_give(name: str) -> str:
    """Return the two commands that give the key, either of which is enough."""
    return f"export {name}=... or: python -m keyring set {SERVICE} {name}"


def _ask_keyring(name: str) -> tuple[str | None, str]:
    """Return the key and, if there is none, the reason."""
    try:
        import keyring
    except ImportError:
        return None, "no keyring is installed (pip install 'lora-society[keyring]')"
    try:
        return keyring.get_password(SERVICE, name), "the keyring does not have it"
    except Exception as error:  # noqa: BLE001 - locked, refused, none on this machine, or one that is set up wrong
        return None, f"the keyring cannot be asked ({' '.join(str(error).split())[:200]})"


def without_key(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a response body without the API key of the request, also where JSON escapes spell it.

    Args:
        body: The body.
        headers: The headers of the request.
    """
    key = headers.get("Authorization", "").removeprefix(_BEARER)
    if not key:
        return body
    may_be_escaped = b"\\u" in body or (b"\\" in body and any(character in key for character in _ESCAPED))
    return _spellings(key).sub(HIDDEN, body) if may_be_escaped else body.replace(key.encode(), HIDDEN)


@lru_cache(maxsize=64)
def _spellings(key: str) -> re.Pattern[bytes]:
    """Return a pattern for a key as JSON may spell it: each character plain, by number, or after a backslash.

    The body need not be JSON, and is not parsed: a hostile body could make parsing expensive.
    """
    return re.compile(b"".join(_ways(character) for character in key))


def _ways(character: str) -> bytes:
    units = character.encode("utf-16-be").hex()
    by_number = "".join(rf"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    behind = [b"\\" + character.encode()] if character in _ESCAPED else []
    plain = [re.escape(each) for each in (*behind, character.encode())]
    return b"(?:" + b"|".join([b"(?i:" + by_number.encode() + b")", *plain]) + b")"
