"""What PEFT's adapter_config.json says, and which of it neither vLLM nor the embedded tier can serve."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.findings import examine, shown
from agents.inference.tensor_file import pointer_problem

CONFIG_FILE = "adapter_config.json"
PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Values of init_lora_weights that leave the base model's weights as they are, as vLLM 0.32 lists them."""
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The LoRA ranks that vLLM can reserve memory for; an adapter fits if its rank is not larger."""
_NOT_GIVEN = ("r", "lora_alpha")
_FEATURES = {
    "use_dora": "use_dora is not supported; train it without",
    "lora_bias": "lora_bias is not supported; train it without",
    "modules_to_save": "modules_to_save is not supported: it replaces layers of the base model; train it without",
    "trainable_token_indices": "trainable_token_indices is not supported; train it without",
    "alora_invocation_tokens": "alora_invocation_tokens is not supported; train it without",
    "layer_replication": "layer_replication is not supported; train it without",
    "use_bdlora": "use_bdlora is not supported; train it without",
    "use_qalora": "use_qalora is not supported; train it without",
    "arrow_config": "arrow_config is not supported: it routes between several adapters; name one of them",
    "kasa_config": "kasa_config is not supported; train it without",
    "monteclora_config": "monteclora_config is not supported; train it without",
}
_WITHOUT_EFFECT = {
    *("auto_mapping", "corda_config", "ensure_weight_tying", "eva_config", "exclude_modules", "fan_in_fan_out"),
    *("inference_mode", "layers_pattern", "layers_to_transform", "loftq_config", "lora_dropout", "lora_ga_config"),
    *("megatron_config", "megatron_core", "parent_library", "peft_version", "qalora_group_size", "revision"),
    *("runtime_config", "target_modules", "task_type", "unsloth_fixed", "velora_config"),
}
"""Keys that do not change what the saved weights mean: they were for training, or say where the weights go."""


class LoraFile(BaseModel):
    """The part of PEFT's adapter_config.json that defines what the weights mean.

    Other keys are ignored: the file is PEFT's and grows with its versions. A key that is null counts as not given.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    peft_type: str = "LORA"
    base_model_name_or_path: str | None = None
    r: int = Field(default=8, ge=1)
    lora_alpha: float = Field(default=8, allow_inf_nan=False)
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    use_rslora: bool = False
    use_dora: bool = False
    lora_bias: bool = False
    bias: str = "none"
    init_lora_weights: bool | str = True
    modules_to_save: list[str] = []
    trainable_token_indices: list[Any] | dict[str, Any] | None = None
    alora_invocation_tokens: list[int] | None = None
    layer_replication: list[Any] | None = None
    use_bdlora: Any = None
    use_qalora: bool = False
    target_parameters: list[str] = []
    arrow_config: Any = None
    kasa_config: Any = None
    monteclora_config: Any = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    @field_validator("rank_pattern", "alpha_pattern")
    @classmethod
    def _numbers_by_expression(cls, patterns: dict[str, float]) -> dict[str, float]:
        for expression, number in patterns.items():
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError(f"{expression!r} is no regular expression ({error})") from None
            if not math.isfinite(number):
                raise ValueError(f"{expression!r}: {number} is not a finite number")
        return patterns

    @field_validator("rank_pattern")
    @classmethod
    def _ranks(cls, patterns: dict[str, int]) -> dict[str, int]:
        for expression, rank in patterns.items():
            if rank < 1:
                raise ValueError(f"{expression!r}: {rank} is below 1")
        return patterns

    def rank_of(self, module: str) -> int:
        """Return the rank of a module; a key of rank_pattern is an expression for the end of the name, as in PEFT."""
        return next((rank for key, rank in self.rank_pattern.items() if re.match(rf"(.*\.)?({key})$", module)), self.r)


def read_config(raw: bytes) -> LoraFile:
    """Return the content of an adapter_config.json in any encoding of JSON, with or without a byte order mark.

    Raises:
        ValueError: It is not usable; the text names the keys.
    """
    if problem := pointer_problem(raw):
        raise ValueError(f"{CONFIG_FILE} {problem}")
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise ValueError(f"{CONFIG_FILE} cannot be read: it is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{CONFIG_FILE} cannot be read: {shown(data)} is not a mapping of keys to values")
    if not {"peft_type", "r"} & data.keys() and {"model_type", "architectures"} & data.keys():
        raise ValueError(f"{CONFIG_FILE} describes a base model and no adapter; name the folder that PEFT saved to")
    for key in _NOT_GIVEN:
        if key in data and data[key] is None:
            raise ValueError(f"{CONFIG_FILE}: {key} is null; write the number that the adapter was trained with")
    config, findings = examine(LoraFile, data)
    if config is None:
        raise ValueError(f"{CONFIG_FILE} cannot be read: {'; '.join(map(str, findings))}")
    return config


def config_refusals(config: LoraFile) -> Iterator[str]:
    """Yield why no tier can serve an adapter with this configuration."""
    if config.peft_type.upper() != "LORA":
        yield f"its kind is {config.peft_type}; only LORA is supported"
    for key, reason in _FEATURES.items():
        if getattr(config, key):
            yield reason
    if config.bias != "none":
        yield f"bias={config.bias!r} is not supported: it changes the base model; train it with bias='none'"
    start = config.init_lora_weights
    if isinstance(start, str) and start.lower() not in PLAIN_STARTS:
        yield (
            f"init_lora_weights={start!r} changes the base model; save it as a plain LoRA with PEFT: "
            "save_pretrained(folder, path_initial_model_for_weight_conversion=...)"
        )


def unknown_keys(raw: bytes) -> Iterator[str]:
    """Yield the keys with a value that this version does not know, and that may change what the weights mean."""
    data: Mapping[str, Any] = json.loads(raw)
    known = _WITHOUT_EFFECT | LoraFile.model_fields.keys()
    yield from (key for key, value in data.items() if value and key not in known)


def vllm_reads_otherwise(raw: bytes) -> Iterator[str]:
    """Yield what vLLM 0.32 refuses in a configuration that PEFT and this project read."""
    if not raw.startswith(b"{") and not raw.lstrip().startswith(b"{"):
        yield f"vLLM does not read {CONFIG_FILE} with a byte order mark; save it as UTF-8 without one"
    data: Mapping[str, Any] = json.loads(raw)
    if "bias" in data and data["bias"] is None:
        yield f'vLLM refuses `bias: null` in {CONFIG_FILE}; write "none" or leave the key out'


def fitting_vllm_rank(rank: int) -> int | None:
    """Return the smallest rank that vLLM can reserve memory for and that is not below `rank`; None if there is none."""
    return next((each for each in VLLM_RANKS if each >= rank), None)
