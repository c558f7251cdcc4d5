"""Server processes: start, wait, stop, kill; with a stand-in for `vllm` that starts at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents.inference.vllm.serve_command import ServeCommand
from agents.problems import UsageError
from simulation.serving.vllm_server import ServerFailedError, VLLMServer, cause_in, openmp_library
from tests.integration.vllm.servers import free_ports

# answers /health, has a child process like vLLM's engine, and ends as `mode` says
STAND_IN = """
import http.server, os, signal, subprocess, sys, time
port, mode = int(sys.argv[1]), sys.argv[2]
if mode == "refuses":
    sys.exit("no such model")
child = subprocess.Popen(["sleep", "300"])
def ended(*_):
    child.terminate()
    child.wait()
    sys.exit(0)
signal.signal(signal.SIGTERM, ended)
print("engine", child.pid, os.environ.get("VLLM_API_KEY"), flush=True)
if mode == "hangs":
    time.sleep(300)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def server(folder: Path, mode: str = "serves", port: int | None = None, **more: object) -> VLLMServer:
    port = port or free_ports()
    command = ServeCommand("127.0.0.1", port, (sys.executable, "-c", STAND_IN, str(port), mode), **more)  # type: ignore[arg-type]
    return VLLMServer(command, folder / "logs" / "server.log")


def engine(server: VLLMServer) -> int:
    """Return the process id of the engine of the last start."""
    return int(server.log.read_text().split("engine ")[-1].split()[0])


def alive(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class TestLife:
    def test_server_starts_and_ends_with_its_block(self, tmp_path: Path) -> None:
        with server(tmp_path) as one:
            one.wait_ready(10)
            assert one.running
            assert one.healthy()
            child = engine(one)
            assert alive(child)
        assert not one.running
        assert not one.healthy()
        assert not alive(child)

    def test_kill_ends_at_once_and_restart_uses_the_same_port(self, tmp_path: Path) -> None:
        with server(tmp_path) as one:
            one.wait_ready(10)
            child = engine(one)
            one.kill()
            assert (one.running, one.exit_code, one.healthy(), alive(child)) == (False, -9, False, False)
            one.restart(10)
            assert one.healthy()
            assert one.exit_code is None
            assert engine(one) != child

    def test_start_kills_the_engine_left_by_a_crash(self, tmp_path: Path) -> None:
        with server(tmp_path) as one:
            one.wait_ready(10)
            child = engine(one)
            api = int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[1])  # the engine's parent
            os.kill(api, 9)
            while one.running:
                time.sleep(0.01)
            assert alive(child)
            one.start()
            assert not alive(child)

    def test_server_ends_when_its_parent_is_killed(self, tmp_path: Path) -> None:
        parent = (
            "import sys; from pathlib import Path; from tests.simulation.serving.test_vllm_server import server\n"
            f"one = server(Path({str(tmp_path)!r})); one.start(); one.wait_ready(10)\n"
            "print(flush=True); sys.stdin.read()"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        command = [sys.executable, "-c", parent]
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            log = (tmp_path / "logs" / "server.log").read_text()
            child = int(log.split("engine ")[-1].split()[0])
            api = int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[1])
            process.kill()
        deadline = time.monotonic() + 5
        while alive(api) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not alive(api)


class TestFailures:
    def test_error_shows_the_log_of_the_last_start_only(self, tmp_path: Path) -> None:
        one = server(tmp_path, "refuses")
        one.log.parent.mkdir()
        one.log.write_text("of an earlier start\n")
        with one, pytest.raises(ServerFailedError) as caught:
            one.wait_ready(10)
        assert "ended with exit code 1 before it answered" in str(caught.value)
        assert "  no such model" in str(caught.value)
        assert str(one.log) in str(caught.value)
        assert "earlier" not in str(caught.value)

    def test_wait_ready_ends_after_the_timeout(self, tmp_path: Path) -> None:
        with server(tmp_path, "hangs") as one, pytest.raises(ServerFailedError, match=r"did not answer within 0\.3 s"):
            one.wait_ready(0.3)

    def test_used_port_is_an_error(self, tmp_path: Path) -> None:
        with server(tmp_path) as one:
            one.wait_ready(10)
            with pytest.raises(ServerFailedError, match="another server answers"):
                server(tmp_path, port=one.command.port).start()
            with pytest.raises(ServerFailedError, match="is already running"):
                one.start()

    def test_missing_executable_is_an_error(self, tmp_path: Path) -> None:
        command = ServeCommand("127.0.0.1", free_ports(), ("no-such-vllm", "serve"))
        with pytest.raises(ServerFailedError, match="no-such-vllm is not on the PATH"):
            VLLMServer(command, tmp_path / "log").start()


class TestKeysAndLibraries:
    def test_api_key_is_passed_in_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_KEY", "s3cret")
        with server(tmp_path, key_from="MY_KEY") as one:
            one.wait_ready(10)
            assert "s3cret" in one.log.read_text()
        monkeypatch.delenv("MY_KEY")
        with pytest.raises(UsageError, match="has no MY_KEY"):
            server(tmp_path, key_from="MY_KEY")

    def test_openmp_library_is_in_the_environment_of_the_executable(self, tmp_path: Path) -> None:
        vllm, library = tmp_path / "bin" / "vllm", tmp_path / "lib" / "libiomp5.so"
        vllm.parent.mkdir()
        vllm.touch(mode=0o755)
        assert openmp_library(str(vllm)) is None
        library.parent.mkdir()
        library.touch()
        assert openmp_library(str(vllm)) == library
        assert openmp_library("no-such-vllm") is None


VLLM_LOG = """\
(APIServer pid=1) INFO loading
(VllmWorker-0 pid=2) ERROR 11-27 05:25:25 [executor.py:953] Traceback (most recent call last):
(VllmWorker-0 pid=2) ERROR 11-27 05:25:25 [executor.py:953] ValueError: Available memory on node 0 (18.73/23.59 GiB) \
on startup is less than desired CPU memory utilization (0.92, 21.7 GiB).
(APIServer pid=1) Traceback (most recent call last):
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}
"""


def test_cause_is_the_first_error_that_says_what_is_wrong() -> None:
    cause = cause_in(VLLM_LOG)
    assert cause.startswith("ValueError: Available memory on node 0")
    assert cause.endswith("(serve with --cpu, and --kv-space GIB for what its cache may take)")
    assert cause_in("torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB\n").endswith("--max-model-len)")
    assert cause_in("SomeError: unknown words\n") == "SomeError: unknown words"
    assert cause_in("RuntimeError: Engine core initialization failed. See root cause above.\n") == ""
    assert cause_in("all is well: no Error here\n") == ""
