"""Whose fault a failed call is."""

from __future__ import annotations

from enum import Enum


class Fault(str, Enum):
    """What is wrong, and so what may be asked next.

    | fault   | what is wrong                              | what may still be asked                               |
    |---------|--------------------------------------------|-------------------------------------------------------|
    | request | the request itself: too long, a field      | the same server, with another request                 |
    | adapter | one adapter at one server                  | the same server for other adapters, and other servers |
    | server  | the server: it is down, busy or has no key | other servers                                         |
    """

    REQUEST = "request"
    ADAPTER = "adapter"
    SERVER = "server"
