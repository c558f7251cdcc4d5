"""`society serve` and `society serve adapters` as a user types them."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.adapters import write_adapter
from tests.support.scripted_process import scripted_process

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

UNUSED = "http://127.0.0.1:9/v1"


class TestServe:
    def test_serve_prints_the_command_of_a_shipped_roster(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = society(capsys, "serve", "two_teams", "--port", "8100")
        assert code == 0
        words = shlex.split(out.replace("\\\n", ""))
        assert words[words.index("vllm") :][:2] == ["vllm", "serve"]
        assert words[words.index("--served-model-name") + 1] == "SmolLM2-135M-Instruct"
        modules = [word.split("=")[0] for word in words if "/adapters/" in word]
        assert modules == ["cooperator", "reciprocator", "defector"]

    def test_serve_prints_a_command_per_replica(self, capsys: pytest.CaptureFixture[str]) -> None:
        _, out, _ = society(capsys, "serve", "two_teams", "--replicas", "2", "--devices", "0,1")
        first, second = out.split("\n\n")
        assert "--port 8001" in first
        assert "--port 8002" in second
        assert "CUDA_VISIBLE_DEVICES=1" in second

    def test_serve_never_prints_the_api_key(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_KEY", "s3cret")
        _, out, err = society(capsys, "serve", "two_teams", "--api-key-env", "MY_KEY")
        assert 'VLLM_API_KEY="${MY_KEY:?}"' in out
        assert "s3cret" not in out + err

    def test_serve_names_a_row_without_an_adapter_folder(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        roster = tmp_path / "mine.yaml"
        society(capsys, "new", "roster", str(roster), "--base", "qwen2-7b", "--adapter", "negotiator")
        code, _, err = society(capsys, "serve", str(roster))
        assert code == 1
        assert "mine: models.0 (negotiator): there is no folder for adapter 'negotiator'" in err
        write_adapter(tmp_path / "all" / "negotiator", base="Qwen/qwen2-7b", rank=48)
        code, out, _ = society(capsys, "serve", str(roster), "--adapters", str(tmp_path / "all"))
        assert (code, "--max-lora-rank 64" in out) == (0, True)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--extra", "--dtype 'float"), "--extra --dtype 'float: No closing quotation"),
            (("--replicas", "2", "--devices", "0"), "--devices names 1 devices for 2 replicas"),
            (("--exec", "--api-key-env", "NO_SUCH_KEY"), "the environment has no NO_SUCH_KEY"),
        ],
    )
    def test_serve_refuses_bad_options(
        self, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
    ) -> None:
        code, _, err = society(capsys, "serve", "two_teams", *options)
        assert (code, words in err) == (2, True)

    def test_serve_exec_ends_with_the_log_of_a_failed_server(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        vllm = tmp_path / "vllm"
        vllm.write_text(f"#!{sys.executable}\nimport sys; sys.exit('no model of that name')\n")
        vllm.chmod(0o755)
        options = ("--exec", "--vllm", str(vllm), "--logs", str(tmp_path / "logs"), "--port", "18399")
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        code, _, err = society(capsys, "serve", "two_teams", *options)
        assert code == 1
        assert "ended with exit code 1 before it answered" in err
        assert "no model of that name" in err
        assert (tmp_path / "logs" / "18399.log").exists()
        assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


class TestAdapters:
    def test_adapters_load_list_and_unload(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        with scripted_process(["ada"]) as server:
            folder = write_adapter(tmp_path / "eve")
            assert society(capsys, "serve", "adapters", "load", server.url, str(folder))[1] == "eve\n"
            write_adapter(folder, weights=b"trained on")
            code, out, err = society(capsys, "serve", "adapters", "load", server.url, str(folder), "--replace")
            assert code == 0
            name = out.strip()
            assert name.startswith("eve-")
            assert err == "eve is unloaded\n"
            _, out, err = society(capsys, "serve", "adapters", "load", server.url, str(folder))
            assert (out.strip(), err) == (name, "these weights are already served\n")
            listed = society(capsys, "serve", "adapters", "list", server.url)[1].splitlines()
            assert listed == ["base  base  /models/tiny", "ada  on base  /a/ada", f"{name}  on base  {folder}"]
            assert society(capsys, "serve", "adapters", "unload", server.url, name)[0] == 0
            assert name not in society(capsys, "serve", "adapters", "list", server.url)[1]

    def test_adapters_read_the_api_key_from_the_environment(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_KEY", "s3cret")
        with scripted_process(["ada"], "--api-key-env", "MY_KEY") as server:
            code, _, err = society(capsys, "serve", "adapters", "list", server.url)
            assert (code, "wants its key" in err) == (1, True)
            code, out, _ = society(capsys, "serve", "adapters", "list", server.url, "--api-key-env", "MY_KEY")
            assert (code, "ada" in out, "s3cret" in out) == (0, True, False)

    def test_adapters_report_a_missing_server_and_key(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = society(capsys, "serve", "adapters", "list", UNUSED)
        assert (code, f"nothing answers at {UNUSED}" in err) == (1, True)
        code, _, err = society(capsys, "serve", "adapters", "list", UNUSED, "--api-key-env", "NO_SUCH_KEY")
        assert (code, "the environment has no NO_SUCH_KEY" in err) == (2, True)
