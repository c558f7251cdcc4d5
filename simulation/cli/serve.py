"""`society serve`: start the vLLM servers of a roster. Heavy imports are inside the command."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from agents.problems import UsageError
from simulation.cli import adapters, model
from simulation.cli.groups import default_command
from simulation.cli.options import AdaptersOption, KeyOption, RosterArgument

if TYPE_CHECKING:
    from agents.inference.vllm.serve_command import ServeCommand, ServeOptions

START = "start"

serve_app = typer.Typer(
    cls=default_command(START),
    help="Serve a roster with vLLM: `society serve ROSTER`.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    serve_app.command(START, epilog="Example: `society serve two_teams --replicas 2 --port 8001`")(serve)
    adapters.add_to(serve_app)
    model.add_to(serve_app)
    app.add_typer(serve_app, name="serve")


def serve(
    roster: RosterArgument,
    base: Annotated[
        str | None,
        typer.Option(help="The base model's weights: a folder or a hub name; default: the roster's base_model."),
    ] = None,
    adapters: AdaptersOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="The first replica's port; the others use the next ones.")
    ] = 8001,
    replicas: Annotated[int, typer.Option(min=1, help="Number of servers; each has its own port.")] = 1,
    devices: Annotated[str | None, typer.Option(help="One CUDA device per replica: 0,1,...")] = None,
    vllm: Annotated[str, typer.Option(help="The vllm executable.")] = "vllm",
    cpu: Annotated[bool, typer.Option("--cpu", help="For a CPU build of vLLM.")] = False,
    kv_space: Annotated[int, typer.Option(min=1, help="With --cpu: GiB of key-value cache for each replica.")] = 1,
    max_loras: Annotated[
        int | None, typer.Option(min=1, help="Most adapters in one batch; with --cpu, one more than there are.")
    ] = None,
    max_cpu_loras: Annotated[int | None, typer.Option(min=1, help="Most adapters in memory.")] = None,
    max_model_len: Annotated[int | None, typer.Option(min=1, help="The longest prompt and reply, in tokens.")] = None,
    block_size: Annotated[int | None, typer.Option(min=1, help="Tokens in a block of the prefix cache.")] = None,
    tool_parser: Annotated[
        str | None, typer.Option(help="vLLM's --tool-call-parser; without it there are no tool calls.")
    ] = None,
    runtime_lora: Annotated[
        bool,
        typer.Option(help="Let `society serve adapters` load and unload; only for servers that nobody else can reach."),
    ] = True,
    api_key_env: KeyOption = None,
    extra: Annotated[str, typer.Option(help="More options for vllm serve, in one string.")] = "",
    exec_: Annotated[bool, typer.Option("--exec", help="Start the servers here and keep them running.")] = False,
    logs: Annotated[Path | None, typer.Option(help="With --exec: the folder for the servers' logs.")] = None,
) -> None:
    """Print the `vllm serve` command for a roster's base model and adapters, or run it.

    A row's adapter is the folder in its `adapter`, or else a folder of that name in --adapters, or else a shipped one.
    """
    from agents.inference.vllm.serve_command import ServeOptions, serve_commands
    from agents.inference.vllm.served_roster import read_served_roster
    from agents.roster import Roster

    options = ServeOptions(vllm, host, port, replicas, tuple(devices.split(",")) if devices else ())
    options = replace(options, max_loras=max_loras, max_cpu_loras=max_cpu_loras, max_model_len=max_model_len)
    options = replace(options, block_size=block_size, tool_parser=tool_parser)
    options = replace(options, runtime_lora=runtime_lora, api_key_env=api_key_env, extra=_words(extra))
    served = read_served_roster(Roster.load(roster), base, adapters)
    commands = serve_commands(served, _on_cpu(options, kv_space) if cpu else options)
    if exec_:
        _run(commands, logs)
        return
    typer.echo("\n\n".join(command.shell() for command in commands))


def _on_cpu(options: ServeOptions, kv_space: int) -> ServeOptions:
    from simulation.serving.vllm_server import openmp_library, own_cores

    return replace(options, cpu=True, cores=own_cores(), kv_space=kv_space, openmp=openmp_library(options.vllm))


def _words(extra: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(extra))
    except ValueError as error:
        raise UsageError(f"--extra {extra}: {error}") from error


def _run(commands: tuple[ServeCommand, ...], logs: Path | None) -> None:
    """Run servers until Ctrl-C or SIGTERM. After a second Ctrl-C, do not wait for them."""
    from agents.inference.embedded.model_store import cache_root
    from simulation.serving.supervisor import supervise
    from simulation.serving.vllm_server import VLLMServer

    folder = logs or cache_root() / "serve"
    servers = [VLLMServer(command, folder / f"{command.port}.log") for command in commands]
    for server in servers:
        typer.echo(f"starting {server.url}, log: {server.log}", err=True)
    with _stop_on_signal() as stop:
        supervise(servers, stop, lambda line: typer.echo(line, err=True))


@contextmanager
def _stop_on_signal() -> Iterator[Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; the second one has its usual effect."""
    stop, numbers = Event(), (signal.SIGINT, signal.SIGTERM)

    def handle(_number: int, _frame: object) -> None:
        typer.echo("stopping", err=True)
        restore()
        stop.set()

    def restore() -> None:
        for number in numbers:
            signal.signal(number, before[number])

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        restore()
