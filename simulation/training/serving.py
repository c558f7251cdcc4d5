"""What was learned, at the servers: a version is loaded under its own name and checked before it plays.

The embedded tier reads a version from its folder. A vLLM server is told to load it. So that no episode is played by
something else, every server that may be asked is checked first (`agents.learning.canary`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from agents.inference.backend import EndpointSettings
from agents.inference.loops import gather_or_raise, run_blocking
from agents.inference.provenance import ChatMessage, Tier
from agents.inference.servers.endpoint import api_key
from agents.inference.vllm.lifecycle import LifecycleError, LoraLifecycle, ServedModels, ServerSilentError
from agents.learning.canary import Canary, telling_prompts
from agents.learning.samples import Prompt, Version
from agents.learning.served import TokenPrompt, served_chances
from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.training.lesson import UpdateContext

if TYPE_CHECKING:
    from agents.learning.trainer import LoRATrainer

logger = logging.getLogger("society.training")

SERVER_TIERS = (Tier.CAMEL, Tier.HTTP)
_MOST_COMPARED = 64  # prompts of a learner, among which the telling ones are looked for


@dataclass(frozen=True)
class ServedCheck:
    """A version that a server answers with.

    Attributes:
        version: The version's name.
        url: The server.
        distance: The largest distance in log-probability between server and trainer; None where the trainer has no
            base model to compare with.
        tells: Whether the check can tell the version from the one before.
    """

    version: str
    url: str
    distance: float | None
    tells: bool

    def __str__(self) -> str:
        if self.distance is None:
            return f"{self.version} at {self.url}, not compared: there is no base model in this process"
        telling = "" if self.tells else "; it cannot be told from the version before"
        return f"{self.version} at {self.url}, {self.distance:.2g} from the trainer{telling}"


@dataclass(frozen=True)
class VersionCheck:
    """A version to serve, the name of the one before it, and the canary with its prompts in tokens.

    The canary is None where the trainer has no base model: what is served is then proved by the probing of each run.
    """

    version: Version
    parent: str
    canary: Canary | None = None
    asked: Sequence[TokenPrompt] = ()


def serve_versions(context: UpdateContext, prompts: Iterable[Prompt] = ()) -> tuple[ServedCheck, ...]:
    """Load each learner's version at every server that may be asked for it, check it, and unload older ones.

    Args:
        context: The update whose episodes are to be played.
        prompts: What learners were asked in the update before; a version is checked with the most telling of them.

    Returns:
        One check a version and server; none where no server may answer, or none does and the embedded tier can.

    Raises:
        CanaryError: A server answers with something else.
        LifecycleError: A server does not answer, or does not load a version.
        SocietyError: A server is limited to adapters with other names.
    """
    wanted = servers_of(context.plan, context.versions)
    if not wanted:
        return ()
    silent = run_blocking(lambda: _silent(wanted))
    if len(silent) == len(wanted) and Tier.EMBEDDED in context.plan.scenario.inference.settings().allowed:
        logger.info("no server answers; the embedded tier plays the versions")
        return ()
    checks = {each.version.learner: each for each in _checks(context, list(prompts))}
    found = run_blocking(lambda: _serve_all(wanted, checks, context.folder))
    for each in found:
        logger.info("served: %s", each)
    return tuple(found)


def servers_of(plan: Plan, learners: Iterable[str]) -> dict[EndpointSettings, list[str]]:
    """Return the learners that each server may be asked for; nothing where the embedded tier comes first.

    Raises:
        SocietyError: A server is limited to adapters with other names.
    """
    inference = plan.scenario.inference
    first = takewhile(lambda tier: tier is not Tier.EMBEDDED, inference.settings().allowed)
    if not set(first) & set(SERVER_TIERS):
        return {}
    known = {settings.url: settings for settings in inference.servers()}
    pinned = {row.model_id: row.endpoint for row in plan.roster.expand()}
    found: dict[EndpointSettings, list[str]] = {}
    for learner in learners:
        pin = pinned.get(learner)
        for settings in [known.get(pin) or EndpointSettings(pin)] if pin else known.values():
            found.setdefault(settings, []).append(learner)
    for settings in found:
        if settings.adapters is not None:
            raise SocietyError(
                f"inference.endpoints: {settings.url} is asked for {', '.join(settings.adapters)} only, and a training "
                "gives its versions new names; leave `adapters` out there"
            )
    return found


# -- what to check --------------------------------------------------------------------------------------


def _checks(context: UpdateContext, prompts: Sequence[Prompt]) -> Iterator[VersionCheck]:
    from agents.learning.trainer import LoRATrainer
    from agents.learning.versions import read_recipe

    trainer = context.trainer
    for learner, version in context.versions.items():
        if not isinstance(trainer, LoRATrainer):
            yield VersionCheck(version, read_recipe(version.folder).parent)
            continue
        asked = [each for each in dict.fromkeys(prompts) if each.learner == learner and each.choices]
        asked = [*asked[:_MOST_COMPARED], _plain_prompt(learner)]
        parent = read_recipe(version.folder).parent
        own = trainer.probabilities(asked)
        with _as_parent(trainer, version, parent):
            before = trainer.probabilities(asked)
        telling = telling_prompts(asked, own, before)
        chosen = tuple(asked[number] for number in telling)
        rows = {"own": own, "parent": before}
        tables = {name: tuple(table[number] for number in telling) for name, table in rows.items()}
        canary = Canary(version.name, chosen, **tables)
        yield VersionCheck(version, parent, canary, trainer.in_tokens(chosen))


def _plain_prompt(learner: str) -> Prompt:
    """Return what nobody is asked in a game: it tells versions apart before the first episode, or if all is decided."""
    return Prompt(learner, (ChatMessage("user", "Say a number."),), tuple(map(str, range(10))))


@contextmanager
def _as_parent(trainer: LoRATrainer, version: Version, parent: str) -> Iterator[None]:
    """Let a learner be the version before; in the end it is what it was."""
    place = version.folder.parent / parent
    if not parent or not place.is_dir():
        yield
        return
    try:
        trainer.load_weights(version.learner, place)
        yield
    finally:
        trainer.load_weights(version.learner, version.folder)


# -- at the servers -------------------------------------------------------------------------------------


async def _silent(servers: Iterable[EndpointSettings]) -> list[str]:
    """Return the URLs at which nothing answers."""

    async def ask(settings: EndpointSettings) -> str:
        async with LoraLifecycle(settings.url, api_key(settings)) as server:
            try:
                await server.served()
            except ServerSilentError:
                return settings.url
        return ""

    return [url for url in await gather_or_raise(map(ask, servers)) if url]


async def _serve_all(
    wanted: Mapping[EndpointSettings, Sequence[str]], checks: Mapping[str, VersionCheck], folder: Path
) -> list[ServedCheck]:
    calls = (_serve(settings, [checks[name] for name in names], folder) for settings, names in wanted.items())
    return [check for found in await gather_or_raise(calls) for check in found]


async def _serve(settings: EndpointSettings, checks: Sequence[VersionCheck], folder: Path) -> list[ServedCheck]:
    async with LoraLifecycle(settings.url, api_key(settings)) as server:
        served = await server.served()
        for check in checks:
            if check.version.name not in served.names:
                await _load(server, check.version)
        found = [await _check(server, check) for check in checks]
        needed = {name for check in checks for name in (check.version.name, check.parent)}
        for name in _of_training(served, folder):
            if name not in needed:
                await server.unload(name)
        return found


async def _load(server: LoraLifecycle, version: Version) -> None:
    try:
        await server.load(version.folder.resolve(), version.name)
    except ServerSilentError:
        raise
    except LifecycleError as error:
        raise LifecycleError(
            f"{error}. The server reads {version.folder.resolve()} itself: the folder must be at this place on its "
            "machine too"
        ) from error


async def _check(server: LoraLifecycle, check: VersionCheck) -> ServedCheck:
    if check.canary is None:
        return ServedCheck(check.version.name, server.url, None, tells=False)
    found = await served_chances(server, check.version.name, check.asked)
    distance = check.canary.check(lambda _prompts: found, server.url)
    return ServedCheck(check.version.name, server.url, distance, check.canary.tells)


def _of_training(served: ServedModels, folder: Path) -> list[str]:
    """Return the names that were loaded from a training's folder: no other training's are unloaded."""
    return [each.name for each in served.adapters if Path(each.root).is_relative_to(folder.resolve())]
