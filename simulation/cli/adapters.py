"""`society serve adapters`: the adapters of a running vLLM server. Heavy imports are inside the commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agents.problems import UsageError
from simulation.cli.options import AdaptersOption, KeyOption, ServerArgument

if TYPE_CHECKING:
    from agents.inference.vllm.lifecycle import LoraLifecycle

Answer = TypeVar("Answer")

adapters_app = typer.Typer(
    help="List, load and unload the adapters of a running vLLM server.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    app.add_typer(adapters_app, name="adapters")


@adapters_app.command("list", epilog="Example: `society serve adapters list http://localhost:8001/v1`")
def list_(endpoint: ServerArgument, api_key_env: KeyOption = None) -> None:
    """What the server serves: a line per adapter with its base and the folder it came from."""
    served = _with(endpoint, api_key_env, lambda lifecycle: lifecycle.served())
    for base in served.bases:
        typer.echo(f"{base.name}  base  {base.root}")
    for adapter in served.adapters:
        typer.echo(f"{adapter.name}  on {adapter.base}  {adapter.root}")


@adapters_app.command(
    epilog="Example: `society serve adapters load http://localhost:8001/v1 trained/negotiator --replace`"
)
def load(
    endpoint: Annotated[
        str | None, typer.Argument(help="The server's URL, for example http://localhost:8001/v1")
    ] = None,
    path: Annotated[
        Path | None, typer.Argument(help="The PEFT folder; the server must see it at the same path.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The adapter's name; else the folder's.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Its base model at the server, where its configuration has another name for it.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Unload its other versions once it answers.")] = False,
    all_: Annotated[
        str | None,
        typer.Option("--all", metavar="SCENARIO", help="Load the roster's adapters on all of this scenario's servers."),
    ] = None,
    adapters: AdaptersOption = None,
    api_key_env: KeyOption = None,
) -> None:
    """Load an adapter, or with --all each adapter of a scenario at each of its servers.

    The last line printed is the served name. It is NAME, or NAME and eight digits of the weights' hash if NAME is in
    use: an old name could use the prefix cache of the old weights. With --all a name that is served is left alone, so
    the command may be repeated.
    """
    if all_ is not None:
        _load_all(all_, adapters)
        return
    if endpoint is None or path is None:
        raise UsageError("name the server and the adapter's folder, or a scenario: --all SCENARIO")
    loaded = _with(endpoint, api_key_env, lambda lifecycle: lifecycle.load(path, name, replace=replace, base=base))
    if loaded.already:
        typer.echo("these weights are already served", err=True)
    for other in loaded.replaced:
        typer.echo(f"{other} is unloaded", err=True)
    typer.echo(loaded.name)


def _load_all(scenario: str, adapters: Path | None) -> None:
    """Load a scenario's adapters everywhere; exit with 1 if one is missing somewhere."""
    from agents.inference.vllm.residency import load_everywhere
    from agents.inference.vllm.served_roster import read_served_roster
    from simulation.plan import make_plan

    plan = make_plan(scenario)
    inference, served = plan.scenario.inference, read_served_roster(plan.roster, adapters=adapters)
    found = asyncio.run(load_everywhere(served.adapters, plan.roster.models, inference.servers(), inference.trust_env))
    for each in found:
        typer.echo(str(each), err=bool(each.problem))
    if any(each.problem for each in found):
        raise typer.Exit(1)


@adapters_app.command(epilog="Example: `society serve adapters unload http://localhost:8001/v1 negotiator`")
def unload(
    endpoint: ServerArgument,
    name: Annotated[str, typer.Argument(help="The served name.")],
    api_key_env: KeyOption = None,
) -> None:
    """Unload an adapter. Calls in flight still finish."""
    _with(endpoint, api_key_env, lambda lifecycle: lifecycle.unload(name))
    typer.echo(f"{name} is unloaded", err=True)


def _with(endpoint: str, key_variable: str | None, ask: Callable[[LoraLifecycle], Awaitable[Answer]]) -> Answer:
    """Open a connection to one server, make one request, and return the answer."""
    from agents.inference.vllm.lifecycle import LoraLifecycle

    async def answer() -> Answer:
        async with LoraLifecycle(endpoint, _key(key_variable)) as lifecycle:
            return await ask(lifecycle)

    return asyncio.run(answer())


def _key(variable: str | None) -> str | None:
    from agents.inference.vllm.serve_command import key_for_option

    return None if variable is None else key_for_option(variable)
