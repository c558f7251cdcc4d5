"""Which weights answer under an adapter's name: stored with a run, compared when it is resumed, part of a cache's key.

A record is plain data, by adapter: what the embedded tier loads (the SHA-256 of the weights and of the configuration)
and what each server says of the adapter (its base and the folder it came from, where the server says that).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.adapters import resolve
from agents.inference.embedded.model_sources import file_sha256
from agents.inference.errors import UnknownAdapterError

if TYPE_CHECKING:
    from agents.inference.servers.endpoint import Endpoint

WeightsRecord = dict[str, dict[str, Any]]
"""Adapter -> `embedded` (weights, config) and `servers` (URL -> base, root), as far as they are known."""


def record_name(adapter: str, path: str | None) -> str:
    """Return the key of an adapter's record; an adapter with a folder of its own has a key of its own."""
    return f"{adapter} in {path}" if path else adapter


def record_weights(
    adapters: Iterable[tuple[str, str | None]], *, embedded: bool, endpoints: Iterable[Endpoint]
) -> WeightsRecord:
    """Return what is known of the weights behind each adapter.

    Args:
        adapters: Served names, each with its local folder or None.
        embedded: Whether the embedded tier may answer.
        endpoints: Servers that have been asked what they serve.
    """
    servers = [endpoint for endpoint in endpoints if endpoint.up]
    found: WeightsRecord = {}
    for adapter, path in adapters:
        record: dict[str, Any] = {}
        if embedded and (digests := _digests(adapter, path)):
            record["embedded"] = digests
        listed = {each.url: _listed_by(each, adapter) for each in servers if each.model_of(adapter)}
        if listed:
            record["servers"] = listed
        found[record_name(adapter, path)] = record
    return found


def changed_weights(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each adapter whose weights differ between two records; unknown is no difference."""
    return [
        f"adapter {name!r}: {what} was {_short(old)} and is {_short(new)}"
        for name, record in now.items()
        for what, old, new in _differences(before.get(name) or {}, record)
    ]


def weights_identity(record: Mapping[str, Any]) -> str:
    """Return a short text that changes with what is known of an adapter's weights; empty where nothing is known."""
    roots = sorted({str(each["root"]) for each in (record.get("servers") or {}).values() if each.get("root")})
    known = [*(record.get("embedded") or {}).values(), *roots]
    return sha256("\n".join(known).encode()).hexdigest()[:16] if known else ""


def _digests(adapter: str, path: str | None) -> dict[str, str] | None:
    try:
        folder = resolve(adapter, path, base_stated=True)  # a record of what is there, not a check
        return _hashed(folder.path) if folder else None
    except (UnknownAdapterError, OSError):
        return None


def _hashed(folder: Path) -> dict[str, str]:
    return {"weights": file_sha256(folder / WEIGHTS_FILE), "config": file_sha256(folder / CONFIG_FILE)}


def _listed_by(endpoint: Endpoint, adapter: str) -> dict[str, str | None]:
    model = endpoint.model_of(adapter)
    return {"base": model.parent, "root": model.root} if model else {}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    old, new = before.get("embedded") or {}, now.get("embedded") or {}
    for part in old.keys() & new.keys():
        if old[part] != new[part]:
            yield f"the SHA-256 of its {part}", old[part], new[part]
    was, served = before.get("servers") or {}, now.get("servers") or {}
    for url in was.keys() & served.keys():
        for part in ("base", "root"):
            if was[url].get(part) != served[url].get(part):
                yield f"its {part} at {url}", str(was[url].get(part)), str(served[url].get(part))


def _short(value: str) -> str:
    return f"{value[:12]}…" if len(value) == 64 else value
