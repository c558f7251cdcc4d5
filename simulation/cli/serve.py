"""`society serve` and `society adapters`: the servers a society asks. Heavy imports stand inside the commands."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agents.problems import UsageError

if TYPE_CHECKING:
    from agents.inference.vllm.lifecycle import LoraLifecycle
    from agents.inference.vllm.serve_command import ServeCommand

Answer = TypeVar("Answer")

adapters_app = typer.Typer(
    help="The adapters a running vLLM server serves: list, load, unload. None is ever changed in place.",
    no_args_is_help=True,
)

Endpoint = Annotated[str, typer.Argument(help="The server's URL, for example http://localhost:8001/v1")]
KeyVariable = Annotated[
    str | None, typer.Option("--api-key-env", help="The environment variable that holds the server's key.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    app.command(epilog="Example: `society serve two_teams --replicas 2 --port 8001`")(serve)
    app.add_typer(adapters_app, name="adapters")


def serve(
    roster: Annotated[str, typer.Argument(help="A roster file, or a shipped roster's name.")],
    base: Annotated[
        str | None,
        typer.Option(help="The base's weights, a folder or a hub's name; else its base_model."),
    ] = None,
    adapters: Annotated[Path | None, typer.Option(help="A folder that holds a folder per adapter.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The first replica's port; others follow.")] = 8001,
    replicas: Annotated[int, typer.Option(min=1, help="How many servers, on as many ports.")] = 1,
    devices: Annotated[str | None, typer.Option(help="One CUDA device per replica: 0,1,...")] = None,
    vllm: Annotated[str, typer.Option(help="The vllm executable.")] = "vllm",
    cpu: Annotated[bool, typer.Option("--cpu", help="For a CPU build of vLLM.")] = False,
    kv_space: Annotated[int, typer.Option(min=1, help="With --cpu: GiB of key-value cache for each replica.")] = 1,
    max_loras: Annotated[int | None, typer.Option(min=1, help="Adapters in one batch.")] = None,
    max_cpu_loras: Annotated[int | None, typer.Option(min=1, help="Adapters kept in memory.")] = None,
    max_model_len: Annotated[int | None, typer.Option(min=1, help="The longest prompt and reply, in tokens.")] = None,
    block_size: Annotated[int | None, typer.Option(min=1, help="Tokens in a block of the prefix cache.")] = None,
    tool_parser: Annotated[str | None, typer.Option(help="vLLM's --tool-call-parser; none leaves tools out.")] = None,
    runtime_lora: Annotated[
        bool, typer.Option(help="Let `society adapters` load and unload; only for servers that you alone reach.")
    ] = True,
    api_key_env: KeyVariable = None,
    extra: Annotated[str, typer.Option(help="More options for vllm serve, in one string.")] = "",
    exec_: Annotated[bool, typer.Option("--exec", help="Start the servers here and keep them running.")] = False,
    logs: Annotated[Path | None, typer.Option(help="With --exec: the folder for the servers' logs.")] = None,
) -> None:
    """Print the `vllm serve` command that serves a roster's base and adapters; or run it.

    A row's adapter is its `adapter` path, else a folder of that name in --adapters, else a shipped one.
    """
    from agents.inference.vllm.serve_command import ServeOptions, serve_commands
    from agents.inference.vllm.served_roster import read_served_roster
    from agents.roster import Roster
    from simulation.serving.vllm_server import openmp_library, own_cores

    served = read_served_roster(Roster.load(roster), base, adapters)
    options = ServeOptions(
        vllm=vllm,
        host=host,
        port=port,
        replicas=replicas,
        devices=tuple(devices.split(",")) if devices else (),
        max_loras=max_loras,
        max_cpu_loras=max_cpu_loras,
        max_model_len=max_model_len,
        block_size=block_size,
        tool_parser=tool_parser,
        runtime_lora=runtime_lora,
        api_key_env=api_key_env,
        cpu=cpu,
        cores=own_cores(),
        kv_space=kv_space,
        openmp=openmp_library(vllm) if cpu else None,
        extra=_words(extra),
    )
    commands = serve_commands(served, options)
    if exec_:
        _run(commands, logs)
        return
    typer.echo("\n\n".join(command.shell() for command in commands))


def _words(extra: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(extra))
    except ValueError as error:
        raise UsageError(f"--extra {extra}: {error}") from error


def _run(commands: tuple[ServeCommand, ...], logs: Path | None) -> None:
    """Run servers until Ctrl-C or SIGTERM; a second Ctrl-C does not wait for them."""
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
    """An event that Ctrl-C and SIGTERM set, the first time; afterwards they mean what they meant."""
    stop, numbers = Event(), (signal.SIGINT, signal.SIGTERM)

    def told(_number: int, _frame: object) -> None:
        typer.echo("stopping", err=True)
        as_before()
        stop.set()

    def as_before() -> None:
        for number in numbers:
            signal.signal(number, before[number])

    before = {number: signal.signal(number, told) for number in numbers}
    try:
        yield stop
    finally:
        as_before()


@adapters_app.command("list", epilog="Example: `society adapters list http://localhost:8001/v1`")
def list_(endpoint: Endpoint, api_key_env: KeyVariable = None) -> None:
    """What the server serves: a line per adapter with its base and the folder it came from."""
    served = _with(endpoint, api_key_env, lambda lifecycle: lifecycle.served())
    for base in served.bases:
        typer.echo(f"{base.name}  base  {base.root}")
    for adapter in served.adapters:
        typer.echo(f"{adapter.name}  on {adapter.base}  {adapter.root}")


@adapters_app.command(epilog="Example: `society adapters load http://localhost:8001/v1 trained/negotiator --replace`")
def load(
    endpoint: Endpoint,
    path: Annotated[Path, typer.Argument(help="The PEFT folder; the server must see it at the same path.")],
    name: Annotated[str | None, typer.Option(help="The adapter's name; else the folder's.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Unload its other versions once it answers.")] = False,
    api_key_env: KeyVariable = None,
) -> None:
    """Serve an adapter; the last line printed is the name to ask for.

    That is NAME where no version of it is served yet, else NAME and eight digits of its weights' hash: under a name
    that had other weights, a prompt's cached beginning could be theirs.
    """
    loaded = _with(endpoint, api_key_env, lambda lifecycle: lifecycle.load(path, name, replace=replace))
    if loaded.already:
        typer.echo("these weights are served already", err=True)
    for other in loaded.replaced:
        typer.echo(f"{other} is served no more", err=True)
    typer.echo(loaded.name)


@adapters_app.command(epilog="Example: `society adapters unload http://localhost:8001/v1 negotiator`")
def unload(
    endpoint: Endpoint,
    name: Annotated[str, typer.Argument(help="The served name.")],
    api_key_env: KeyVariable = None,
) -> None:
    """Serve an adapter no more; calls in flight come to their end."""
    _with(endpoint, api_key_env, lambda lifecycle: lifecycle.unload(name))
    typer.echo(f"{name} is served no more", err=True)


def _with(endpoint: str, key_variable: str | None, ask: Callable[[LoraLifecycle], Awaitable[Answer]]) -> Answer:
    """Ask one server one thing."""
    from agents.inference.vllm.lifecycle import LoraLifecycle

    async def asked() -> Answer:
        async with LoraLifecycle(endpoint, _key(key_variable)) as lifecycle:
            return await ask(lifecycle)

    return asyncio.run(asked())


def _key(variable: str | None) -> str | None:
    from agents.inference.vllm.serve_command import key_for_option

    return None if variable is None else key_for_option(variable)
