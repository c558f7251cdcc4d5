"""Server addresses in files users write."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from agents.findings import Finding, KeyPath, shown


def address_findings(path: KeyPath, text: object) -> Iterator[Finding]:
    """Find what makes `text`, at `path` of a file, an invalid server URL; nothing if it is no text at all."""
    if isinstance(text, str) and text and not is_web_address(text):
        yield Finding(path, f"{shown(text)} is not an http(s) URL", f"nearest valid: {_as_web_address(text)}")


def is_web_address(text: str) -> bool:
    """Return whether `text` is an http(s) URL with a host and a valid port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _as_web_address(text: str) -> str:
    address = "http://" + text.strip().rpartition("://")[2].strip("/ ")
    if not is_web_address(address) or any(letter.isspace() for letter in address):
        return "http://localhost:8001/v1"
    return address if urlsplit(address).path else f"{address}/v1"
