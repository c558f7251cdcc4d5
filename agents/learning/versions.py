"""Versions of a learner on disk: whole or not there.

name-0123456789ab/
  adapter_config.json          PEFT's, so that peft, vLLM and the embedded tier load the folder
  adapter_model.safetensors    the weights; the name has the first 12 digits of this file's SHA-256
  optimizer.safetensors        the optimizer's moments and the random generator's state
  recipe.json                  what the weights were made from
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.model_sources import file_sha256
from agents.learning.samples import Version
from agents.problems import SocietyError

if TYPE_CHECKING:
    from agents.learning.adapters import TrainableAdapter

OPTIMIZER_FILE = "optimizer.safetensors"
RECIPE_FILE = "recipe.json"
NAME_DIGITS = 12


class VersionRecipe(BaseModel):
    """`recipe.json`.

    Attributes:
        learner: Whose version it is.
        parent: The name of the version it was made from; empty for a first one.
        base: The base model.
        steps: Optimizer steps since the beginning.
        settings: The trainer's settings: numbers, texts.
        weights: SHA-256 of the adapter's weights.
        optimizer: SHA-256 of the optimizer's file.
        mixture: By adapter its weight, where the version is a mixture of given ones.
        given: By adapter the SHA-256 of its weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learner: str
    parent: str
    base: str
    steps: int
    settings: Mapping[str, str | float | int | bool]
    weights: str = ""
    optimizer: str = ""
    mixture: Mapping[str, float] = Field(default_factory=dict)
    given: Mapping[str, str] = Field(default_factory=dict)


def write_version(
    folder: Path, recipe: VersionRecipe, adapter: TrainableAdapter, optimizer: Mapping[str, Any]
) -> Version:
    """Write a version below `folder`. One of the same weights is replaced: its optimizer may have moved on.

    Raises:
        SocietyError: The system refuses to write.
    """
    from safetensors.torch import save_file

    with _beside(folder, recipe.learner) as part:
        save_file(adapter.tensors(), part / WEIGHTS_FILE, metadata={"format": "pt"})
        save_file(dict(optimizer), part / OPTIMIZER_FILE)
        _write(part / CONFIG_FILE, json.dumps(peft_config(adapter, recipe.base), indent=2, sort_keys=True))
        digest = file_sha256(part / WEIGHTS_FILE)
        sums = {"weights": digest, "optimizer": file_sha256(part / OPTIMIZER_FILE)}
        _write(part / RECIPE_FILE, recipe.model_copy(update=sums).model_dump_json(indent=2))
        name = f"{recipe.learner}-{digest[:NAME_DIGITS]}"
        _put(part, folder / name)
    return Version(recipe.learner, name, digest, folder / name)


def read_recipe(folder: Path) -> VersionRecipe:
    """Return the recipe of a version whose files are those it was written with.

    Raises:
        SocietyError: The folder is no version, or its files have changed.
    """
    try:
        recipe = VersionRecipe.model_validate_json((folder / RECIPE_FILE).read_bytes())
        sums = {WEIGHTS_FILE: recipe.weights, OPTIMIZER_FILE: recipe.optimizer}
        changed = [name for name, digest in sums.items() if file_sha256(folder / name) != digest]
    except (OSError, ValidationError) as error:
        raise SocietyError(f"{folder} is no version of a learner: {error}") from error
    if changed:
        raise SocietyError(f"{folder}: {', '.join(changed)} changed since it was written; take another version")
    return recipe


def mixture_of(folder: Path) -> Mapping[str, float]:
    """Return the weight of each adapter in a version that is a mixture; its files are not compared with their sums.

    Raises:
        SocietyError: The folder has no recipe.
    """
    try:
        return VersionRecipe.model_validate_json((folder / RECIPE_FILE).read_bytes()).mixture
    except (OSError, ValidationError) as error:
        raise SocietyError(f"{folder} is no version of a learner: {error}") from error


def clear_unfinished(folder: Path, learners: Collection[str]) -> None:
    """Delete what killed writers left of these learners; put back the version that one of them was replacing."""
    names = "|".join(map(re.escape, learners))
    for old in folder.glob(".*.old"):
        if (made := re.fullmatch(rf"\.((?:{names})-[0-9a-f]{{{NAME_DIGITS}}})\.old", old.name)) is None:
            continue
        if (folder / made[1]).exists():
            shutil.rmtree(old)
        else:
            os.replace(old, folder / made[1])
    for part in folder.glob(".*.part"):
        if re.fullmatch(rf"\.(?:{names})\.[0-9]+\.part", part.name):
            shutil.rmtree(part)


def read_tensors(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tensors of a version: the adapter's, and the optimizer's."""
    from safetensors.torch import load_file

    return load_file(folder / WEIGHTS_FILE), load_file(folder / OPTIMIZER_FILE)


def peft_config(adapter: TrainableAdapter, base: str) -> dict[str, object]:
    """Return the content of PEFT's adapter_config.json."""
    return {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": adapter.rank,
        "target_modules": list(adapter.modules),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }


# -- files ----------------------------------------------------------------------------------------------


@contextmanager
def _beside(folder: Path, learner: str) -> Iterator[Path]:
    part = folder / f".{learner}.{os.getpid()}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
    except OSError as error:
        raise SocietyError(f"a version of {learner} cannot be written to {folder}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put(part: Path, place: Path) -> None:
    """Rename a synced folder to its place."""
    for file in part.iterdir():
        _sync(file)
    _sync(part)
    if place.exists():
        old = part.with_name(f".{place.name}.old")
        os.replace(place, old)
        os.replace(part, place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(part, place)
    _sync(place.parent)


def _write(file: Path, text: str) -> None:
    file.write_text(text + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
