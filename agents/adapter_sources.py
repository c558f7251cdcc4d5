"""Adapters that could take part: found in a folder, at a server, or shipped. What a new roster is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import is_hub_name, read_adapter_folder
from agents.inference.backend import EndpointSettings, same_base
from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.loops import run_blocking
from agents.inference.servers.dialects import VLLM, kind_of
from agents.inference.servers.discovery import list_models, open_session
from agents.inference.servers.endpoint import api_headers
from agents.inference.servers.served_model import ServedModel
from agents.problems import SocietyError, UsageError


class AdapterSwap(NamedTuple):
    """The adapter that a model is asked for in place of its row's: its served name, and its folder if it has one."""

    name: str
    path: str | None = None


@dataclass(frozen=True)
class Candidate:
    """An adapter that could take part. An attribute that is not known is None.

    `base_stated` is True where the user names the base model, whatever the adapter's configuration says.
    """

    name: str
    base: str | None = None
    rank: int | None = None
    alpha: float | None = None
    folder: Path | None = None
    base_stated: bool = False

    def fits(self, base: str) -> bool:
        """Return whether the adapter is made for `base`, or its base is not known."""
        return self.base is None or same_base(self.base, base)


@dataclass(frozen=True)
class FoundAdapters:
    """The adapters of a folder or a server, the base models it serves, and a note on each adapter left out."""

    candidates: tuple[Candidate, ...]
    bases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def adapter_bases(self) -> tuple[str, ...]:
        """Return the different base models that the adapters are made for; a name from the hub goes before a path."""
        bases: list[str] = []
        named = [each.base for each in self.candidates if each.base]
        for base in sorted(named, key=lambda base: not is_hub_name(base)):
            if not any(same_base(base, each) for each in bases):
                bases.append(base)
        return tuple(bases)


def found_in_folder(folder: Path) -> FoundAdapters:
    """Find the PEFT adapters in `folder`, or the one that `folder` itself is.

    Raises:
        UsageError: There is none that can be used.
    """
    configs = [folder / CONFIG_FILE] if (folder / CONFIG_FILE).is_file() else sorted(folder.glob(f"*/{CONFIG_FILE}"))
    candidates, notes = [], []
    for config in configs:
        try:
            adapter = read_adapter_folder(config.parent)
            adapter.check_values()
        except SocietyError as error:
            notes.append(str(error))
            continue
        candidates.append(Candidate(adapter.name, adapter.base, adapter.rank, adapter.alpha, adapter.path))
    if not candidates:
        found = "; ".join(notes) or f"no subfolder has an {CONFIG_FILE}; name the folder that PEFT saved to"
        raise UsageError(f"{folder}: {found}")
    return FoundAdapters(tuple(candidates), notes=tuple(notes))


def found_at_server(url: str, api_key_env: str | None = None) -> FoundAdapters:
    """Find the adapters that a server lists; all its models, where it says of none what it is made from.

    May be called where an event loop is running, as in a notebook.

    Args:
        url: The server's URL; it ends in `/v1`.
        api_key_env: The variable that has the server's API key.

    Raises:
        SocietyError: No server answers, or it serves no adapter.
    """
    url = url.rstrip("/")
    served = run_blocking(lambda: _ask(url, api_key_env))
    bases = tuple(model.name for model in served if model.parent is None)
    candidates = tuple(_served_candidate(model) for model in served if model.parent is not None)
    if not candidates and (len(bases) < 2 or kind_of(served, None) is VLLM):
        raise SocietyError(
            f"{url} serves {', '.join(bases) or 'no model'} and no adapter; start vLLM with "
            "--enable-lora --lora-modules NAME=PATH"
        )
    if not candidates:
        note = f"{url} does not say which of its models are adapters, and of which base: all may take part"
        return FoundAdapters(tuple(map(_served_candidate, served)), notes=(note,))
    return FoundAdapters(candidates, bases)


async def _ask(url: str, api_key_env: str | None) -> list[ServedModel]:
    async with open_session() as session:
        return await list_models(session, url, api_headers(EndpointSettings(url, api_key_env)))


def _served_candidate(model: ServedModel) -> Candidate:
    """Return an adapter that a server lists, with rank and alpha if its folder is on this machine."""
    root = Path(model.root) if model.root else None
    try:
        adapter = read_adapter_folder(root, model.name) if root is not None and root.is_dir() else None
    except (SocietyError, OSError):
        adapter = None
    return Candidate(model.name, model.parent, adapter.rank if adapter else None, adapter.alpha if adapter else None)


def found_shipped() -> FoundAdapters:
    """Return the shipped adapters."""
    return FoundAdapters(
        tuple(replace(found_in_folder(path).candidates[0], folder=None) for path in shipped_adapters().values())
    )
