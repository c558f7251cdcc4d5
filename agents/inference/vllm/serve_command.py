"""The `vllm serve` command that serves a roster: one base model, its adapters by name, one command per replica.

Pure: the files on disk come in as a `ServedRoster` (`agents.inference.vllm.served_roster` reads it). The same commands
are printed for a user, run by `society serve --exec`, and run by the tests.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.inference.adapter_config import VLLM_RANKS, fitting_vllm_rank
from agents.inference.adapter_folder import AdapterFolder
from agents.inference.servers.api_key import MissingKeyError, find_key
from agents.problems import UsageError

RANKS = VLLM_RANKS
# On a CPU there is one slot more than adapters. vLLM's LoRA code gives the base model's rows of a mixed batch the
# weights of the last slot, so that slot has to stay empty (vLLM PRs 48421 and 49656, open at 0.32).
MOST_LORAS = 16  # default of adapters in one batch: each takes memory, whether it is used or not
CPU_BLOCK = 32  # tokens; with a CPU build's own default of 128, short prompts never share a prefix
API_KEY_VARIABLE = "VLLM_API_KEY"
RUNTIME_LORA_VARIABLE = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
NO_PARSER = "none"

_PARSERS = {"llama-3": "llama3_json", "mistral": "mistral"}
_USUAL_PARSER = "hermes"  # Qwen and SmolLM2 are trained on this form


@dataclass(frozen=True)
class ServedRoster:
    """What a server needs for a roster.

    Args:
        base: The path or hub name of the base model's weights.
        base_names: The names that requests use for the base model, the roster's own first.
        adapters: The adapters.
        rank: The largest rank of the adapters.
    """

    base: str
    base_names: tuple[str, ...]
    adapters: tuple[AdapterFolder, ...] = ()
    rank: int = RANKS[0]


@dataclass(frozen=True)
class ServeOptions:
    """How a roster is served. None leaves a choice to this module, or to vLLM.

    Args:
        vllm: The vLLM executable.
        host: The address to listen on.
        port: The port of the first replica; the others take the ports that follow.
        replicas: The number of servers.
        devices: CUDA's device numbers, one per replica.
        max_loras: Adapters in one batch.
        max_cpu_loras: Adapters in memory.
        max_model_len: The longest prompt and reply, in tokens.
        block_size: Tokens of a block of the cache.
        tool_parser: vLLM's name for the form of tool calls, or "none".
        runtime_lora: Allow loading and unloading adapters while the server runs.
        api_key_env: The environment variable that has the API key.
        cpu: Serve with a CPU build of vLLM.
        cores: On a CPU, the cores that the replicas share.
        kv_space: On a CPU, GiB of cache for each replica.
        openmp: On a CPU, the OpenMP library to preload.
        extra: More options for vLLM.
    """

    vllm: str = "vllm"
    host: str = "127.0.0.1"
    port: int = 8001
    replicas: int = 1
    devices: tuple[str, ...] = ()
    max_loras: int | None = None
    max_cpu_loras: int | None = None
    max_model_len: int | None = None
    block_size: int | None = None
    tool_parser: str | None = None
    runtime_lora: bool = True
    api_key_env: str | None = None
    cpu: bool = False
    cores: tuple[int, ...] = ()
    kv_space: int = 1
    openmp: Path | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServeCommand:
    """One server: `argv`, and the variables that it needs in its environment besides those that are there.

    The key itself is never part of it: `key_from` names the variable whose value becomes VLLM_API_KEY.
    """

    host: str
    port: int
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    key_from: str | None = None

    @property
    def root(self) -> str:
        """Return the server's address for a client on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL for a scenario's `inference.endpoints`."""
        return f"{self.root}/v1"

    def whole_environment(self, present: Mapping[str, str]) -> dict[str, str]:
        """Return the environment `present` with the variables that the server needs.

        Raises:
            UsageError: The API key is found nowhere.
        """
        environment = {**present, **self.environment}
        if self.key_from is not None:
            environment[API_KEY_VARIABLE] = key_for_option(self.key_from, present)
        return environment

    def shell(self) -> str:
        """Return the command for a shell, one option a line, with the name of the key's variable."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        if self.key_from is not None:
            words.append(f'{API_KEY_VARIABLE}="${{{self.key_from}:?}}"')  # unset, the server would be open to everyone
        head = [" ".join(words)] if words else []
        return " \\\n  ".join([*head, *_lines(self.argv)])


def _lines(argv: Sequence[str]) -> Iterator[str]:
    """Yield the words of a shell command, with a new line before each option."""
    line: list[str] = []
    for word in argv:
        if word.startswith("--") and line:
            yield shlex.join(line)
            line = []
        line.append(word)
    yield shlex.join(line)


def serve_commands(served: ServedRoster, options: ServeOptions) -> tuple[ServeCommand, ...]:
    """Return one command per replica.

    Raises:
        UsageError: Options contradict each other.
    """
    if options.devices and len(options.devices) != options.replicas:
        raise UsageError(f"--devices names {len(options.devices)} devices for {options.replicas} replicas: one each")
    if options.port + options.replicas - 1 > 65535:
        raise UsageError(f"--port {options.port}: there are no {options.replicas} ports from there on")
    return tuple(_command(served, options, number) for number in range(options.replicas))


