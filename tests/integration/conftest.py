"""Real vLLM servers on this machine's CPU, started once for all tests marked `vllm`.

Each needs about 25 s to start, and 2.8 GB. A test that kills a server restarts it (`server.restart()`) before it ends,
and a test that loads an adapter unloads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulation.serving.vllm_server import VLLMServer
from tests.integration.vllm.servers import STARTUP, tiny_server
from tests.integration.vllm.tiny_model import TinyModel, tiny_model


@pytest.fixture(scope="session")
def tiny() -> TinyModel:
    """The tiny base and its four adapters."""
    return tiny_model()


@pytest.fixture(scope="session")
def vllm_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm")


@pytest.fixture(scope="session")
def vllm_server(tiny: TinyModel, vllm_logs: Path) -> Iterator[VLLMServer]:
    """A running server of the tiny base; `vllm_server.url` ends in /v1."""
    with tiny_server(tiny, vllm_logs) as server:
        server.wait_ready(STARTUP)
        yield server


@pytest.fixture(scope="session")
def second_vllm_server(vllm_server: VLLMServer, tiny: TinyModel, vllm_logs: Path) -> Iterator[VLLMServer]:
    """A second server of the same models."""
    with tiny_server(tiny, vllm_logs) as server:
        server.wait_ready(STARTUP)
        yield server
