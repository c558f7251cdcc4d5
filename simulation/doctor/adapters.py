"""Checks of the adapters that the roster's rows name by folder: as a run loads them, and what they change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agents.adapter_checks import RowCheck, check_rows
from agents.inference.backend import InferenceSettings
from agents.roster import ModelConfig
from simulation.doctor.finding import Diagnosis, Verdict, failure, ok, warning

AREA = "adapters"


def examine_adapters(
    rows: Sequence[ModelConfig], base_model: str | None, settings: InferenceSettings
) -> Iterator[Diagnosis]:
    """Yield the findings on each row's own adapter folder; nothing for a roster without any.

    Args:
        rows: The roster's rows that have a model.
        base_model: The roster's base model.
        settings: The scenario's inference settings.
    """
    checks = list(check_rows(rows, base_model, settings))
    found = [diagnosis for check in checks for diagnosis in _findings(check)]
    yield from dict.fromkeys(found)
    bad = {each.subject for each in found if each.verdict is not Verdict.OK}
    good = dict.fromkeys(check.row.model_name or "" for check in checks if check.row.model_name not in bad)
    if good:
        yield ok(AREA, "folders", f"can be loaded: {', '.join(good)}")


def _findings(check: RowCheck) -> Iterator[Diagnosis]:
    name = check.row.model_name or ""
    if check.error:
        yield failure(AREA, name, check.error, "correct the row's adapter, or leave it out")
    for text in check.warnings:
        yield warning(AREA, name, text, "check the row's folder and base_model, and the scenario's tiers")