def _command(served: ServedRoster, options: ServeOptions, number: int) -> ServeCommand:
    port = options.port + number
    argv = [
        *(options.vllm, "serve", served.base),
        *("--served-model-name", *served.base_names),
        *("--host", options.host, "--port", str(port)),
        *_lora_flags(served, options),
        *_cache_flags(options),
        *_tool_flags(served, options),
        *(_cpu_flags() if options.cpu else ()),
        *options.extra,  # last: of an option given twice, vLLM uses the last
    ]
    return ServeCommand(
        options.host, port, tuple(argv), dict(_environment(served, options, number)), options.api_key_env
    )


def _lora_flags(served: ServedRoster, options: ServeOptions) -> Iterator[str]:
    count = len(served.adapters)
    at_once = options.max_loras or (count + 1 if options.cpu else max(1, min(count, MOST_LORAS)))
    # twice the adapters: memory for the next version of each beside the present one
    in_memory = options.max_cpu_loras or max(at_once, 2 * count)
    if in_memory < at_once:
        raise UsageError(f"--max-cpu-loras {in_memory} is less than the {at_once} of --max-loras")
    yield "--enable-lora"
    if served.adapters:
        yield "--lora-modules"
        yield from (f"{adapter.name}={adapter.path}" for adapter in served.adapters)
    yield from ("--max-lora-rank", str(allowed_rank(served.rank)))
    yield from ("--max-loras", str(at_once), "--max-cpu-loras", str(in_memory))


def allowed_rank(rank: int) -> int:
    """Return the smallest rank that vLLM allows and that is not below `rank`.

    Raises:
        UsageError: `rank` is larger than vLLM allows.
    """
    fitting = fitting_vllm_rank(rank)
    if fitting is None:
        raise UsageError(f"an adapter has rank {rank}; vLLM serves {RANKS[-1]} at most")
    return fitting


def _cache_flags(options: ServeOptions) -> Iterator[str]:
    yield "--enable-prefix-caching"
    block = options.block_size or (CPU_BLOCK if options.cpu else None)
    if block:
        yield from ("--block-size", str(block))
    if options.max_model_len:
        yield from ("--max-model-len", str(options.max_model_len))
    yield "--enable-prompt-tokens-details"  # a reply's usage then includes the cached tokens of its prompt


def _tool_flags(served: ServedRoster, options: ServeOptions) -> Iterator[str]:
    parser = options.tool_parser or tool_parser(served.base_names[0])
    if parser != NO_PARSER:
        yield from ("--enable-auto-tool-choice", "--tool-call-parser", parser)


def tool_parser(base: str) -> str:
    """Return vLLM's name for the form in which a base model writes tool calls, by the model's name."""
    name = base.lower()
    return next((parser for family, parser in _PARSERS.items() if family in name), _USUAL_PARSER)


def _cpu_flags() -> Iterator[str]:
    yield "--no-enable-chunked-prefill"  # with it, a request that has a `seed` crashes a CPU build's engine
    yield "--enforce-eager"  # compile nothing at start-up


def _environment(served: ServedRoster, options: ServeOptions, number: int) -> Iterator[tuple[str, str]]:
    yield "VLLM_NO_USAGE_STATS", "1"  # otherwise vLLM reports usage to its developers
    if options.runtime_lora:
        yield RUNTIME_LORA_VARIABLE, "True"
    if Path(served.base).is_absolute():
        yield "HF_HUB_OFFLINE", "1"  # everything that it needs is on disk
    if options.devices:
        yield "CUDA_VISIBLE_DEVICES", options.devices[number]
    if options.cpu:
        yield from _cpu_environment(options, number)


def _cpu_environment(options: ServeOptions, number: int) -> Iterator[tuple[str, str]]:
    yield "VLLM_CPU_KVCACHE_SPACE", str(options.kv_space)  # otherwise it takes most of the machine's memory
    if options.openmp:
        yield "LD_PRELOAD", str(options.openmp)  # Intel's OpenMP, which CPU builds are tuned for
    if options.replicas > 1:  # otherwise every replica binds its threads to the same first cores
        yield "VLLM_CPU_OMP_THREADS_BIND", _cores_of(options.cores, options.replicas, number)


def _cores_of(cores: Sequence[int], replicas: int, number: int) -> str:
    share = len(cores) // replicas
    own = cores[number * share : (number + 1) * share]
    return ",".join(map(str, own)) if own else "nobind"


def key_for_option(variable: str, present: Mapping[str, str] | None = None) -> str:
    """Return the key that `--api-key-env` names.

    Args:
        variable: The variable.
        present: The environment; that of the process if None.

    Raises:
        UsageError: The key is found nowhere.
    """
    try:
        return find_key(variable, present)
    except MissingKeyError as error:
        raise UsageError(f"--api-key-env {variable}: the environment has no {variable}, and {error}") from error
