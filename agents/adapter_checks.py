"""The adapters that a roster's rows name by folder, checked against the base model and against the tiers of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.inference.adapter_folder import AdapterFolder, UnusableAdapterError, read_adapter_folder
from agents.inference.adapter_limits import EMBEDDED_LIMITS, VLLM_LIMITS, AdapterLimits
from agents.inference.backend import InferenceSettings
from agents.inference.embedded.adapters import embedded_base
from agents.inference.provenance import Tier
from agents.roster import ModelConfig

_PLACES: dict[Tier, AdapterLimits] = {
    Tier.CAMEL: VLLM_LIMITS,
    Tier.HTTP: VLLM_LIMITS,
    Tier.EMBEDDED: EMBEDDED_LIMITS,
}


@dataclass
class RowCheck:
    """What was found of one row's adapter folder.

    Args:
        index: The row's place in the roster.
        row: The row.
        adapter: The folder; None where it cannot be used at all.
        error: Why no tier of the run can use it; empty where one can.
        warnings: What the user should know.
    """

    index: int
    row: ModelConfig
    adapter: AdapterFolder | None = None
    error: str = ""
    warnings: list[str] = field(default_factory=list)


def check_rows(
    rows: Sequence[ModelConfig], base_model: str | None, settings: InferenceSettings | None = None
) -> Iterator[RowCheck]:
    """Yield what is found of each row that names an adapter folder.

    Args:
        rows: The roster's rows.
        base_model: The roster's base model.
        settings: Which tiers may answer, and the embedded tier's base model; the defaults if None.
    """
    known = settings or InferenceSettings()
    for index, row in enumerate(rows):
        if row.adapter is not None:
            yield _check(RowCheck(index, row), Path(row.adapter), row.base_model or base_model, known)


def _check(check: RowCheck, folder: Path, base: str | None, settings: InferenceSettings) -> RowCheck:
    stated = check.row.base_model is not None
    try:
        check.adapter = read_adapter_folder(folder, check.row.model_name)
        check.warnings += check.adapter.cautions()
    except UnusableAdapterError as error:
        check.error = error.reason
        return check
    if base is None:
        return check
    try:
        label = check.adapter.check_base((base,), f"the roster's base_model is {base}", stated)
    except UnusableAdapterError as error:
        check.error = error.reason
        return check
    embedded = embedded_base(settings)
    able = (tier for tier in settings.allowed if tier is not Tier.EMBEDDED or embedded.is_named(base))
    places = {_PLACES[tier] for tier in able if tier in _PLACES}
    reasons = [reason for limits in sorted(places, key=str) if (reason := check.adapter.beyond(limits))]
    check.warnings += [label] if label else []
    if places and len(reasons) == len(places):
        check.error = "; ".join(reasons)
    else:
        check.warnings += [f"adapter {check.adapter.name!r}: {reason}" for reason in reasons]
    return check
