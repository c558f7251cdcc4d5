"""The one examination of a LoRA adapter's folder, for every way in.

`read_adapter_folder` reads the configuration and the header of the weights, and refuses what no tier can serve. The
caller then asks for what only it knows: `refuse_beyond` the limits of a tier, `check_base` against the base models that
are there, `check_values` before the weights are loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from agents.inference.adapter_config import (
    CONFIG_FILE,
    LoraFile,
    config_refusals,
    read_config,
    unknown_keys,
    vllm_reads_otherwise,
)
from agents.inference.adapter_limits import AdapterLimits
from agents.inference.backend import base_name, same_base
from agents.inference.embedded.model_sources import file_sha256
from agents.inference.errors import UnknownAdapterError
from agents.inference.tensor_file import TensorFileError, TensorInfo, TensorValues, read_header, read_values

WEIGHTS_FILE = "adapter_model.safetensors"
PICKLED_FILE = "adapter_model.bin"
PREFIX = "base_model.model."
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
EMBEDDING_DOWN, EMBEDDING_UP = ".lora_embedding_A", ".lora_embedding_B"
DIGEST_LENGTH = 8
_BASE_WEIGHTS = (".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")  # PEFT may store them; not LoRA


class UnusableAdapterError(UnknownAdapterError):
    """An adapter folder that is not loaded. A run that has other weights in its place is another run."""

    repeats = True

    def __init__(self, adapter: str, folder: Path, reason: str) -> None:
        Exception.__init__(self, f"adapter {adapter!r} in {folder} cannot be used: {reason}")
        self.adapter = adapter
        self.served = ()
        self.reason = reason


@dataclass(frozen=True)
class AdapterFolder:
    """A PEFT folder of a plain LoRA with safetensors weights.

    Args:
        name: The adapter's name.
        path: The folder.
        stamp: Times (ns) and sizes of its two files; another stamp is another adapter.
        config: What its adapter_config.json says.
        tensors: The header of its weights.
        notes: What vLLM would refuse in the configuration's spelling, with the fix.
        unknown: Keys of the configuration that this version does not know.
    """

    name: str
    path: Path
    stamp: tuple[int, ...] = ()
    config: LoraFile = field(default=LoraFile(), compare=False, repr=False)
    tensors: Mapping[str, TensorInfo] = field(default_factory=dict, compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)
    unknown: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def rank(self) -> int | None:
        """Return the rank in the configuration; None where it names none."""
        return self.config.r if "r" in self.config.model_fields_set else None

    @property
    def alpha(self) -> float | None:
        """Return the scaling in the configuration; None where it names none."""
        return self.config.lora_alpha if "lora_alpha" in self.config.model_fields_set else None

    @property
    def base(self) -> str | None:
        """Return the base model as the configuration names it; None where it names none."""
        return self.config.base_model_name_or_path or None

    @property
    def largest_rank(self) -> int:
        """Return the largest rank of a module, by the configuration and by the weights."""
        stored = [tensor.shape[0] for name, tensor in self.tensors.items() if name.endswith((DOWN, EMBEDDING_DOWN))]
        return max([self.rank or 1, *self.config.rank_pattern.values(), *stored])

    def scale(self, rank: int) -> float:
        """Return the factor of the product of the two LoRA matrices of `rank`."""
        return float(self.config.lora_alpha / (rank**0.5 if self.config.use_rslora else rank))

    def digest(self) -> str:
        """Return eight hex digits of the SHA-256 of weights and config: other digits mean another adapter."""
        parts = (file_sha256(self.path / WEIGHTS_FILE), file_sha256(self.path / CONFIG_FILE))
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:DIGEST_LENGTH]

    def belongs_to(self, bases: Iterable[str]) -> bool:
        """Return whether it is made for one of `bases`, or does not say what it is made for.

        Args:
            bases: Names or paths; owners, parent folders and quantisation do not count.
        """
        return self.base is None or any(same_base(self.base, each) for each in bases)

    def check_base(self, bases: Iterable[str], where: str, stated: bool = False) -> str:
        """Check that the adapter belongs to a base model that is there.

        Args:
            bases: Names or paths of the base model.
            where: What is there, for the message: "qwen2-7b is served".
            stated: The user says so, whatever the configuration says.

        Returns:
            A warning where the configuration has another name for the base model, else an empty text.

        Raises:
            UnusableAdapterError: It belongs to another base model.
        """
        known = tuple(bases)
        if self.base is None or self.base in known:
            return ""
        if not stated and not self.belongs_to(known):
            raise UnusableAdapterError(self.name, self.path, _other_base(self.base, where))
        if not stated and is_hub_name(self.base) and base_name(self.base) in map(base_name, known):
            return ""
        return f"adapter {self.name!r}: its {CONFIG_FILE} names the base model {self.base!r}; taken for {known[0]}"

    def beyond(self, limits: AdapterLimits) -> str:
        """Return why a place with these limits cannot load it; else an empty text."""
        rank = self.largest_rank
        if limits.max_rank is not None and rank > limits.max_rank:
            return f"it has rank {rank}, and {limits.where} loads {limits.max_rank} at most"
        if self.config.alpha_pattern and not limits.alpha_pattern:
            return f"alpha_pattern is not supported by {limits.where}; train it without, or serve it with vLLM"
        if self.config.target_parameters and not limits.parameters:
            return f"target_parameters is not supported by {limits.where}; serve it with vLLM"
        if not limits.embeddings:
            other = next((name for name in self.tensors if not name.endswith((DOWN, UP))), None)
            if other is not None:
                return f"{limits.where} loads plain LoRA of the inner layers only, and {WEIGHTS_FILE} has {other}"
        return ""

    def refuse_beyond(self, limits: AdapterLimits) -> None:
        """Raise UnusableAdapterError if a place with these limits cannot load it."""
        if reason := self.beyond(limits):
            raise UnusableAdapterError(self.name, self.path, reason)

    def check_values(self) -> bool:
        """Read all weights; return whether they change anything: some pair of matrices has a product that is not 0.

        Raises:
            UnusableAdapterError: A weight is not a finite number.
        """
        values = _values(self.path, self.stamp)
        for each in values:
            if not each.finite:
                raise UnusableAdapterError(self.name, self.path, not_finite(each.name))
        nonzero = {each.name: each.nonzero for each in values}
        pairs = ((DOWN, UP), (EMBEDDING_DOWN, EMBEDDING_UP))
        ways = ((name, name.removesuffix(down) + up) for name in nonzero for down, up in pairs if name.endswith(down))
        scales = [self.config.lora_alpha, *self.config.alpha_pattern.values()]
        return any(scales) and any(nonzero[down] and nonzero[up] for down, up in ways)

    def cautions(self) -> list[str]:
        """Read all weights; return what the user should know of an adapter that can be loaded.

        Raises:
            UnusableAdapterError: A weight is not a finite number.
        """
        found = []
        if not self.check_values():
            found.append("changes nothing: one matrix of each of its pairs is 0, so it replies as the base model does")
        if self.unknown:
            keys = ", ".join(self.unknown)
            found.append(f"has keys in {CONFIG_FILE} that are not known here and may change what it does: {keys}")
        return [f"adapter {self.name!r} {each}" for each in found]


@lru_cache(maxsize=64)
def _values(folder: Path, _stamp: tuple[int, ...]) -> tuple[TensorValues, ...]:
    """Read the weights once for each state of the files; they may have gigabytes."""
    return tuple(read_values(folder / WEIGHTS_FILE, read_header(folder / WEIGHTS_FILE)))


def _other_base(base: str, where: str) -> str:
    return f"it belongs to base model {base}, and {where}; if that is the same model, say so by base_model in its row"


def not_finite(name: str) -> str:
    """Return the reason for refusing weights of which the tensor `name` is not finite."""
    return f"{WEIGHTS_FILE}: {name} has numbers that are not finite (NaN or infinite); train it again"


def read_adapter_folder(path: Path, name: str | None = None) -> AdapterFolder:
    """Examine the adapter in a folder: its configuration and the header of its weights.

    Args:
        path: The folder.
        name: The adapter's name; the folder's name by default.

    Raises:
        UnusableAdapterError: It is no plain LoRA with safetensors weights; the message says what to do.
    """
    folder = path.expanduser().absolute()
    name = name or folder.name
    config, weights = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    try:
        stamps = [config.stat(), *([weights.stat()] if weights.is_file() else ())]
        return _examined(name, folder, tuple(number for each in stamps for number in (each.st_mtime_ns, each.st_size)))
    except FileNotFoundError:
        raise UnusableAdapterError(name, folder, f"there is no {CONFIG_FILE}; {folder_to_name(folder)}") from None
    except OSError as error:
        raise UnusableAdapterError(name, folder, f"it cannot be read ({error})") from error


@lru_cache(maxsize=256)
def _examined(name: str, folder: Path, stamp: tuple[int, ...]) -> AdapterFolder:
    """Read a folder once for each state of its files: the embedded tier asks before every call."""
    raw = (folder / CONFIG_FILE).read_bytes()
    try:
        config = read_config(raw)
    except ValueError as error:
        raise UnusableAdapterError(name, folder, str(error)) from None
    if reason := next(config_refusals(config), ""):
        raise UnusableAdapterError(name, folder, reason)
    if not (folder / WEIGHTS_FILE).is_file():
        raise UnusableAdapterError(name, folder, f"there is no {WEIGHTS_FILE}{_pickled(folder)}")
    try:
        tensors = read_header(folder / WEIGHTS_FILE)
    except TensorFileError as error:
        raise UnusableAdapterError(name, folder, f"{WEIGHTS_FILE} {error}") from None
    if reason := next(_tensor_refusals(config, tensors), ""):
        raise UnusableAdapterError(name, folder, reason)
    return AdapterFolder(
        name, folder, stamp, config, tensors, tuple(vllm_reads_otherwise(raw)), tuple(unknown_keys(raw))
    )


def _tensor_refusals(config: LoraFile, tensors: Mapping[str, TensorInfo]) -> Iterator[str]:
    lora = [name for name in tensors if not name.endswith(_BASE_WEIGHTS)]
    bare = [name for name in lora if not name.startswith(PREFIX)]
    if not lora:
        yield f"{WEIGHTS_FILE} has no LoRA weights"
    if bare:
        yield (
            f"{WEIGHTS_FILE} names {bare[0]!r} without {PREFIX!r} in front, so PEFT would not load it; "
            "rename the tensors, or save them with PEFT's save_pretrained"
        )
    for name in lora:
        yield from _name_refusals(name, tensors)
    if "r" in config.model_fields_set:
        yield from _rank_refusals(config, tensors)


def _name_refusals(name: str, tensors: Mapping[str, TensorInfo]) -> Iterator[str]:
    twins = {DOWN: UP, UP: DOWN, EMBEDDING_DOWN: EMBEDDING_UP, EMBEDDING_UP: EMBEDDING_DOWN}
    end = next((end for end in twins if name.endswith(end)), None)
    if end is None:
        hint = "; save it with PEFT's save_pretrained, which leaves 'default' out" if ".default." in name else ""
        yield f"{WEIGHTS_FILE} has {name!r}, which a plain LoRA has not{hint}"
        return
    twin = name.removesuffix(end) + twins[end]
    if twin not in tensors:
        yield f"{WEIGHTS_FILE} has {name!r} without {twin!r}: it is no plain LoRA"
    elif len(tensors[name].shape) != 2 and end in (DOWN, UP):
        yield f"{WEIGHTS_FILE}: {name!r} has the shape {list(tensors[name].shape)}; a plain LoRA has matrices"


def _rank_refusals(config: LoraFile, tensors: Mapping[str, TensorInfo]) -> Iterator[str]:
    for name, tensor in tensors.items():
        module = name.removeprefix(PREFIX).removesuffix(DOWN)
        if name.endswith(DOWN) and tensor.shape[0] != config.rank_of(module):
            yield (
                f"{module} has rank {tensor.shape[0]} in {WEIGHTS_FILE} and {config.rank_of(module)} by r and "
                f"rank_pattern in {CONFIG_FILE}: the two files do not belong together"
            )


def _pickled(folder: Path) -> str:
    """Return what to do if the weights are only in a pickle, which can run code when it is loaded."""
    found = next(folder.glob("*.bin"), None)
    if found is None:
        return ""
    return (
        f"; {found.name} is a pickle (.bin), which is never loaded: it can run code. If you trust it, "
        "load the adapter with PEFT and save it again: model.save_pretrained(folder, safe_serialization=True)"
    )


def folder_to_name(folder: Path) -> str:
    """Return which folder to name in place of one without an adapter."""
    below = next(iter(sorted(folder.glob(f"*/{CONFIG_FILE}"))), None)
    return f"name its subfolder {below.parent.name}" if below else "name the folder that PEFT saved to"


def is_hub_name(base: str) -> bool:
    """Return whether a base model is named as at the hub, "owner/name" or "name", and not by a path."""
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", base) is not None and not base.startswith(".")
