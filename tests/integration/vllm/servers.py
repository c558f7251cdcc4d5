"""Servers of the tiny base, started by the same commands that `society serve` prints."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from agents.inference.vllm.serve_command import ServeCommand, ServeOptions, serve_commands
from agents.inference.vllm.served_roster import read_served_roster
from agents.roster import ModelConfig, Roster
from simulation.serving.vllm_server import VLLMServer, openmp_library, own_cores
from tests.integration.vllm.install import vllm_command
from tests.integration.vllm.tiny_model import TinyModel

BASE = "tiny"  # the base's served name
STARTUP = 300.0  # seconds; about 22 on an idle machine, over 60 on a busy one
# so that a reply is the same alone and in a batch, and random weights do not fill JSON with blanks
EXACT = (
    *("--dtype", "float32", "--max-num-seqs", "64"),
    *("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}'),
)


def tiny_roster(tiny: TinyModel) -> Roster:
    """Return a roster with one row per adapter of the tiny base."""
    rows = tuple(ModelConfig(model_id=name, model_name=name, adapter=str(tiny.adapters / name)) for name in tiny.names)
    return Roster(name="tiny", base_model=BASE, models=rows)


def tiny_commands(tiny: TinyModel, replicas: int = 1, port: int | None = None, **options: object) -> list[ServeCommand]:
    """Return the commands that start servers of the tiny base on this machine, on free ports."""
    vllm = vllm_command()
    served = read_served_roster(tiny_roster(tiny), base=str(tiny.base))
    defaults = {
        "vllm": str(vllm),
        "cpu": True,
        "openmp": openmp_library(str(vllm)),
        "cores": own_cores(),
        "extra": EXACT,
        "replicas": replicas,
        "port": port or free_ports(replicas),
    }
    return list(serve_commands(served, ServeOptions(**{**defaults, **options})))  # type: ignore[arg-type]


def tiny_server(tiny: TinyModel, logs: Path, **options: object) -> VLLMServer:
    """Return one such server, not started."""
    [command] = tiny_commands(tiny, **options)  # type: ignore[arg-type]
    return VLLMServer(command, logs / f"vllm-{command.port}.log")


def free_ports(count: int = 1) -> int:
    """Return the first of `count` consecutive free ports, at random.

    A server binds its port only after many seconds; with random ports, other tests choose different ones.
    """
    for _ in range(100):
        port = random.SystemRandom().randrange(18_000, 32_000)
        if all(_is_free(port + offset) for offset in range(count)):
            return port
    raise RuntimeError("no free port between 18000 and 32000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
