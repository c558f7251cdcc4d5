"""Keyrings for tests: one that holds what it is given, one that is locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from agents.inference.api_key import forget_keys


class MemoryKeyring(KeyringBackend):
    """`asked` counts how often a password was wanted."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError(username)


class LockedKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("the person said\nno")


@contextmanager
def in_use(backend: KeyringBackend) -> Iterator[None]:
    """`backend` is the system's keyring meanwhile."""
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    forget_keys()
    try:
        yield
    finally:
        keyring.set_keyring(before)
        forget_keys()
