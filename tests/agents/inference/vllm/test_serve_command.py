"""The `vllm serve` command for a roster, its environment, and that it never contains a key."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.inference.adapter_folder import AdapterFolder
from agents.inference.vllm.serve_command import (
    RANKS,
    ServeCommand,
    ServedRoster,
    ServeOptions,
    allowed_rank,
    serve_commands,
    tool_parser,
)
from agents.problems import UsageError

TWO = (AdapterFolder("a", Path("/a/one")), AdapterFolder("b", Path("/a/two")))
SERVED = ServedRoster("/models/qwen", ("qwen2-7b", "Qwen/Qwen2-7B"), TWO, rank=12)


def command(served: ServedRoster = SERVED, **options: object) -> ServeCommand:
    [only] = serve_commands(served, ServeOptions(**options))  # type: ignore[arg-type]
    return only


def values(argv: Sequence[str], option: str) -> list[str]:
    """The words after `option`, up to the next one."""
    rest = argv[argv.index(option) + 1 :]
    end = next((place for place, word in enumerate(rest) if word.startswith("--")), len(rest))
    return list(rest[:end])


class TestCommand:
    def test_the_command_names_the_base_and_each_adapter(self) -> None:
        argv = command().argv
        assert argv[:3] == ("vllm", "serve", "/models/qwen")
        assert values(argv, "--served-model-name") == ["qwen2-7b", "Qwen/Qwen2-7B"]
        assert values(argv, "--lora-modules") == ["a=/a/one", "b=/a/two"]
        assert "--enable-lora" in argv

    def test_memory_fits_every_adapter_and_its_next_version(self) -> None:
        argv = command().argv
        assert values(argv, "--max-lora-rank") == ["16"]
        assert values(argv, "--max-loras") == ["2"]
        assert values(argv, "--max-cpu-loras") == ["4"]

    def test_many_adapters_share_a_batch(self) -> None:
        many = tuple(AdapterFolder(f"m{number}", Path("/a")) for number in range(40))
        argv = command(ServedRoster("b", ("b",), many)).argv
        assert (values(argv, "--max-loras"), values(argv, "--max-cpu-loras")) == (["16"], ["80"])
        argv = command(ServedRoster("b", ("b",), many), max_loras=4).argv
        assert values(argv, "--max-loras") == ["4"]

    def test_a_base_alone_can_load_adapters_later(self) -> None:
        argv = command(ServedRoster("b", ("b",))).argv
        assert "--enable-lora" in argv
        assert "--lora-modules" not in argv
        assert command().environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
        assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" not in command(runtime_lora=False).environment

    @given(st.integers(1, RANKS[-1]))
    def test_allowed_rank_rounds_up(self, rank: int) -> None:
        chosen = allowed_rank(rank)
        assert chosen in RANKS
        assert chosen >= rank
        assert not [each for each in RANKS if rank <= each < chosen]

    def test_allowed_rank_refuses_a_rank_that_is_too_large(self) -> None:
        with pytest.raises(UsageError, match="rank 513; vLLM serves 512 at most"):
            allowed_rank(513)

    def test_fewer_adapters_in_memory_than_in_a_batch_are_refused(self) -> None:
        with pytest.raises(UsageError, match="--max-cpu-loras 1 is less than the 2"):
            command(max_cpu_loras=1)

    @pytest.mark.parametrize(
        ("base", "parser"),
        [("Qwen/Qwen2-7B-Instruct", "hermes"), ("meta-llama/Llama-3.1-8B", "llama3_json"), ("mistral-7b", "mistral")],
    )
    def test_tool_parser_follows_the_family_of_the_base(self, base: str, parser: str) -> None:
        assert tool_parser(base) == parser
        assert values(command(ServedRoster("b", (base,))).argv, "--tool-call-parser") == [parser]

    def test_tools_can_be_left_out(self) -> None:
        assert not {"--tool-call-parser", "--enable-auto-tool-choice"} & set(command(tool_parser="none").argv)

    def test_extra_options_come_last_and_win(self) -> None:
        assert command(extra=("--dtype", "float32")).argv[-2:] == ("--dtype", "float32")


class TestReplicas:
    def test_replicas_take_the_ports_that_follow(self) -> None:
        commands = serve_commands(SERVED, ServeOptions(port=9000, replicas=3))
        assert [each.url for each in commands] == [f"http://127.0.0.1:{port}/v1" for port in (9000, 9001, 9002)]
        assert [values(each.argv, "--port") for each in commands] == [["9000"], ["9001"], ["9002"]]

    def test_each_replica_has_its_device(self) -> None:
        commands = serve_commands(SERVED, ServeOptions(replicas=2, devices=("0", "3")))
        assert [each.environment["CUDA_VISIBLE_DEVICES"] for each in commands] == ["0", "3"]
        with pytest.raises(UsageError, match="names 1 devices for 2 replicas"):
            serve_commands(SERVED, ServeOptions(replicas=2, devices=("0",)))

    def test_ports_above_65535_are_refused(self) -> None:
        with pytest.raises(UsageError, match="65535"):
            serve_commands(SERVED, ServeOptions(port=65535, replicas=2))

    def test_the_url_of_a_server_on_all_addresses_is_local(self) -> None:
        assert command(host="0.0.0.0").url == "http://127.0.0.1:8001/v1"


class TestCpu:
    def test_a_cpu_build_gets_its_options_and_variables(self) -> None:
        made = command(cpu=True, kv_space=2, openmp=Path("/v/lib/libiomp5.so"))
        assert {"--no-enable-chunked-prefill", "--enforce-eager"} <= set(made.argv)
        assert values(made.argv, "--block-size") == ["32"]
        assert made.environment["VLLM_CPU_KVCACHE_SPACE"] == "2"
        assert made.environment["LD_PRELOAD"] == "/v/lib/libiomp5.so"

    @pytest.mark.parametrize("count", [0, 1, 2, 20])
    def test_one_slot_of_adapters_stays_empty_on_a_cpu(self, count: int) -> None:
        """The base model's rows of a mixed batch get the weights of the last slot, see vLLM's PR 48421."""
        adapters = tuple(AdapterFolder(f"m{number}", Path("/a")) for number in range(count))
        argv = command(ServedRoster("b", ("b",), adapters), cpu=True).argv
        assert values(argv, "--max-loras") == [str(count + 1)]
        assert int(values(argv, "--max-cpu-loras")[0]) >= count + 1
        assert values(command(ServedRoster("b", ("b",), adapters), cpu=True, max_loras=3).argv, "--max-loras") == ["3"]

    def test_cpu_options_are_not_given_to_a_gpu(self) -> None:
        made = command()
        assert not {"--no-enable-chunked-prefill", "--enforce-eager", "--block-size"} & set(made.argv)
        assert not [name for name in made.environment if "CPU" in name]

    @pytest.mark.parametrize(
        ("cores", "shares"), [((0, 1), ["0", "1"]), (tuple(range(5)), ["0,1", "2,3"]), ((0,), ["nobind", "nobind"])]
    )
    def test_replicas_do_not_share_cores(self, cores: tuple[int, ...], shares: list[str]) -> None:
        commands = serve_commands(SERVED, ServeOptions(cpu=True, replicas=2, cores=cores))
        assert [each.environment["VLLM_CPU_OMP_THREADS_BIND"] for each in commands] == shares

    def test_a_single_cpu_server_gets_no_core_binding(self) -> None:
        assert "VLLM_CPU_OMP_THREADS_BIND" not in command(cpu=True, cores=(0, 1)).environment


class TestSecretsAndShells:
    def test_the_key_is_in_the_environment_and_never_in_the_command(self) -> None:
        made = command(api_key_env="MY_KEY")
        assert made.whole_environment({"MY_KEY": "s3cret"})["VLLM_API_KEY"] == "s3cret"
        assert 'VLLM_API_KEY="${MY_KEY:?}"' in made.shell()
        assert "s3cret" not in made.shell() + " ".join(made.argv) + str(made.environment)

    def test_a_missing_key_is_refused(self) -> None:
        with pytest.raises(UsageError, match="the environment has no MY_KEY"):
            command(api_key_env="MY_KEY").whole_environment({})

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
    @example("\\\n")
    def test_a_shell_reads_back_the_same_command(self, odd: str) -> None:
        made = command(ServedRoster(odd, (odd,), (AdapterFolder("a", Path("/x") / "y z"),)))
        words = shlex.split(made.shell().replace(" \\\n  ", " "))
        assert tuple(words[-len(made.argv) :]) == made.argv
        assert dict(word.split("=", 1) for word in words[: -len(made.argv)]) == made.environment
