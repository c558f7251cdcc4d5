"""Keyrings for tests: one with given passwords, a locked one, a badly configured one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from agents.inference.servers import api_key


class MemoryKeyring(KeyringBackend):
    """A keyring in memory; `asked` counts the requests for a password, `threads` has the threads that made them."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.passwords: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.threads: set[threading.Thread] = set()

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.threads.add(threading.current_thread())
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.passwords.pop((service, username), None) is None:
            raise PasswordDeleteError(username)


class LockedKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("the person said\nno")


class BrokenKeyring(MemoryKeyring):
    """Behaves like keyring if its settings name a backend that does not exist."""

    def get_password(self, service: str, username: str) -> str | None:
        raise ValueError("Empty module name")


@contextmanager
def in_use(backend: KeyringBackend) -> Iterator[None]:
    """Make `backend` the system's keyring for the block."""
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    api_key._from_keyring.clear()
    try:
        yield
    finally:
        keyring.set_keyring(before)
        api_key._from_keyring.clear()
