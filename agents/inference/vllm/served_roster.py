"""Find what a server needs for a roster: the base model's weights, and a folder for every adapter of its rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import AdapterFolder, UnusableAdapterError, read_adapter_folder
from agents.inference.adapter_limits import VLLM_LIMITS
from agents.inference.backend import base_name
from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.embedded.model_store import model_path
from agents.inference.vllm.serve_command import RANKS, ServedRoster
from agents.problems import SocietyError
from agents.roster import ModelConfig, Roster

logger = logging.getLogger("society.adapters")


class UnservableRosterError(SocietyError):
    """No server can be started for a roster; the message names each row and what to do."""


@dataclass(frozen=True)
class _ServedRow:
    """A row that asks for an adapter, and its place in error messages."""

    place: str
    config: ModelConfig

    @property
    def adapter(self) -> str:
        """Return the served name."""
        return self.config.model_name or ""


def read_served_roster(roster: Roster, base: str | None = None, adapters: Path | None = None) -> ServedRoster:
    """Find the base model and the adapters of a roster.

    An adapter is looked for in its row's `adapter`, then in the folder `adapters`, then among the shipped ones.

    Args:
        roster: The roster.
        base: A path or hub name of the base model's weights, in place of the roster's `base_model`.
        adapters: A folder with a subfolder per adapter.

    Raises:
        UnservableRosterError: Rows are wrong; the message names each of them.
    """
    if roster.base_model is None:
        raise UnservableRosterError(f"{roster.name}: has no base_model, so there is nothing to serve; name it")
    weights = _weights(roster.base_model, base)
    asking = [
        _ServedRow(f"models.{index} ({row.model_id})", row)
        for index, row in enumerate(roster.models)
        if row.model_name is not None
    ]
    bases = {base_name(roster.base_model), base_name(weights)}
    own = [row.adapter for row in asking if base_name(row.adapter) in bases]
    rows = [row for row in asking if base_name(row.adapter) not in bases]
    found, wrong = _find(rows, (roster.base_model, weights), adapters)
    if wrong:
        raise UnservableRosterError("\n".join(f"{roster.name}: {each}" for each in wrong))
    ranks = [_rank(row, found[row.adapter]) for row in rows]
    names = tuple(dict.fromkeys((roster.base_model, *own)))
    return ServedRoster(weights, names, tuple(found.values()), max(ranks, default=RANKS[0]))


def _weights(base_model: str, base: str | None) -> str:
    """Return where the weights are: `base` if given, a folder made absolute, or the embedded model's own folder."""
    wanted = base or base_model
    if Path(wanted).expanduser().is_dir():
        return str(Path(wanted).expanduser().absolute())
    if base is None and base_name(base_model) == base_name(MODEL_ID):
        return str(model_path() or MODEL_ID)
    return wanted


def _find(
    rows: list[_ServedRow], bases: tuple[str, ...], folder: Path | None
) -> tuple[dict[str, AdapterFolder], list[str]]:
    """Return the adapters by name, and what is wrong with each wrong row."""
    found: dict[str, AdapterFolder] = {}
    wrong = []
    for row in rows:
        try:
            adapter = _adapter(row, folder)
        except SocietyError as error:
            wrong.append(f"{row.place}: {error}")
            continue
        if adapter.name not in found:
            wrong += [f"{row.place}: {each}" for each in _unservable(adapter, row.config.base_model, bases)]
        elif found[adapter.name].path != adapter.path:
            other = f"adapter {adapter.name!r} is {adapter.path} here and {found[adapter.name].path} above"
            wrong.append(f"{row.place}: {other}; one name, one adapter")
        found.setdefault(adapter.name, adapter)
    return found, wrong


def _adapter(row: _ServedRow, folder: Path | None) -> AdapterFolder:
    name = row.adapter
    if row.config.adapter is not None:
        return read_adapter_folder(Path(row.config.adapter), name)
    if folder is not None and (folder / name / CONFIG_FILE).is_file():
        return read_adapter_folder(folder / name, name)
    shipped = shipped_adapters()
    if name in shipped:
        return read_adapter_folder(shipped[name], name)
    looked = f"{folder} has no folder of that name" if folder else "--adapters DIR names a folder that has one"
    raise UnservableRosterError(
        f"there is no folder for adapter {name!r}: give the row an `adapter` path; {looked}; shipped are "
        f"{', '.join(shipped)}"
    )


def _unservable(adapter: AdapterFolder, stated: str | None, bases: tuple[str, ...]) -> Iterator[str]:
    """Yield why vLLM must not load an adapter; log what it may be told of it.

    Args:
        adapter: The adapter.
        stated: The base model that the row names itself; it counts more than what the adapter says.
        bases: The names of the base model that is served.
    """
    where = f"{bases[0]} is served"
    try:
        if stated is not None and base_name(stated) not in map(base_name, bases):
            raise UnusableAdapterError(adapter.name, adapter.path, f"its row says base_model {stated}, and {where}")
        label = adapter.check_base(bases, where, stated is not None)
        adapter.refuse_beyond(VLLM_LIMITS)
        cautions = adapter.cautions()
    except UnusableAdapterError as error:
        yield str(error)
        return
    for note in filter(None, (label, *cautions, *(f"adapter {adapter.name!r}: {each}" for each in adapter.notes))):
        logger.warning("%s", note)


def _rank(row: _ServedRow, adapter: AdapterFolder) -> int:
    """Return the largest rank in the adapter's files, or the row's if it is larger and the files name none."""
    return max(adapter.largest_rank, 0 if adapter.rank else row.config.lora_rank or 0)
